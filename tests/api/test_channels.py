"""/channels: making them and becoming part of them, over HTTP."""

from typing import Any

import pytest

from tests.api.conftest import Api
from tests.product import DESK, RecordingBus, envelope

GROUP = {
    "channelType": "group",
    "channelId": "desk",
    "title": "Desk",
    "participants": [{"userId": "ana", "userName": "Ana"}],
    "metadata": {"floor": 2},
}


async def test_what_was_created_is_what_its_participants_see(api: Api) -> None:
    made = await api.call("POST", "/channels", "bo", "employee", json=GROUP)
    assert made.status == 201
    channel = made.body["channel"]
    assert (channel["channelId"], channel["tenantId"], channel["channelType"]) == ("desk", "acme", "group")
    assert (channel["title"], channel["isActive"], channel["metadata"]) == ("Desk", True, {"floor": 2})
    (ana,) = channel["participantDetails"]
    assert (ana["userId"], ana["userName"], ana["role"]) == ("ana", "Ana", "member")
    assert (await api.call("GET", "/channels/desk", "ana")).body["channel"] == channel


async def test_a_channel_gets_a_name_where_none_is_given_and_a_bot_where_one_is(api: Api) -> None:
    body = {"channelType": "lead", "participants": [{"userId": "joe"}], "botEmployeeId": "bot-7"}
    channel = (await api.call("POST", "/channels", "joe", "lead", json=body)).body["channel"]
    assert (channel["leadStatus"], channel["botEmployeeId"]) == ("unclaimed", "bot-7")
    assert channel["channelId"]
    assert {one["userId"]: one["role"] for one in channel["participantDetails"]} == {"joe": "lead", "bot-7": "bot"}


async def test_a_name_that_is_taken_is_a_conflict(api: Api) -> None:
    assert (await api.call("POST", "/channels", "bo", json=GROUP)).status == 201
    assert (await api.call("POST", "/channels", "bo", json=GROUP)).status == 409
    assert (await api.call("POST", "/channels", "bo", tenant="other", json=GROUP)).status == 201


@pytest.mark.parametrize(("user", "tenant"), [("eve", "acme"), ("ana", "other")])
async def test_a_channel_of_others_is_answered_as_one_that_is_not_there(api: Api, user: str, tenant: str) -> None:
    await api.call("POST", "/channels", "bo", json=GROUP)
    foreign = await api.call("GET", "/channels/desk", user, tenant=tenant)
    missing = await api.call("GET", "/channels/desq", user, tenant=tenant)
    assert foreign.status == missing.status == 404
    assert foreign.body["error"]["message"].replace("desk", "desq") == missing.body["error"]["message"]


async def test_an_employee_joins_once_however_often(api: Api) -> None:
    await api.call("POST", "/channels", "bo", json=GROUP)
    for _ in range(2):
        answer = await api.call("POST", "/channels/desk/join", "max", "employee", json={"userName": "Max"})
        assert (answer.status, answer.body["message"]) == (200, "Joined channel successfully")
    channel = (await api.call("GET", "/channels/desk", "max", "employee")).body["channel"]
    assert channel["participants"] == ["ana", "max"]
    assert channel["participantDetails"][1]["userName"] == "Max"


async def test_joining_needs_no_body(api: Api) -> None:
    await api.call("POST", "/channels", "bo", json=GROUP)
    assert (await api.call("POST", "/channels/desk/join", "max", "employee")).status == 200


async def test_who_may_not_join_is_not_told_whether_there_is_such_a_channel(api: Api) -> None:
    await api.call("POST", "/channels", "bo", json=GROUP)
    there = await api.call("POST", "/channels/desk/join", "eve")
    absent = await api.call("POST", "/channels/nowhere/join", "eve")
    assert there.status == absent.status == 403
    assert there.body["error"] == absent.body["error"]


async def test_an_employee_can_not_join_what_is_not_there(api: Api) -> None:
    assert (await api.call("POST", "/channels/nowhere/join", "max", "employee")).status == 404


