"""The gateway as a process, and as a server that others may run within theirs."""

import asyncio
import resource
import signal
import socket
from collections.abc import Sequence
from typing import Final

import uvicorn
from uvicorn.server import ServerState

from kxmsg.errors import StartError
from kxmsg.gateway.http import HttpProtocol
from kxmsg.gateway.integration import HttpIntegration, Integration
from kxmsg.gateway.limits import Limits
from kxmsg.gateway.management import Management
from kxmsg.gateway.protocol import Connection
from kxmsg.gateway.registry import Registry
from kxmsg.settings import Settings
from kxmsg.sigv4 import Credentials
from kxmsg.telemetry import get_logger

KEEP_ALIVE: Final = 75
"""Seconds that an idle connection of the management API is kept."""

BACKLOG: Final = 2048

_log = get_logger(__name__)


class GatewayServer:
    """One port: WebSocket upgrades at any path, the management API and ``/health``.

    ``credentials`` may call the management API, signing for ``region``. ``name`` is how the connections it holds name
    it. Port 0 takes a free one. Installs no signal handlers.
    """

    def __init__(
        self,
        integration: Integration,
        credentials: Sequence[Credentials],
        *,
        name: str = "local",
        region: str = "local",
        host: str = "127.0.0.1",
        port: int = 0,
        limits: Limits | None = None,
    ) -> None:
        self._registry: Registry[Connection] = Registry(name, integration, limits or Limits())
        self._app = Management(self._registry, credentials, region)
        self._host = host
        self._port = port

    @property
    def port(self) -> int:
        """The port listened on, once started."""
        return self._port

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return self._registry.count

    async def start(self) -> None:
        """Listen. Raises :class:`~kxmsg.errors.StartError` where the address can't be had."""
        listener = _listen(self._host, self._port)
        self._port = listener.getsockname()[1]
        config = uvicorn.Config(
            self._app,
            http=HttpProtocol,
            ws=Connection,
            interface="asgi3",
            lifespan="off",
            access_log=False,  # its lines have query strings, and those tokens
            log_config=None,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=KEEP_ALIVE,
        )
        config.load()
        # uvicorn's protocols without its Server, which takes the process's signal handlers and polls while it stops.
        self._http = ServerState()
        state = {"registry": self._registry}
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(
            lambda: HttpProtocol(config, self._http, state), sock=listener, backlog=BACKLOG
        )
        self._sweep = loop.create_task(self._registry.sweep())
        _log.info("gateway listening", host=self._host, port=self._port, name=self._registry.name)

    async def stop(self, budget: float = 10) -> None:
        """Take no more connections, close those there are with 1001 and report them, within ``budget`` seconds."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + budget
        self._listener.close()
        await self._registry.drain(budget)
        self._sweep.cancel()
        for connection in tuple(self._http.connections):
            connection.shutdown()
        if self._http.tasks:
            await asyncio.wait(self._http.tasks, timeout=max(0, deadline - loop.time()))
        for connection in tuple(self._http.connections):
            connection.transport.abort()
        _log.info("gateway stopped", name=self._registry.name)


async def serve(
    settings: Settings,
    *,
    secret: str,
    credentials: Sequence[Credentials],
    region: str = "local",
    limits: Limits | None = None,
    stop: asyncio.Event | None = None,
) -> None:
    """Run the gateway of ``settings`` until ``stop`` is set; without one, until SIGTERM or SIGINT.

    ``secret`` is what the API's integration routes ask for.
    """
    _allow_files(limits or Limits())
    if stop is None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
    url = settings.api_url or f"http://{settings.host}:{settings.api_port}"
    async with HttpIntegration(url, secret) as integration:
        server = GatewayServer(
            integration,
            credentials,
            name=settings.gateway_name,
            region=region,
            host=settings.host,
            port=settings.gateway_port,
            limits=limits,
        )
        await server.start()
        await stop.wait()
        await server.stop(settings.stop_timeout - 5)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise StartError(
            f"gateway: can't listen on {host}:{port} ({error.strerror}); free it or set KXMSG_GATEWAY_PORT"
        ) from error


def _allow_files(limits: Limits) -> None:
    """Raise the soft limit on open files, often 1,024, to what the connections need, as far as the hard one lets."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = limits.connections + 1024
    if soft != resource.RLIM_INFINITY and soft < wanted:
        allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
        if allowed < wanted:
            _log.warning("open files are limited to fewer than the connections allowed", files=allowed)
