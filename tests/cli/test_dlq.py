"""``kxmsg dlq``: dead letters, and what to do with them."""

import asyncio
from pathlib import Path

import orjson
import pytest

from kxmsg.bootstrap import open_app
from kxmsg.cli.serve import find_worker
from kxmsg.ports import Outgoing
from kxmsg.settings import Settings
from kxmsg.topology import RENDER, SEQUENCE, TOPOLOGY, Topology
from tests.cli.conftest import Kxmsg

REASON = "welcome: userId: the event has no detail.user [not markup]"


def bury(tmp_path: Path, *bodies: bytes, queue: str = RENDER, topology: Topology = TOPOLOGY) -> None:
    """Put dead letters as a worker does."""
    about = {"reason": REASON, "failures": "1", "failedAt": "2026-01-31T08:00:00.000Z", "sourceQueue": queue}
    fifo = queue.endswith(".fifo")
    letters = [
        Outgoing(body, group="g" if fifo else None, dedup=str(number) if fifo else None, attributes=about)
        for number, body in enumerate(bodies)
    ]

    async def send() -> None:
        async with open_app(Settings(data=tmp_path / "data"), topology) as app:
            assert await app.queue(topology.queue(queue).dlq).send(letters) == []

    asyncio.run(send())


def bodies(tmp_path: Path, queue: str) -> list[bytes]:
    """What stands in a queue."""

    async def receive() -> list[bytes]:
        async with open_app(Settings(data=tmp_path / "data")) as app:
            return [one.body for one in await app.queue(queue).receive(10, wait=0, visibility=1)]

    return asyncio.run(receive())


def test_without_dead_letters_there_is_nothing_to_list(kxmsg: Kxmsg) -> None:
    done = kxmsg("dlq", "list")
    assert (done.status, done.out) == (0, "no dead letters\n")


def test_list_tells_queue_id_time_and_reason_on_a_line_each(kxmsg: Kxmsg, tmp_path: Path) -> None:
    bury(tmp_path, b"{}")
    bury(tmp_path, b"x", b"y", queue=SEQUENCE)
    lines = kxmsg("dlq", "list").out.splitlines()
    assert [line.split()[0] for line in lines] == ["queue", "render", SEQUENCE, SEQUENCE]
    assert REASON in lines[1]
    assert "2026-01-31T08:00:00.000Z" in lines[1]
    assert len(kxmsg("dlq", "list", "render").out.splitlines()) == 2
    assert len(kxmsg("dlq", "list", SEQUENCE, "--limit", "1").out.splitlines()) == 2


@pytest.mark.parametrize("body", [b'{"a":1}', b"\xffnot json"])
def test_show_tells_all_of_one(kxmsg: Kxmsg, tmp_path: Path, body: bytes) -> None:
    bury(tmp_path, body)
    ident = kxmsg("dlq", "list").out.splitlines()[1].split()[1]
    done = kxmsg("dlq", "show", "render", ident)
    shown = orjson.loads(done.out)
    assert (shown["id"], shown["queue"], shown["about"]["reason"]) == (ident, "render", REASON)
    assert shown["body"] == ({"a": 1} if body.startswith(b"{") else "�not json")
    assert len(kxmsg("dlq", "list").out.splitlines()) == 2


def test_show_of_an_unknown_id_is_1(kxmsg: Kxmsg) -> None:
    done = kxmsg("dlq", "show", "render", "nope")
    assert (done.status, done.out) == (1, "")
    assert "'kxmsg dlq list render' shows what is there" in done.err


@pytest.mark.parametrize("queue", [RENDER, SEQUENCE])
def test_redrive_sends_back_as_many_as_asked_then_all(kxmsg: Kxmsg, tmp_path: Path, queue: str) -> None:
    bury(tmp_path, b"1", b"2", b"3", queue=queue)
    assert kxmsg("dlq", "redrive", queue, "--limit", 1).out == f"1 sent back to {queue}\n"
    assert kxmsg("dlq", "redrive", queue).out == f"2 sent back to {queue}\n"
    assert sorted(bodies(tmp_path, queue)) == [b"1", b"2", b"3"]
    assert kxmsg("dlq", "list").out == "no dead letters\n"


def test_purge_asks_first(kxmsg: Kxmsg, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bury(tmp_path, b"1")
    monkeypatch.setattr("typer.confirm", _decline)
    assert kxmsg("dlq", "purge", "render").status == 1
    assert len(kxmsg("dlq", "list").out.splitlines()) == 2
    assert kxmsg("dlq", "purge", "render", "--yes").status == 0
    assert kxmsg("dlq", "list").out == "no dead letters\n"


def test_an_unknown_queue_is_2_with_what_would_be_right(kxmsg: Kxmsg) -> None:
    done = kxmsg("dlq", "list", "rendr")
    assert done.status == 2
    assert "did you mean 'render'" in done.err


def test_a_users_own_queue_is_found_by_its_worker(kxmsg: Kxmsg, tmp_path: Path) -> None:
    name = "examples.audit_worker:worker"
    worker = find_worker(name)
    (queue,) = worker.queues
    bury(tmp_path, b"mine", queue=queue, topology=worker.topology(TOPOLOGY))
    assert kxmsg("dlq", "list", queue).status == 2
    assert kxmsg("dlq", "list", queue, "--worker", name).out.splitlines()[1].startswith(queue)
    assert kxmsg("dlq", "redrive", queue, "--worker", name).out == f"1 sent back to {queue}\n"


def _decline(_: str, *, abort: bool) -> bool:
    from typer import Abort

    assert abort
    raise Abort
