"""Client processes that call a responder, in Python and on Node, and what they tell that they spent."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from time import perf_counter
from typing import Final, TypeAlias

from bench.responder import responding

NODE: Final = Path(__file__).with_name("node")
REPEATS: Final = 3


@dataclass(frozen=True, slots=True)
class Spent:
    """What a client process spent, its warm-up apart: CPU time and wall time, in seconds."""

    count: int
    cpu: float
    seconds: float

    @property
    def rate(self) -> float:
        """By second of CPU."""
        return self.count / self.cpu

    @property
    def microseconds(self) -> float:
        """CPU time of one."""
        return self.cpu / self.count * 1e6


Measured: TypeAlias = Mapping[str, Sequence[Spent]]
"""What the clients of one comparison spent, by their names: one or more figures each."""


def python(module: str, *arguments: str) -> Sequence[str]:
    """The command of a client in Python."""
    return sys.executable, "-m", module, *arguments


def node(program: str, *arguments: str) -> Sequence[str] | None:
    """The command of a client on Node; None where its packages are not installed."""
    installed = (NODE / "node_modules" / ".ready").exists()
    return ("node", "--no-warnings", str(NODE / program), *arguments) if installed else None


async def _run(command: Sequence[str], environment: Mapping[str, str]) -> list[Spent]:
    process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    return [Spent(**spent) for spent in json.loads(output)]


async def measure(commands: Mapping[str, Sequence[str] | None]) -> tuple[Measured, Measured]:
    """What each client spent, by its name, plain and over TLS: medians, where all take turns."""
    runs: dict[tuple[str, bool], list[list[Spent]]] = {}
    async with responding(tls=False) as plain, responding(tls=True) as tls:
        for _ in range(REPEATS):
            for name, command in commands.items():
                for responder in (plain, tls):
                    if command is not None:
                        runs.setdefault((name, responder is tls), []).append(await _run(command, responder))
    return _medians(runs, tls=False), _medians(runs, tls=True)


def _medians(runs: Mapping[tuple[str, bool], Sequence[Sequence[Spent]]], *, tls: bool) -> Measured:
    return {
        name: [_middle(same) for same in zip(*all_runs, strict=True)]
        for (name, on), all_runs in runs.items()
        if on is tls
    }


def _middle(runs: Sequence[Spent]) -> Spent:
    return sorted(runs, key=lambda run: run.rate)[len(runs) // 2]


def rates(measured: Measured, name: str, than: str) -> str:
    """Cells of a table: rate by second of CPU, microseconds of one, how many times better ``than`` is."""
    if name not in measured:
        return "not installed | | "
    (theirs,), (ours,) = measured[name], measured[than]
    return f"{theirs.rate:,.0f} | {theirs.microseconds:.1f} | {ours.rate / theirs.rate:.1f} ×"


# ------------------------------------------------------------------------------------------------ in such a process


async def spend(work: Callable[[], Awaitable[int]], seconds: float) -> Spent:
    """Repeat ``work``, which returns how much it did, for so long; once more before, to warm up."""
    await work()
    count, cpu, started = 0, cpu_time(), perf_counter()
    while perf_counter() - started < seconds:
        count += await work()
    return Spent(count, cpu_time() - cpu, perf_counter() - started)


def cpu_time() -> float:
    """CPU seconds of this process so far."""
    usage = getrusage(RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def tell(*spent: Spent) -> None:
    """Say what was spent."""
    print(json.dumps([asdict(one) for one in spent]))
