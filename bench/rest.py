"""REST: requests a second of CPU, latency and table calls, beside the bare framework answering a constant."""

import asyncio
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any, Final

from bench.callers import Call, called, posting
from bench.stack import cpu_of, running
from kxmsg.api.app import create_app
from kxmsg.api.routes import ROUTERS
from kxmsg.api.server import ApiServer
from kxmsg.bootstrap import App, memory_app, open_app
from kxmsg.model.envelope import Envelope
from kxmsg.model.principal import Principal
from kxmsg.model.target import Target
from kxmsg.settings import Settings
from kxmsg.testing.stack import COMMANDS

SIZES: Final = (10, 10_000)
"""Entries of the inbox, and of the channel that is written to."""

AT_ONCE: Final = (1, 16)
CALLS: Final = 800
WAITING: Final = 160
"""Calls of one run; of those that wait for the storing, fewer."""

REPEATS: Final = 3

TENANT: Final = "bench"
FREE: Final = {"KXMSG_RATE_USER": "0", "KXMSG_RATE_TENANT": "0"}
"""Without a limit of rates, which would be measured instead."""

HELLO: Final = {"targetType": "channel", "channelId": "desk", "content": "x" * 150}

BARE: Final = "bare framework"


@dataclass(frozen=True, slots=True)
class Measured:
    """One run: seconds of each call, and CPU seconds of the server, all calls together."""

    taken: list[float]
    wall: float
    cpu: float

    @property
    def rate(self) -> float:
        """Calls a second."""
        return len(self.taken) / self.wall

    @property
    def microseconds(self) -> float:
        """CPU of the server for one call."""
        return self.cpu / len(self.taken) * 1e6

    def percentile(self, share: float) -> float:
        """Milliseconds."""
        return sorted(self.taken)[int(len(self.taken) * share)] * 1000


def calls(token: str, size: int) -> Mapping[str, Call]:
    """What is measured, by its name."""
    who = f"Authorization: Bearer {token}\r\n"
    user = f"Inbox with {size:,}"
    return {
        f"{user}: `GET /notifications?limit=10`": Call("GET", "/notifications?limit=10", headers=who),
        f"{user}: `GET /notifications/unread-count`": Call("GET", "/notifications/unread-count", headers=who),
        f"Log of {size:,}: `POST /messages`": posting("/messages", 202, HELLO, who),
        f"Log of {size:,}: `POST /messages`, `Prefer: wait`": posting(
            "/messages", 201, HELLO, f"{who}Prefer: wait=5\r\n"
        ),
    }


async def rest() -> list[str]:
    """Tables in Markdown. Takes two minutes."""
    lines = [
        "CPU of the API's process alone. The bare framework answers the same page of notifications as a constant.",
        f"Medians of {REPEATS} runs of {CALLS} calls ({WAITING} of those that wait), with their scatter; half of the",
        "inbox is read, in no order.",
        "",
        "| | at once | requests/s | p50 ms | p99 ms | CPU µs | of the bare framework's rate |",
        "|---|---|---|---|---|---|---|",
    ]
    for size in SIZES:
        lines += await _measured(size)
    lines += ["", "### Calls of tables for one request", "", "| | 10 entries | 10,000 entries |", "|---|---|---|"]
    counted = [await table_calls(size) for size in SIZES]
    return lines + [f"| `{name}` | {counted[0][name]} | {counted[1][name]} |" for name in counted[0]]


async def _measured(size: int) -> list[str]:
    commands = {name: COMMANDS[name] for name in ("api", "sequence-processor")}
    async with running(commands=commands, environment=FREE) as stack:
        async with open_app(stack.settings) as app:
            await furnish(app, size)
        token = app.secrets.mint("ana", TENANT, ["member"], 3600, stack.settings.issuer, stack.settings.audience)
        port = stack.settings.api_port
        asked = calls(token, size)
        _, page = await called(port, next(iter(asked.values())), 1, 1)
        async with bare(page) as (bare_port, pid):
            asked = {
                f"{BARE}: `GET`": Call("GET", "/constant"),
                f"{BARE}: `POST`": posting("/constant", 200, HELLO),
                **asked,
            }
            runs: dict[tuple[str, int], list[Measured]] = {}
            for _ in range(REPEATS):
                for name, call in asked.items():
                    for at_once in AT_ONCE:
                        plain = name.startswith(BARE)
                        server = pid if plain else stack.pids["api"]
                        runs.setdefault((name, at_once), []).append(
                            await _run(bare_port if plain else port, server, call, at_once)
                        )
    return [_row(name, at_once, some, runs) for (name, at_once), some in runs.items()]


