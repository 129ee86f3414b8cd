"""The gateway client: every connection has its outcome, frames keep their order, requests are few."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import orjson
import pytest
from aiohttp import web
from structlog.testing import capture_logs

from kxmsg.embedded import batch, connections
from kxmsg.embedded.connections import GatewayClient
from kxmsg.gateway.app import GatewayServer
from kxmsg.ports import ConnectionGateway, Outcome, Post
from kxmsg.sigv4 import Credentials
from tests.gateway.fakes import KEYS, FakeIntegration, Gateway

Answer = Callable[[list[batch.Posting]], Awaitable[web.StreamResponse]]


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    """A real gateway."""
    integration = FakeIntegration()
    server = GatewayServer(integration, [KEYS])
    await server.start()
    yield Gateway(server, integration)
    await server.stop(budget=2)


class Recorder:
    """Stands for a gateway: records each batch, answers ok or what ``answer`` says."""

    def __init__(self) -> None:
        self.url = ""
        self.batches: list[list[batch.Posting]] = []
        self.arrived: asyncio.Queue[None] = asyncio.Queue()
        self.answer: Answer = self.ok

    async def handle(self, request: web.Request) -> web.StreamResponse:
        postings = batch.parse(await request.read())
        self.batches.append(postings)
        self.arrived.put_nowait(None)
        return await self.answer(postings)

    async def ok(self, postings: list[batch.Posting]) -> web.StreamResponse:
        return web.Response(body=orjson.dumps([["ok"] * len(names) for names, _ in postings]))


@pytest.fixture
async def recorder() -> AsyncIterator[Recorder]:
    recorder = Recorder()
    app = web.Application(client_max_size=batch.BODY_LIMIT)
    app.router.add_post(batch.PATH, recorder.handle)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    recorder.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield recorder
    await runner.cleanup()


@pytest.fixture
async def connect() -> AsyncIterator[Callable[..., GatewayClient]]:
    """Make clients of the gateway ``local`` at a URL; they are closed in the end."""
    clients: list[GatewayClient] = []

    def make(url: str, *, keys: Credentials = KEYS, push_timeout: float = 5) -> GatewayClient:
        clients.append(GatewayClient({"local": url}, keys, push_timeout=push_timeout))
        return clients[-1]

    yield make
    for client in clients:
        await client.close()


Connect = Callable[..., GatewayClient]


def post(names: Sequence[str], data: bytes, gateway: str = "local") -> Post:
    return Post(gateway, names, data)


# ------------------------------------------------------------------------------------------ with a real gateway


async def test_frames_reach_their_connections_and_outcomes_are_by_position(gateway: Gateway, connect: Connect) -> None:
    client = connect(gateway.url)
    assert isinstance(client, ConnectionGateway)
    one, first = await gateway.opened()
    two, second = await gateway.opened()
    outcomes = await client.post(
        [post([first, "unknown", second], "é".encode()), post([], b"nobody"), post([second], b"b")]
    )
    assert outcomes == [["ok", "gone", "ok"], [], ["ok"]]
    assert await one.recv() == "é"
    assert [await two.recv(), await two.recv()] == ["é", "b"]
    await one.close()
    await two.close()


async def test_frames_of_concurrent_calls_arrive_in_the_order_of_the_calls(gateway: Gateway, connect: Connect) -> None:
    client = connect(gateway.url)
    socket, name = await gateway.opened()
    calls = []
    for number in range(100):
        calls.append(asyncio.ensure_future(client.post([post([name], b"%d" % number)])))
        if number % 7 == 0:
            await asyncio.sleep(0)
    assert await asyncio.gather(*calls) == [[["ok"]]] * 100
    assert [await socket.recv() for _ in range(100)] == [str(number) for number in range(100)]
    await socket.close()


async def test_disconnect_closes_and_then_finds_it_gone(gateway: Gateway, connect: Connect) -> None:
    client = connect(gateway.url)
    socket, name = await gateway.opened()
    assert await client.disconnect("local", name) == "ok"
    await socket.wait_closed()
    assert socket.close_code == 1000
    assert await client.disconnect("local", name) == "gone"
    assert await client.disconnect("local", "odd?id=") == "gone"


async def test_a_frame_that_is_not_text_fails_alone(gateway: Gateway, connect: Connect) -> None:
    socket, name = await gateway.opened()
    assert await connect(gateway.url).post([post([name], b"\xff"), post([name], b"good")]) == [["failed"], ["ok"]]
    assert await socket.recv() == "good"
    await socket.close()


async def test_credentials_that_the_gateway_does_not_know_are_an_error_with_the_remedy(
    gateway: Gateway, connect: Connect
) -> None:
    client = connect(gateway.url, keys=Credentials("AKIDOTHER", "secret"))
    with capture_logs() as logs:
        assert await client.post([post(["a", "b"], b"x")]) == [["failed", "failed"]]
        assert await client.disconnect("local", "a") == "failed"
    errors = [line for line in logs if line["log_level"] == "error"]
    assert [line["reason"] for line in errors] == ["UnrecognizedClientException"] * 2
    assert all("same credentials and region" in line["event"] for line in errors)


async def test_no_secret_and_no_frame_is_logged(gateway: Gateway, connect: Connect) -> None:
    client = connect(gateway.url, keys=Credentials("AKIDOTHER", "very-secret"))
    with capture_logs() as logs:
        await client.post([post(["a"], b"private words")])
    assert "very-secret" not in str(logs)
    assert "private words" not in str(logs)


# ---------------------------------------------------------------------------------------------------- requests


async def test_calls_of_one_turn_go_in_one_request(recorder: Recorder, connect: Connect) -> None:
    client = connect(recorder.url)
    await asyncio.gather(*[client.post([post([str(number)], b"x")]) for number in range(50)])
    assert [len(postings) for postings in recorder.batches] == [50]


async def test_what_comes_while_a_request_is_in_flight_goes_together_in_the_next(
    recorder: Recorder, connect: Connect
) -> None:
    release = asyncio.Event()

    async def held(postings: list[batch.Posting]) -> web.StreamResponse:
        await release.wait()
        return await recorder.ok(postings)

    recorder.answer = held
    client = connect(recorder.url)
    first = asyncio.create_task(client.post([post(["a"], b"1")]))
    await recorder.arrived.get()
    rest = [asyncio.create_task(client.post([post(["a"], b"%d" % number)])) for number in (2, 3, 4)]
    await asyncio.sleep(0)
    assert len(recorder.batches) == 1
    release.set()
    await asyncio.gather(first, *rest)
    assert [[data for _, data in postings] for postings in recorder.batches] == [[b"1"], [b"2", b"3", b"4"]]


async def test_a_request_keeps_to_the_body_limit(recorder: Recorder, connect: Connect) -> None:
    data = b"x" * batch.DATA_LIMIT
    outcomes = await connect(recorder.url).post([post(["a"], data)] * 40)
    assert outcomes == [["ok"]] * 40
    assert [len(postings) for postings in recorder.batches] == [31, 9]


async def test_many_recipients_are_split_between_requests(
    recorder: Recorder, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "RECIPIENTS", 10)
    names = [str(number) for number in range(25)]

    async def odd_gone(postings: list[batch.Posting]) -> web.StreamResponse:
        answer: list[list[Outcome]] = [["gone" if int(name) % 2 else "ok" for name in part] for part, _ in postings]
        return web.Response(body=orjson.dumps(answer))

    recorder.answer = odd_gone
    outcomes = await connect(recorder.url).post([post(names, b"x"), post(names[:3], b"y")])
    assert outcomes == [["gone" if int(name) % 2 else "ok" for name in part] for part in (names, names[:3])]
    assert [[len(part) for part, _ in postings] for postings in recorder.batches] == [[10], [10], [5, 3]]


# ---------------------------------------------------------------------------------------------------- failures


async def test_a_gateway_that_is_not_on_the_list_fails_with_a_log_line(recorder: Recorder, connect: Connect) -> None:
    client = connect(recorder.url)
    with capture_logs() as logs:
        outcomes = await client.post([post(["a", "b"], b"x", "elsewhere"), post(["c"], b"x")])
        assert await client.disconnect("elsewhere", "a") == "failed"
    assert outcomes == [["failed", "failed"], ["ok"]]
    assert [line["gateway"] for line in logs] == ["elsewhere"] * 2


async def test_a_frame_that_is_too_large_fails_without_a_request(recorder: Recorder, connect: Connect) -> None:
    outcomes = await connect(recorder.url).post([post(["a"], b"x" * (batch.DATA_LIMIT + 1))])
    assert outcomes == [["failed"]]
    assert recorder.batches == []


async def test_an_unreachable_gateway_fails(connect: Connect, unused_tcp_port: int) -> None:
    client = connect(f"http://127.0.0.1:{unused_tcp_port}")
    assert await client.post([post(["a", "b"], b"x")]) == [["failed", "failed"]]
    assert await client.disconnect("local", "a") == "failed"


async def test_a_push_that_takes_too_long_fails_and_the_next_one_is_sent(recorder: Recorder, connect: Connect) -> None:
    release = asyncio.Event()

    async def stuck(postings: list[batch.Posting]) -> web.StreamResponse:
        await release.wait()
        return web.Response()

    recorder.answer = stuck
    client = connect(recorder.url, push_timeout=0.05)
    assert await client.post([post(["a"], b"x")]) == [["failed"]]
    release.set()
    recorder.answer = recorder.ok
    assert await client.post([post(["a"], b"x")]) == [["ok"]]


@pytest.mark.parametrize("answer", [b"", b"[]", b'[["splendid"]]', b"<html>"])
async def test_an_answer_that_makes_no_sense_fails(recorder: Recorder, connect: Connect, answer: bytes) -> None:
    async def nonsense(postings: list[batch.Posting]) -> web.StreamResponse:
        return web.Response(body=answer)

    recorder.answer = nonsense
    assert await connect(recorder.url).post([post(["a"], b"x")]) == [["failed"]]


async def test_a_server_error_fails(recorder: Recorder, connect: Connect) -> None:
    async def error(postings: list[batch.Posting]) -> web.StreamResponse:
        return web.Response(status=500)

    recorder.answer = error
    assert await connect(recorder.url).post([post(["a"], b"x")]) == [["failed"]]


async def test_closing_fails_what_is_still_waiting(recorder: Recorder, connect: Connect) -> None:
    release = asyncio.Event()

    async def stuck(postings: list[batch.Posting]) -> web.StreamResponse:
        await release.wait()
        return web.Response()

    recorder.answer = stuck
    client = connect(recorder.url)
    in_flight = asyncio.create_task(client.post([post(["a"], b"x")]))
    await recorder.arrived.get()
    waiting = asyncio.create_task(client.post([post(["b"], b"x")]))
    await asyncio.sleep(0)
    await client.close()
    assert await in_flight == [["failed"]]
    assert await waiting == [["failed"]]
    release.set()


async def test_a_caller_that_gives_up_harms_nobody_else(recorder: Recorder, connect: Connect) -> None:
    release = asyncio.Event()

    async def held(postings: list[batch.Posting]) -> web.StreamResponse:
        await release.wait()
        return await recorder.ok(postings)

    recorder.answer = held
    client = connect(recorder.url)
    one = asyncio.create_task(client.post([post(["a"], b"x")]))
    other = asyncio.create_task(client.post([post(["b"], b"x")]))
    await recorder.arrived.get()
    one.cancel()
    release.set()
    assert await other == [["ok"]]