@pytest.mark.parametrize(
    "wrong",
    [
        {"channelType": "chat"},
        {"channelId": "a#b"},
        {"channelId": ""},
        {"title": "x" * 201},
        {"participants": [{"userId": ""}]},
        {"participants": [{"userName": "x"}]},
        {"participants": [{"userId": f"u{number}"} for number in range(41)]},
        {"participants": [{"userId": "ana", "userName": "x" * 257}]},
        {"channelType": "direct", "participants": [{"userId": "bo"}]},
        {"metadata": []},
        {"metadata": {"big": "x" * 100_000}},
        {"metadata": {"number": 1 << 70}},
    ],
    ids=lambda wrong: str(wrong)[:40],
)
async def test_a_malformed_channel_is_refused(api: Api, wrong: dict[str, Any]) -> None:
    answer = await api.call("POST", "/channels", "bo", json={**GROUP, **wrong})
    assert (answer.status, answer.body["success"]) == (400, False)


async def test_a_bot_creates_no_channels(api: Api) -> None:
    assert (await api.call("POST", "/channels", "bot-7", "bot", json=GROUP)).status == 403


# ---------------------------------------------------------------------------------------------------------- finding


async def test_a_direct_channel_is_found_again_and_may_be_asked_for_as_such(api: Api) -> None:
    made = await api.call(
        "POST", "/channels", "ana", json={"channelType": "direct", "participants": [{"userId": "bo"}]}
    )
    ident = made.body["channel"]["channelId"]
    both = {"userIds": ["bo", "ana"]}
    found = (await api.call("POST", "/channels/find", "ana", json=both)).body
    assert [one["channelId"] for one in found["channels"]] == [ident]
    assert (found["matchCount"], found["participantHash"]) == (1, found["channels"][0]["participantHash"])
    for body in (both, {"participants": [{"userId": "ana"}]}, {"channelType": "direct", **both}):
        again = (await api.call("POST", "/channels/find-or-create", "bo", json=body)).body
        assert (again["created"], again["channel"]["channelId"]) == (False, ident)
    group = (await api.call("POST", "/channels/find-or-create", "bo", json={"channelType": "group", **both})).body
    assert (group["created"], group["channel"]["channelType"]) == (True, "group")
    assert (await api.call("POST", "/channels/find", "eve", json=both)).body["channels"] == []


async def test_find_or_create_makes_a_group_of_more_than_two(api: Api) -> None:
    body = {"userIds": ["ana", "bo", "cy"], "title": "Three"}
    made = (await api.call("POST", "/channels/find-or-create", "ana", json=body)).body
    assert (made["created"], made["channel"]["channelType"], made["channel"]["title"]) == (True, "group", "Three")
    assert (await api.call("POST", "/channels/find-or-create", "eve", json=body)).status == 403


@pytest.mark.parametrize("body", [{}, {"userIds": []}, {"userIds": [""]}, {"userIds": ["a#b", "ana"]}])
async def test_a_set_of_nobody_is_refused(api: Api, body: dict[str, Any]) -> None:
    for route in ("find", "find-or-create"):
        assert (await api.call("POST", f"/channels/{route}", "ana", json=body)).status == 400


async def test_a_list_has_what_a_reader_wants_to_see(api: Api) -> None:
    await api.call("POST", "/channels", "bo", json=GROUP)
    lead = {"channelType": "lead", "channelId": "lead-1", "participants": [{"userId": "joe"}]}
    await api.call("POST", "/channels", "joe", "lead", json=lead)
    sent = envelope("m1", DESK, payload={"content": "Hi", "senderId": "ana"}, created_at=2_000_000_000_000)
    await api.app.logs.append("acme", DESK, [sent])
    mine = (await api.call("GET", "/channels", "ana")).body
    (desk,) = mine["channels"]
    assert desk["lastActivity"] == "2033-05-18T03:33:20.000Z"
    assert desk["lastMessage"] == {
        "content": "Hi",
        "senderId": "ana",
        "timestamp": "2033-05-18T03:33:20.000Z",
        "messageId": "m1",
    }
    assert desk["participantDetails"][0]["userName"] == "Ana"
    assert (mine["count"], mine["hasMore"], mine["nextCursor"]) == (1, False, None)
    assert mine["queryParams"] == {"userId": "ana", "tenantId": "acme", "includeAnonymous": True, "limit": 50}

    async def listed(*roles: str, **params: Any) -> list[str]:
        params = {name: str(value).lower() if isinstance(value, bool) else value for name, value in params.items()}
        answer = await api.call("GET", "/channels", "max", *roles, params=params)
        assert answer.status == 200
        return [one["channelId"] for one in answer.body["channels"]]

    assert await listed("employee") == ["lead-1"]
    assert await listed("employee", includeAnonymous=False) == []
    assert await listed("admin", userId="ana", tenantId="acme") == ["desk", "lead-1"]
    for params in ({"tenantId": "other"}, {"userId": "ana"}):
        assert (await api.call("GET", "/channels", "max", "employee", params=params)).status == 403
    first = (await api.call("GET", "/channels?userId=ana&limit=1", "max", "admin")).body
    assert (first["hasMore"], [one["channelId"] for one in first["channels"]]) == (True, ["desk"])
    following = {"userId": "ana", "limit": 1, "cursor": first["nextCursor"]}
    second = (await api.call("GET", "/channels", "max", "admin", params=following)).body
    assert ([one["channelId"] for one in second["channels"]], second["hasMore"]) == (["lead-1"], False)


