"""Protection: an ECS task with long work in hand is not chosen when the service scales in.

The ECS container agent is asked over HTTP (Amazon ECS "Task scale-in protection endpoint"), and only when the worker
turns busy or idle, since the agent's calls are throttled.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from kxmsg.retry import Backoff, Jitter
from kxmsg.runtime.drain import pause
from kxmsg.runtime.faults import describe
from kxmsg.telemetry import get_logger

AGENT_URI: Final = "ECS_AGENT_URI"
"""Environment variable by which ECS tells a task where its agent is."""

EXPIRES: Final = 60
"""Minutes after which a protection that nobody renews ends."""

RENEW: Final = EXPIRES * 60 / 2
LINGER: Final = 10.0
"""Seconds without work before the worker counts as idle."""

_TIMEOUT: Final = 5
_BACKOFF: Final = Backoff(base=1.0, cap=60.0)

_log = get_logger("kxmsg.runtime")

Put = Callable[[dict[str, Any]], Awaitable[None]]
"""Sends the body of a request; raises where it was not granted."""


class Protection:
    """Keeps the task protected from the first :meth:`enter` to some seconds after the last :meth:`leave`."""

    def __init__(self, put: Put, rng: Jitter) -> None:
        self._put = put
        self._rng = rng
        self._holders = 0
        self._changed = asyncio.Event()

    def enter(self) -> None:
        """A consumer has something in hand."""
        self._holders += 1
        self._changed.set()

    def leave(self) -> None:
        """It has nothing any more."""
        self._holders -= 1
        self._changed.set()

    def _busy(self) -> bool:
        return self._holders > 0

    async def run(self) -> None:
        """Follow the work until cancelled; then the protection ends."""
        loop = asyncio.get_running_loop()
        protected, renew_at, failures = False, float("inf"), 0
        try:
            while True:
                await self._until_due(protected, renew_at)
                if protected and not self._busy():
                    await asyncio.sleep(LINGER)
                    if self._busy():
                        continue
                wanted = self._busy()
                if await self._ask(enabled=wanted):
                    protected, failures = wanted, 0
                    renew_at = loop.time() + RENEW if wanted else float("inf")
                else:
                    await asyncio.sleep(_BACKOFF.delay(failures, self._rng))
                    failures += 1
        finally:
            if protected:
                await self._ask(enabled=False)

    async def _until_due(self, protected: bool, renew_at: float) -> None:
        """Wait until busy and protected differ, or the protection has to be renewed."""
        loop = asyncio.get_running_loop()
        while self._busy() == protected and loop.time() < renew_at:
            self._changed.clear()
            if protected:
                await pause(self._changed, renew_at - loop.time())
            else:
                await self._changed.wait()

    async def _ask(self, *, enabled: bool) -> bool:
        body = {"ProtectionEnabled": True, "ExpiresInMinutes": EXPIRES} if enabled else {"ProtectionEnabled": False}
        try:
            await self._put(body)
        except Exception as error:  # the agent's or the network's fault: the work goes on unprotected
            _log.warning("scale-in protection could not be changed", enabled=enabled, error=describe(error))
            return False
        return True


async def ask_agent(uri: str, body: dict[str, Any]) -> None:
    """One request to the agent at ``uri``; raises where it does not grant it."""
    import aiohttp  # a third of the time that a worker takes to start, and few have an agent

    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_TIMEOUT)) as session,
        session.put(f"{uri}/task-protection/v1/state", json=body) as response,
    ):
        answer = await response.json(content_type=None)
        if response.status != 200 or answer.get("failure") or answer.get("error"):
            raise RuntimeError(f"the agent answered {response.status}: {answer.get('failure') or answer.get('error')}")
