"""/notifications over HTTP: a user's inbox, what one does with it, and sending."""

import time
from typing import Any

import pytest

from kxmsg.model.target import BROADCAST, EVERYBODY, Target
from tests.api.conftest import Api
from tests.product import envelope


async def fill(api: Api) -> None:
    """Two entries of ana's own, one of her client's, one of everybody's; and what is not hers."""
    logs = api.app.logs
    now = int(time.time() * 1000)
    ana = Target("user", "ana")
    await logs.append("acme", ana, [envelope("own-1", created_at=now + 1), envelope("own-2", created_at=now + 4)])
    client = Target("client", "acme")
    await logs.append("acme", client, [envelope("client-1", client, created_at=now + 2)])
    everybody = envelope("all-1", BROADCAST, tenant=EVERYBODY, created_at=now + 3)
    await logs.append(EVERYBODY, BROADCAST, [everybody])
    await logs.append("other", ana, [envelope("namesake", tenant="other", created_at=now)])
    bo = Target("user", "bo")
    await logs.append("acme", bo, [envelope("bos", bo, created_at=now)])


def idents(body: Any) -> list[str]:
    return [one["notificationId"] for one in body["notifications"]]


async def test_the_inbox_is_newest_first_across_its_logs_and_nobody_elses(api: Api) -> None:
    await fill(api)
    answer = await api.call("GET", "/notifications", "ana")
    assert answer.status == 200
    assert idents(answer.body) == ["own-2", "all-1", "client-1", "own-1"]
    assert (answer.body["count"], answer.body["hasMore"], answer.body["nextCursor"]) == (4, False, None)
    assert answer.body["queryParams"] == {
        "userId": "ana",
        "tenantId": "acme",
        "targetTypes": None,
        "status": None,
        "priority": None,
        "category": None,
        "limit": 50,
    }


async def test_pages_follow_one_another_without_gap_or_repeat(api: Api) -> None:
    await fill(api)
    seen: list[str] = []
    params = {"limit": "1"}
    while True:
        body = (await api.call("GET", "/notifications", "ana", params=params)).body
        seen += idents(body)
        if not body["hasMore"]:
            break
        params["cursor"] = body["nextCursor"]
    assert seen == ["own-2", "all-1", "client-1", "own-1"]


async def test_target_types_narrow_it(api: Api) -> None:
    await fill(api)
    body = (await api.call("GET", "/notifications?targetTypes=user,%20client", "ana")).body
    assert idents(body) == ["own-2", "client-1", "own-1"]


async def test_texts_are_those_of_the_language_asked_for_and_variants_are_never_shown(api: Api) -> None:
    ana = Target("user", "ana")
    variants = {"de": {"title": "Hallo"}, "fr": {"title": "Bonjour"}}
    payload = {"title": "Hello", "content": "?", "variants": variants}
    await api.app.logs.append("acme", ana, [envelope("one", payload=payload, created_at=int(time.time() * 1000))])
    app = api.app
    token = app.secrets.mint("ana", "acme", ["member"], 60, app.settings.issuer, app.settings.audience)
    for accepted, title in (("de-AT, fr;q=0.9", "Hallo"), ("fr", "Bonjour"), ("it", "Hello"), ("*", "Hello")):
        headers = {"Authorization": f"Bearer {token}", "Accept-Language": accepted}
        answer = await api.raw("GET", "/notifications", headers=headers)
        (record,) = answer.body["notifications"]
        assert (record["title"], record["content"]) == (title, "?")
        assert "variants" not in record


async def test_an_admin_reads_others_inboxes_and_a_member_only_their_own(api: Api) -> None:
    await fill(api)
    assert idents((await api.call("GET", "/notifications?userId=ana", "adam", "admin")).body)[0] == "own-2"
    refused = await api.call("GET", "/notifications?userId=ana", "bo")
    assert (refused.status, refused.code) == (403, "forbidden")


async def test_another_tenant_is_refused_even_to_a_service(api: Api) -> None:
    assert (await api.call("GET", "/notifications?tenantId=acme", "ana")).status == 200
    assert (await api.call("GET", "/notifications?tenantId=other", "ana", "system")).status == 403


