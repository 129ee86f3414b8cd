"""Endpoints and decoders: from a coroutine function to what a consumer calls."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson
import pytest
from pydantic import BaseModel

from kxmsg.codecs.envelope import encode_bundle, encode_parcel
from kxmsg.codecs.job import encode_chunk, encode_render_job
from kxmsg.errors import ConfigError, Poison
from kxmsg.model.envelope import Bundle, Entry, Envelope, Parcel
from kxmsg.model.event import Event
from kxmsg.model.job import Chunk, RenderJob
from kxmsg.model.target import Target
from kxmsg.ports import Delivery
from kxmsg.runtime.context import Context
from kxmsg.runtime.decoders import decoder, register
from kxmsg.runtime.endpoint import CallNext, Endpoint
from kxmsg.runtime.held import Held
from kxmsg.testing.virtual import run
from tests.runtime.fakes import FakeQueue


class Order(BaseModel):
    orderId: str  # noqa: N815 - as in the JSON


@dataclass
class Point:
    x: int


ENVELOPE = Envelope("1", "acme", Target("user", "ana"), "notification", "standard", {"title": "t"}, 1_750_000_000_000)
BUNDLE = Bundle("acme", Target("user", "ana"), "fifo", "e1", (Entry(1, ENVELOPE),))
PARCEL = Parcel("acme", Target("user", "ana"), "standard", (ENVELOPE,))
JOB = RenderJob("s", 0, {"detail": {}}, "trace")


def delivery(body: bytes, order: int = 0) -> Delivery:
    return Delivery(str(order), body, f"r{order}", 1, 0.0)


@pytest.mark.parametrize(
    ("kind", "body", "value"),
    [
        (bytes, b"\xff", b"\xff"),
        (str, "ä".encode(), "ä"),
        (dict, b'{"a": 1}', {"a": 1}),
        (Order, b'{"orderId": "7"}', Order(orderId="7")),
        (Delivery, b"x", delivery(b"x")),
        (Bundle, encode_bundle(BUNDLE), BUNDLE),
        (Parcel, encode_parcel(PARCEL), PARCEL),
        (RenderJob, encode_render_job(JOB), JOB),
        (Chunk, encode_chunk(Chunk(3, BUNDLE)), Chunk(3, BUNDLE)),
        (
            Event,
            b'{"source": "shop", "detail-type": "order", "detail": {"n": 1}, "id": "i", "resources": ["r"]}',
            Event("shop", "order", {"n": 1}, id="i", resources=("r",)),
        ),
    ],
)
def test_a_body_becomes_what_is_asked_for(kind: type, body: bytes, value: object) -> None:
    """By the type alone."""
    assert decoder(kind)(delivery(body)) == value


@pytest.mark.parametrize(
    ("kind", "body", "reason"),
    [
        (Order, b"{}", "not a Order: orderId: Field required"),
        (Order, b"{", "not a Order: body: Invalid JSON"),
        (dict, b"[1]", "not a JSON object"),
        (dict, b"nonsense", "not JSON"),
        (str, b"\xff", "not UTF-8 at byte 0"),
        (Event, b'{"source": "shop", "detail": {}}', "not an event: detail-type: must be a string"),
        (Bundle, b"{}", "not a bundle"),
    ],
)
def test_what_cant_be_decoded_is_poison_that_names_the_fault(kind: type, body: bytes, reason: str) -> None:
    """The field and what is wrong with it."""
    with pytest.raises(Poison, match=reason):
        decoder(kind)(delivery(body))


def test_a_decoder_can_be_registered() -> None:
    """For a class and its subclasses, which it is told."""

    class Sharp(Point):
        pass

    register(Point, lambda kind, delivery: kind(int(delivery.body)))
    assert type(decoder(Sharp)(delivery(b"7"))) is Sharp


async def not_annotated(message, context) -> None: ...  # type: ignore[no-untyped-def] # what is refused
async def nothing() -> None: ...
async def three(message: dict[str, Any], context: Context, more: int) -> None: ...
async def keyword(*, message: bytes) -> None: ...
async def unknown(message: object) -> None: ...
async def misspelt(message: "Ordr") -> None: ...  # type: ignore[name-defined] # noqa: F821 - what is refused
def blocking(message: bytes) -> None: ...


@pytest.mark.parametrize(
    ("function", "problem"),
    [
        (not_annotated, "annotate 'message'"),
        (nothing, r"must take \(message\) or \(message, context\)"),
        (three, "must take"),
        (keyword, "must take"),
        (unknown, "register a decoder"),
        (misspelt, "Ordr"),
        (blocking, "async def"),
    ],
)
def test_a_handler_that_cant_be_called_is_refused_when_it_is_declared(
    function: Callable[..., Any], problem: str
) -> None:
    """With its name and the remedy."""
    with pytest.raises(ConfigError, match=problem) as raised:
        Endpoint.of(function)
    assert function.__name__ in str(raised.value)


def make_context(*bodies: bytes) -> Context:
    queue = FakeQueue("work")
    return Context(
        None, asyncio.Event(), queue, [Held(delivery(body, n), n, "", 0, 30, 15) for n, body in enumerate(bodies)]
    )


def test_a_batch_handler_gets_what_could_be_decoded() -> None:
    """The rest has failed, and indexes are those of what it got."""
    got: list[str] = []

    async def handle(orders: list[Order], context: Context) -> None:
        got.extend(order.orderId for order in orders)
        assert [delivery.id for delivery in context.deliveries] == ["0", "2"]
        assert context.messages == orders
        context.fail(1, ValueError("mine"))

    async def scenario() -> Context:
        context = make_context(b'{"orderId": "a"}', b"{}", b'{"orderId": "b"}')
        await Endpoint.of(handle).handle([])(context)
        return context

    context = run(scenario())
    assert got == ["a", "b"]
    assert list(context.undecodable) == [1]
    assert {position: str(error) for position, error in context.failures.items()} == {2: "mine"}


def test_a_handler_is_not_called_with_nothing() -> None:
    """Where no message can be decoded."""

    async def handle(orders: list[Order]) -> None:
        raise AssertionError

    async def scenario() -> Context:
        context = make_context(b"{}")
        await Endpoint.of(handle).handle([])(context)
        return context

    assert list(run(scenario()).undecodable) == [0]


def test_a_decoder_that_crashes_makes_poison() -> None:
    """It would crash again, and must not fail the others."""

    async def handle(point: Point) -> None: ...

    async def scenario() -> Context:
        register(Point, lambda kind, delivery: kind(int(delivery.body)))
        context = make_context(b"x")
        await Endpoint.of(handle).handle([])(context)
        return context

    assert "can't be decoded: ValueError" in str(run(scenario()).undecodable[0])


def test_middleware_surrounds_the_handler_in_order() -> None:
    """The first is outermost; it sees what was decoded."""
    told: list[str] = []

    async def outer(context: Context, call_next: CallNext) -> None:
        told.append(f"outer {len(context.messages)}")
        await call_next()
        told.append("outer ends")

    async def inner(context: Context, call_next: CallNext) -> None:
        told.append("inner")
        await call_next()

    async def handle(message: dict[str, Any]) -> None:
        told.append(orjson.dumps(message).decode())

    async def scenario() -> None:
        await Endpoint.of(handle).handle([outer, inner])(make_context(b'{"a":1}'))

    run(scenario())
    assert told == ["outer 1", "inner", '{"a":1}', "outer ends"]
