"""Native frames, as clients see them."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kxmsg.codecs import native
from kxmsg.errors import InvalidInput
from kxmsg.model.envelope import Bundle, Change, Entry
from kxmsg.model.notification import VARIANTS
from tests.product import DESK, USER, bundle, envelope

AT = 1_769_846_400_123


def shown(target: Any, kind: str, payload: dict[str, Any], locale: str | None = None) -> Any:
    committed = bundle(target, [envelope("ID", target, kind=kind, payload=payload, created_at=AT)], first=7)
    return orjson.loads(native.frame(committed, committed.entries[0], locale))


POSITION = {"timestamp": "2026-01-31T08:00:00.123Z", "epoch": "EPOCH", "sequenceNumber": 7}


def test_a_notification_shows_its_fields_and_no_others() -> None:
    payload = {"title": "T", "content": "C", "priority": "high", "tags": ["x"], "displayDuration": 0, "secret": 1}
    assert shown(USER, "notification", payload) == {
        "type": "notification",
        "notificationId": "ID",
        "title": "T",
        "content": "C",
        "priority": "high",
        "tags": ["x"],
        "displayDuration": 0,
        "targetKey": "user#ana",
        **POSITION,
    }


def test_a_message_of_a_channel_is_a_chat_message() -> None:
    payload = {"content": "hi", "senderId": "ana", "senderName": "Ana", "metadata": {"a": 1}, "eventType": "note"}
    assert shown(DESK, "message", payload) == {
        "type": "chat.message",
        "channelId": "desk",
        "messageId": "ID",
        "message": "hi",
        "senderId": "ana",
        "senderName": "Ana",
        "eventType": "note",
        "metadata": {"a": 1},
        "targetKey": "channel#desk",
        **POSITION,
    }


def test_a_message_that_was_reacted_to_shows_by_whom() -> None:
    reactions = shown(DESK, "message", {"content": "hi", "reactions": {"👍": ["ana", "bob"]}})["reactions"]
    assert reactions == [{"emoji": "👍", "count": 2, "userIds": ["ana", "bob"]}]


def test_a_message_to_a_user_carries_its_payload_which_can_not_pose_as_another_frame() -> None:
    payload = {"content": "hi", "type": "ack", "messageId": "other", "sequenceNumber": 1, "epoch": "x"}
    assert shown(USER, "message", payload) == {
        "type": "message",
        "messageId": "ID",
        "content": "hi",
        "targetKey": "user#ana",
        **POSITION,
    }


@pytest.mark.parametrize(
    ("target", "kind", "text"),
    [(USER, "notification", "content"), (DESK, "message", "message"), (USER, "message", "content")],
    ids=str,
)
@pytest.mark.parametrize(("locale", "said"), [(None, "Hello"), ("fr", "Hello"), ("de", "Hallo"), ("de-at", "Servus")])
def test_each_frame_speaks_its_readers_language_and_shows_no_variants(
    target: Any, kind: str, text: str, locale: str | None, said: str
) -> None:
    variants = {"de": {"content": "Hallo", "title": "Titel"}, "de-at": {"content": "Servus"}}
    frame = shown(target, kind, {"content": "Hello", "title": "Title", VARIANTS: variants}, locale)
    assert frame[text] == said
    assert VARIANTS not in frame
    if target == USER:
        assert frame["title"] == ("Titel" if locale in ("de", "de-at") else "Title")


def test_answers_repeat_the_clients_id_if_it_gave_one() -> None:
    assert native.ack("c1", messageId="M") == b'{"type":"ack","id":"c1","messageId":"M"}'
    assert native.ack(None, messageId="M") == b'{"type":"ack","messageId":"M"}'
    assert native.error(0, "no", "why") == b'{"type":"error","id":0,"code":"no","message":"why"}'
    assert native.pong(None, {}) == b'{"type":"pong","heads":{}}'


@given(st.text())
def test_any_text_is_an_object_or_refused(text: str) -> None:
    try:
        fields = native.parse(text)
    except InvalidInput:
        return
    assert isinstance(fields, dict)


@pytest.mark.parametrize("text", ["", "[]", "1", "null", "{", '{"a":\ud800}', "[" * 5000])
def test_what_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        native.parse(text)
    assert caught.value.code == "malformed"


def changed(target: Any, kind: str, payload: dict[str, Any], change: Change, locale: str | None = None) -> Any:
    one = Entry(7, envelope("ID", target, kind=kind, payload=payload, created_at=AT), revision=3, changed_at=AT)
    return orjson.loads(native.frame(Bundle("acme", target, "fifo", "EPOCH", (one,), change), one, locale))


AGAIN = {**POSITION, "revision": 3, "changedAt": "2026-01-31T08:00:00.123Z", "by": "bob"}


def test_what_was_updated_is_shown_as_it_stands_now() -> None:
    told = Change("updated", AT, "bob", origin="c1")
    payload = {"title": "New", "variants": {"de": {"title": "Neu"}}}
    assert changed(USER, "notification", payload, told, "de") == {
        "type": "notification.updated",
        "notificationId": "ID",
        "title": "Neu",
        "targetKey": "user#ana",
        **AGAIN,
    }
    message = changed(DESK, "message", {"content": "new", "senderId": "bob"}, told)
    assert message.items() >= {"type": "message.updated", "channelId": "desk", "message": "new", **AGAIN}.items()
    assert changed(USER, "message", {"content": "new"}, told)["type"] == "message.updated"


def test_of_what_was_deleted_or_reacted_to_the_frame_names_it_and_what_was_done() -> None:
    named = {"messageId": "ID", "channelId": "desk", "targetKey": "channel#desk", **AGAIN}
    assert changed(DESK, "message", {}, Change("deleted", AT, "bob")) == {"type": "message.deleted", **named}
    detail = {"emoji": "👍", "action": "added"}
    reaction = changed(DESK, "message", {"content": "secret"}, Change("reaction", AT, "bob", detail))
    assert reaction == {"type": "reaction", **detail, **named}
    gone = changed(USER, "notification", {}, Change("deleted", AT, "bob"))
    assert gone == {"type": "notification.deleted", "notificationId": "ID", "targetKey": "user#ana", **AGAIN}
