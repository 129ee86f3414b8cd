"""``python -m tests.aws.chaos``: a long run, with figures."""

import argparse
import asyncio
import logging
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path

import structlog
import uvloop

from tests.aws import emulator as ministack
from tests.aws.chaos.fates import CHANCE
from tests.aws.chaos.load import Load
from tests.aws.chaos.promises import broken, most_calls
from tests.aws.chaos.proxy import between
from tests.aws.chaos.run import Run, onlooker, provision, run


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.aws.chaos", description=__doc__)
    parser.add_argument("--messages", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--chance", type=float, default=CHANCE, help="that a call fails; 0 to compare with")
    parser.add_argument("--sdk", action="store_true", help="all calls through the SDK instead of the fast wire")
    parser.add_argument("--log", default="CRITICAL", help="least severe level that is logged")
    asked = parser.parse_args()
    level = logging.getLevelName(asked.log)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(level))
    with tempfile.TemporaryDirectory() as folder, ministack.running(Path(folder)) as emulator:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            del os.environ[name]
        os.environ |= emulator.environment
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            done = runner.run(_run(Path(folder), emulator.url, asked))
    sys.stdout.write(_report(done) + "\n")
    raise SystemExit(bool(broken(done)))


async def _run(folder: Path, upstream: str, asked: argparse.Namespace) -> Run:
    settings = (await provision(folder)).model_copy(update={"fast_wire": not asked.sdk})
    async with onlooker(settings) as looking, between(asked.seed, upstream, asked.chance) as proxy:
        os.environ["AWS_ENDPOINT_URL"] = proxy.url
        return await run(settings, proxy, Load(asked.messages, asked.seed), looking)


def _report(done: Run) -> str:
    by_call: Counter[str] = Counter()
    by_fate: Counter[str] = Counter()
    for (call, fate), count in done.proxy.calls.items():
        by_call[f"{call.service} {call.operation}"] += count
        by_fate[fate.value] += count
    lines = [
        f"{done.load.count} messages in {done.seconds:.1f} s, {len(done.load.unclear)} puts unclear",
        f"drain {done.drain_seconds:.1f} s, restarts {done.restarts}, dead letters {len(done.letters)}",
        f"{done.proxy.total} calls, of at most {most_calls(done):.0f}; fates {dict(by_fate)}",
        *(f"  {count:6} {name}" for name, count in by_call.most_common()),
        *(f"  dead: {count:4} {name}" for name, count in done.dead.most_common()),
        f"still connected: {sorted(done.connected)}",
        *(f"BROKEN: {text}" for text in broken(done)),
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