async def _run(port: int, pid: int, call: Call, at_once: int) -> Measured:
    await called(port, call, at_once, 5)
    before, started = cpu_of(pid), time.perf_counter()
    count = WAITING if "Prefer" in call.headers else CALLS
    taken, _ = await called(port, call, at_once, count // at_once)
    return Measured(taken, time.perf_counter() - started, cpu_of(pid) - before)


def _row(name: str, at_once: int, runs: list[Measured], all_runs: Mapping[tuple[str, int], list[Measured]]) -> str:
    rates = sorted(run.rate for run in runs)
    bare_name = f"{BARE}: `{'POST' if 'POST' in name else 'GET'}`"
    than = statistics.median(run.rate for run in all_runs[bare_name, at_once])
    cells = (
        name,
        at_once,
        f"{statistics.median(rates):,.0f} ({rates[0]:,.0f}–{rates[-1]:,.0f})",
        f"{statistics.median(run.percentile(0.5) for run in runs):.1f}",
        f"{statistics.median(run.percentile(0.99) for run in runs):.1f}",
        f"{statistics.median(run.microseconds for run in runs):.0f}",
        f"{statistics.median(rates) / than:.0%}",
    )
    return f"| {' | '.join(map(str, cells))} |"


@asynccontextmanager
async def bare(answer: bytes) -> AsyncIterator[tuple[int, int]]:
    """The bare framework in a process of its own: its port, its process id."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.bare", answer.decode()), stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        yield int(await process.stdout.readline()), process.pid
    finally:
        process.terminate()
        await process.wait()


async def furnish(app: App, size: int) -> None:
    """An inbox of that size, half of it read, and a channel that ana takes part in, with a log as long."""
    who = Principal("ana", TENANT, frozenset({"admin"}), "Ana", None, time.time() + 3600, "bench")
    await app.channel_service.create(who, "group", [app.channel_service.person("ana", "Ana")], ident="desk")
    await app.marks.greet(TENANT, "ana")
    idents: list[str] = []
    for target in (Target("user", "ana"), Target("channel", "desk")):
        for start in range(0, size, 500):
            some = [_entry(target, number) for number in range(start, min(size, start + 500))]
            await app.logs.append(TENANT, target, some)
            idents += [one.id for one in some if one.kind == "notification"]
    read = Random(1).sample(idents, len(idents) // 2)
    for start in range(0, len(read), 100):
        await app.notifications.mark(who, "ana", read[start : start + 100], "read")


def _entry(target: Target, number: int) -> Envelope:
    kind = "notification" if target.type == "user" else "message"
    payload = {"title": f"Incident {number}", "content": "x" * 150, "senderId": "ana"}
    made = Envelope(f"{kind}-{number}", TENANT, target, "message", "fifo", payload, int(time.time() * 1000))
    return replace(made, kind="notification", ordering="standard") if kind == "notification" else made


async def table_calls(size: int) -> dict[str, str]:
    """Which calls of tables one request makes, by route, on an app in memory."""
    with tempfile.TemporaryDirectory(prefix="kxmsg-bench-") as folder:
        app = memory_app(settings=Settings(data=Path(folder), rate_user=0, rate_tenant=0))
        await furnish(app, size)
        counted = Counter[str]()
        for name in ("get", "get_many", "query", "write", "write_many", "transact"):
            setattr(app.tables, name, _counting(counted, name, getattr(app.tables, name)))
        server = ApiServer(create_app(app, ROUTERS), host="127.0.0.1", port=0)
        await server.start()
        try:
            token = app.secrets.mint("ana", TENANT, ["member"], 60, app.settings.issuer, app.settings.audience)
            found: dict[str, str] = {}
            for call in list(calls(token, size).values())[:3]:
                await called(server.port, call, 1, 1)  # the first contact costs more
                counted.clear()
                await called(server.port, call, 1, 1)
                name = f"{call.method} {call.path}"
                found[name] = ", ".join(f"{count} {one}" for one, count in sorted(counted.items())) or "none"
            return found
        finally:
            await server.stop(1)
            await app.close()


def _counting(counted: Counter[str], name: str, call: Any) -> Any:
    def counting(*arguments: Any, **options: Any) -> Any:
        counted[name] += 1
        return call(*arguments, **options)

    return counting
