"""Dead letters, and what can be done about them."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kxmsg.errors import Transient
from kxmsg.ports import Delivery, Failure, Outgoing
from kxmsg.runtime.deadletter import ABOUT, MAX_ATTRIBUTES, DeadLetter, Redriven, find, look, redrive, seal, unseal
from kxmsg.testing.virtual import run
from tests.runtime.fakes import FakeQueue

DETAILS = dict.fromkeys(ABOUT, "x")

NAMES = st.one_of(st.sampled_from([*ABOUT, "attributes", "traceparent"]), st.text("abc", min_size=1, max_size=3))


@given(st.dictionaries(NAMES, st.text(min_size=1, max_size=5), max_size=MAX_ATTRIBUTES))
def test_a_message_gets_its_own_attributes_back(attributes: dict[str, str]) -> None:
    """However many there are and whatever they are called, and SQS's ten are never exceeded."""
    sealed = seal(attributes, DETAILS)
    assert len(sealed) <= MAX_ATTRIBUTES
    assert {name: sealed[name] for name in ABOUT} == DETAILS
    assert unseal(sealed) == attributes


def test_attributes_that_fit_stay_readable() -> None:
    """They are folded only where there is no room."""
    assert seal({"tenantId": "acme"}, DETAILS) == {"tenantId": "acme", **DETAILS}


def test_what_the_broker_buried_has_no_reason() -> None:
    """But all that the message had."""
    letter = DeadLetter.of(Delivery("1", b"body", "r", 11, 5.0, "g", {"tenantId": "acme"}))
    assert (letter.about, letter.attributes, letter.group, letter.sent_at) == ({}, {"tenantId": "acme"}, "g", 5.0)


async def filled(name: str, count: int, *, groups: str = "g") -> tuple[FakeQueue, FakeQueue]:
    dlq, source = FakeQueue(f"work-dlq{name}"), FakeQueue(f"work{name}")
    for number in range(count):
        attributes = {"tenantId": "acme", **DETAILS}
        group = groups[number % len(groups)] if dlq.fifo else None
        await dlq.send([Outgoing(f"{group}{number}".encode(), group, str(number), attributes=attributes)])
    return dlq, source


@pytest.mark.parametrize("name", ["", ".fifo"])
def test_redriven_messages_are_as_they_were(name: str) -> None:
    """All of them, without what told about the failure; the dead-letter queue is empty after it."""

    async def scenario() -> None:
        dlq, source = await filled(name, 25)
        assert await redrive(dlq, source) == Redriven(25, 0)
        assert not dlq.messages
        assert {body.decode() for body in source.bodies()} == {f"{'g' if name else None}{n}" for n in range(25)}
        assert all(stored.outgoing.attributes == {"tenantId": "acme"} for stored in source.messages)

    run(scenario())


def test_a_redriven_fifo_message_has_a_new_deduplication_id() -> None:
    """The queue has seen the old one; the new one is the same if a crash makes the redrive be repeated."""

    async def scenario() -> None:
        dlq, source = await filled(".fifo", 1)
        (stored,) = dlq.messages
        await source.send([Outgoing(b"before", "g", stored.outgoing.dedup)])
        source.messages.clear()
        dlq.fault("delete", *[Transient("crashed")] * 100)
        await redrive(dlq, source)
        assert source.bodies() == [b"g0"]
        dlq.script.clear()
        await asyncio.sleep(60)
        assert await redrive(dlq, source) == Redriven(1, 0)
        assert source.bodies() == [b"g0"]

    run(scenario())


def test_a_redrive_keeps_the_order_of_each_group() -> None:
    """When a message can't be sent, what follows it in its group stays with it."""

    async def scenario() -> None:
        dlq, source = await filled(".fifo", 10, groups="ab")
        send = source.send

        async def picky(messages: Sequence[Outgoing]) -> list[Failure]:
            refused = [index for index, message in enumerate(messages) if message.body == b"a4"]
            await send([message for index, message in enumerate(messages) if index not in refused])
            return [Failure(index, "invalid", retryable=False) for index in refused]

        source.send = picky  # type: ignore[method-assign] # a queue that refuses one message
        assert await redrive(dlq, source, limit=10) == Redriven(7, 3)
        bodies = source.bodies()
        assert [body for body in bodies if body[:1] == b"a"] == [b"a0", b"a2"]
        assert [body for body in bodies if body[:1] == b"b"] == [b"b1", b"b3", b"b5", b"b7", b"b9"]
        assert dlq.bodies() == [b"a4", b"a6", b"a8"]

    run(scenario())


def test_a_redrive_keeps_its_limit_and_its_rate() -> None:
    """In messages and in messages a second."""

    async def scenario() -> None:
        dlq, source = await filled("", 30)
        assert await redrive(dlq, source, limit=20, rate=5) == Redriven(20, 0)
        assert asyncio.get_running_loop().time() == pytest.approx(4, abs=0.1)
        assert len(dlq.messages) == 10

    run(scenario())


def test_what_dies_again_meanwhile_is_left_alone() -> None:
    """Or a redrive would never end."""

    async def scenario() -> None:
        dlq, source = await filled("", 15)
        send = source.send

        async def deadly(messages: Sequence[Outgoing]) -> list[Failure]:
            await dlq.send(messages)
            return await send(messages)

        source.send = deadly  # type: ignore[method-assign] # a queue whose worker gives up at once
        assert await redrive(dlq, source) == Redriven(15, 0)
        assert len(dlq.messages) == 15

    run(scenario())


def test_looking_leaves_everything_where_it_is() -> None:
    """What is received for it is released at once."""

    async def scenario() -> None:
        dlq, _ = await filled("", 15)
        letters = await look(dlq, 12)
        assert len({letter.id for letter in letters}) == 12
        assert (await dlq.depth()).visible == 15
        found = await find(dlq, letters[3].id)
        assert found is not None
        assert found.body == letters[3].body
        assert await find(dlq, "no such") is None

    run(scenario())


def test_a_queue_that_can_be_peeked_at_is() -> None:
    """That disturbs nobody."""

    class Glass(FakeQueue):
        async def peek(self, limit: int, after: str | None = None) -> list[Delivery]:
            return [Delivery(str(number), b"", "", 1, 0.0) for number in range(limit)]

    async def scenario() -> None:
        dlq: Any = Glass("work-dlq")
        assert [letter.id for letter in await look(dlq, 3)] == ["0", "1", "2"]
        assert dlq.calls == []

    run(scenario())
