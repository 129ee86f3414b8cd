"""``kxmsg listen``: what arrives for a user, shown as it comes."""

from collections.abc import Sequence
from typing import Final

import orjson
from rich.console import Console

from kxmsg.bootstrap import secrets_of
from kxmsg.client import Client, Events, Frame
from kxmsg.errors import Forbidden, NotFound, Refusal, StartError, Transient, Unauthenticated
from kxmsg.settings import Settings

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
        self._told = False
        self._api = f"http://{settings.host}:{settings.api_port}"
        self._gateway = f"ws://{settings.host}:{settings.gateway_port}/"
        self._out = Console(highlight=False, soft_wrap=True)
        self._err = Console(stderr=True, highlight=False)

    async def run(self, channels: Sequence[str]) -> None:
        """Listen until interrupted, or until as many frames as wanted have come."""
        settings = self._settings
        if self._token is None:
            secrets = await secrets_of(settings)
            who = self._user, self._tenant, self._roles
            self._token = secrets.mint(*who, LIFE, settings.issuer, settings.audience)
        async with Client(
            self._api, self._token, gateway_url=self._gateway, channels_path=settings.channels_path, attempts=1
        ) as client:
            try:
                for channel in channels:
                    await self._enter(client, channel)
                async with client.events(connected=self._connected, lost=self._lost) as events:
                    await self._show(events)
            except Refusal as refused:
                kind = Unauthenticated if isinstance(refused, Unauthenticated) else Forbidden
                raise kind(f"refused with {refused.status}: {refused.message}") from refused

    async def _show(self, events: Events) -> None:
        async for frame in events:
            self._out.print(orjson.dumps(frame).decode() if self._raw else _line(frame), markup=False)
            if self._left is not None:
                self._left -= 1
                if self._left <= 0:
                    return

    async def _enter(self, client: Client, channel: str) -> None:
        """Join a channel; connecting to one that is not there yet makes it."""
        try:
            await client.join(channel)
        except NotFound:
            async with client.events(thread=channel, lost=self._lost) as events:
                await events.ask({"action": "ping"}, within=LIFE)
        except Transient as error:
            raise StartError(f"the API does not answer at {self._api}; start it with 'make dev'") from error

    def _connected(self) -> None:
        self._told = False
        self._err.print(f"listening as {self._user} of {self._tenant}; Ctrl-C ends it")

    def _lost(self, _: Exception) -> None:
        if not self._told:
            self._told = True
            self._err.print(f"no connection to {self._gateway}; trying again")


def _line(frame: Frame) -> str:
    """One frame on one line: when, what, where, which number, what it says."""
    at = str(frame.get("timestamp", ""))[11:19]
    title = frame.get("title")
    text = frame.get("content") or frame.get("message") or frame.get("reason") or ""
    sender = f"{frame['senderId']}: " if frame.get("senderId") else ""
    says = f"{title} — {text}" if title else f"{sender}{text}"
    priority = f" [{frame['priority']}]" if frame.get("priority") in ("high", "urgent") else ""
    return f"{at} {frame['type']} {frame.get('targetKey', '')} #{frame.get('sequenceNumber', '-')}{priority} {says}"
