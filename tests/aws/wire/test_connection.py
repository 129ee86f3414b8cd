"""kxmsg.aws.wire.connection: whole answers, or the reason why there is none; and no connection used twice wrongly."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from typing import cast
from unittest.mock import patch

import pytest

from kxmsg.aws.wire.connection import Connection, NoAnswer
from kxmsg.aws.wire.dialer import Dialer
from kxmsg.aws.wire.endpoint import Endpoint
from kxmsg.aws.wire.http1 import Answer
from kxmsg.testing.virtual import VirtualTimeLoop, run
from tests.aws.wire.conftest import Start
from tests.aws.wire.responder import OK, Responder, Step, Talk, answer, hang, then_end, then_hang, then_reset, until

REQUEST = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nhi"
LONG = 30.0
Ending = Callable[[bytes], Step]


@pytest.fixture
async def dialed() -> AsyncIterator[list[Connection]]:
    """The connections that a test has opened; they are ended after it."""
    connections: list[Connection] = []
    yield connections
    for connection in connections:
        connection.abort()
        await connection.lost


async def dial(responder: Responder, dialed: list[Connection]) -> Connection:
    deadline = asyncio.get_running_loop().time() + LONG
    connection = await Dialer(connect_timeout=LONG).dial(Endpoint.parse(responder.url), deadline, lambda _: None)
    dialed.append(connection)
    return connection


async def send(connection: Connection, seconds: float = LONG, request: bytes = REQUEST) -> Answer:
    return await connection.send(request, asyncio.get_running_loop().time() + seconds)


async def fail(connection: Connection, seconds: float = LONG, request: bytes = REQUEST) -> NoAnswer:
    with pytest.raises(NoAnswer) as caught:
        await send(connection, seconds, request)
    assert caught.value.sent
    assert not connection.usable
    await connection.lost
    return caught.value


async def test_answers_come_one_after_the_other(start: Start, dialed: list[Connection]) -> None:
    responder = await start(answer({"a": 1}), answer({"b": 2}), answer(status=410))
    connection = await dial(responder, dialed)
    answers = [await send(connection) for _ in range(3)]
    assert [(each.status, each.body) for each in answers] == [(200, b'{"a":1}'), (200, b'{"b":2}'), (410, b"")]
    assert connection.usable
    assert responder.connections == 1


async def test_a_large_answer_comes_whole(start: Start, dialed: list[Connection]) -> None:
    body = bytes(range(256)) * 8192
    assert (await send(await dial(await start(answer(body)), dialed))).body == body


async def test_a_large_request_goes_out_whole(start: Start, dialed: list[Connection]) -> None:
    body = bytes(range(256)) * 8192
    responder = await start(OK)
    await send(
        await dial(responder, dialed), request=b"POST / HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % len(body) + body
    )
    assert responder.requests[0].body == body


async def test_a_continue_is_passed_over(start: Start, dialed: list[Connection]) -> None:
    connection = await dial(await start(b"HTTP/1.1 100 Continue\r\n\r\n" + OK), dialed)
    assert (await send(connection)).status == 200
    assert connection.usable


@pytest.mark.parametrize(
    "data",
    [
        answer({}, close=True),
        OK.replace(b"HTTP/1.1", b"HTTP/1.0"),
        OK + b"garbage",
        OK + answer({"not": "ours"}),
    ],
    ids=["close", "HTTP/1.0", "garbage after it", "another answer after it"],
)
async def test_after_some_answers_the_connection_is_not_used_again(
    start: Start, dialed: list[Connection], data: bytes
) -> None:
    connection = await dial(await start(data), dialed)
    assert (await send(connection)).body == b"{}"
    assert not connection.usable


async def test_a_body_that_lasts_until_the_end_comes_whole(start: Start, dialed: list[Connection]) -> None:
    connection = await dial(await start(then_end(b"HTTP/1.1 503 Busy\r\n\r\n<html>")), dialed)
    result = await send(connection)
    assert (result.status, result.body) == (503, b"<html>")


@pytest.mark.parametrize(
    "data",
    [b"", b"HTTP/1.1 200 OK\r\nCont", OK[:-1], b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel"],
    ids=["nothing", "head", "body", "chunk"],
)
@pytest.mark.parametrize("ending", [then_end, then_reset], ids=["end", "reset"])
async def test_an_answer_that_is_cut_short_is_lost(
    start: Start, dialed: list[Connection], data: bytes, ending: Ending
) -> None:
    error = await fail(await dial(await start(ending(data)), dialed))
    assert (error.code, error.stale) == ("Reset", False)


async def test_garbage_is_a_bad_answer_and_not_shown(start: Start, dialed: list[Connection]) -> None:
    error = await fail(await dial(await start(b"hunter2 hunter2\r\n\r\n"), dialed))
    assert error.code == "BadAnswer"
    assert "hunter2" not in str(error)


@pytest.mark.parametrize(
    "data", [b"", b"HTTP/1.1 200 OK\r\nx: ", OK[:-1]], ids=["at once", "in the header", "in the body"]
)
async def test_a_peer_that_hangs_is_cut_off_at_the_deadline(
    start: Start, dialed: list[Connection], data: bytes
) -> None:
    responder = await start(then_hang(data))
    error = await fail(await dial(responder, dialed), 0.02)
    assert (error.code, error.stale) == ("Timeout", False)


async def test_whoever_stops_waiting_leaves_an_unusable_connection(start: Start, dialed: list[Connection]) -> None:
    responder = await start(hang)
    connection = await dial(responder, dialed)
    waiting = asyncio.ensure_future(send(connection))
    await until(lambda: responder.requests)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not connection.usable


async def test_an_end_before_the_first_byte_is_stale_once_the_connection_has_served(
    start: Start, dialed: list[Connection]
) -> None:
    connection = await dial(await start(OK, then_end(b"")), dialed)
    await send(connection)
    error = await fail(connection)
    assert (error.code, error.stale) == ("Reset", True)


async def test_an_end_after_the_first_byte_is_not_stale(start: Start, dialed: list[Connection]) -> None:
    connection = await dial(await start(OK, then_end(b"H")), dialed)
    await send(connection)
    assert not (await fail(connection)).stale


async def test_what_comes_without_a_request_ends_the_connection(start: Start, dialed: list[Connection]) -> None:
    """RFC 9112, section 9.2: as the 408 that some servers send to idle connections."""
    said = asyncio.Event()

    async def step(talk: Talk) -> None:
        await talk.write(OK)
        await said.wait()
        await talk.write(answer(status=408))

    connection = await dial(await start(step), dialed)
    await send(connection)
    assert connection.usable
    said.set()
    await connection.lost
    assert not connection.usable


async def test_an_idle_connection_ends_in_time(start: Start, dialed: list[Connection]) -> None:
    responder = await start(OK)
    connection = await dial(responder, dialed)
    await send(connection)
    connection.rest(asyncio.get_running_loop().time() + 0.01)
    await connection.lost
    await responder.all_closed()
    assert not connection.usable


# ----------------------------------------------------------------------------- in virtual time, without a socket


class FakeTransport(asyncio.Transport):
    """Takes what is written; tells its protocol, at the loop's next turn, that it was aborted."""

    def __init__(self, protocol: Connection) -> None:
        super().__init__()
        self._protocol = protocol
        self.unsent = 0
        self.closing = False

    def write(self, data: bytes | bytearray | memoryview) -> None: ...

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def is_closing(self) -> bool:
        return self.closing

    def abort(self) -> None:
        if not self.closing:
            self.closing = True
            asyncio.get_running_loop().call_soon(self._protocol.connection_lost, None)


