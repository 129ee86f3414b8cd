"""/channels: making them and becoming part of them, over HTTP."""

from typing import Any

import pytest

from tests.api.conftest import Api

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
        {"channelType": "thread"},
        {"channelId": "a#b"},
        {"channelId": ""},
        {"title": "x" * 201},
        {"participants": [{"userId": ""}]},
        {"participants": [{"userName": "x"}]},
        {"participants": [{"userId": f"u{number}"} for number in range(41)]},
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
