"""The engine: groups, failures, durability, other processes."""

import asyncio
import contextlib
import fcntl
import resource
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from kxmsg.embedded import database
from kxmsg.embedded.database import Database
from kxmsg.embedded.engine import Engine
from kxmsg.errors import Permanent, StorageFull, Transient

SCHEMA = "CREATE TABLE IF NOT EXISTS t (n INTEGER PRIMARY KEY, data BLOB)"


def add(data: object = None) -> Callable[[sqlite3.Connection], int | None]:
    return lambda connection: connection.execute("INSERT INTO t (data) VALUES (?)", (data,)).lastrowid


def count(connection: sqlite3.Connection) -> int:
    number: int = connection.execute("SELECT count(*) FROM t").fetchone()[0]
    return number


def synchronous(connection: sqlite3.Connection) -> int:
    level: int = connection.execute("PRAGMA synchronous").fetchone()[0]
    return level


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


NORMAL, FULL = 1, 2


@pytest.fixture(params=["files", "files inline", "memory", "memory inline"])
async def engine(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Engine]:
    mode: str = request.param
    engine = Engine(tmp_path if "files" in mode else None, inline="inline" in mode)
    engine.register("t", SCHEMA)
    yield engine
    await engine.close()


@pytest.fixture
async def on_files(tmp_path: Path) -> AsyncIterator[Engine]:
    engine = Engine(tmp_path)
    engine.register("t", SCHEMA)
    yield engine
    await engine.close()


@contextlib.asynccontextmanager
async def writer_held(engine: Engine) -> AsyncIterator[None]:
    """The writer thread is busy within: what is submitted makes one group afterwards."""
    entered, leave = threading.Event(), threading.Event()

    def hold(_: sqlite3.Connection) -> None:
        entered.set()
        leave.wait()

    holding = engine.submit("t", hold)
    await asyncio.to_thread(entered.wait)
    try:
        yield
    finally:
        leave.set()
        await holding


# --------------------------------------------------------------------------------------------------- every mode


async def test_a_write_returns_its_result_and_reads_see_it(engine: Engine) -> None:
    assert await asyncio.gather(*(engine.write("t", add()) for _ in range(5))) == [1, 2, 3, 4, 5]
    assert await engine.read("t", count) == 5


