"""/users: the directory, preferences, export and erasure, over HTTP."""

from typing import Any

import pytest

from kxmsg.model.envelope import Envelope
from kxmsg.model.target import Target
from tests.api.conftest import Api
from tests.product import envelope

QUIET = {"start": "22:00", "end": "07:00", "allowUrgent": True}
PREFERENCES = {
    "locale": "de",
    "timeZone": "Europe/Berlin",
    "categories": {"ads": {"websocket": True, "events": False}, "orders": {"websocket": True, "events": True}},
    "quietHours": QUIET,
}
NOTHING_SAID: dict[str, Any] = {"locale": None, "timeZone": "UTC", "categories": {}, "quietHours": None}


def recent(api: Api, ident: str, target: Target, **changes: Any) -> Envelope:
    """An entry that is not long expired."""
    return envelope(ident, target, created_at=int(api.app.clock.now() * 1000), **changes)


async def test_who_makes_a_request_is_a_user_of_the_tenant(api: Api) -> None:
    await api.call("GET", "/notifications", "ana")
    await api.call("GET", "/notifications", "bot-7", "bot")
    await api.call("GET", "/notifications", "eve", tenant="globex")
    listed = await api.call("GET", "/users", "max", "employee")
    assert [(one["userId"], one["name"], one["roles"]) for one in listed.body["users"]] == [
        ("ana", "Ana", ["member"]),
        ("bot-7", "Bot-7", ["bot"]),
        ("max", "Max", ["employee"]),
    ]
    assert (listed.body["count"], listed.body["hasMore"], listed.body["nextCursor"]) == (3, False, None)
    assert listed.body["queryParams"] == {"tenantId": "acme", "role": None, "limit": 50}
    bots = await api.call("GET", "/users?role=bot", "max", "employee")
    assert [one["userId"] for one in bots.body["users"]] == ["bot-7"]


async def test_lists_go_page_by_page_and_a_cursor_is_its_callers_alone(api: Api) -> None:
    for user in ("ana", "bob", "cleo"):
        await api.call("PUT", f"/users/{user}", "root", "admin", json={})
    first = (await api.call("GET", "/users?limit=2", "root", "admin")).body
    assert ([one["userId"] for one in first["users"]], first["hasMore"]) == (["ana", "bob"], True)
    params = {"limit": 2, "cursor": first["nextCursor"]}
    second = (await api.call("GET", "/users", "root", "admin", params=params)).body
    assert ([one["userId"] for one in second["users"]], second["nextCursor"]) == (["cleo", "root"], None)
    assert (await api.call("GET", "/users", "max", "employee", params=params)).code == "invalid_cursor"


async def test_an_administrator_enters_and_changes_users(api: Api) -> None:
    entered = await api.call("PUT", "/users/bot-7", "root", "admin", json={"name": "Helper", "roles": ["bot"]})
    assert entered.status == 201
    assert {name: entered.body["user"][name] for name in ("userId", "tenantId", "name", "email", "roles")} == {
        "userId": "bot-7", "tenantId": "acme", "name": "Helper", "email": None, "roles": ["bot"],
    }  # fmt: skip
    changes = {"email": "b@x.example", "locale": "pt_BR", "timeZone": "America/Sao_Paulo"}
    changed = await api.call("PUT", "/users/bot-7", "root", "admin", json=changes)
    shown = changed.body["user"]
    assert (changed.status, shown["name"], shown["roles"]) == (200, "Helper", ["bot"])
    assert (shown["email"], shown["locale"], shown["timeZone"]) == ("b@x.example", "pt-br", "America/Sao_Paulo")
    taken = await api.call("PUT", "/users/bot-7", "root", "admin", json={"name": None, "roles": None, "timeZone": None})
    assert [taken.body["user"][name] for name in ("name", "roles", "timeZone")] == [None, ["member"], "UTC"]
    lead = await api.call("POST", "/channels", "root", "admin", json={"channelType": "lead"})
    assert lead.body["channel"]["botEmployeeId"] is None, "it is no bot any more"


async def test_a_lead_without_a_bot_gets_one_that_the_directory_knows(api: Api) -> None:
    await api.call("PUT", "/users/bot-7", "root", "admin", json={"roles": ["bot"]})
    lead = await api.call("POST", "/channels", "root", "admin", json={"channelType": "lead"})
    assert lead.body["channel"]["botEmployeeId"] == "bot-7"