def connected() -> tuple[Connection, FakeTransport]:
    buffer = memoryview(bytearray(1024))
    connection = Connection(asyncio.get_running_loop(), buffer, lambda _: None)
    transport = FakeTransport(connection)
    connection.connection_made(transport)
    return connection, transport


def deliver(connection: Connection, data: bytes) -> None:
    connection.get_buffer(-1)[: len(data)] = data
    connection.buffer_updated(len(data))


def test_each_request_has_its_own_deadline() -> None:
    """One timer serves them all: it is moved for an earlier deadline, and goes on for a later one."""

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        connection, _ = connected()
        for began, deadline, answered in ((0, 20, 1), (1, 3, 2), (2, 20, 10), (10, 60, 59)):
            assert loop.time() == began
            waiter = connection.send(REQUEST, deadline)
            loop.call_at(answered, deliver, connection, OK)
            assert (await waiter).status == 200
        waiter = connection.send(REQUEST, 61.5)
        with pytest.raises(NoAnswer) as caught:
            await waiter
        assert caught.value.code == "Timeout"
        assert loop.time() == 61.5
        await connection.lost

    run(scenario())


def test_busy_connections_set_few_timers() -> None:
    """One in each time-out, not one for each call."""

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        connection, _ = connected()
        with patch.object(loop, "call_at", wraps=loop.call_at) as call_at:
            for _ in range(1000):
                waiter = connection.send(REQUEST, loop.time() + 1)
                deliver(connection, OK)
                await waiter
                connection.rest(loop.time() + 15)
                cast("VirtualTimeLoop", loop).advance(0.01)
            await asyncio.sleep(0)
            assert call_at.call_count <= 12
        connection.abort()
        await connection.lost

    run(scenario())


def test_an_idle_connection_ends_when_it_is_to() -> None:
    async def scenario() -> None:
        connection, _ = connected()
        waiter = connection.send(REQUEST, 10)
        deliver(connection, OK)
        await waiter
        connection.rest(15)
        await connection.lost
        assert asyncio.get_running_loop().time() == 15

    run(scenario())


def test_a_reset_is_no_end_of_a_body_that_lasts_until_the_end() -> None:
    async def scenario() -> None:
        connection, _ = connected()
        waiter = connection.send(REQUEST, LONG)
        deliver(connection, b"HTTP/1.1 200 OK\r\n\r\nhel")
        connection.connection_lost(ConnectionResetError())
        with pytest.raises(NoAnswer) as caught:
            await waiter
        assert caught.value.code == "Reset"

    run(scenario())


def test_an_answer_before_the_request_was_out_leaves_an_unusable_connection() -> None:
    """The rest of the request would come before the next one."""

    async def scenario() -> None:
        connection, transport = connected()
        waiter = connection.send(REQUEST, LONG)
        transport.unsent = 1
        deliver(connection, answer(status=413))
        assert (await waiter).status == 413
        assert not connection.usable
        connection.abort()
        await connection.lost

    run(scenario())


def test_a_lost_answer_that_nobody_waits_for_any_more_is_not_complained_about() -> None:
    async def scenario() -> None:
        complaints: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        connection, _ = connected()
        connection.send(REQUEST, LONG)
        connection.abort()
        await connection.lost
        del connection
        gc.collect()
        assert not complaints

    run(scenario())