async def test_a_work_that_raises_leaves_nothing_and_the_others_stay(engine: Engine) -> None:
    def fail(connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM t")
        raise LookupError("mine")

    first, failed, last = await asyncio.gather(
        engine.write("t", add()), engine.write("t", fail), engine.write("t", add()), return_exceptions=True
    )
    assert (first, last) == (1, 2)
    assert repr(failed) == "LookupError('mine')"
    assert await engine.read("t", count) == 2


async def test_an_sql_mistake_comes_out_as_it_is(engine: Engine) -> None:
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        await engine.write("t", lambda connection: connection.execute("DELETE FROM missing"))
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        await engine.read("t", lambda connection: connection.execute("SELECT * FROM missing"))
    assert await engine.write("t", add()) == 1


async def test_a_cancelled_caller_does_not_break_the_group(engine: Engine) -> None:
    tasks = [asyncio.create_task(engine.write("t", add())) for _ in range(3)]
    await asyncio.sleep(0)
    tasks[1].cancel()
    first, second, third = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(second, asyncio.CancelledError)
    assert {first, third} == {1, 3}
    assert await engine.read("t", count) == 3


async def test_close_finishes_what_was_submitted(tmp_path: Path) -> None:
    for inline in (False, True):
        engine = Engine(tmp_path, inline=inline)
        engine.register("t", SCHEMA)
        futures = [engine.submit("t", add()) for _ in range(50)]
        await engine.close()
        assert all([await future for future in futures])
    again = Engine(tmp_path)
    again.register("t", SCHEMA)
    assert await again.read("t", count) == 100
    await again.close()


async def test_a_closed_engine_refuses(engine: Engine) -> None:
    await engine.close()
    with pytest.raises(Permanent, match="t: the storage is closed"):
        await engine.write("t", add())
    await engine.close()


async def test_a_full_database_fails_the_write_and_recovers(engine: Engine) -> None:
    def limit(pages: int) -> Callable[[sqlite3.Connection], object]:
        return lambda connection: connection.execute(f"PRAGMA max_page_count={pages}").fetchone()

    await engine.write("t", add(b"before"))
    await engine.write("t", limit(5))
    outcomes = await asyncio.gather(
        *(engine.write("t", add(data)) for data in (b"small", b"x" * 100_000, b"small")), return_exceptions=True
    )
    assert isinstance(outcomes[1], StorageFull)
    assert "make room" in str(outcomes[1])
    stored = await engine.read("t", count)
    assert stored == 1 + sum(isinstance(outcome, int) for outcome in outcomes)
    await engine.write("t", limit(1_000_000))
    await engine.write("t", add(b"x" * 100_000))
    assert await engine.read("t", count) == stored + 1


async def test_what_is_not_registered_is_a_mistake(engine: Engine) -> None:
    with pytest.raises(ValueError, match="unknown is not registered"):
        await engine.write("unknown", add())
    with pytest.raises(ValueError, match="two schemas"):
        engine.register("t", "CREATE TABLE other (n)")
    engine.register("t", SCHEMA)


# ------------------------------------------------------------------------------------------------------- groups


async def test_all_that_waits_is_one_transaction(on_files: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    write = Database.write

    def counting(self: Database, works: list[database.Work], *, durable: bool) -> list[object]:
        sizes.append(len(works))
        return write(self, works, durable=durable)

    monkeypatch.setattr(Database, "write", counting)
    async with writer_held(on_files):
        futures = [on_files.submit("t", add()) for _ in range(30)]
    assert await asyncio.gather(*futures) == list(range(1, 31))
    assert sizes == [1, 30]


async def test_only_what_need_not_be_durable_goes_without_waiting_for_the_disk(on_files: Engine) -> None:
    assert await on_files.write("t", synchronous) == FULL
    assert await on_files.write("t", synchronous, durable=False) == NORMAL
    async with writer_held(on_files):
        mixed = [on_files.submit("t", synchronous, durable=durable) for durable in (False, True, False)]
    assert await asyncio.gather(*mixed) == [FULL] * 3


async def test_normal_durability_never_waits_for_the_disk(tmp_path: Path) -> None:
    engine = Engine(tmp_path, durability="normal")
    engine.register("t", SCHEMA)
    assert await engine.write("t", synchronous, durable=True) == NORMAL
    await engine.close()


async def test_a_failed_commit_fails_the_whole_group_and_later_ones_work(on_files: Engine) -> None:
    assert await on_files.write("t", add(b"before")) == 1
    stack = contextlib.ExitStack()
    async with writer_held(on_files):
        futures = [on_files.submit("t", add(b"x" * 50_000)) for _ in range(3)]
        stack.enter_context(no_file_grows_beyond(60_000))
    outcomes = await asyncio.gather(*futures, return_exceptions=True)
    stack.close()
    assert [type(outcome) for outcome in outcomes] == [StorageFull] * 3
    assert await on_files.read("t", count) == 1
    assert await on_files.write("t", add(b"x" * 50_000)) == 2


@contextlib.contextmanager
def no_file_grows_beyond(size: int) -> Iterator[None]:
    """As if the disk were full: this process's writes beyond ``size`` fail."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


# -------------------------------------------------------------------------------------------------------- reads


async def test_a_read_can_not_write(on_files: Engine) -> None:
    with pytest.raises(Permanent, match="read-only"):
        await on_files.read("t", add())


async def test_a_read_is_one_snapshot_and_does_not_wait_for_the_writer(on_files: Engine) -> None:
    await on_files.write("t", add())
    first_done, go_on = threading.Event(), threading.Event()

    def twice(connection: sqlite3.Connection) -> tuple[int, int]:
        before = count(connection)
        first_done.set()
        go_on.wait()
        return before, count(connection)

    reading = asyncio.create_task(on_files.read("t", twice))
    await asyncio.to_thread(first_done.wait)
    await on_files.write("t", add())
    go_on.set()
    assert await reading == (1, 1)
    assert await on_files.read("t", count) == 2


# ---------------------------------------------------------------------------------------------------- the files


async def test_a_file_that_is_no_database_is_named(tmp_path: Path, on_files: Engine) -> None:
    (tmp_path / "t.db").write_bytes(b"something else " * 100)
    with pytest.raises(Permanent, match=r"t\.db is no database: move it away"):
        await on_files.write("t", add())
    with pytest.raises(Permanent, match=r"t\.db is no database"):
        await on_files.read("t", count)


async def test_a_folder_that_can_not_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    engine = Engine(tmp_path / "file" / "data")
    engine.register("t", SCHEMA)
    with pytest.raises(Permanent, match="check the folder and its permissions"):
        await engine.write("t", add())
    await engine.close()


async def test_folder_and_files_are_this_users_alone(tmp_path: Path) -> None:
    engine = Engine(tmp_path / "data")
    engine.register("t", SCHEMA)
    await engine.write("t", add())
    modes = {name: (tmp_path / "data" / name).stat().st_mode & 0o077 for name in ("", *names(tmp_path / "data"))}
    assert modes == dict.fromkeys(["", "t.db", "t.db-shm", "t.db-wal", "t.lock"], 0)
    await engine.close()


async def test_a_process_that_keeps_the_lock_is_not_waited_for_forever(
    tmp_path: Path, on_files: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "LOCK_TIMEOUT", 0.02)
    await on_files.write("t", add())
    with (tmp_path / "t.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(Transient, match=r"t\.db stayed locked for 0.02 s"):
            await on_files.write("t", add())
    assert await on_files.write("t", add()) == 2


async def test_a_program_that_knows_no_lock_file_is_not_waited_for_forever(
    tmp_path: Path, on_files: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "LOCK_TIMEOUT", 0.02)
    await on_files.write("t", add())
    with contextlib.closing(sqlite3.connect(tmp_path / "t.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Transient, match=r"t\.db: database is locked"):
            await on_files.write("t", add())
        other.execute("ROLLBACK")
    assert await on_files.write("t", add()) == 2


async def test_the_log_stays_bounded(tmp_path: Path, on_files: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "WAL_LIMIT", 100_000)
    monkeypatch.setattr(database, "LOOK_EVERY", 1)
    for _ in range(20):
        await on_files.write("t", add(b"x" * 20_000))
        assert (tmp_path / "t.db-wal").stat().st_size < 150_000
    assert await on_files.read("t", count) == 20


# ---------------------------------------------------------------------------------------------- other processes

WRITER = """
import asyncio, sys
from pathlib import Path
from kxmsg.embedded.engine import Engine

async def main(folder, number):
    engine = Engine(Path(folder))
    engine.register("t", sys.argv[3])
    print("ready", flush=True)
    sys.stdin.readline()
    for _ in range(int(number)):
        print(await engine.write("t", lambda c: c.execute("INSERT INTO t (data) VALUES ('x')").lastrowid), flush=True)
    await engine.close()

asyncio.run(main(*sys.argv[1:3]))
"""


@contextlib.contextmanager
def writing_process(folder: Path, number: int) -> Iterator["subprocess.Popen[str]"]:
    """A process that is about to write ``number`` rows, and prints each after its commit."""
    command = [sys.executable, "-c", WRITER, str(folder), str(number), SCHEMA]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        yield process


def start(process: "subprocess.Popen[str]") -> None:
    assert process.stdin
    process.stdin.write("go\n")
    process.stdin.flush()


async def test_a_killed_process_loses_nothing_that_it_committed(tmp_path: Path, on_files: Engine) -> None:
    with writing_process(tmp_path, 100_000) as process:
        start(process)
        assert process.stdout
        for _ in range(50):
            last = int(process.stdout.readline())
        process.kill()
        rest = process.stdout.read().split("\n")[:-1]
    assert await on_files.read("t", count) >= max([last, *map(int, rest)])
    assert await on_files.write("t", add())


async def test_many_processes_create_and_write_one_file(tmp_path: Path, on_files: Engine) -> None:
    with contextlib.ExitStack() as stack:
        processes = [stack.enter_context(writing_process(tmp_path, 50)) for _ in range(3)]
        for process in processes:
            start(process)
        outputs = [await asyncio.to_thread(process.communicate) for process in processes]
    rows = [int(line) for output, _ in outputs for line in output.split()]
    assert sorted(rows) == list(range(1, 151))
    assert await on_files.read("t", count) == 150


async def test_engines_of_one_process_take_turns_too(tmp_path: Path) -> None:
    engines = [Engine(tmp_path, durability="normal") for _ in range(3)]
    for engine in engines:
        engine.register("t", SCHEMA)
    rows = await asyncio.gather(*(engine.write("t", add()) for engine in engines for _ in range(40)))
    assert sorted(rows) == list(range(1, 121))  # type: ignore[type-var] # lastrowid is never None after an insert
    for engine in engines:
        await engine.close()
    assert names(tmp_path) == {"t.db", "t.lock"}  # the last to close has folded the log into the file
