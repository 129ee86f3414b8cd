"""POST /post-to-connection: a bot's reply, over HTTP."""

from typing import Any

import pytest

from tests.api.conftest import Api

REPLY = {"userId": "ana", "threadId": "t1", "message": "How can I help?"}


@pytest.fixture
async def thread(api: Api) -> Api:
    """The API, with ana's thread, which robo serves."""
    people = [{"userId": "ana", "userName": "Ana"}]
    body = {"channelType": "thread", "channelId": "t1", "participants": people, "botEmployeeId": "robo"}
    assert (await api.call("POST", "/channels", "adam", "admin", json=body)).status == 201
    return api


async def test_a_reply_is_a_message_of_the_thread_in_order(thread: Api) -> None:
    answer = await thread.call("POST", "/post-to-connection", "robo", "bot", json=REPLY)
    assert answer.status == 202
    (entered,) = await thread.entered("fifo")
    message = answer.body["message"]
    assert (message["messageId"], message["channelId"], message["content"]) == (entered.id, "t1", "How can I help?")
    assert (message["senderId"], message["messageType"]) == ("robo", "bot")


async def test_a_reply_as_responders_write_it_repeats_nothing(thread: Api) -> None:
    said = {"messageId": "m1", "threadId": "t1", "messageType": "bot", "text": "Hi", "sender": "bot", "timestamp": 1}
    body = {**REPLY, "message": {**said, "metadata": {"a": 1}}}
    first, second = [await thread.call("POST", "/post-to-connection", "robo", "bot", json=body) for _ in range(2)]
    assert first.body["message"]["messageId"] == second.body["message"]["messageId"]
    assert (first.body["message"]["content"], first.body["message"]["metadata"]) == ("Hi", {"a": 1})


async def test_while_a_person_has_taken_over_no_bot_says_anything(thread: Api) -> None:
    on = await thread.call("PUT", "/channels/t1/takeover", "adam", "admin", json={"isHumanOverride": True})
    assert on.status == 200
    said = {"targetType": "channel", "channelId": "t1", "content": "x"}
    for path, user, role, body in (
        ("/post-to-connection", "robo", "bot", REPLY),
        ("/post-to-connection", "crm", "system", REPLY),
        ("/messages", "robo", "bot", said),
    ):
        answer = await thread.call("POST", path, user, role, json=body)
        assert (answer.status, answer.code) == (409, "human_override")
    assert (await thread.call("POST", "/messages", "ana", json=said)).status == 202
    await thread.call("PUT", "/channels/t1/takeover", "adam", "admin", json={"isHumanOverride": False})
    assert (await thread.call("POST", "/post-to-connection", "robo", "bot", json=REPLY)).status == 202


@pytest.mark.parametrize(
    ("user", "role", "changes", "status"),
    [
        ("ana", "member", {}, 403),
        ("robo", "bot", {"userId": "eve"}, 404),
        ("robo", "bot", {"userId": "robo"}, 202),
        ("robo", "bot", {"threadId": "t2"}, 404),
        ("other", "bot", {}, 404),
        ("crm", "system", {"threadId": "t2"}, 404),
        ("robo", "bot", {"message": ""}, 400),
        ("robo", "bot", {"message": {"sender": "bot"}}, 400),
        ("robo", "bot", {"threadId": "a#b"}, 400),
    ],
    ids=str,
)
async def test_bots_reply_where_they_take_part_to_who_does(
    thread: Api, user: str, role: str, changes: dict[str, Any], status: int
) -> None:
    answer = await thread.call("POST", "/post-to-connection", user, role, json={**REPLY, **changes})
    assert answer.status == status, answer.body
