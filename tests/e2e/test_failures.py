"""What goes wrong in life, on real processes: each is said in one clear line, and nothing accepted is lost."""

import asyncio
import errno
import fcntl
import os
import socket as sockets
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from kxmsg.bootstrap import App, open_app
from kxmsg.embedded.secrets import LocalSecrets
from kxmsg.model.target import Target
from kxmsg.ports import Outgoing
from kxmsg.testing.stack import COMMANDS, Stack
from kxmsg.testing.until import until
from kxmsg.topology import EVENTS, RENDER, TOPOLOGY
from tests.e2e.clients import frame, rest, socket, token
from tests.e2e.conftest import CONFIG, installed

SHIPPED = CONFIG / "orders/samples/order-shipped.json"
ANA = Target("user", "ana")

WELCOME = """
eventSubscriptions:
  - name: welcome
    eventPattern: { source: [com.acme.crm], detail-type: [registered] }
    notificationMapping:
      registered: { targetType: user, userId: ana, content: "Welcome, {{ detail.NAME }}" }
"""
REGISTERED = {"source": "com.acme.crm", "detail-type": "registered", "detail": {"tenantId": "acme", "name": "Ana"}}


def one_line(err: str) -> str:
    """The one line that a command said; no traceback, no log."""
    (line,) = err.splitlines()
    assert line.startswith("kxmsg: "), line
    return line


async def counted(stack: Stack, queue: str) -> int:
    """How many messages a queue holds."""
    async with open_app(stack.settings) as app:
        return (await app.queue(queue).depth()).visible


# ------------------------------------------------------------------------------------------------- dead letters


@pytest.mark.usefixtures("backend")
async def test_a_dead_letter_tells_why_and_is_delivered_once_its_cause_is_mended(tmp_path: Path) -> None:
    """An event that its template can't use, and a message that is none at all."""
    config, event = tmp_path / "config", tmp_path / "event.json"
    config.mkdir()
    (config / "welcome.yaml").write_text(WELCOME.replace("NAME", "nickname"))
    event.write_bytes(orjson.dumps(REGISTERED))
    names = ("event-consumer", "template-renderer", "storage-writer")
    commands = {name: COMMANDS[name] for name in names}
    soon = {"KXMSG_VISIBILITY": "2"}  # SQS may give messages to the last poll of the process that is restarted
    async with installed(Stack(tmp_path / "data", config, commands=commands, environment=soon)) as stack:
        async with open_app(stack.settings) as app:
            assert await app.queue(RENDER).send([Outgoing(b"nonsense")]) == []
        assert (await stack.run("emit", str(event)))[0] == 0
        letters = await until(lambda: _letters(stack, 2))
        (unusable,) = [line for line in letters if "detail.nickname" in line]
        (malformed,) = [line for line in letters if "not a render job" in line]
        _, shown, _ = await stack.run("dlq", "show", "render", unusable.split()[1])
        assert orjson.loads(shown)["body"]["event"]["detail"] == REGISTERED["detail"]

        (config / "welcome.yaml").write_text(WELCOME.replace("NAME", "name"))
        await stack.terminate("template-renderer")
        await stack.start("template-renderer")
        status, out, _ = await stack.run("dlq", "redrive", "render")
        assert (status, out) == (0, "2 sent back to render\n")
        async with open_app(stack.settings) as app:
            await until(lambda: _stored(app))
            (entry,) = await app.logs.read("acme", ANA)
        assert entry.envelope.payload["content"] == "Welcome, Ana"
        (again,) = await until(lambda: _letters(stack, 1))
        assert "not a render job" in again
        assert malformed


async def _letters(stack: Stack, count: int) -> list[str]:
    """The lines of ``kxmsg dlq list`` once there are so many letters."""
    if await counted(stack, TOPOLOGY.queue(RENDER).dlq) < count:
        return []
    _, out, _ = await stack.run("dlq", "list", "render")
    return out.splitlines()[1:]


async def _stored(app: App) -> bool:
    return (await app.logs.head("acme", ANA)).seq == 1


# -------------------------------------------------------------------------------------------------- at the door


async def test_who_breaks_the_rules_of_the_door_is_told_so(tmp_path: Path) -> None:
    """The same answers as API Gateway's: close codes, HTTP statuses, error frames."""
    commands = {name: COMMANDS[name] for name in ("api", "gateway")}
    async with Stack(tmp_path / "data", CONFIG, commands=commands) as stack:
        assert await _closed_by(stack, "x" * 33_000) == 1009
        assert await _closed_by(stack, ["x" * 30_000] * 5) == 1009
        assert await _closed_by(stack, b"\x00") == 1003
        async with socket(stack, "ana", "acme") as ana:
            for malformed in ("{", "[]", '{"action": 7}', '{"action": "nonsense", "id": 1}'):
                await ana.send(malformed)
                assert (await frame(ana))["type"] == "error"
        await _check_handshakes(stack)
        await _check_closed_routes(stack)


