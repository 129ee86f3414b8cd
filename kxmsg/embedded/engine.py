"""Engine: SQLite off the event loop, a database per file, its writes committed in groups."""

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Final, Literal, TypeVar

from kxmsg.embedded.database import Database, Work
from kxmsg.errors import Permanent

T = TypeVar("T")

READERS: Final = 2


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    file: str
    work: Work
    durable: bool
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop


class _Intake:
    """Jobs on their way to a thread: those of the loop's current turn, and what was handed over before."""

    def __init__(self) -> None:
        self.waiting: list[_Job] = []
        self.queue: SimpleQueue[list[_Job] | None] = SimpleQueue()


class Engine:
    """SQLite off the event loop: one writer thread per process with group commit, reads on a few reader threads.

    ``folder`` None keeps the databases in memory. With ``inline`` there are no threads: work runs in the event
    loop's next turn, so that a run under a virtual clock repeats exactly.
    """

    def __init__(
        self, folder: Path | None, *, durability: Literal["full", "normal"] = "full", inline: bool = False
    ) -> None:
        self.folder = folder
        self._durable = durability == "full"
        self._inline = inline
        self._databases: dict[str, Database] = {}
        self._writes = _Intake()
        self._reads = _Intake()
        self._threads: list[threading.Thread] = []
        self._closed = False

    def register(self, file: str, schema: str) -> None:
        """Declare ``<folder>/<file>.db``; ``schema`` (``IF NOT EXISTS`` throughout) is executed at the first open.

        Raises ValueError if the file was declared with another schema.
        """
        known = self._databases.setdefault(file, Database(self.folder, file, schema))
        if known.schema != schema:
            raise ValueError(f"{file} is declared with two schemas")

    async def write(self, file: str, work: Callable[[sqlite3.Connection], T], *, durable: bool = True) -> T:
        """Run ``work`` in a write transaction and return its result once that is committed.

        All that waits for the file shares the transaction. A work that raises leaves nothing behind, and its exception
        comes out here. ``durable`` False commits without waiting for the disk: power loss may undo it, a crash not.
        Raises :class:`~kxmsg.errors.StorageFull`, :class:`~kxmsg.errors.Transient` (locked for too long) or
        :class:`~kxmsg.errors.Permanent`; nothing is applied then. Cancelling the caller doesn't stop the work.
        """
        return await self.submit(file, work, durable=durable)

    def submit(self, file: str, work: Callable[[sqlite3.Connection], T], *, durable: bool = True) -> asyncio.Future[T]:
        """What :meth:`write` awaits, for callers that must learn the outcome even if they are cancelled."""
        return self._put(self._writes, _Job(file, work, durable and self._durable, *_promise()))

    async def read(self, file: str, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``work`` on one snapshot that holds everything committed so far; it can't write."""
        in_memory = self.folder is None  # one shared connection, which is the writer's
        intake = self._writes if in_memory or self._inline else self._reads
        result: T = await self._put(intake, _Job(file, work, False, *_promise()))
        return result

    async def close(self) -> None:
        """Finish what was submitted and close the files."""
        if self._closed:
            return
        self._closed = True
        for intake in (self._writes, self._reads):
            self._hand_over(intake)
        if self._threads:
            self._writes.queue.put(None)
            for _ in range(READERS):
                self._reads.queue.put(None)
            for thread in self._threads:
                await asyncio.to_thread(thread.join)
        for database in self._databases.values():
            database.close()

    def _put(self, intake: _Intake, job: _Job) -> asyncio.Future[Any]:
        """Keep ``job`` until the event loop's next turn: what was submitted in one turn is handed over together."""
        if self._closed:
            raise Permanent(f"{job.file}: the storage is closed")
        if job.file not in self._databases:
            raise ValueError(f"{job.file} is not registered")
        if not intake.waiting:
            job.loop.call_soon(self._hand_over, intake)
        intake.waiting.append(job)
        return job.future

    def _hand_over(self, intake: _Intake) -> None:
        jobs, intake.waiting = intake.waiting, []
        if not jobs:
            return
        if self._inline:
            for group in _by_file(jobs):
                self._commit(group)
            return
        if not self._threads:
            self._start()
        intake.queue.put(jobs)

    def _start(self) -> None:
        loops = [self._write_forever, *[self._read_forever] * READERS]
        self._threads = [threading.Thread(target=target, name="kxmsg-sqlite", daemon=True) for target in loops]
        for thread in self._threads:
            thread.start()

    def _write_forever(self) -> None:
        while (jobs := _take(self._writes.queue)) is not None:
            for group in _by_file(jobs):
                self._commit(group)

    def _commit(self, group: list[_Job]) -> None:
        database = self._databases[group[0].file]
        outcomes = database.write([job.work for job in group], durable=any(job.durable for job in group))
        if self._inline:
            _settle([(job.future, outcome) for job, outcome in zip(group, outcomes, strict=True)])
        else:
            _resolve(group, outcomes)

    def _read_forever(self) -> None:
        connections: dict[str, sqlite3.Connection] = {}
        while (jobs := self._reads.queue.get()) is not None:
            for group in _by_file(jobs):
                database = self._databases[group[0].file]
                _resolve(group, database.read([job.work for job in group], connections))
        for connection in connections.values():
            connection.close()


def _promise() -> tuple[asyncio.Future[Any], asyncio.AbstractEventLoop]:
    loop = asyncio.get_running_loop()
    return loop.create_future(), loop


def _take(queue: SimpleQueue[list[_Job] | None]) -> list[_Job] | None:
    """Wait for jobs, then take all that are there. None at the end; its marker is left for the next call."""
    first = queue.get()
    if first is None:
        return None
    jobs = first
    while True:
        try:
            more = queue.get_nowait()
        except Empty:
            return jobs
        if more is None:
            queue.put(None)
            return jobs
        jobs += more


def _by_file(jobs: list[_Job]) -> list[list[_Job]]:
    groups: dict[str, list[_Job]] = {}
    for job in jobs:
        groups.setdefault(job.file, []).append(job)
    return list(groups.values())


def _resolve(group: list[_Job], outcomes: list[Any]) -> None:
    """Hand the outcomes over, with one wake-up of each event loop."""
    loops: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Any]]] = {}
    for job, outcome in zip(group, outcomes, strict=True):
        loops.setdefault(job.loop, []).append((job.future, outcome))
    for loop, settled in loops.items():
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_settle, settled)


def _settle(settled: list[tuple[asyncio.Future[Any], Any]]) -> None:
    for future, outcome in settled:
        if not future.done():
            if isinstance(outcome, Exception):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)
