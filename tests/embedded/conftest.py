"""A clock that tests set, and engines and queues in the modes that matter."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from kxmsg.embedded.engine import Engine
from kxmsg.embedded.queues import EmbeddedQueue
from kxmsg.embedded.wake import Wake
from kxmsg.topology import QueueSpec


class ManualClock:
    """A ``Clock`` that stands until it is moved."""

    def __init__(self) -> None:
        self.time = 1_750_000_000.0

    def now(self) -> float:
        return self.time


MakeQueue: TypeAlias = Callable[..., EmbeddedQueue]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def memory() -> AsyncIterator[Engine]:
    """Databases in memory, work on the loop's thread."""
    engine = Engine(None, inline=True)
    yield engine
    await engine.close()


@pytest.fixture
async def files(tmp_path: Path) -> AsyncIterator[Engine]:
    """Files, and threads."""
    engine = Engine(tmp_path, durability="normal")
    yield engine
    await engine.close()


@pytest.fixture
async def make_queue(memory: Engine, clock: ManualClock) -> AsyncIterator[MakeQueue]:
    """Makes a queue in memory; takes its name, ``max_receives`` and the keywords of :class:`EmbeddedQueue`."""
    wake = Wake(None)

    def make(name: str = "queue", max_receives: int = 3, **options: Any) -> EmbeddedQueue:
        return EmbeddedQueue(memory, QueueSpec(name, max_receives=max_receives), clock, wake, **options)

    yield make
    await wake.close()