async def _closed_by(stack: Stack, message: Any) -> int | None:
    """The code with which a connection is closed for a message."""
    async with socket(stack, "ana", "acme") as ana:
        await ana.send(message)
        await asyncio.wait_for(ana.wait_closed(), 10)
        return ana.close_code


async def _check_handshakes(stack: Stack) -> None:
    settings = stack.settings
    mint = LocalSecrets(settings.data).mint
    good = await token(stack, "ana", "acme", "member")
    expired = mint("ana", "acme", ["member"], -3600, settings.issuer, settings.audience)
    other = LocalSecrets(settings.data / "other").mint("ana", "acme", [], 60, settings.issuer, settings.audience)
    async with socket(stack, "bo", "acme", query="?threadId=private"):
        for query, status in (
            ("", 401),
            ("?token=nonsense", 401),
            (f"?token={expired}", 401),
            (f"?token={other}", 401),
            (f"?token={good}&chatId=private", 404),
            (f"?token={good}&chatId=nowhere", 404),
            (f"?token={good}&threadId=private", 404),
            (f"?token={good}&userId=bo", 403),
        ):
            with pytest.raises(InvalidStatus) as refused:
                async with connect(f"ws://127.0.0.1:{settings.gateway_port}/{query}"):
                    pass
            assert refused.value.response.status_code == status, query
            body = orjson.loads(refused.value.response.body or b"")
            assert body["error"]["message"], query


async def _check_closed_routes(stack: Stack) -> None:
    for headers in ({}, {"X-Kxmsg-Gateway-Secret": "wrong"}):
        url = f"http://127.0.0.1:{stack.settings.api_port}/_gateway/disconnect"
        async with aiohttp.ClientSession(headers=headers) as session, session.post(url, json={}) as answer:
            assert answer.status == 403
    url = f"http://127.0.0.1:{stack.settings.gateway_port}/@connections/c1"
    async with aiohttp.ClientSession() as session:
        for method in ("GET", "POST", "DELETE"):
            async with session.request(method, url) as answer:
                assert answer.status == 403
    assert (await rest(stack, "GET", "/notifications", "nonsense"))[0] == 401