async def test_users_see_themselves_and_employees_see_all(api: Api) -> None:
    own = await api.call("GET", "/users/me", "ana")
    assert (own.status, own.body["user"]["userId"], own.body["user"]["email"]) == (200, "ana", None)
    assert (await api.call("GET", "/users/ana", "max", "employee")).status == 200
    for path, user, roles in (
        ("/users/ana", "bob", ["member"]),
        ("/users/none", "bob", ["member"]),
        ("/users/none", "root", ["admin"]),
        ("/users/ana/preferences", "max", ["employee"]),
    ):
        refused = await api.call("GET", path, user, *roles)
        assert (refused.status, refused.code) == (404, "user_not_found"), path
    assert (await api.call("GET", "/users/ana", "root", "admin", tenant="globex")).status == 404
    assert (await api.call("GET", "/users", "ana")).status == 403
    assert (await api.call("PUT", "/users/ana", "ana", json={"roles": ["admin"]})).status == 403
    assert (await api.call("GET", "/users?tenantId=globex", "root", "admin")).status == 403


async def test_roles_of_the_directory_give_no_rights(api: Api) -> None:
    """What a caller may do, their token says."""
    await api.call("PUT", "/users/ana", "root", "admin", json={"roles": ["admin"]})
    assert (await api.call("PUT", "/users/bob", "ana", json={})).status == 403


async def test_everybodys_tenant_has_no_users(api: Api) -> None:
    assert (await api.call("GET", "/users", "svc", "system", tenant="*")).status == 400
    assert (await api.call("PUT", "/users/ana", "svc", "system", tenant="*", json={})).status == 400
    assert (await api.call("GET", "/users/me", "svc", "system", tenant="*")).status == 404
    assert (await api.call("DELETE", "/users/acme/data", "svc", "system", tenant="*")).status == 400


async def test_an_update_that_comes_second_is_refused(api: Api) -> None:
    await api.call("PUT", "/users/ana", "root", "admin", json={"name": "A"})
    tag = (await api.call("GET", "/users/ana", "root", "admin")).headers["ETag"]
    match = {"If-Match": tag}
    assert (await api.call("PUT", "/users/ana", "root", "admin", json={"name": "B"}, headers=match)).status == 200
    assert (await api.call("PUT", "/users/ana", "root", "admin", json={"name": "C"}, headers=match)).status == 412
    late = await api.call("PUT", "/users/ana/preferences", "root", "admin", json={}, headers=match)
    assert (late.status, late.code) == (412, "precondition_failed")


@pytest.mark.parametrize(
    "wrong",
    [{"roles": ["king"]}, {"roles": []}, {"locale": "german"}, {"timeZone": "Mars/Olympus"}, {"name": "x" * 257}],
    ids=str,
)
async def test_what_no_user_can_be_is_refused(api: Api, wrong: dict[str, Any]) -> None:
    assert (await api.call("PUT", "/users/ana", "root", "admin", json=wrong)).status == 400


# ---------------------------------------------------------------------------------------------------- preferences


async def test_preferences_are_kept_as_they_were_put_and_replaced_as_a_whole(api: Api) -> None:
    assert (await api.call("GET", "/users/me/preferences", "ana")).body["preferences"] == NOTHING_SAID
    put = await api.call("PUT", "/users/me/preferences", "ana", json=PREFERENCES)
    assert (put.status, put.body["preferences"]) == (200, PREFERENCES)
    assert (await api.call("GET", "/users/ana/preferences", "root", "admin")).body["preferences"] == PREFERENCES
    assert (await api.call("GET", "/users/me", "ana")).body["user"]["timeZone"] == "Europe/Berlin"
    replaced = await api.call("PUT", "/users/me/preferences", "ana", json={"quietHours": QUIET})
    assert replaced.body["preferences"] == {**NOTHING_SAID, "quietHours": QUIET}
    again = await api.call("PUT", "/users/me/preferences", "ana", json={"quietHours": QUIET})
    assert again.headers["ETag"] == replaced.headers["ETag"], "it stood so already"


async def test_preferences_of_others_are_for_administrators(api: Api) -> None:
    await api.call("GET", "/users/me", "ana")
    assert (await api.call("PUT", "/users/ana/preferences", "root", "admin", json=PREFERENCES)).status == 200
    assert (await api.call("PUT", "/users/ana/preferences", "bob", json={})).status == 404
    assert (await api.call("PUT", "/users/none/preferences", "root", "admin", json={})).status == 404