async def test_a_cursor_is_good_for_its_user_and_query_alone(api: Api) -> None:
    await fill(api)
    cursor = (await api.call("GET", "/notifications?limit=1", "ana")).body["nextCursor"]
    for user, query in (("bo", ""), ("ana", "&targetTypes=user")):
        assert (await api.call("GET", f"/notifications?cursor={cursor}{query}", user)).status == 400
    assert (await api.call("GET", f"/notifications?cursor=x{cursor}", "ana")).status == 400


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=201", "limit=x", "targetTypes=channel", "userId=a%23b", "status=seen", "priority=huge"],
)
async def test_a_wrong_parameter_is_refused(api: Api, query: str) -> None:
    answer = await api.call("GET", f"/notifications?{query}", "adam", "admin")
    assert (answer.status, answer.body["success"]) == (400, False)


async def test_without_a_token_there_is_no_inbox(api: Api) -> None:
    assert (await api.raw("GET", "/notifications")).status == 401


async def test_filters_narrow_it(api: Api) -> None:
    now = int(time.time() * 1000)
    kinds = {"a": {"priority": "urgent"}, "b": {"category": "billing"}, "c": {"priority": "urgent", "category": "x"}}
    some = [envelope(ident, payload={"content": "?", **kind}, created_at=now) for ident, kind in kinds.items()]
    await api.app.logs.append("acme", Target("user", "ana"), some)
    await api.call("POST", "/notifications/mark-read", "ana", json={"notificationIds": ["a"]})
    for query, wanted in (
        ("priority=urgent", ["c", "a"]),
        ("category=billing", ["b"]),
        ("priority=urgent&category=x", ["c"]),
        ("status=unread", ["c", "b"]),
        ("status=read", ["a"]),
        ("status=archived", []),
        ("status=read&priority=urgent", ["a"]),
    ):
        body = (await api.call("GET", f"/notifications?{query}", "ana")).body
        assert idents(body) == wanted


async def test_unread_is_counted_by_target_type(api: Api) -> None:
    await api.call("GET", "/notifications/unread-count", "ana")
    await fill(api)
    body = (await api.call("GET", "/notifications/unread-count", "ana")).body
    assert (body["count"], body["byTargetType"]) == (4, {"user": 2, "client": 1, "broadcast": 1})
    marked = await api.call(
        "POST", "/notifications/mark-read", "ana", json={"notificationIds": ["own-1", "all-1", "x"]}
    )
    assert marked.body == {
        "success": True,
        "message": "Marked 2 notification(s) as read",
        "count": 2,
        "results": {"success": ["own-1", "all-1"], "failed": ["x"]},
    }
    assert (await api.call("GET", "/notifications/unread-count", "ana")).body["count"] == 2
    assert (await api.call("GET", "/notifications/unread-count?targetTypes=user", "ana")).body["count"] == 1
    every = await api.call("POST", "/notifications/mark-all-read", "ana")
    assert (every.status, every.body["count"]) == (200, 2)
    assert (await api.call("GET", "/notifications/unread-count", "ana")).body["count"] == 0


async def test_one_is_read_archived_and_deleted(api: Api) -> None:
    await api.call("GET", "/notifications", "ana")
    await fill(api)
    one = await api.call("GET", "/notifications/client-1", "ana")
    assert (one.status, one.body["notification"]["status"]) == (200, "unread")
    archived = await api.call("POST", "/notifications/client-1/archive", "ana")
    assert archived.body["message"] == "Notification archived successfully"
    assert (archived.body["notification"]["status"], archived.body["notification"]["readAt"] is None) == (
        "archived",
        False,
    )
    assert "client-1" not in idents((await api.call("GET", "/notifications", "ana")).body)
    assert idents((await api.call("GET", "/notifications?status=archived", "ana")).body) == ["client-1"]
    for ident in ("client-1", "own-1"):
        deleted = await api.call("DELETE", f"/notifications/{ident}", "ana")
        assert (deleted.status, deleted.body["message"]) == (200, "Notification deleted successfully")
        assert (await api.call("GET", f"/notifications/{ident}", "ana")).status == 404
    assert (await api.call("GET", "/notifications/client-1", "bo")).status == 200


