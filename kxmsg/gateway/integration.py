"""The gateway's calls to the API, one per connect, message and disconnect: its HTTP integration."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from types import TracebackType
from typing import Final, Protocol, Self

import aiohttp
import orjson

from kxmsg.telemetry import get_logger
from kxmsg.types import JsonObject

SECRET_HEADER: Final = "x-kxmsg-gateway-secret"  # noqa: S105  the header's name, not the secret
_SUBPROTOCOL: Final = "Sec-WebSocket-Protocol"
_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API said. ``body`` is text in UTF-8; ``subprotocol`` the one it selected on connect."""

    status: int
    body: bytes = b""
    subprotocol: str | None = None

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def seconds_left(self) -> float:
        """How long the connection may last, as the answer to a connect says in ``expiresIn``; else without end."""
        try:
            return float(orjson.loads(self.body)["expiresIn"])
        except (ValueError, KeyError, TypeError):
            return inf


class Integration(Protocol):
    """Where connections, messages and disconnections go. No method raises: what failed answers 503."""

    async def connect(self, event: JsonObject) -> Answer:
        """Any status but 2xx refuses the upgrade, with that status and body."""
        ...

    async def message(self, event: JsonObject) -> Answer:
        """A body, where there is one, is sent to the client."""
        ...

    async def disconnect(self, event: JsonObject) -> None: ...


class HttpIntegration:
    """Posts the events to ``{url}/_gateway/connect``, ``/default`` and ``/disconnect``; an async context manager.

    ``secret`` proves to the API who calls. ``concurrency`` bounds the calls in flight; others wait, within
    ``timeout`` seconds. ``retries`` are the pauses before a disconnection is told once more.
    """

    def __init__(
        self,
        url: str,
        secret: str,
        *,
        timeout: float = 29,
        concurrency: int = 256,
        retries: Sequence[float] = (0.2, 1, 3),
    ) -> None:
        self._url = f"{url.rstrip('/')}/_gateway"
        self._headers = {SECRET_HEADER: secret, "content-type": "application/json"}
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._concurrency = concurrency
        self._retries = retries
        self._down = False

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            # Shorter than the 5 s that uvicorn keeps an idle connection: a POST must not meet one just being closed.
            connector=aiohttp.TCPConnector(limit=self._concurrency, keepalive_timeout=3),
            timeout=self._timeout,
            headers=self._headers,
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def connect(self, event: JsonObject) -> Answer:
        return await self._post("/connect", event)

    async def message(self, event: JsonObject) -> Answer:
        return await self._post("/default", event)

    async def disconnect(self, event: JsonObject) -> None:
        for pause in (*self._retries, None):
            answer = await self._post("/disconnect", event)
            if answer.status < 500 and answer.status != 429:
                return
            if pause is not None:
                await asyncio.sleep(pause)
        _log.info("disconnection not reported; its rows expire by themselves", status=answer.status)

    async def _post(self, route: str, event: JsonObject) -> Answer:
        try:
            async with self._session.post(
                self._url + route, data=orjson.dumps(event), allow_redirects=False
            ) as response:
                answer = Answer(response.status, await response.read(), response.headers.get(_SUBPROTOCOL))
        except (aiohttp.ClientError, TimeoutError) as error:
            if not self._down:
                _log.warning("api unreachable", url=self._url, error=type(error).__name__)
            self._down = True
            return Answer(503)
        if self._down:
            _log.info("api reachable again", url=self._url)
        self._down = False
        return answer