async def test_a_channel_comes_with_its_messages(api: Api) -> None:
    await api.call("POST", "/channels", "bo", json=GROUP)
    await api.app.logs.append("acme", DESK, [envelope(f"m{n}", DESK, created_at=2_000_000_000_000) for n in range(2)])
    body = (await api.call("GET", "/channels/desk", "ana")).body
    assert [(one["messageId"], one["sequenceNumber"]) for one in body["messages"]] == [("m0", 1), ("m1", 2)]
    assert (body["messageCount"], body["hasMore"]) == (2, False)
    assert body["messages"][0]["content"] == "text of m0"


# --------------------------------------------------------------------------------------------------------- changing


async def test_an_update_is_conditional_on_what_the_caller_saw(api: Api) -> None:
    body = {**GROUP, "participants": [{"userId": "ana"}, {"userId": "bo"}]}
    await api.call("POST", "/channels", "bo", json=body)
    tag = {"If-Match": (await api.call("GET", "/channels/desk", "bo")).headers["ETag"]}
    done = await api.call("PUT", "/channels/desk", "bo", json={"title": "New"}, headers=tag)
    assert (done.status, done.body["channel"]["title"], done.body["channel"]["metadata"]) == (200, "New", {"floor": 2})
    stale = await api.call("PUT", "/channels/desk", "bo", json={"title": "Newer"}, headers=tag)
    assert (stale.status, stale.code) == (412, "precondition_failed")
    assert (await api.call("PUT", "/channels/desk", "bo", json={"title": None})).body["channel"]["title"] is None
    assert (await api.call("PUT", "/channels/desk", "ana", json={"title": "x"})).status == 403
    assert (await api.call("PUT", "/channels/desk", "eve", json={"title": "x"})).status == 404
    for wrong in ({"metadata": None}, {"isActive": None}, {"title": "x" * 201}, {"metadata": {"big": "x" * 40_000}}):
        assert (await api.call("PUT", "/channels/desk", "bo", json=wrong)).status == 400
    closed = await api.call("PUT", "/channels/desk", "root", "admin", json={"isActive": False})
    assert closed.body["channel"]["isActive"] is False
    assert (await api.call("POST", "/channels/desk/join", "max", "employee")).code == "channel_closed"
    said = {"channelId": "desk", "content": "still there?"}
    assert (await api.call("POST", "/messages", "root", "admin", json=said)).code == "channel_closed"


async def test_leaving_one_and_leaving_many(api: Api) -> None:
    for ident in ("desk", "a", "b"):
        await api.call("POST", "/channels", "bo", json={**GROUP, "channelId": ident})
    left = await api.call("DELETE", "/channels/desk", "ana")
    assert left.body == {
        "success": True,
        "message": "Left 1 of 1 channel(s)",
        "results": {"success": [{"channelId": "desk"}], "failed": []},
        "summary": {"channelsLeft": 1},
    }
    many = (await api.call("DELETE", "/channels?channelIds=a,none,%20b", "ana")).body
    assert (many["message"], many["summary"]) == ("Left 2 of 3 channel(s)", {"channelsLeft": 2})
    assert many["results"]["success"] == [{"channelId": "a"}, {"channelId": "b"}]
    (failed,) = many["results"]["failed"]
    assert (failed["channelId"], failed["error"]["code"]) == ("none", "channel_not_found")
    assert (await api.call("DELETE", "/channels/none", "ana")).status == 404
    assert (await api.call("POST", "/channels/desk/leave", "ana")).status == 200
    assert (await api.call("POST", "/channels/desk/leave", "eve")).status == 404
    for wrong in ("", "?channelIds=,", f"?channelIds={','.join(map(str, range(51)))}"):
        assert (await api.call("DELETE", f"/channels{wrong}", "ana")).status == 400


