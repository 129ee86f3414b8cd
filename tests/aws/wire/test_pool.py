"""kxmsg.aws.wire.pool: a bounded number of connections, used again, in turn, and never wrongly."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from kxmsg.aws.wire.connection import NoAnswer
from kxmsg.aws.wire.dialer import Dialer
from kxmsg.aws.wire.endpoint import Endpoint
from kxmsg.aws.wire.http1 import Answer
from kxmsg.aws.wire.pool import Pool
from tests.aws.wire.conftest import Start
from tests.aws.wire.responder import OK, Responder, Talk, answer, hang, then_end, then_reset, until

LONG = 30.0
Make = Callable[..., Pool]


def request(body: bytes = b"") -> bytes:
    return b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body) + body


@pytest.fixture
async def make() -> AsyncIterator[Make]:
    """Make pools of connections to a responder; they are closed in the end."""
    pools: list[tuple[Dialer, Pool]] = []

    def make_one(responder: Responder, *, limit: int = 8, idle: float = LONG) -> Pool:
        dialer = Dialer(connect_timeout=LONG)
        pool = Pool(Endpoint.parse(responder.url), dialer, limit=limit, idle=idle)
        pools.append((dialer, pool))
        return pool

    yield make_one
    for dialer, pool in pools:
        dialer.close()
        await pool.close()


def ask(pool: Pool, body: bytes = b"", *, safe: bool = False, seconds: float = LONG) -> "asyncio.Task[Answer]":
    deadline = asyncio.get_running_loop().time() + seconds
    return asyncio.create_task(pool.exchange(request(body), deadline, safe=safe))


class Gate:
    """A step that answers once it is let; ``waiting`` are the requests that have come so far."""

    def __init__(self) -> None:
        self.waiting: list[bytes] = []
        self._passes = asyncio.Semaphore(0)

    async def __call__(self, talk: Talk) -> None:
        self.waiting.append(talk.request.body)
        await self._passes.acquire()
        await talk.write(OK)

    def let(self, number: int) -> None:
        for _ in range(number):
            self._passes.release()


async def test_a_connection_is_used_again(start: Start, make: Make) -> None:
    responder = await start(OK)
    pool = make(responder)
    for _ in range(5):
        assert (await ask(pool)).status == 200
    assert [each.connection for each in responder.requests] == [1] * 5


@pytest.mark.parametrize("last", [answer({}, close=True), OK + b"x"], ids=["close", "garbage"])
async def test_a_connection_that_may_not_be_used_again_is_replaced(start: Start, make: Make, last: bytes) -> None:
    responder = await start(last, last, OK)
    pool = make(responder, limit=1)
    for _ in range(3):
        await ask(pool)
    assert [each.connection for each in responder.requests] == [1, 2, 3]


async def test_no_more_connections_than_allowed_and_first_come_first_served(start: Start, make: Make) -> None:
    gate = Gate()
    responder = await start(gate)
    pool = make(responder, limit=2)
    calls = [ask(pool, b"%d" % number) for number in range(7)]
    await until(lambda: len(gate.waiting) == 2)
    for come in range(3, 8):
        gate.let(1)
        await until(lambda come=come: len(gate.waiting) == come)  # type: ignore[misc] # mypy knows no bound lambda
    gate.let(2)
    await asyncio.gather(*calls)
    assert sorted(gate.waiting[:2]) == [b"0", b"1"]
    assert gate.waiting[2:] == [b"2", b"3", b"4", b"5", b"6"]
    assert responder.connections == 2


async def test_who_waits_in_vain_is_told_that_nothing_was_sent(start: Start, make: Make) -> None:
    gate = Gate()
    responder = await start(gate)
    pool = make(responder, limit=1)
    first = ask(pool, b"first")
    await until(lambda: gate.waiting)
    with pytest.raises(NoAnswer, match="in use") as caught:
        await ask(pool, b"second", seconds=0.01)
    assert (caught.value.code, caught.value.sent) == ("Timeout", False)
    gate.let(1)
    assert (await first).status == 200
    assert gate.waiting == [b"first"]


async def test_a_cancelled_call_ends_its_connection_and_the_next_gets_a_fresh_one(start: Start, make: Make) -> None:
    """Its answer is still owed: on the same connection the next call would take it for its own."""
    responder = await start(hang, answer({"second": 2}))
    pool = make(responder, limit=1)
    first = ask(pool, b"first")
    await until(lambda: responder.requests)
    second = ask(pool, b"second")
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert (await second).body == b'{"second":2}'
    assert [each.connection for each in responder.requests] == [1, 2]


async def test_a_cancelled_waiter_passes_on_what_it_was_given(start: Start, make: Make) -> None:
    gate = Gate()
    pool = make(await start(gate), limit=1)
    first = ask(pool, b"first")
    await until(lambda: gate.waiting)
    second, third = ask(pool, b"second"), ask(pool, b"third")
    await until(lambda: len(pool._waiting) == 2)
    waiter = pool._waiting[0]
    gate.let(2)
    await until(waiter.done)
    second.cancel()  # in the moment between being given the connection and running
    await asyncio.gather(first, third)
    assert second.cancelled()
    assert gate.waiting == [b"first", b"third"]


async def test_a_cancelled_waiter_passes_on_a_place_too(start: Start, make: Make) -> None:
    responder = await start(hang, OK)
    pool = make(responder, limit=1)
    first = ask(pool, b"first")
    await until(lambda: responder.requests)
    second, third = ask(pool, b"second"), ask(pool, b"third")
    await until(lambda: len(pool._waiting) == 2)
    waiter = pool._waiting[0]
    first.cancel()
    await until(waiter.done)
    second.cancel()
    assert (await third).status == 200
    assert [each.body for each in responder.requests] == [b"first", b"third"]


async def test_an_idle_connection_that_is_just_ending_is_not_used(start: Start, make: Make) -> None:
    responder = await start(OK)
    pool = make(responder, limit=1)
    await ask(pool)
    pool._idle[0].abort()  # as its timer does; the event loop tells the pool later
    assert (await ask(pool)).status == 200
    assert [each.connection for each in responder.requests] == [1, 2]


async def test_a_place_is_not_lost_with_a_failed_dial(start: Start, make: Make) -> None:
    responder = await start(OK)
    pool = make(responder, limit=1)
    await responder.stop()
    for _ in range(3):
        with pytest.raises(NoAnswer) as caught:
            await ask(pool)
        assert (caught.value.code, caught.value.sent) == ("Unreachable", False)


async def test_the_next_in_line_dials_where_a_dial_failed(start: Start, make: Make) -> None:
    responder = await start(OK)
    pool = make(responder, limit=1)
    await responder.stop()
    results = await asyncio.gather(*[ask(pool) for _ in range(4)], return_exceptions=True)
    assert [type(result) for result in results] == [NoAnswer] * 4
    assert "in use" not in str(results)


@pytest.mark.parametrize("ending", [then_end(b""), then_reset(b"")], ids=["end", "reset"])
async def test_a_safe_request_on_a_connection_that_was_closing_is_sent_again(
    start: Start, make: Make, ending: object
) -> None:
    responder = await start(OK, ending, answer({"again": 1}))
    pool = make(responder, limit=1)
    await ask(pool)
    assert (await ask(pool, b"x", safe=True)).body == b'{"again":1}'
    assert [(each.connection, each.body) for each in responder.requests] == [(1, b""), (1, b"x"), (2, b"x")]


async def test_any_other_request_is_not_sent_again(start: Start, make: Make) -> None:
    responder = await start(OK, then_end(b""), OK)
    pool = make(responder)
    await ask(pool)
    with pytest.raises(NoAnswer) as caught:
        await ask(pool, b"x")
    assert (caught.value.code, caught.value.sent) == ("Reset", True)
    assert len(responder.requests) == 2


@pytest.mark.parametrize(
    "steps",
    [(then_end(b""),), (OK, then_end(b"H")), (OK, then_end(b""), then_end(b""))],
    ids=["on a new connection", "after the first byte", "twice"],
)
async def test_even_a_safe_request_is_not_sent_again(start: Start, make: Make, steps: tuple[object, ...]) -> None:
    """Only a reused connection may have been closing; and only once."""
    responder = await start(*steps)
    pool = make(responder)
    for _ in steps[:1] if steps[0] is OK else ():
        await ask(pool)
    with pytest.raises(NoAnswer) as caught:
        await ask(pool, b"x", safe=True)
    assert caught.value.sent
    assert len(responder.requests) == len(steps)


async def test_a_connection_that_ends_while_idle_is_not_used(start: Start, make: Make) -> None:
    responder = await start(then_end(OK), then_end(OK), OK)
    pool = make(responder, limit=1)
    for _ in range(3):
        assert (await ask(pool)).status == 200
        await until(lambda: not pool._idle or len(responder.requests) == 3)
    assert [each.connection for each in responder.requests] == [1, 2, 3]


async def test_idle_connections_end_after_a_while(start: Start, make: Make) -> None:
    gate = Gate()
    responder = await start(gate)
    pool = make(responder, idle=0.02)
    calls = [ask(pool) for _ in range(3)]
    await until(lambda: len(gate.waiting) == 3)
    gate.let(4)
    await asyncio.gather(*calls)
    await responder.all_closed()
    await ask(pool)
    assert responder.connections == 4


async def test_the_connection_used_last_is_used_next(start: Start, make: Make) -> None:
    """So that the others can end."""
    gate = Gate()
    responder = await start(gate)
    pool = make(responder)
    calls = [ask(pool) for _ in range(3)]
    await until(lambda: len(gate.waiting) == 3)
    gate.let(20)
    await asyncio.gather(*calls)
    for _ in range(5):
        await ask(pool)
    assert len({each.connection for each in responder.requests[3:]}) == 1


async def test_closing_fails_what_is_in_flight_and_ends_every_connection(start: Start, make: Make) -> None:
    responder = await start(OK, hang)
    dialer = Dialer(connect_timeout=LONG)
    pool = Pool(Endpoint.parse(responder.url), dialer, limit=1, idle=LONG)
    await ask(pool)
    flying, waiting = ask(pool), ask(pool)
    await until(lambda: len(responder.requests) == 2 and pool._waiting)
    dialer.close()
    await pool.close()
    with pytest.raises(NoAnswer) as caught:
        await flying
    assert (caught.value.code, caught.value.sent) == ("Reset", True)
    for call in (waiting, ask(pool)):
        with pytest.raises(NoAnswer, match="closed") as caught:
            await call
        assert (caught.value.code, caught.value.sent) == ("Unreachable", False)
    await responder.all_closed()


async def test_many_calls_all_get_their_own_answers(start: Start, make: Make) -> None:
    """Whatever becomes of the connections in between."""
    count = 0

    async def echo(talk: Talk) -> None:
        nonlocal count
        count += 1
        await talk.write(answer(talk.request.body, close=count % 7 == 0))
        if count % 11 == 0:
            talk.end()

    responder = await start(echo)
    pool = make(responder, limit=5)
    bodies = [b"%d" % number for number in range(200)]
    answers = await asyncio.gather(*[ask(pool, body, safe=True) for body in bodies])
    assert [each.body for each in answers] == bodies
