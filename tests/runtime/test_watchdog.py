"""Watchdog: heartbeats and the loop's lag."""

import asyncio
import os
from pathlib import Path

from kxmsg.runtime.health import heartbeat_file
from kxmsg.runtime.watchdog import Watchdog
from kxmsg.telemetry import REGISTRY
from kxmsg.testing.virtual import VirtualTimeLoop, run


def names(folder: Path) -> list[str]:
    return [beat.name for beat in folder.iterdir()]


async def ended(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.wait([task])


def test_the_heartbeat_goes_on_only_while_every_loop_moves(tmp_path: Path) -> None:
    """A loop that is not back when it said it would be stops it; one that rests does not."""

    async def scenario() -> None:
        beat = heartbeat_file(tmp_path / "health", "tester")
        watchdog = Watchdog(beat)
        moving, resting = watchdog.pulse(), watchdog.pulse()
        moving.expect(9)
        resting.rest()
        task = asyncio.create_task(watchdog.run())
        await asyncio.sleep(0)
        beats = []
        for _ in range(4):
            os.utime(beat, (0, 0))
            await asyncio.sleep(6)
            beats.append(beat.stat().st_mtime > 0)
        watchdog.forget(moving)
        await asyncio.sleep(6)
        beats.append(beat.stat().st_mtime > 0)
        assert beats == [True, False, False, False, True]
        await ended(task)
        assert not beat.exists()

    run(scenario())


def test_leftovers_of_killed_processes_are_swept_at_the_start(tmp_path: Path) -> None:
    """Those of the same worker; another's are told by the health check."""

    async def scenario() -> None:
        for name in ("tester-999999999", "other-999999999", f"tester-{os.getppid()}"):
            (tmp_path / name).touch()
        task = asyncio.create_task(Watchdog(heartbeat_file(tmp_path, "tester")).run())
        await asyncio.sleep(1)
        left.update(names(tmp_path))
        await ended(task)

    left: set[str] = set()
    run(scenario())
    assert left == {"other-999999999", f"tester-{os.getppid()}", f"tester-{os.getpid()}"}


def test_a_blocked_loop_is_measured() -> None:
    """As lag, in the metric."""

    async def scenario() -> float:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        before = REGISTRY.get_sample_value("kxmsg_loop_lag_seconds_sum") or 0.0
        task = asyncio.create_task(Watchdog().run())
        await asyncio.sleep(0.2)
        loop.advance(2.3)  # time passes while nothing can run
        await asyncio.sleep(0)
        await asyncio.sleep(0.1)
        await ended(task)
        return (REGISTRY.get_sample_value("kxmsg_loop_lag_seconds_sum") or 0.0) - before

    assert 1.9 < run(scenario()) < 2.1
