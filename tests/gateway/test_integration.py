"""The gateway's calls to the API: where, with what, and what happens when it does not answer."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from kxmsg.gateway.integration import Answer, HttpIntegration

Respond = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Api:
    """A stand-in for the API: records the calls, answers what ``respond`` says."""

    def __init__(self) -> None:
        self.url = ""
        self.calls: list[tuple[str, str | None, Any]] = []
        self.respond: Respond = self._ok

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.calls.append((request.path, request.headers.get("x-kxmsg-gateway-secret"), await request.json()))
        return await self.respond(request)

    async def _ok(self, request: web.Request) -> web.StreamResponse:
        return web.Response()


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    api = Api()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", api.handle)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    api.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield api
    await runner.cleanup()


async def test_each_kind_of_event_has_its_route_and_carries_the_secret(api: Api) -> None:
    async with HttpIntegration(api.url + "/", "s3cret") as integration:
        await integration.connect({"n": 1})
        await integration.message({"n": 2})
        await integration.disconnect({"n": 3})
    assert api.calls == [
        ("/_gateway/connect", "s3cret", {"n": 1}),
        ("/_gateway/default", "s3cret", {"n": 2}),
        ("/_gateway/disconnect", "s3cret", {"n": 3}),
    ]


async def test_status_body_and_subprotocol_come_back(api: Api) -> None:
    async def respond(request: web.Request) -> web.StreamResponse:
        return web.Response(status=403, body=b'{"no":1}', headers={"Sec-WebSocket-Protocol": "v12.stomp"})

    api.respond = respond
    async with HttpIntegration(api.url, "s") as integration:
        answer = await integration.connect({})
    assert answer == Answer(403, b'{"no":1}', "v12.stomp")
    assert not answer.ok


async def test_a_redirect_is_not_followed(api: Api) -> None:
    async def respond(request: web.Request) -> web.StreamResponse:
        return web.Response(status=307, headers={"location": "/elsewhere"})

    api.respond = respond
    async with HttpIntegration(api.url, "s") as integration:
        assert (await integration.message({})).status == 307
    assert len(api.calls) == 1


async def test_an_api_that_is_down_answers_503_and_is_logged_once(api: Api, unused_tcp_port: int) -> None:
    with capture_logs() as logs:
        async with HttpIntegration(f"http://127.0.0.1:{unused_tcp_port}", "s") as integration:
            assert (await integration.connect({})).status == 503
            assert (await integration.message({})).status == 503
            integration._url = f"{api.url}/_gateway"
            assert (await integration.message({})).status == 200
    assert [line["event"] for line in logs] == ["api unreachable", "api reachable again"]


async def test_an_api_that_does_not_answer_in_time_answers_503(api: Api) -> None:
    release = asyncio.Event()

    async def respond(request: web.Request) -> web.StreamResponse:
        await release.wait()
        return web.Response()

    api.respond = respond
    async with HttpIntegration(api.url, "s", timeout=0.05) as integration:
        assert (await integration.connect({})).status == 503
    release.set()


async def test_a_disconnection_is_told_again_until_it_is_heard(api: Api) -> None:
    statuses = iter([503, 429, 200, 500])

    async def respond(request: web.Request) -> web.StreamResponse:
        return web.Response(status=next(statuses))

    api.respond = respond
    async with HttpIntegration(api.url, "s", retries=(0, 0, 0)) as integration:
        await integration.disconnect({})
    assert len(api.calls) == 3


async def test_a_disconnection_that_is_never_heard_is_given_up_with_a_log_line(api: Api) -> None:
    async def respond(request: web.Request) -> web.StreamResponse:
        return web.Response(status=500)

    api.respond = respond
    with capture_logs() as logs:
        async with HttpIntegration(api.url, "s", retries=(0, 0)) as integration:
            await integration.disconnect({})
    assert len(api.calls) == 3
    assert [line["status"] for line in logs] == [500]


async def test_a_refused_disconnection_is_not_told_again(api: Api) -> None:
    async def respond(request: web.Request) -> web.StreamResponse:
        return web.Response(status=403)

    api.respond = respond
    async with HttpIntegration(api.url, "s", retries=(0, 0)) as integration:
        await integration.disconnect({})
    assert len(api.calls) == 1
