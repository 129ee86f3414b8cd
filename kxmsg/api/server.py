"""The API's HTTP server: uvicorn, started and stopped from outside, beside whatever else the process runs."""

import asyncio
import contextlib
import socket
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from kxmsg.errors import StartError

KEEP_ALIVE: Final = 75
"""Seconds an idle connection stays open: longer than a load balancer's 60, or it would meet closed ones."""

CANCEL_SECONDS: Final = 1.0
"""Time that cancelled requests have to end."""


class ApiServer:
    """Serves an ASGI application over HTTP/1.1.

    uvicorn's own ``serve`` would take over the signals of the process and exit it on an error, so its phases are run
    here one by one, on a socket that is bound beforehand.
    """

    def __init__(self, app: ASGIApp, *, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                http="httptools",
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                log_level="warning",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=KEEP_ALIVE,
            )
        )
        self._socket: socket.socket | None = None
        self._ticks: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port listened on, once started; else the one asked for (0: any)."""
        return self._port

    async def start(self) -> None:
        """Listen. Raises :class:`~kxmsg.errors.StartError` if the address can't be had."""
        self._socket = await self._bind()
        self._port = self._socket.getsockname()[1]
        config = self._server.config
        config.load()
        self._server.lifespan = config.lifespan_class(config)
        await self._server.startup(sockets=[self._socket])
        self._ticks = asyncio.create_task(self._server.main_loop(), name="api clock")  # sets the Date header

    async def stop(self, budget: float) -> None:
        """Stop listening, let requests in hand finish for up to ``budget`` seconds, then cancel them."""
        if self._socket is None or self._ticks is None:
            return
        self._ticks.cancel()
        await asyncio.wait([self._ticks])
        state = self._server.server_state
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(budget):
                await self._server.shutdown(sockets=[self._socket])
        if unfinished := list(state.tasks):
            for task in unfinished:
                task.cancel()
            await asyncio.wait(unfinished, timeout=CANCEL_SECONDS)
        for connection in list(state.connections):
            connection.transport.abort()
        self._socket = self._ticks = None

    async def _bind(self) -> socket.socket:
        listener = None
        try:
            found = await asyncio.get_running_loop().getaddrinfo(
                self._host, self._port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP, flags=socket.AI_PASSIVE
            )
            family, kind, protocol, _, address = found[0]
            # With its protocol named, or asyncio leaves Nagle's algorithm on: 40 ms for each answer.
            listener = socket.socket(family, kind, protocol)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
        except OSError as error:
            if listener is not None:
                listener.close()
            raise StartError(
                f"the API can't listen on {self._host}:{self._port} ({error.strerror}): "
                "free it, or set KXMSG_HOST and KXMSG_API_PORT"
            ) from error
        return listener