async def test_what_is_another_tenants_or_users_answers_as_what_is_not_there(api: Api) -> None:
    await fill(api)
    calls: list[tuple[str, str, dict[str, Any]]] = [
        ("GET", "", {}),
        ("PUT", "", {"json": {"status": "read"}}),
        ("PUT", "", {"json": {"title": "x"}}),
        ("DELETE", "", {}),
        ("DELETE", "?forceDelete=true", {}),
        ("POST", "/archive", {}),
    ]
    for method, rest, options in calls:
        answers = [
            await api.call(method, f"/notifications/{ident}{rest}", "ana", *roles, **options)
            for ident, *roles in (("nothing",), ("bos",), ("namesake",), ("namesake", "admin"), ("nothing", "system"))
        ]
        for answer, ident in zip(answers, ("nothing", "bos", "namesake", "namesake", "nothing"), strict=True):
            assert (answer.status, answer.body["error"]) == (
                404,
                {"code": "notification_not_found", "message": f"no notification '{ident}'", "details": {}},
            )


async def test_content_is_changed_by_an_administrator_and_as_it_was_seen(api: Api) -> None:
    await fill(api)
    path = "/notifications/client-1"
    assert (await api.call("PUT", path, "ana", json={"title": "x"})).status == 403
    assert (await api.call("PUT", path, "ana", json={})).status == 400
    first = await api.call("PUT", path, "adam", "admin", json={"title": "New", "content": "Text"})
    assert (first.status, first.body["notification"]["title"]) == (200, "New")
    seen = first.headers["ETag"]
    for title, status in (("Newer", 200), ("Newest", 412)):
        answer = await api.call("PUT", path, "adam", "admin", json={"title": title}, headers={"If-Match": seen})
        assert answer.status == status
    assert (await api.call("GET", path, "bo")).body["notification"]["title"] == "Newer"


async def test_sending_is_accepted_under_its_final_id(api: Api) -> None:
    body = {"targetType": "user", "userId": "bo", "title": "T", "content": "Hi", "actionUrl": "/x", "ttl": "1h"}
    answer = await api.call("POST", "/notifications", "adam", "admin", json=body)
    assert answer.status == 202
    record = answer.body["notification"]
    assert {name: record[name] for name in ("title", "content", "actionUrl", "targetKey", "senderId", "status")} == {
        "title": "T",
        "content": "Hi",
        "actionUrl": "/x",
        "targetKey": "user#bo",
        "senderId": "adam",
        "status": "unread",
    }
    (sent,) = await api.entered("standard")
    assert sent.id == record["notificationId"]
    assert (await api.call("POST", "/notifications", "ana", json=body)).status == 403
    several = {"targetType": "client", "targetUserIds": ["a", "b"], "content": {"en": "Hi", "de": "Hallo"}}
    answer = await api.call("POST", "/notifications", "adam", "admin", json=several)
    assert (answer.status, answer.body["count"]) == (202, 2)
    assert [one["targetKey"] for one in answer.body["notifications"]] == ["user#a", "user#b"]
    later = await api.call("POST", "/notifications", "adam", "admin", json={**body, "deliverAfter": 60})
    assert later.status == 202


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"targetType": "channel", "content": "x"},
        {"targetType": "user", "content": "x"},
        {"targetType": "user", "userId": "a", "content": ""},
        {"targetType": "user", "userId": "a", "content": "x", "priority": "huge"},
        {"targetType": "client", "content": "x", "targetUserIds": ["a"] * 101},
    ],
)
async def test_what_can_not_be_sent_is_refused(api: Api, body: dict[str, Any]) -> None:
    assert (await api.call("POST", "/notifications", "adam", "admin", json=body)).status == 400


@pytest.mark.parametrize("idents", [[], ["x"] * 101, "x", None])
async def test_mark_read_takes_one_to_a_hundred_ids(api: Api, idents: Any) -> None:
    assert (await api.call("POST", "/notifications/mark-read", "ana", json={"notificationIds": idents})).status == 400


async def test_another_inbox_is_changed_by_administrators_alone(api: Api) -> None:
    await fill(api)
    calls: list[tuple[str, str, dict[str, Any]]] = [
        ("GET", "/notifications/unread-count", {}),
        ("POST", "/notifications/mark-read", {"json": {"notificationIds": ["own-1"]}}),
        ("POST", "/notifications/mark-all-read", {}),
    ]
    for method, path, options in calls:
        assert (await api.call(method, f"{path}?userId=ana", "bo", **options)).status == 403
        assert (await api.call(method, f"{path}?userId=ana", "adam", "admin", **options)).status == 200
