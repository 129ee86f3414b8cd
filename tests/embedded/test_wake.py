"""Wake-ups: within a process, between processes (two of them on one folder), and what goes wrong with sockets."""

import asyncio
import contextlib
import secrets
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from kxmsg.embedded.engine import Engine
from kxmsg.embedded.queues import EmbeddedQueue
from kxmsg.embedded.wake import LONGEST_PATH, Wake
from kxmsg.errors import StartError
from kxmsg.ports import Outgoing
from kxmsg.topology import QueueSpec
from tests.embedded.conftest import ManualClock


@pytest.fixture
def folder() -> Iterator[Path]:
    """A data folder with a short path."""
    with tempfile.TemporaryDirectory(prefix="kx") as path:
        yield Path(path)


@pytest.fixture
async def here(folder: Path) -> AsyncIterator[Wake]:
    wake = Wake(folder)
    yield wake
    await wake.close()


@pytest.fixture
async def there(folder: Path) -> AsyncIterator[Wake]:
    """Another process's, as far as it can tell."""
    wake = Wake(folder)
    yield wake
    await wake.close()


async def heard(event: asyncio.Event) -> bool:
    async with asyncio.timeout(5):
        return await event.wait()


@contextlib.contextmanager
def ear(folder: Path, name: str) -> Iterator[socket.socket]:
    """A listener that reads when the test does."""
    directory = folder / "wake" / name
    directory.mkdir(parents=True, exist_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(directory / "ear"))
        listener.setblocking(False)
        yield listener


def datagrams(listener: socket.socket) -> int:
    count = 0
    with contextlib.suppress(BlockingIOError):
        while listener.recv(10):
            count += 1
    return count


async def flushed() -> None:
    await asyncio.sleep(0)
    await asyncio.sleep(0)


async def test_in_one_process_a_wake_up_is_immediate_and_for_that_queue_only() -> None:
    wake = Wake(None)
    event, other = wake.listen("a"), wake.listen("b")
    wake.notify("a")
    assert event.is_set()
    assert not other.is_set()
    assert not wake.listen("a").is_set()
    assert wake.poll is None
    await wake.close()


async def test_another_process_is_woken(here: Wake, there: Wake) -> None:
    event, other = there.listen("a"), there.listen("b")
    here.notify("a")
    assert await heard(event)
    assert not other.is_set()
    assert not there.listen("a").is_set()


async def test_a_listener_that_comes_later_is_found(here: Wake, there: Wake) -> None:
    here.notify("a")
    await flushed()
    event = there.listen("a")
    here.notify("a")
    assert await heard(event)


async def test_a_listener_is_found_in_a_directory_that_was_long_at_rest(
    here: Wake, there: Wake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kxmsg.embedded.wake._SETTLED_NS", -(10**18))
    here.notify("a")
    await flushed()
    scans: list[str] = []
    monkeypatch.setattr("os.scandir", lambda path: scans.append(str(path)) or iter(()))  # type: ignore[func-returns-value]
    for _ in range(3):
        here.notify("a")
        await flushed()
    assert scans == []
    there.listen("a")
    here.notify("a")
    await flushed()
    assert len(scans) == 1


async def test_many_wake_ups_of_one_turn_are_one_datagram(folder: Path, here: Wake) -> None:
    with ear(folder, "a") as listener:
        for _ in range(5):
            here.notify("a")
        await flushed()
        assert datagrams(listener) == 1
        here.notify("a")
        await flushed()
        assert datagrams(listener) == 1


async def test_a_listener_that_does_not_read_holds_nobody_up(folder: Path, here: Wake) -> None:
    with ear(folder, "a") as listener:
        for _ in range(1000):
            here.notify("a")
            await flushed()
        assert 0 < datagrams(listener) < 1000


async def test_the_socket_of_a_dead_process_is_removed(folder: Path, here: Wake) -> None:
    with ear(folder, "a"):
        pass
    assert (folder / "wake" / "a" / "ear").exists()
    here.notify("a")
    await flushed()
    assert not (folder / "wake" / "a" / "ear").exists()


async def test_closing_removes_the_sockets_and_sends_what_is_pending(folder: Path) -> None:
    wake = Wake(folder)
    wake.listen("a")
    with ear(folder, "b") as listener:
        wake.notify("b")
        await wake.close()
        assert datagrams(listener) == 1
    assert list((folder / "wake" / "a").iterdir()) == []


@pytest.fixture
def deep(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder too deep for sockets; the system's temporary directory is ``folder / 't'``."""
    (folder / "t").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder / "t"))
    return folder / ("d" * LONGEST_PATH)


async def test_below_a_deep_folder_wake_ups_go_through_a_private_directory(folder: Path, deep: Path) -> None:
    here, there = Wake(deep), Wake(deep)
    event = there.listen("a")
    here.notify("a")
    assert await heard(event)
    (private,) = (folder / "t").iterdir()
    assert private.stat().st_mode & 0o777 == 0o700
    assert there.listen("b") is not event
    assert len(list((folder / "t").iterdir())) == 2
    await here.close()
    await there.close()


async def test_a_directory_that_others_may_enter_is_refused(folder: Path, deep: Path) -> None:
    wake = Wake(deep)
    wake.listen("a")
    await wake.close()
    (private,) = (folder / "t").iterdir()
    private.chmod(0o755)
    with pytest.raises(StartError, match="use a shorter KXMSG_DATA"):
        Wake(deep).listen("a")


async def test_a_link_in_place_of_the_directory_is_refused(folder: Path, deep: Path) -> None:
    wake = Wake(deep)
    wake.listen("a")
    await wake.close()
    (private,) = (folder / "t").iterdir()
    private.rmdir()
    private.symlink_to(folder)
    with pytest.raises(StartError, match="is not this user's private directory"):
        Wake(deep).listen("a")


# -------------------------------------------------------------------------------------------------- with queues


@contextlib.asynccontextmanager
async def two_processes(folder: Path, here: Wake, there: Wake) -> AsyncIterator[tuple[EmbeddedQueue, EmbeddedQueue]]:
    engines = [Engine(folder, durability="normal") for _ in range(2)]
    clock = ManualClock()
    try:
        yield (
            EmbeddedQueue(engines[0], QueueSpec("queue"), clock, here),
            EmbeddedQueue(engines[1], QueueSpec("queue"), clock, there),
        )
    finally:
        for engine in engines:
            await engine.close()


async def test_a_receive_is_woken_by_another_process(folder: Path, here: Wake, there: Wake) -> None:
    there.poll = None  # no look of its own
    async with two_processes(folder, here, there) as (sender, receiver):
        waiting = asyncio.create_task(receiver.receive(1, wait=20, visibility=30))
        await asyncio.sleep(0)
        await sender.send([Outgoing(b"m")])
        async with asyncio.timeout(5):
            assert [delivery.body for delivery in await waiting] == [b"m"]


async def test_without_sockets_a_receive_looks_for_itself(
    folder: Path, here: Wake, there: Wake, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(secrets, "token_hex", lambda size: "missing/socket")
    there.poll = 0.01
    async with two_processes(folder, here, there) as (sender, receiver):
        waiting = asyncio.create_task(receiver.receive(1, wait=20, visibility=30))
        await asyncio.sleep(0)
        await sender.send([Outgoing(b"m")])
        async with asyncio.timeout(5):
            assert [delivery.body for delivery in await waiting] == [b"m"]
    assert "polling instead" in capsys.readouterr().out
