"""Pushing frames through API Gateway: :class:`~kxmsg.ports.ConnectionGateway` over its Management API."""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from kxmsg.aws.errors import AwsError
from kxmsg.aws.window import Window
from kxmsg.ports import Outcome, Post
from kxmsg.telemetry import get_logger

CALLS: Final = 64
"""Most calls under way at once, to all gateways together: the throttle is the account's."""

_OUTCOMES: Final[Mapping[int, Outcome]] = {200: "ok", 204: "ok", 410: "gone", 429: "busy"}
"""By HTTP status. 403 is not ``gone``: it tells of our rights, and the connection may be there."""

_log = get_logger(__name__)


class ManagementApi(Protocol):
    """What the fast wire and the SDK both offer; raises :class:`AwsError` where no answer came."""

    async def post_to_connection(
        self, endpoint: str, connection_id: str, data: bytes, *, timeout: float | None = None
    ) -> int: ...

    async def delete_connection(self, endpoint: str, connection_id: str, *, timeout: float | None = None) -> int: ...


@dataclass(slots=True)
class _Line:
    """What one connection is to get, in order, and where each frame's outcome belongs."""

    gateway: str
    connection: str
    frames: list[tuple[bytes, int, int]]


class ApiGateways:
    """Posts to WebSocket APIs of the allow-list, ``gateways``: name to callback URL (``https://…/stage``).

    A connection's frames follow one another, and the first that fails holds the rest back; different connections are
    served side by side, as many as the account's throttle lets. A push that takes longer than ``push_timeout`` seconds
    has failed.
    """

    def __init__(
        self, api: ManagementApi, gateways: Mapping[str, str], *, push_timeout: float = 1.0, calls: int = CALLS
    ) -> None:
        self._api = api
        self._gateways = {name: url.rstrip("/") for name, url in gateways.items()}
        self._push_timeout = push_timeout
        self._calls = calls
        self._window = Window(calls)

    async def post(self, posts: Sequence[Post]) -> list[list[Outcome]]:
        outcomes: list[list[Outcome]] = [["failed"] * len(post.connections) for post in posts]
        lines = deque(_lines(posts))
        servers = [self._serve(lines, outcomes) for _ in range(min(self._calls, len(lines)))]
        if len(servers) == 1:
            await servers[0]
        else:
            await asyncio.gather(*servers)
        return outcomes

    async def disconnect(self, gateway: str, connection: str) -> Outcome:
        url = self._url(gateway)
        if url is None:
            return "failed"
        try:
            status = await self._api.delete_connection(url, connection, timeout=self._push_timeout)
        except AwsError as error:
            _log.warning("a connection was not cut", gateway=gateway, error=str(error))
            return "failed"
        return _OUTCOMES.get(status, "failed")

    async def _serve(self, lines: deque[_Line], outcomes: list[list[Outcome]]) -> None:
        while lines:
            line = lines.popleft()
            url = self._url(line.gateway)
            if url is None:
                continue
            for done, (data, post, place) in enumerate(line.frames):
                outcome = await self._push(url, line, data)
                if outcome != "ok":
                    for _, later_post, later_place in line.frames[done:]:
                        outcomes[later_post][later_place] = outcome
                    break
                outcomes[post][place] = outcome

    async def _push(self, url: str, line: _Line, data: bytes) -> Outcome:
        window = self._window
        await window.enter()
        try:
            status = await self._api.post_to_connection(url, line.connection, data, timeout=self._push_timeout)
        except AwsError as error:
            _log.warning("a frame was not pushed", gateway=line.gateway, error=str(error))
            return "failed"
        finally:
            window.leave()
        outcome = _OUTCOMES.get(status, "failed")
        if outcome == "busy":
            window.narrow()
        else:
            window.widen()
            if outcome == "failed":
                _log.warning("a frame was refused", gateway=line.gateway, status=status)
        return outcome

    def _url(self, gateway: str) -> str | None:
        url = self._gateways.get(gateway)
        if url is None:
            _log.error("post to a gateway that is not on the allow-list", gateway=gateway)
        return url


def _lines(posts: Sequence[Post]) -> list[_Line]:
    lines: dict[tuple[str, str], _Line] = {}
    for number, post in enumerate(posts):
        for place, connection in enumerate(post.connections):
            key = post.gateway, connection
            line = lines.get(key)
            if line is None:
                lines[key] = _Line(post.gateway, connection, [(post.data, number, place)])
            else:
                line.frames.append((post.data, number, place))
    return list(lines.values())
