"""What clients say on their connections, and the answers."""

import asyncio
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kxmsg.bootstrap import App
from kxmsg.codecs.envelope import decode_bundle
from kxmsg.errors import Transient
from kxmsg.model.connection import Place
from kxmsg.model.envelope import Change
from kxmsg.testing.virtual import START
from kxmsg.topology import FANOUT_FIFO
from tests.product import DESK, USER, connection, envelope, simulate
from tests.services.test_entrance import furnish, json


async def open_connection(app: App, **changes: Any) -> None:
    await furnish(app)
    mine = connection("c1", **{"email": "ana@example.com", **changes})
    await app.connections.open(mine, [Place("acme", USER), Place("acme", DESK)])


async def ask(app: App, fields: Any, ident: str = "c1") -> dict[str, Any]:
    text = fields if isinstance(fields, str) else orjson.dumps(fields).decode()
    answer: dict[str, Any] = orjson.loads(await app.frames.answer(ident, text))
    return answer


SUBSCRIBE = {"action": "subscribe", "channelId": "desk"}
SEND = {"action": "message.send", "threadId": "desk", "text": "hi"}


def test_a_message_is_acknowledged_with_its_id_and_a_repeat_with_the_same() -> None:
    async def scenario(app: App) -> None:
        await open_connection(app)
        answer = await ask(app, {**SEND, "id": "m1"})
        assert answer == {"type": "ack", "id": "m1", "messageId": answer["messageId"], "channelId": "desk"}
        assert await ask(app, {**SEND, "id": "m1"}) == answer
        payload = {"chatId": "desk", "content": "hi"}
        published = await ask(app, {"action": "sendMessage", "messageType": "fifo", "payload": payload})
        assert published["type"] == "ack"
        assert published["messageId"] != answer["messageId"]
        assert "id" not in published

    simulate(scenario)


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("{", "malformed"),
        ("[]", "malformed"),
        ({}, "unknown_action"),
        ({"action": "nope"}, "unknown_action"),
        ({"action": ["ping"]}, "unknown_action"),
        ({**SEND, "id": []}, "invalid_id"),
        ({**SEND, "id": True}, "invalid_input"),
        ({**SEND, "id": "x" * 129}, "invalid_input"),
        ({**SEND, "threadId": "none"}, "channel_not_found"),
        ({**SEND, "threadId": "a#b"}, "invalid_id"),
        ({**SEND, "threadId": None}, "invalid_id"),
        ({**SEND, "text": ""}, "invalid_input"),
        ({**SEND, "text": "x" * 70_000}, "too_large"),
        ({**SEND, "sender": "bob"}, "foreign_sender"),
        ({"action": "sendMessage", "payload": []}, "invalid_input"),
        ({"action": "edit"}, "invalid_id"),
        ({"action": "edit", "messageId": "none", "content": "x"}, "message_not_found"),
        ({"action": "edit", "messageId": "none", "content": 7}, "invalid_input"),
        ({"action": "delete", "messageId": 7}, "invalid_id"),
        ({"action": "react", "messageId": "none", "emoji": 7}, "invalid_emoji"),
        ({"action": "read", "channelId": "desk", "sequenceNumber": "7"}, "invalid_input"),
        ({"action": "read", "channelId": "desk", "sequenceNumber": 10**12}, "invalid_input"),
        ({"action": "read", "channelId": "none", "sequenceNumber": 1}, "channel_not_found"),
        ({"action": "read", "channelId": [], "sequenceNumber": 1}, "invalid_id"),
        ({"action": "subscribe"}, "invalid_input"),
        ({"action": "subscribe", "channelId": "desk", "targetKey": "channel#desk"}, "invalid_input"),
        ({"action": "subscribe", "channelId": []}, "invalid_id"),
        ({"action": "subscribe", "targetKey": []}, "invalid_id"),
        ({"action": "subscribe", "targetKey": "nobody#x"}, "invalid_input"),
        ({"action": "subscribe", "channelId": "desk", "id": "x" * 129}, "invalid_id"),
        ({**SUBSCRIBE, "epoch": 7}, "invalid_input"),
        ({**SUBSCRIBE, "epoch": "E"}, "invalid_input"),
        ({**SUBSCRIBE, "afterSequence": 1}, "invalid_input"),
        ({**SUBSCRIBE, "afterSequence": 0, "afterRevision": 1}, "invalid_input"),
        ({**SUBSCRIBE, "epoch": "E", "afterSequence": -1}, "invalid_input"),
        ({**SUBSCRIBE, "epoch": "E", "afterSequence": True}, "invalid_input"),
        ({**SUBSCRIBE, "epoch": "E", "afterSequence": 10**12}, "invalid_input"),
        ({**SUBSCRIBE, "epoch": "E", "afterSequence": 1, "afterRevision": "1"}, "invalid_input"),
        ({**SUBSCRIBE, "seenSequence": 1}, "invalid_input"),
        ({**SUBSCRIBE, "afterSequence": 0, "seenSequence": 1}, "invalid_input"),
        ({"action": "unsubscribe"}, "invalid_id"),
        ('{"action": "ping", "id": ' + "[" * 300 + "]" * 300 + "}", "invalid_id"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_refusal_is_an_error_frame_with_its_code(frame: Any, code: str) -> None:
    async def scenario(app: App) -> None:
        await open_connection(app)
        answer = await ask(app, frame)
        assert answer["type"] == "error"
        assert answer["code"] == code
        assert answer["message"]

    simulate(scenario)


def test_an_error_repeats_the_clients_id() -> None:
    async def scenario(app: App) -> None:
        await open_connection(app)
        assert (await ask(app, {"id": "x", "action": "nope"}))["id"] == "x"
        assert (await ask(app, {"id": 0, "action": "nope"}))["id"] == 0
        assert (await ask(app, {"id": "x", "action": "ping"}, "other"))["id"] == "x"

    simulate(scenario)


def test_one_may_name_oneself_as_the_sender() -> None:
    async def scenario(app: App) -> None:
        await open_connection(app)
        for sender in ("ana", "ana@example.com", None):
            assert (await ask(app, {**SEND, "sender": sender}))["type"] == "ack"

    simulate(scenario)


def test_an_expired_token_and_an_unknown_connection_are_told() -> None:
    async def scenario(app: App) -> None:
        await open_connection(app, token_expires_at=START + 10)
        assert (await ask(app, {"action": "ping"}))["type"] == "pong"
        assert (await ask(app, {"action": "ping"}, "c2"))["code"] == "unknown_connection"
        await asyncio.sleep(10)
        assert (await ask(app, {"action": "ping"}))["code"] == "token_expired"

    simulate(scenario)


def test_a_pong_tells_where_each_subscribed_log_stands() -> None:
    async def scenario(app: App) -> None:
        await open_connection(app)
        nothing: dict[str, Any] = {"epoch": None, "sequenceNumber": 0, "revision": 0}
        heads = {"user#ana": nothing, "channel#desk": nothing}
        assert await ask(app, {"action": "ping", "id": 5}) == {"type": "pong", "id": 5, "heads": heads}
        bundle = await app.logs.append("acme", USER, [envelope("a"), envelope("b")])
        await app.logs.amend("acme", USER, "a", lambda _: None, Change("deleted", 1))
        heads["user#ana"] = {"epoch": bundle.epoch, "sequenceNumber": 2, "revision": 1}
        assert (await ask(app, {"action": "ping"}))["heads"] == heads

    simulate(scenario)


def test_messages_are_edited_answered_read_and_deleted_by_frames() -> None:
    async def scenario(app: App) -> None:
        await open_connection(app)
        await app.logs.create("acme", DESK)
        said = envelope("m", DESK, payload={"content": "hi", "senderId": "ana", "metadata": {}})
        await app.logs.append("acme", DESK, [said])
        about = {"messageId": "m", "channelId": "desk"}
        assert await ask(app, {"id": 1, "action": "edit", "messageId": "m", "content": "ho"}) == {
            "type": "ack", "id": 1, **about, "revision": 1,
        }  # fmt: skip
        react = {"action": "react", "messageId": "m", "emoji": "👍"}
        assert await ask(app, react) == {"type": "ack", **about, "revision": 2}
        assert (await ask(app, {**react, "remove": True}))["revision"] == 3
        read = {"action": "read", "channelId": "desk", "sequenceNumber": 7}
        assert await ask(app, read) == {"type": "ack", "channelId": "desk", "readSequence": 1}
        assert (await ask(app, {"action": "delete", "messageId": "m"}))["revision"] == 4
        assert (await ask(app, {"action": "delete", "messageId": "m"}))["code"] == "message_not_found"
        deliveries = await app.queue(FANOUT_FIFO).receive(10, wait=0, visibility=30)
        bundles = [decode_bundle(delivery.body) for delivery in deliveries]
        origins = {one.change.origin if one.change else one.entries[0].envelope.origin for one in bundles}
        assert (len(bundles), origins) == (5, {"c1"})

    simulate(scenario)


def test_a_backend_that_is_away_is_told_with_the_clients_id() -> None:
    async def scenario(app: App) -> None:
        await open_connection(app)

        async def away(*_: object, **__: object) -> None:
            raise Transient("the table is away")

        app.backend.tables.get = away  # type: ignore[method-assign] # an outage
        answer = await ask(app, {"action": "ping", "id": "x"})
        assert (answer["type"], answer["id"], answer["code"]) == ("error", "x", "unavailable")
        assert "table" not in answer["message"]

    simulate(scenario)


of_messages = ["id", "action", "threadId", "text", "sender", "metadata", "payload", "messageType", "messageId", "emoji"]
of_subscribing = ["channelId", "targetKey", "epoch", "afterSequence", "afterRevision", "seenSequence"]
names = st.sampled_from([*of_messages, *of_subscribing, "x"])
actions = st.sampled_from(
    ["message.send", "sendMessage", "ping", "edit", "delete", "react", "read", "subscribe", "unsubscribe"]
)
frames = st.builds(lambda action, fields: {"action": action, **SEND, **fields}, actions, st.dictionaries(names, json))
texts = (
    st.text(max_size=20)
    | json.map(lambda value: orjson.dumps(_finite(value)).decode())
    | frames.map(lambda fields: orjson.dumps(_finite(fields)).decode())
)


def _finite(value: Any) -> Any:
    """Numbers that fit JSON as orjson writes it."""
    match value:
        case bool() | str() | None | float():
            return value
        case int():
            return value % 2**53
        case list():
            return [_finite(one) for one in value]
        case _:
            return {key: _finite(one) for key, one in value.items()}


@settings(max_examples=60, deadline=None)
@given(st.lists(texts, min_size=1, max_size=10))
def test_whatever_is_said_is_answered_by_a_frame(said: list[str]) -> None:
    async def scenario(app: App) -> None:
        await open_connection(app)
        for text in said:
            answer = await ask(app, text)
            assert answer["type"] in {"ack", "error", "pong", "history"}

    simulate(scenario)
