"""The emulator that the other tests rest on."""

from collections.abc import Callable
from pathlib import Path

import pytest

from kxmsg.aws.names import Names
from kxmsg.aws.queues import SqsQueue
from kxmsg.aws.retrying import Retrying
from kxmsg.ports import Outgoing
from kxmsg.topology import QueueSpec
from tests.aws import emulator as ministack
from tests.aws.emulator import Emulator
from tests.aws.making import make_queue


def test_it_listens_on_the_loopback_address_only(emulator: Emulator) -> None:
    assert emulator.url.startswith("http://127.0.0.1:")


async def test_its_clock_can_be_put_forward(api: Retrying, names: Names, forward: Callable[[float], None]) -> None:
    await make_queue(api, names, QueueSpec("queue"))
    queue = SqsQueue(api, names, "queue")
    await queue.send([Outgoing(b"now")])
    forward(3600)
    await queue.send([Outgoing(b"later")])
    now, later = await queue.receive(10, wait=0, visibility=30)
    assert 3600 <= later.sent_at - now.sent_at < 3660


def test_one_that_does_not_start_tells_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not ministack.installed():
        pytest.skip("no .venv-ministack: run make setup")
    broken = tmp_path / "broken.py"
    broken.write_text("raise SystemExit('no such luck')")
    monkeypatch.setattr(ministack, "MAIN", broken)
    with pytest.raises(RuntimeError, match="no such luck"), ministack.running(tmp_path):
        pass
