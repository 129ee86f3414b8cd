"""``python -m bench``: measure and write ``bench/RESULTS.md``."""

import asyncio
import gc
import os
import platform
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import uvloop

from bench.baseline import broadcasting
from bench.matching import matching
from bench.path import Throughput, burst, steady
from bench.processes import REPEATS
from bench.pushes import pushes
from bench.rendering import compilation, expressions, notification
from bench.requests import requests
from bench.rest import rest
from bench.sqs import calls, messages
from bench.stack import cpu, running
from kxmsg.testing.stack import Stack

RESULTS = Path(__file__).with_name("RESULTS.md")

EVENTS = 10_000
USERS = 100
SETTLING_SECONDS = 3
IDLE_SECONDS = 10
FANS = ((1, 4000), (100, 400), (1000, 60))
"""Recipients of each event, and events."""


HEAD = """# Results

Made by `make bench`; `python -m bench SECTION…` makes some anew. Of the whole path: one process per line of `Procfile`;
the load generator and its clients run on the same cores, and CPU time is of all processes together, the load
generator included."""


async def main(chosen: Sequence[str]) -> None:
    """Measure these sections, or all; the others stay as they are."""
    unknown = set(chosen) - set(SECTIONS)
    if unknown:
        raise SystemExit(f"no section {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}")
    texts = _known() if chosen and RESULTS.exists() else {}
    for name in chosen or SECTIONS:
        title, measure = SECTIONS[name]
        lines = [f"## {title}", "", f"{time.strftime('%Y-%m-%d')}, {_machine()}, Python {platform.python_version()}."]
        lines += ["", *await measure()]
        _say(lines)
        texts[title] = "\n".join(lines).rstrip()
    order = [title for title, _ in SECTIONS.values()]
    RESULTS.write_text("\n\n".join([HEAD, *(texts[title] for title in order if title in texts)]) + "\n")


def _known() -> dict[str, str]:
    """The sections of the last run, by title."""
    parts = ("\n" + RESULTS.read_text()).split("\n## ")[1:]
    return {part.partition("\n")[0]: f"## {part}".rstrip() for part in parts}


async def _matching() -> list[str]:
    return matching()


async def _rendering() -> list[str]:
    rows = [*notification(), *expressions()]
    lines = [f"| {name.replace('|', '&#124;')} | {spent:.2f} |" for name, spent in rows]
    return ["| what | µs |", "|---|---|", *lines, "", f"Compiling the notification takes {compilation():.2f} ms."]


async def _aws() -> list[str]:
    return [
        "CPU time of the client's process alone, which has one thread, against a trivial local responder in another.",
        f"Medians of {REPEATS} runs that take turns. `kxmsg, over aiobotocore` is with the fast wire turned off.",
        "",
        "### Pushes to WebSocket connections",
        "",
        *await pushes(),
        "",
        "### SQS: one call",
        "",
        *await calls(),
        "",
        "### SQS: messages received, handled and deleted by the whole runtime",
        "",
        *await messages(),
        "",
        "### Requests to AWS for 1,000 notifications",
        "",
        "By stage, each on a full queue, at an emulator; polls that find nothing are left out. TLS changes no counts.",
        "",
        *await requests(),
    ]


async def _paths(durability: str) -> list[str]:
    async with running(durability) as stack:
        lines = await _idle(stack)
        users = [(f"user-{number}", "acme") for number in range(USERS)]
        await burst(stack, "user", users, 1000, 1)
        whole = await burst(stack, "user", users, EVENTS, 1)
        lines += _events(whole)
        for rate in (500.0, 1000.0):
            runs = sorted([await steady(stack, users, rate, 6) for _ in range(5)], key=lambda run: run.p99)
            middle = runs[len(runs) // 2]
            lines.append(
                f"- At {rate:.0f} events/s, emit to frame: p50 {middle.p50:.1f} ms, p99 {middle.p99:.1f} ms (median "
                f"of {len(runs)} runs, whose p99 were {runs[0].p99:.0f} to {runs[-1].p99:.0f} ms)."
            )
        lines += [
            "",
            "| recipients per event | frames/s | CPU µs per frame | `websockets.broadcast`: frames/s | CPU µs |",
        ]
        lines += ["|---|---|---|---|---|"]
        for fan, events in FANS:
            tenant = f"tenant-{fan}"
            result = await burst(stack, "client", [(f"m{number}", tenant) for number in range(fan)], events, fan)
            plain = await broadcasting(fan, events)
            lines.append(
                f"| {fan} | {result.frames / result.seconds:,.0f} | {sum(result.cpu.values()):.1f} "
                f"| {plain.frames / plain.seconds:,.0f} | {plain.cpu:.1f} |"
            )
    return lines


async def _idle(stack: Stack) -> list[str]:
    await asyncio.sleep(SETTLING_SECONDS)
    before = cpu(stack)
    await asyncio.sleep(IDLE_SECONDS)
    after = cpu(stack)
    share = sum(after[name] - before[name] for name in after if name != "bench") / IDLE_SECONDS * 100
    return [f"- Idle, all {len(stack.pids)} processes together: {share:.1f} % of a core."]


def _events(result: Throughput) -> list[str]:
    parts = ", ".join(f"{name} {spent:.0f}" for name, spent in sorted(result.cpu.items(), key=lambda item: -item[1]))
    return [
        f"- {EVENTS:,} events emitted at once, one recipient each of {USERS}: "
        f"{result.events / result.seconds:,.0f} events/s.",
        f"- CPU per event: {sum(result.cpu.values()):.0f} µs ({parts}).",
    ]


def _machine() -> str:
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.processor(),
    )
    return f"{os.cpu_count()} cores ({model}), {platform.system()} {platform.release().partition('-')[0]}"


def _say(lines: list[str]) -> None:
    print("\n".join(lines))


SECTIONS: Final[Mapping[str, tuple[str, Callable[[], Awaitable[list[str]]]]]] = {
    "full": ("Durability: survives power loss (`full`, the default)", partial(_paths, "full")),
    "normal": ("Durability: survives crashes of processes (`normal`)", partial(_paths, "normal")),
    "rest": ("REST: requests to the API", rest),
    "matching": ("Matching: events a second of CPU, beside moto's matcher", _matching),
    "rendering": ("Rendering: microseconds", _rendering),
    "aws": ("AWS: what calls cost", _aws),
}
"""Title and measurement of each."""


if __name__ == "__main__":
    gc.freeze()  # a full collection of the load generator would be told as latency
    uvloop.run(main(sys.argv[1:]))