@pytest.mark.parametrize(
    "wrong",
    [
        {"categories": {"ads": {"email": False}}},
        {"categories": {"": {}}},
        {"categories": {str(number): {} for number in range(101)}},
        {"quietHours": {"start": "22:00"}},
        {"quietHours": {"start": "24:00", "end": "07:00"}},
        {"quietHours": {"start": "22:60", "end": "07:00"}},
        {"quietHours": {"start": "٢٢:00", "end": "07:00"}},
        {"quietHours": {"start": "22:00", "end": "22:00"}},
        {"quiethours": QUIET},
        {"timeZone": "../../etc/passwd"},
        {"locale": "x"},
    ],
    ids=lambda wrong: str(wrong)[:60],
)
async def test_what_nobody_can_prefer_is_refused_and_misspelt_words_too(api: Api, wrong: dict[str, Any]) -> None:
    assert (await api.call("PUT", "/users/me/preferences", "ana", json=wrong)).status == 400


async def test_the_language_that_a_user_has_chosen_goes_before_their_browsers(api: Api) -> None:
    payload = {"content": "Hello", "variants": {"de": {"content": "Hallo"}, "fr": {"content": "Bonjour"}}}
    await api.app.logs.append("acme", Target("user", "ana"), [recent(api, "n", Target("user", "ana"), payload=payload)])
    french = {"Accept-Language": "fr"}

    async def read() -> str:
        answer = await api.call("GET", "/notifications", "ana", headers=french)
        return str(answer.body["notifications"][0]["content"])

    assert await read() == "Bonjour"
    await api.call("PUT", "/users/me/preferences", "ana", json={"locale": "de"})
    assert await read() == "Hallo"


# ------------------------------------------------------------------------------------------- export and erasure


async def test_a_user_is_exported_and_erased(api: Api) -> None:
    own = Target("user", "ana")
    await api.call("PUT", "/users/me/preferences", "ana", json=PREFERENCES)
    await api.call("POST", "/channels", "ana", json={
        "channelType": "group", "channelId": "team", "participants": [{"userId": "ana"}, {"userId": "bob"}]
    })  # fmt: skip
    said = [recent(api, f"m{number}", Target("channel", "team"), payload={"content": "x", "senderId": who})
            for number, who in enumerate(["ana", "bob", "ana"])]  # fmt: skip
    await api.app.logs.append("acme", Target("channel", "team"), said)
    await api.call("POST", "/messages/m1/reactions", "ana", json={"emoji": "👍"})
    await api.app.logs.append("acme", own, [recent(api, "n1", own), recent(api, "n2", own)])
    await api.call("POST", "/notifications/mark-read", "ana", json={"notificationIds": ["n1"]})

    first = (await api.call("GET", "/users/me/data?limit=3", "ana")).body
    assert (first["data"]["user"]["userId"], first["data"]["preferences"]) == ("ana", PREFERENCES)
    assert (first["data"]["channels"], first["count"], first["hasMore"]) == (["team"], 3, True)
    statuses = {one["notificationId"]: one["status"] for one in first["data"]["notifications"]}
    assert statuses == {"n1": "read", "n2": "unread"}
    params = {"limit": 3, "cursor": first["nextCursor"]}
    second = (await api.call("GET", "/users/me/data", "ana", params=params)).body
    assert (second["hasMore"], "user" in second["data"], second["data"]["channels"]) == (False, False, [])
    messages = [one["messageId"] for page in (first, second) for one in page["data"]["messages"]]
    assert messages == ["m0", "m2"]

    assert (await api.call("DELETE", "/users/ana/data", "ana")).status == 403
    assert (await api.call("GET", "/users/ana/data", "bob", "employee")).status == 403
    erased = await api.call("DELETE", "/users/ana/data", "root", "admin")
    assert erased.body == {
        "success": True,
        "message": "User data erased successfully",
        "summary": {"entriesDeleted": 2, "messagesDeleted": 2, "reactionsDeleted": 1, "channelsLeft": 1},
    }
    assert (await api.call("GET", "/users/ana", "root", "admin")).status == 404
    left = (await api.call("GET", "/channels/team", "bob")).body
    assert (left["channel"]["participants"], [one["messageId"] for one in left["messages"]]) == (["bob"], ["m1"])
    assert left["messages"][0]["reactions"] == []
    again = await api.call("DELETE", "/users/ana/data", "root", "admin")
    assert set(again.body["summary"].values()) == {0}
