"""``kxmsg listen``: what arrives for a user, shown as it comes."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import quote

import aiohttp
import orjson
from rich.console import Console
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from kxmsg.bootstrap import secrets_of
from kxmsg.errors import Forbidden, StartError, Unauthenticated
from kxmsg.retry import Backoff
from kxmsg.settings import Settings

_BACKOFF: Final = Backoff(base=0.2, cap=5.0)

LIFE: Final = 12 * 3600


class Listener:
    """Connects as a user, shows each entry once, and connects again when cut."""

    def __init__(
        self,
        settings: Settings,
        user: str,
        tenant: str,
        roles: Sequence[str],
        *,
        token: str | None,
        raw: bool,
        count: int | None,
    ) -> None:
        self._settings = settings
        self._token = token
        self._user, self._tenant, self._roles = user, tenant, roles
        self._raw = raw
        self._left = count
        self._seen: dict[tuple[str, str], int] = {}
        self._out = Console(highlight=False, soft_wrap=True)
        self._err = Console(stderr=True, highlight=False)

    async def run(self, channels: Sequence[str]) -> None:
        """Listen until interrupted, or until as many frames as wanted have come."""
        if self._token is None:
            settings, secrets = self._settings, await secrets_of(self._settings)
            who = self._user, self._tenant, self._roles
            self._token = secrets.mint(*who, LIFE, settings.issuer, settings.audience)
        address = f"ws://{self._settings.host}:{self._settings.gateway_port}/"
        unknown = [channel for channel in channels if not await self._join(channel)]
        attempt = 0
        while self._left is None or self._left > 0:
            try:
                while unknown:  # connecting to it makes it
                    async with self._connect(f"{address}?threadId={quote(unknown[-1], safe='')}"):
                        unknown.pop()
                async with self._connect(address) as socket:
                    self._err.print(f"listening as {self._user} of {self._tenant}; Ctrl-C ends it")
                    attempt = 0
                    await self._show(socket)
            except InvalidStatus as refused:
                if refused.response.status_code < 500:
                    raise _refused(refused.response.status_code, bytes(refused.response.body or b"")) from refused
                attempt = await self._wait(attempt, address)
            except InvalidHandshake as error:
                raise StartError(f"what answers at {address} is no gateway of kxmsg ({error})") from error
            except (OSError, ConnectionClosed, TimeoutError):
                attempt = await self._wait(attempt, address)

    def _connect(self, address: str) -> connect:
        return connect(address, additional_headers=self._headers(), compression=None)

    async def _show(self, socket: ClientConnection) -> None:
        async for text in socket:
            frame = orjson.loads(text)
            if not self._is_new(frame):
                continue
            self._out.print(str(text) if self._raw else _line(frame), markup=False)
            if self._left is not None:
                self._left -= 1
                if self._left == 0:
                    return

    def _is_new(self, frame: dict[str, Any]) -> bool:
        """An entry may come twice, since it is pushed at least once; its number tells."""
        if "sequenceNumber" not in frame:
            return True
        place = (frame.get("targetKey", ""), f"{frame.get('epoch')}#{frame['sequenceNumber']}")
        known = place in self._seen
        self._seen[place] = frame["sequenceNumber"]
        return not known

    async def _wait(self, attempt: int, address: str) -> int:
        if attempt == 0:
            self._err.print(f"no connection to {address}; trying again")
        await asyncio.sleep(_BACKOFF.delay(attempt))
        return attempt + 1

    async def _join(self, channel: str) -> bool:
        """Join over REST; False where there is no such channel yet."""
        url = f"http://{self._settings.host}:{self._settings.api_port}/channels/{quote(channel, safe='')}/join"
        try:
            async with aiohttp.ClientSession() as session, session.post(url, headers=self._headers()) as answer:
                if answer.status == 404:
                    return False
                if answer.status >= 400:
                    raise _refused(answer.status, await answer.read())
                return True
        except aiohttp.ClientConnectionError as error:
            raise StartError(f"the API does not answer at {url}; start it with 'make dev'") from error

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}"}


def _refused(status: int, body: bytes) -> Exception:
    try:
        message = orjson.loads(body)["error"]["message"]
    except (ValueError, KeyError, TypeError):
        message = body.decode(errors="replace")[:200]
    return (Unauthenticated if status == 401 else Forbidden)(f"refused with {status}: {message}")


def _line(frame: dict[str, Any]) -> str:
    """One frame on one line: when, what, where, which number, what it says."""
    at = str(frame.get("timestamp", ""))[11:19]
    title = frame.get("title")
    text = frame.get("content") or frame.get("message") or ""
    sender = f"{frame['senderId']}: " if frame.get("senderId") else ""
    says = f"{title} — {text}" if title else f"{sender}{text}"
    priority = f" [{frame['priority']}]" if frame.get("priority") in ("high", "urgent") else ""
    return f"{at} {frame['type']} {frame.get('targetKey', '')} #{frame.get('sequenceNumber', '-')}{priority} {says}"
