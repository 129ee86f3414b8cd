"""``kxmsg emit``: events from files onto the bus."""

import asyncio
import io
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

from kxmsg.bootstrap import open_app
from kxmsg.settings import Settings
from kxmsg.topology import EVENTS
from tests.cli.conftest import Kxmsg
from tests.product import CONFIG

SHIPPED = CONFIG / "orders/samples/order-shipped.json"
EVENT = {"source": "com.acme.orders", "detail-type": "order.shipped", "detail": {"n": 1}}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "events.json"


def emitted(tmp_path: Path) -> list[dict[str, Any]]:
    """What stands in the events queue."""

    async def receive() -> list[dict[str, Any]]:
        async with open_app(Settings(data=tmp_path / "data", config=CONFIG)) as app:
            return [orjson.loads(one.body) for one in await app.queue(EVENTS).receive(100, wait=0, visibility=30)]

    return asyncio.run(receive())


def test_a_sample_is_on_the_queue_when_it_says_so(kxmsg: Kxmsg, tmp_path: Path) -> None:
    done = kxmsg("emit", SHIPPED)
    assert (done.status, done.out) == (0, "")
    assert "1 event accepted in" in done.err
    (event,) = emitted(tmp_path)
    assert event["detail"] == orjson.loads(SHIPPED.read_bytes())["detail"]


def test_it_emits_all_files_as_often_as_asked(kxmsg: Kxmsg, tmp_path: Path) -> None:
    done = kxmsg("emit", SHIPPED, CONFIG / "leads/samples/lead-created.json", "--count", 20)
    assert "40 events accepted" in done.err
    assert len(emitted(tmp_path)) == 40


@pytest.mark.parametrize(
    "text",
    [
        orjson.dumps([EVENT, EVENT]),
        orjson.dumps(EVENT) + b"\n\n" + orjson.dumps(EVENT) + b"\n",
    ],
    ids=["array", "lines"],
)
def test_a_file_may_be_an_array_or_an_event_on_each_line(kxmsg: Kxmsg, tmp_path: Path, file: Path, text: bytes) -> None:
    file.write_bytes(text)
    assert kxmsg("emit", file).status == 0
    assert len(emitted(tmp_path)) == 2


def test_time_and_resources_are_kept(kxmsg: Kxmsg, tmp_path: Path, file: Path) -> None:
    file.write_bytes(orjson.dumps({**EVENT, "time": "2026-01-01T00:00:00Z", "resources": ["arn:1"]}))
    kxmsg("emit", file)
    (event,) = emitted(tmp_path)
    assert (event["time"], event["resources"]) == ("2026-01-01T00:00:00Z", ["arn:1"])


def test_a_dash_is_standard_input(kxmsg: Kxmsg, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(orjson.dumps(EVENT))))
    assert kxmsg("emit", "-").status == 0
    assert len(emitted(tmp_path)) == 1


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('{\n "source": "x",\n "detail": {,}\n}', ":3:"),
        ('{"source": "x", "detail-type": "y", "detail": {}}\n{"source": }', ":2:"),
        ('{"source": "x", "detail-type": "y"}', ": an event needs"),
        ('{"source": "x", "detail-type": "y", "detail": []}', ": an event needs"),
        ('{"source": "", "detail-type": "y", "detail": {}}', ": an event needs"),
        ('[{"source": "x", "detail-type": "y", "detail": {}}, 7]', ": event 2: an event needs"),
        ('{"source": "x", "detail-type": "y", "detail": {}, "resources": "arn"}', ": resources must be a list"),
        ("", ":1:1: not JSON"),
        ("[]", "no events in"),
    ],
)
def test_a_mistake_in_a_file_is_2_with_its_place_and_nothing_is_emitted(
    kxmsg: Kxmsg, tmp_path: Path, file: Path, text: str, place: str
) -> None:
    file.write_text(text)
    done = kxmsg("emit", SHIPPED, file) if text != "[]" else kxmsg("emit", file)
    assert done.status == 2
    assert place in done.err
    assert str(file) in done.err
    assert emitted(tmp_path) == []


def test_a_file_that_is_not_there_is_2(kxmsg: Kxmsg, tmp_path: Path) -> None:
    done = kxmsg("emit", tmp_path / "none.json")
    assert (done.status, done.err) == (2, f"kxmsg: {tmp_path}/none.json: can't be read: No such file or directory\n")


def test_an_event_that_nobody_wants_is_accepted_with_a_word(kxmsg: Kxmsg, file: Path) -> None:
    file.write_bytes(orjson.dumps({**EVENT, "detail-type": "order.lost"}))
    done = kxmsg("emit", file)
    assert done.status == 0
    assert "no subscription" in done.err
    assert "order.lost" in done.err


def test_an_event_beyond_the_limit_is_1(kxmsg: Kxmsg, file: Path) -> None:
    file.write_bytes(orjson.dumps({**EVENT, "detail": {"text": "x" * 300_000}}))
    done = kxmsg("emit", file)
    assert done.status == 1
    assert "an event may have 262144 bytes" in done.err
