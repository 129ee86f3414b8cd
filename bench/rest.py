"""REST: what requests cost who has 10 entries and who has 10,000, beside the bare framework answering a constant."""

import asyncio
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Final

import orjson

from bench.bare import serving
from bench.load import Load, Request, load
from bench.stack import cpu_of, empty, running
from kxmsg.api.app import create_app
from kxmsg.api.routes import ROUTERS
from kxmsg.api.server import ApiServer
from kxmsg.bootstrap import memory_app, open_app
from kxmsg.embedded.secrets import LocalSecrets
from kxmsg.runtime import logs
from kxmsg.settings import Settings
from kxmsg.testing.until import until
from kxmsg.topology import TOPOLOGY
from tests.filling import ROOM, TEXT, USER, fill
from tests.port_calls import READS, WRITES, PortCalls, counting

REPEATS: Final = 5
SECONDS: Final = 1.0
AT_ONCE: Final = (1, 16)
SIZES: Final = (10, 10_000)
PATIENCE: Final = 300.0

ENVIRONMENT: Final = {"KXMSG_RATE_USER": "0", "KXMSG_RATE_TENANT": "0", "LOG_LEVEL": "INFO"}

MESSAGE: Final = {"channelId": ROOM.id, "content": TEXT}


@dataclass(frozen=True, slots=True)
class Case:
    """A request, the path at which the bare framework answers the same, and the sizes at which the answers are alike.

    Who waits for the commit is held up by the path: what that costs the bare framework is not asked.
    """

    name: str
    request: Request
    bare: str
    sizes: Sequence[int] = SIZES


CASES: Final = [
    Case("`GET /notifications?limit=10`", Request("GET", "/notifications?limit=10"), "/page-10"),
    Case("`GET /notifications`", Request("GET", "/notifications"), "/page-50", SIZES[-1:]),
    Case("`GET /notifications/unread-count`", Request("GET", "/notifications/unread-count"), "/unread-count"),
    Case("`POST /messages`", Request("POST", "/messages", 202, MESSAGE), "/messages"),
    Case(
        "`POST /messages`, `Prefer: wait=5`",
        Request("POST", "/messages", 201, MESSAGE, {"Prefer": "wait=5"}),
        "/messages",
    ),
]

BARE: Final = 0
"""In the place of a size."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run, and the CPU microseconds that each of its requests cost the server."""

    load: Load
    cpu: float


Runs = dict[tuple[str, int, int], list[Run]]
"""By name of the case, size and how many at once."""


async def rest() -> list[str]:
    """Two tables in Markdown. Takes five minutes."""
    return [
        "The product as separate processes with its defaults, but for rate limits, which are off. The bare framework",
        "is FastAPI on the same server, which answers the same JSON from memory. CPU time is of the server's process",
        "alone; the load generator, and what takes messages on from the queue, run on the same cores.",
        f"Medians of {REPEATS} runs of {SECONDS:.0f} s that take turns, with the lowest and the highest. What else",
        f"the machine was doing made a load average of {os.getloadavg()[0]:.1f} when they began.",
        "",
        "Half of the entries are the user's own, half their client's; every other one is read, in no order. Messages",
        "go to one channel, which grows by them. Who waits for the commit looks after 20 ms, then less and less often.",
        "",
        *_costs(await _measured()),
        "",
        "### Calls of tables and queues",
        "",
        *await _calls(),
    ]


# ----------------------------------------------------------------------------------------------------------- costs


