"""POST /publish: messages from services to a channel."""

from typing import Any

import pytest

from tests.api.conftest import Api

HELLO = {"messageType": "fifo", "payload": {"chatId": "desk", "eventType": "chat", "content": "Hello!"}}


@pytest.fixture
async def desk(api: Api) -> Api:
    """The API, with a channel that ana is in."""
    body = {"channelType": "group", "channelId": "desk", "participants": [{"userId": "ana"}]}
    assert (await api.call("POST", "/channels", "adam", "admin", json=body)).status == 201
    return api


async def test_accepted_is_on_the_queue_with_the_id_that_was_answered(desk: Api) -> None:
    answer = await desk.call("POST", "/publish", "ana", json=HELLO)
    assert answer.status == 202
    (entered,) = await desk.entered("fifo")
    message = answer.body["message"]
    assert (message["messageId"], message["targetKey"], message["content"]) == (entered.id, "channel#desk", "Hello!")
    assert (entered.tenant, entered.payload["senderId"], entered.payload["senderName"]) == ("acme", "ana", "Ana")


async def test_variants_from_outside_are_not_taken(desk: Api) -> None:
    """Only a template makes them; a caller could show others a text that they themselves do not see."""
    forged = {"de": {"content": "Hallo!"}}
    body = {**HELLO, "variants": forged, "payload": {**HELLO["payload"], "variants": forged}}  # type: ignore[dict-item] # it is one
    answer = await desk.call("POST", "/publish", "ana", json=body)
    assert answer.status == 202
    (entered,) = await desk.entered("fifo")
    assert "variants" not in entered.payload
    assert "variants" not in answer.body["message"]


async def test_without_a_message_type_there_is_no_order(desk: Api) -> None:
    assert (await desk.call("POST", "/publish", "ana", json={"payload": HELLO["payload"]})).status == 202
    assert (await desk.entered("fifo"), len(await desk.entered("standard"))) == ([], 1)


@pytest.mark.parametrize(("user", "tenant"), [("eve", "acme"), ("ana", "other")])
async def test_a_channel_of_others_is_answered_as_one_that_is_not_there(desk: Api, user: str, tenant: str) -> None:
    foreign = await desk.call("POST", "/publish", user, tenant=tenant, json=HELLO)
    absent = {**HELLO, "payload": {"chatId": "nowhere", "content": "?"}}
    missing = await desk.call("POST", "/publish", user, tenant=tenant, json=absent)
    assert (foreign.status, foreign.code) == (missing.status, missing.code) == (404, "channel_not_found")


async def test_a_service_sends_without_taking_part(desk: Api) -> None:
    assert (await desk.call("POST", "/publish", "crm", "system", json=HELLO)).status == 202


@pytest.mark.parametrize(
    "wrong",
    [
        {"payload": None},
        {"payload": {"chatId": "desk"}},
        {"payload": {"chatId": "desk", "content": ""}},
        {"payload": {"chatId": "desk", "content": 7}},
        {"payload": {"chatId": 7, "content": "x"}},
        {"payload": {"chatId": "a#b", "content": "x"}},
        {"payload": {"chatId": "desk", "content": "x", "metadata": []}},
        {"payload": {"chatId": "desk", "content": "x", "eventType": 1}},
        {"messageType": "sorted"},
        {"targetChannel": "SMS"},
    ],
    ids=str,
)
async def test_a_malformed_message_is_refused(desk: Api, wrong: dict[str, Any]) -> None:
    answer = await desk.call("POST", "/publish", "ana", json={**HELLO, **wrong})
    assert (answer.status, answer.body["success"]) == (400, False)


async def test_a_text_that_no_frame_could_carry_is_too_large(desk: Api) -> None:
    long = {**HELLO, "payload": {"chatId": "desk", "content": "x" * 70_000}}
    assert (await desk.call("POST", "/publish", "ana", json=long)).status == 413
