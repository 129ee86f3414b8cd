"""Where messages come in."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kxmsg.bootstrap import App
from kxmsg.codecs.envelope import decode_parcel
from kxmsg.codecs.native import frame
from kxmsg.errors import Conflict, Forbidden, InvalidInput, NotFound, Refusal, TooLarge
from kxmsg.model.channel import Channel, Participant
from kxmsg.model.envelope import MAX_PAYLOAD, Envelope
from kxmsg.model.target import BROADCAST, EVERYBODY, Target
from kxmsg.services.entrance import MAX_CONTENT
from kxmsg.topology import SEQUENCE, STORAGE
from tests.product import DESK, USER, bundle, caller, simulate

json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=5,
)
ANA = caller("ana", name="Ana")


async def furnish(app: App) -> None:
    people = (Participant("ana", "member", ""), Participant("bob", "bot", "", name="Robo"))
    await app.channels.create(Channel("desk", "acme", "group", "", "root", participants=people))


async def accepted(app: App, queue: str) -> list[Envelope]:
    deliveries = await app.queue(queue).receive(10, wait=0, visibility=30)
    await app.queue(queue).delete([delivery.receipt for delivery in deliveries])
    return [one for delivery in deliveries for one in decode_parcel(delivery.body).envelopes]


def test_what_is_accepted_is_on_the_queue_of_its_ordering() -> None:
    async def scenario(app: App) -> None:
        await furnish(app)
        first = await app.entrance.to_channel(ANA, "desk", "hi", origin="c1", metadata={"a": 1})
        second = await app.entrance.publish(
            caller("bob", "bot"), {"messageType": "standard", "payload": {"chatId": "desk", "content": "yo"}}
        )
        assert await accepted(app, SEQUENCE) == [first]
        assert await accepted(app, STORAGE) == [second]
        assert (first.target, first.tenant, first.origin, first.ordering) == (DESK, "acme", "c1", "fifo")
        assert first.payload == {
            "channelId": "desk",
            "content": "hi",
            "senderId": "ana",
            "senderName": "Ana",
            "messageType": "chat",
            "eventType": "chat",
            "metadata": {"a": 1},
        }
        assert second.payload["senderName"] == "Robo"

    simulate(scenario)


def test_a_callers_own_id_makes_a_repeat_the_same_message() -> None:
    async def scenario(app: App) -> None:
        await furnish(app)
        send = app.entrance.to_channel
        first = await send(ANA, "desk", "hi", client_id="7")
        assert (await send(ANA, "desk", "hi", client_id="7")).id == first.id
        others = [
            await send(ANA, "desk", "hi", client_id="8"),
            await send(caller("bob", "bot"), "desk", "hi", client_id="7"),
            await send(ANA, "desk", "hi"),
        ]
        assert len({first.id, *(one.id for one in others)}) == 4

    simulate(scenario)


def test_who_is_not_in_a_channel_is_told_that_there_is_none() -> None:
    async def scenario(app: App) -> None:
        await furnish(app)
        outsiders = [caller("eve"), caller("eve", "employee"), caller("ana", tenant="globex")]
        outsiders.append(caller("root", "admin", tenant="globex"))
        for who in outsiders:
            for ident in ("desk", "none"):
                with pytest.raises(NotFound, match=f"no channel '{ident}'"):
                    await app.entrance.to_channel(who, ident, "hi")
        with pytest.raises(NotFound):
            await app.entrance.to_channel(caller("root", "admin"), "none", "hi")
        with pytest.raises(Forbidden):
            await app.entrance.to_channel(caller("ana", "stranger"), "desk", "hi")
        assert (await app.entrance.to_channel(caller("root", "admin"), "desk", "hi")).payload["senderId"] == "root"

    simulate(scenario)


def test_sizes_are_limited_so_that_every_frame_can_be_pushed() -> None:
    async def scenario(app: App) -> None:
        await furnish(app)
        send = app.entrance.to_channel
        largest = await send(ANA, "desk", "x" * MAX_CONTENT, metadata={"a": "x" * (MAX_PAYLOAD - MAX_CONTENT - 300)})
        committed = bundle(DESK, [largest])
        assert len(frame(committed, committed.entries[0])) < 128 * 1024
        for content, metadata in [
            ("x" * (MAX_CONTENT + 1), {}),
            ("é" * (MAX_CONTENT // 2 + 1), {}),
            ("\x01" * (MAX_CONTENT // 2), {}),  # six bytes each as JSON
            ("x", {"a": "x" * MAX_PAYLOAD}),
        ]:
            with pytest.raises(TooLarge):
                await send(ANA, "desk", content, metadata=metadata)
        deep: list[Any] = []
        for _ in range(300):
            deep = [deep]
        with pytest.raises(InvalidInput, match="can't be written as JSON"):
            await send(ANA, "desk", "x", metadata={"deep": deep})

    simulate(scenario)


def test_a_sender_is_oneself_by_id_or_address_or_somebody_for_whom_one_may_act() -> None:
    async def scenario(app: App) -> None:
        await furnish(app)
        for sender in (None, "ana", "ana@example.com"):
            envelope = await app.entrance.to_channel(ANA, "desk", "hi", sender=sender)
            assert (envelope.payload["senderId"], envelope.payload["senderName"]) == ("ana", "Ana")
        with pytest.raises(Forbidden, match="not the token's user"):
            await app.entrance.to_channel(ANA, "desk", "hi", sender="bob")
        admin = caller("root", "admin", name="Root")
        envelope = await app.entrance.to_channel(admin, "desk", "hi", sender="bob")
        assert (envelope.payload["senderId"], envelope.payload["senderName"]) == ("bob", "Robo")
        assert "senderName" not in (await app.entrance.to_channel(admin, "desk", "hi", sender="eve")).payload

    simulate(scenario)


def test_a_bot_is_silent_while_a_person_has_taken_over() -> None:
    async def scenario(app: App) -> None:
        await furnish(app)
        robo = caller("bob", "bot")
        await app.lead_desk.take_over(caller("root", "admin"), "desk", True, None)
        for refused in (
            app.entrance.to_channel(robo, "desk", "hi"),
            app.entrance.publish(robo, {"payload": {"chatId": "desk", "content": "hi"}}),
            app.entrance.reply(robo, "desk", "ana", "hi"),
            app.entrance.reply(caller("crm", "system"), "desk", "ana", "hi"),
        ):
            with pytest.raises(Conflict, match="taken over"):
                await refused
        await app.entrance.to_channel(ANA, "desk", "hi")

    simulate(scenario)


def test_what_is_sent_to_inboxes_is_in_the_log_of_its_reader() -> None:
    async def scenario(app: App) -> None:
        crm, admin = caller("crm", "system"), caller("root", "admin")
        places = [(USER, "acme", admin), (Target("client", "globex"), "globex", crm), (BROADCAST, EVERYBODY, crm)]
        for target, tenant, who in places:
            envelope = await app.entrance.to_inbox(who, target, "hi", fields={"title": "T"}, ident="m1")
            assert (envelope.tenant, envelope.target, envelope.kind, envelope.id) == (tenant, target, "message", "m1")
            assert await accepted(app, STORAGE) == [envelope]
            with pytest.raises(Forbidden):
                await app.entrance.to_inbox(ANA, target, "hi")
        with pytest.raises(Forbidden):
            await app.entrance.to_inbox(admin, Target("client", "globex"), "hi")

    simulate(scenario)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(
        ["channel", "content", "metadata", "client_id", "payload", "targetChannel", "messageType", "eventType"]
    ),
    st.lists(json, min_size=1, max_size=10),
)
def test_any_value_in_any_field_is_accepted_or_refused(name: str, values: list[Any]) -> None:
    async def scenario(app: App) -> None:
        await furnish(app)
        for value in values:
            direct: dict[str, Any] = {"channel": "desk", "content": "hi"}
            payload: dict[str, Any] = {"chatId": "desk", "content": "hi"}
            fields: dict[str, Any] = {"payload": payload}
            try:
                match name:
                    case "channel" | "content" | "metadata" | "client_id":
                        envelope = await app.entrance.to_channel(ANA, **{**direct, name: value})
                    case "eventType":
                        envelope = await app.entrance.publish(ANA, {"payload": {**payload, name: value}})
                    case _:
                        envelope = await app.entrance.publish(ANA, {**fields, name: value})
            except Refusal:
                continue
            assert envelope.target == DESK
            assert isinstance(envelope.payload["content"], str)
            assert isinstance(envelope.payload["metadata"], dict)

    simulate(scenario)