# ------------------------------------------------------------------------------------------------------ storage


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "kxmsg-test", str(folder)]
    if os.getuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:  # noqa: S603 - ours
        pytest.skip("mounting a disk is not permitted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)  # noqa: S603, S607 - ours


def fill(file: Path) -> None:
    """Write to ``file`` until there is no room."""
    with file.open("wb", buffering=0) as writer:
        while True:
            try:
                writer.write(b"\0" * 4096)
            except OSError as error:
                if error.errno == errno.ENOSPC:
                    return
                raise


async def test_a_full_disk_is_told_and_nothing_accepted_is_lost(disk: Path) -> None:
    stack = Stack(disk / "data", CONFIG, commands={})
    assert (await stack.run("emit", str(SHIPPED), "--count", "50"))[0] == 0
    filler = disk / "filler"
    fill(filler)
    status, _, err = await stack.run("emit", str(SHIPPED), "--count", "5000")
    line = one_line(err)
    assert (status, str(disk / "data") in line, "make room" in line) == (1, True, True)
    filler.unlink()
    assert await counted(stack, EVENTS) >= 50
    before = await counted(stack, EVENTS)
    assert (await stack.run("emit", str(SHIPPED), "--count", "20"))[0] == 0
    assert await counted(stack, EVENTS) == before + 20


async def test_a_file_that_may_not_grow_is_told_as_a_full_disk_is(tmp_path: Path) -> None:
    """By ``ulimit -f``, which needs no rights."""
    stack = Stack(tmp_path / "data", CONFIG, commands={})
    assert (await stack.run("emit", str(SHIPPED), "--count", "50"))[0] == 0
    status, _, err = await stack.run("emit", str(SHIPPED), "--count", "5000", limits="ulimit -f 200")
    line = one_line(err)
    assert (status, str(tmp_path / "data") in line, "make room" in line) == (1, True, True)
    before = await counted(stack, EVENTS)
    assert before >= 50
    assert (await stack.run("emit", str(SHIPPED), "--count", "20"))[0] == 0
    assert await counted(stack, EVENTS) == before + 20


async def test_a_file_that_another_process_holds_is_told_and_works_again_afterwards(tmp_path: Path) -> None:
    """Its lock, or a transaction that does not end."""
    locked, busy = (Stack(tmp_path / name, CONFIG, commands={}) for name in ("locked", "busy"))
    emit = ("emit", str(SHIPPED))
    assert [done[0] for done in await asyncio.gather(locked.run(*emit), busy.run(*emit))] == [0, 0]
    with (
        (locked.settings.data / "queue-events.lock").open("rb") as lock,
        closing(sqlite3.connect(busy.settings.data / "queue-events.db", isolation_level=None)) as holder,
    ):
        fcntl.flock(lock, fcntl.LOCK_EX)
        holder.execute("BEGIN EXCLUSIVE")
        for status, _, err in await asyncio.gather(locked.run(*emit), busy.run(*emit)):
            assert status == 1
            assert "queue-events.db" in one_line(err)
            assert "see which process holds it" in err
    assert [done[0] for done in await asyncio.gather(locked.run(*emit), busy.run(*emit))] == [0, 0]
    assert [await counted(stack, EVENTS) for stack in (locked, busy)] == [2, 2]


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A folder that can't be written."""
    folder = tmp_path / "read-only"
    folder.mkdir()
    if os.getuid() != 0:
        folder.chmod(0o500)
        yield folder
        return
    mount = ["mount", "-t", "tmpfs", "-o", "ro,size=1m", "kxmsg-test", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:  # noqa: S603 - ours
        pytest.skip("as root, a folder is read-only only where mounting is permitted")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)  # noqa: S603, S607 - ours


async def test_a_read_only_data_folder_stops_the_start(read_only: Path) -> None:
    for folder in (read_only, read_only / "below"):
        stack = Stack(folder, CONFIG, commands={})
        status, _, err = await stack.run("worker", "fanout")
        line = one_line(err)
        assert (status, str(folder) in line, "KXMSG_DATA" in line) == (3, True, True), line


# -------------------------------------------------------------------------------------------------------- start


async def test_what_can_not_start_says_why_in_a_line_and_with_the_right_status(tmp_path: Path) -> None:
    """2 for what the user wrote, 3 for what is missing, taken or out of reach; no traceback."""
    bad = tmp_path / "bad"
    bad.mkdir()
    (bad / "x.yaml").write_text("eventSubscriptions:\n  - nam: x\n")
    (tmp_path / "file").write_text("in the way")
    with sockets.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        cases: list[tuple[tuple[str, ...], dict[str, str], int, str]] = [
            (("api",), {"KXMSG_API_PORT": port}, 3, f"127.0.0.1:{port}"),
            (("gateway",), {"KXMSG_GATEWAY_PORT": port}, 3, f"127.0.0.1:{port}"),
            (("dev",), {"KXMSG_GATEWAY_PORT": port}, 3, "KXMSG_GATEWAY_PORT"),
            (("worker", "fanuot"), {}, 2, "did you mean 'fanout'"),
            (("worker", "scheduler"), {"KXMSG_CONFIG": str(bad)}, 2, "x.yaml:2:5"),
            (("api",), {"KXMSG_CONFIG": str(bad)}, 2, "x.yaml:2:5"),
            (("worker", "fanout"), {"KXMSG_CONCURRENCY": "0"}, 2, "KXMSG_CONCURRENCY"),
            (("gateway",), {"KXMSG_DATA": str(tmp_path / "file")}, 3, "KXMSG_DATA"),
        ]
        for number in range(0, len(cases), 4):
            await asyncio.gather(*(_fails(tmp_path, *case) for case in cases[number : number + 4]))


async def _fails(tmp_path: Path, command: tuple[str, ...], changes: dict[str, str], status: int, said: str) -> None:
    stack = Stack(tmp_path / "data", CONFIG, commands={}, environment=changes)
    done, _, err = await stack.run(*command)
    lines = [line for line in err.splitlines() if line.startswith("kxmsg: ") or ": error[" in line]
    assert (done, "Traceback" in err) == (status, False), (command, err)
    assert said in lines[-1], (command, err)


@pytest.mark.usefixtures("backend")
async def test_health_tells_of_a_worker_that_was_killed_until_it_is_back(tmp_path: Path) -> None:
    commands = {"scheduler": COMMANDS["scheduler"]}
    async with installed(Stack(tmp_path / "data", CONFIG, commands=commands)) as stack:
        assert (await stack.run("health"))[:2] == (0, "all workers move\n")
        await stack.kill("scheduler")
        status, out, err = await stack.run("health")
        assert (status, out) == (1, "")
        assert err.startswith("scheduler: process ")
        assert "is gone" in err
        await stack.start("scheduler")
        await stack.ready()
        assert (await stack.run("health"))[0] == 0
