"""From emit to frame: events a second, latency, pushes a second, CPU time."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from bench.clients import connect
from bench.stack import cpu
from kxmsg.bootstrap import open_app
from kxmsg.model.event import Event
from kxmsg.testing.stack import Stack

TEXT = "Trail lamp was handed to Northwind Post and should arrive on Tuesday between nine and noon."


@dataclass(frozen=True, slots=True)
class Throughput:
    """One burst. ``cpu`` is microseconds per frame, by process."""

    events: int
    frames: int
    seconds: float
    cpu: dict[str, float]


@dataclass(frozen=True, slots=True)
class Latency:
    """A steady load, in events a second; percentiles in milliseconds from emit to frame."""

    rate: float
    p50: float
    p99: float
    worst: float


class Audience:
    """Connections that count what they get."""

    def __init__(self) -> None:
        self.times: list[tuple[bytes, float]] = []
        self.count = 0
        self._wanted = 0
        self._enough = asyncio.Event()
        self._transports: list[asyncio.Transport] = []
        self.keep = False

    def _on_frame(self, frame: bytes, now: float) -> None:
        self.count += 1
        if self.keep:
            self.times.append((frame, now))
        if self.count >= self._wanted:
            self._enough.set()

    async def join(self, stack: Stack, users: Sequence[tuple[str, str]]) -> None:
        """Connect every (user, tenant)."""
        for start in range(0, len(users), 20):
            self._transports += await asyncio.gather(
                *(connect(stack.settings, user, tenant, self._on_frame) for user, tenant in users[start : start + 20])
            )

    async def wait(self, frames: int, seconds: float = 120) -> None:
        """Until so many frames have come since the last :meth:`reset`."""
        self._wanted = frames
        if self.count >= frames:
            return
        self._enough.clear()
        async with asyncio.timeout(seconds):
            await self._enough.wait()

    def reset(self, *, keep: bool = False) -> None:
        self.count = 0
        self._wanted = 1 << 60
        self.times = []
        self.keep = keep

    def leave(self) -> None:
        for transport in self._transports:
            transport.abort()


async def burst(stack: Stack, kind: str, users: Sequence[tuple[str, str]], events: int, fan: int) -> Throughput:
    """Emit ``events`` at once and wait for all ``events`` × ``fan`` frames."""
    audience = Audience()
    await audience.join(stack, users)
    async with open_app(stack.settings) as app:
        audience.reset()
        before, started = cpu(stack), time.perf_counter()
        made = [_event(kind, users, number) for number in range(events)]
        limit = app.bus.batch_limit
        batches = iter([made[start : start + limit] for start in range(0, events, limit)])

        async def emit() -> None:
            for batch in batches:
                await app.bus.put(batch)

        await asyncio.gather(*(emit() for _ in range(4)))
        await audience.wait(events * fan)
        seconds = time.perf_counter() - started
    after = cpu(stack)
    audience.leave()
    frames = events * fan
    spent = {name: (after[name] - before[name]) / frames * 1e6 for name in after}
    return Throughput(events, frames, seconds, spent)


async def steady(stack: Stack, users: Sequence[tuple[str, str]], rate: float, seconds: float) -> Latency:
    """Emit at ``rate`` events a second for ``seconds``; how long each took from emit to frame."""
    audience = Audience()
    await audience.join(stack, users)
    tick = 0.01
    async with open_app(stack.settings) as app:
        audience.reset(keep=True)
        total = int(rate * seconds)
        started, sent = time.perf_counter(), 0
        puts: set[asyncio.Task[object]] = set()
        while sent < total:
            now = time.perf_counter()
            due = min(total, int((now - started) * rate) + 1)
            if due > sent:
                due = min(due, sent + app.bus.batch_limit)
                events = [_event("user", users, number) for number in range(sent, due)]
                put = asyncio.ensure_future(app.bus.put(events))
                puts.add(put)
                put.add_done_callback(puts.discard)
                sent = due
            await asyncio.sleep(tick)
        await audience.wait(total)
    audience.leave()
    taken = sorted((now - orjson.loads(frame)["metadata"]["at"]) * 1000 for frame, now in audience.times)
    return Latency(rate, taken[len(taken) // 2], taken[int(len(taken) * 0.99)], taken[-1])


def _event(kind: str, users: Sequence[tuple[str, str]], number: int) -> Event:
    user, tenant = users[number % len(users)]
    detail = {"tenantId": tenant, "userId": user, "orderId": number, "text": TEXT, "at": time.perf_counter()}
    return Event("bench", kind, detail)