async def test_destroying_is_for_admins_and_counts_what_it_deleted(api: Api) -> None:
    for ident in ("desk", "a"):
        await api.call("POST", "/channels", "bo", json={**GROUP, "channelId": ident})
    await api.app.logs.append("acme", DESK, [envelope(f"m{n}", DESK) for n in range(3)])
    for roles in ((), ("employee",)):
        assert (await api.call("DELETE", "/channels/desk?forceDelete=true", "ana", *roles)).status == 403
    many = (await api.call("DELETE", "/channels?channelIds=desk,a,no&forceDelete=true", "root", "admin")).body
    assert many["message"] == "Deleted 2 of 3 channel(s)"
    assert many["summary"] == {"channelsDeleted": 2, "messagesDeleted": 3, "participantsDeleted": 2}
    assert [one["channelId"] for one in many["results"]["failed"]] == ["no"]
    assert (await api.call("GET", "/channels/desk", "root", "admin")).status == 404
    assert (await api.call("DELETE", "/channels/desk?forceDelete=true", "root", "admin")).status == 404
    assert (await api.call("POST", "/channels", "bo", json=GROUP)).code == "channel_exists"


# ------------------------------------------------------------------------------------------------------------ leads


async def test_a_lead_is_claimed_once_and_given_back(api: Api) -> None:
    lead = {"channelType": "lead", "channelId": "L", "participants": [{"userId": "joe"}], "botEmployeeId": "bot-7"}
    await api.call("POST", "/channels", "joe", "lead", json=lead)
    assert (await api.call("GET", "/channels/L", "max", "employee")).body["channel"]["leadStatus"] == "unclaimed"
    claimed = await api.call("POST", "/channels/L/claim", "max", "employee", json={"userName": "Max M."})
    assert claimed.body == {"success": True, "message": "Lead claimed successfully"}
    assert (await api.call("POST", "/channels/L/claim", "lea", "employee")).code == "lead_claimed"
    assert (await api.call("POST", "/channels/L/claim", "joe", "lead")).status == 403
    channel = (await api.call("GET", "/channels/L", "max", "employee")).body["channel"]
    assert (channel["leadStatus"], channel["claimedBy"], channel["botEmployeeId"]) == ("claimed", "max", "bot-7")
    assert channel["participants"] == ["joe", "max"]
    assert channel["participantDetails"][1]["userName"] == "Max M."
    assert (
        await api.call("POST", "/channels/L/assign-bot", "root", "admin", json={"botEmployeeId": "b"})
    ).status == 409
    released = await api.call("POST", "/channels/L/release", "max", "employee")
    assert released.body["message"] == "Lead released successfully"
    body = {"botEmployeeId": "bot-8", "botName": "Support Bot"}
    assert (await api.call("POST", "/channels/L/assign-bot", "max", "employee", json=body)).status == 403
    assigned = await api.call("POST", "/channels/L/assign-bot", "svc", "system", json=body)
    assert assigned.body == {"success": True, "message": "Bot assigned successfully"}
    channel = (await api.call("GET", "/channels/L", "root", "admin")).body["channel"]
    assert [(one["userId"], one["userName"]) for one in channel["participantDetails"]] == [
        ("bot-8", "Support Bot"),
        ("joe", None),
    ]


async def test_each_change_is_told_to_the_bus(api: Api) -> None:
    bus = RecordingBus()
    api.app.__dict__["bus"] = bus
    lead = {"channelType": "lead", "channelId": "L", "participants": [{"userId": "joe"}], "botEmployeeId": "bot-7"}
    await api.call("POST", "/channels", "joe", "lead", json=lead)
    await api.call("POST", "/channels/L/claim", "max", "employee")
    await api.call("DELETE", "/channels/L", "joe")
    await api.call("DELETE", "/channels/L?forceDelete=true", "root", "admin")
    assert sorted(bus.kinds) == [
        "channel.claimed",
        "channel.created",
        "channel.deleted",
        "lead.created",
        "user.joined.channel",
        "user.left.channel",
        "user.left.channel",
    ]
    assert all(event.detail["channelId"] == "L" and event.detail["tenantId"] == "acme" for event in bus.events)
