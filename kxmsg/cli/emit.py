"""``kxmsg emit``: events from files onto the bus."""

import asyncio
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final

import orjson
from rich.console import Console
from rich.progress import Progress

from kxmsg.bootstrap import open_app
from kxmsg.errors import ConfigError, Permanent, Transient
from kxmsg.model.event import Event
from kxmsg.ports import EventBus
from kxmsg.retry import Backoff
from kxmsg.settings import Settings

PARALLEL: Final = 8
ATTEMPTS: Final = 6

_BACKOFF: Final = Backoff(base=0.05, cap=2.0)


async def emit_files(settings: Settings, files: Sequence[Path], count: int) -> None:
    """Emit the events of ``files`` ``count`` times, with progress, and say how many are durable."""
    events = [event for file in files for event in _read(file)]
    if not events:
        raise ConfigError(["no events in " + ", ".join(map(str, files))])
    out = Console(stderr=True)
    async with open_app(settings) as app:
        await app.check_bus()
        bus = app.bus
        for event in {(event.source, event.detail_type): event for event in events}.values():
            if not bus.matches(event.source, event.detail_type):
                out.print(
                    f"[yellow]no subscription in {settings.config} asks for {event.detail_type!r} of {event.source!r}: "
                    "accepted, but nobody is told"
                )
        started = time.perf_counter()
        total = len(events) * count
        with Progress(console=out, transient=True, disable=total < 1000 or not out.is_terminal) as progress:
            task = progress.add_task("emitting", total=total)
            batches = _batches((event for _ in range(count) for event in events), bus.batch_limit)

            async def work() -> None:
                for batch in batches:
                    await _put(bus, batch)
                    progress.advance(task, len(batch))

            await asyncio.gather(*(work() for _ in range(PARALLEL)))
        seconds = time.perf_counter() - started
    out.print(f"{total} event{'s' if total != 1 else ''} accepted in {seconds:.2f} s", highlight=False)


async def _put(bus: EventBus, batch: Sequence[Event]) -> None:
    waiting = list(batch)
    for attempt in range(ATTEMPTS):
        failures = await bus.put(waiting)
        for failure in failures:
            if not failure.retryable:
                raise Permanent(f"an event was refused: {failure.code}: {failure.message}")
        waiting = [waiting[failure.index] for failure in failures]
        if not waiting:
            return
        await asyncio.sleep(_BACKOFF.delay(attempt))
    raise Transient(f"{len(waiting)} events were not taken in {ATTEMPTS} tries")


def _batches(events: Iterable[Event], size: int) -> Iterator[list[Event]]:
    iterator = iter(events)
    while batch := list(islice(iterator, size)):
        yield batch


def _read(file: Path) -> list[Event]:
    try:
        text = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise ConfigError([f"{file}: can't be read: {error.strerror}"]) from error
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
        if not lines or not _is_json(lines[0][1]):  # not a file of lines: the mistake is where the parser says
            raise ConfigError([f"{file}:{error.lineno}:{error.colno}: not JSON: {error.msg}"]) from error
        return [_event(f"{file}:{number}", _parse(file, number, line)) for number, line in lines]
    if isinstance(found, list):
        return [_event(f"{file}: event {number}", fields) for number, fields in enumerate(found, 1)]
    return [_event(str(file), found)]


def _is_json(line: bytes) -> bool:
    try:
        orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    return True


def _parse(file: Path, number: int, line: bytes) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise ConfigError([f"{file}:{number}:{error.colno}: not JSON: {error.msg}"]) from error


def _event(place: str, fields: Any) -> Event:
    match fields:
        case {"source": str(source), "detail-type": str(kind), "detail": dict(detail), **rest} if source and kind:
            resources = rest.get("resources", [])
            if not isinstance(resources, list):
                raise ConfigError([f"{place}: resources must be a list"])
            return Event(source, kind, detail, time=str(rest.get("time", "")), resources=tuple(map(str, resources)))
        case _:
            raise ConfigError([f"{place}: an event needs source, detail-type (texts) and detail (an object)"])