async def _measured() -> Runs:
    async with running(environment=ENVIRONMENT) as stack, open_app(stack.settings) as app:
        await asyncio.gather(*(fill(app, _tenant(size), size) for size in SIZES))
        api = partial(_run, stack.settings.api_port, stack.pids["api"])
        settled = partial(until, partial(empty, app, [spec.name for spec in TOPOLOGY.queues]), PATIENCE)
        answers: dict[str, Any] = {}
        for case in CASES:
            for size in case.sizes:
                answer = await load(stack.settings.api_port, _signed(case.request, stack.settings, size))
                answers.setdefault(case.bare, orjson.loads(answer.body))
        async with serving(answers) as (port, pid):
            bare = partial(_run, port, pid)
            runs: Runs = {}
            for _ in range(REPEATS):
                for at_once in AT_ONCE:
                    for case in CASES:
                        for size in case.sizes:
                            await settled()
                            run = await api(_signed(case.request, stack.settings, size), at_once)
                            runs.setdefault((case.name, size, at_once), []).append(run)
                        if case.request.status != 201:
                            await settled()
                            run = await bare(replace(case.request, path=case.bare), at_once)
                            runs.setdefault((case.name, BARE, at_once), []).append(run)
        return runs


async def _run(port: int, pid: int, request: Request, at_once: int) -> Run:
    before = cpu_of(pid)
    done = await load(port, request, at_once=at_once, seconds=SECONDS)
    return Run(done, (cpu_of(pid) - before) / len(done.taken) * 1e6)


def _costs(runs: Runs) -> list[str]:
    lines = [
        "| request | at once | entries | requests/s | × bare | p50 ms | p99 ms | CPU µs | × bare |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for (name, size, at_once), some in sorted(runs.items(), key=lambda item: _order(*item[0])):
        bare = runs.get((name, BARE, at_once), [])
        rate, cpu = [run.load.rate for run in some], [run.cpu for run in some]
        rates, costs = "", ""
        if bare and size != BARE:
            rates = f"{median(rate) / median(run.load.rate for run in bare):.2f}"
            costs = f"{median(cpu) / median(run.cpu for run in bare):.1f}"
        cells = [
            name,
            str(at_once),
            "bare framework" if size == BARE else f"{size:,}",
            _spread(rate, 0),
            rates,
            _spread([run.load.percentile(0.5) for run in some], 2),
            _spread([run.load.percentile(0.99) for run in some], 1),
            _spread(cpu, 0),
            costs,
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _order(name: str, size: int, at_once: int) -> tuple[int, int, int]:
    return [case.name for case in CASES].index(name), at_once, size or 1 << 30


def _spread(values: Sequence[float], digits: int) -> str:
    return f"{median(values):,.{digits}f} ({min(values):,.{digits}f} to {max(values):,.{digits}f})"


def _tenant(size: int) -> str:
    return f"tenant-{size}"


def _signed(request: Request, settings: Settings, size: int) -> Request:
    token = LocalSecrets(settings.data).mint(USER, _tenant(size), ["member"], 3600, settings.issuer, settings.audience)
    return replace(request, headers={**(request.headers or {}), "Authorization": f"Bearer {token}"})


# ----------------------------------------------------------------------------------------------------------- calls


async def _calls() -> list[str]:
    lines = [
        "| request | entries | reads of tables | keys read | writes of tables | sends to queues |",
        "|---|---|---|---|---|---|",
    ]
    logs.configure("ERROR")
    with tempfile.TemporaryDirectory(prefix="kxmsg-bench-") as folder:
        app = memory_app(settings=Settings(data=Path(folder), config=Path(folder)))
        server = ApiServer(create_app(app, ROUTERS), host="127.0.0.1", port=0)
        await server.start()
        for size in SIZES:
            await fill(app, _tenant(size), size)
        for case in CASES:
            if case.request.status == 201:
                continue
            for size in case.sizes:
                request = _signed(case.request, app.settings, size)
                await load(server.port, request)  # the first contact, which costs more
                with counting(app) as counts:
                    await load(server.port, request)
                lines.append(f"| {case.name} | {size:,} | {' | '.join(_counted(counts))} |")
        await server.stop(1)
        await app.close()
    return lines


def _counted(counts: PortCalls) -> list[str]:
    keys = sum(counts.items[name] for name in READS)
    return [_named(counts.calls, READS), str(keys), _named(counts.calls, WRITES), str(counts.calls["send"])]


def _named(calls: Mapping[str, int], names: Sequence[str]) -> str:
    said = [f"{calls[name]} × `{name}`" for name in names if calls[name]]
    return ", ".join(said) or "0"
