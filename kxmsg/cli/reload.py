"""Reload: changed subscriptions taken over while ``kxmsg dev`` runs."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Final

from watchfiles import Change, awatch
from watchfiles.main import FileChange

from kxmsg.bootstrap import App
from kxmsg.errors import ConfigError
from kxmsg.subscriptions import load
from kxmsg.wording import counted

LOOK: Final = 0.5
"""Seconds between looks at whether the folder is still the one that is watched."""

_SUFFIXES: Final = frozenset({".yaml", ".yml", ".json", ""})
"""Of files that matter, and of folders."""


async def watch(app: App, stop: asyncio.Event, say: Callable[[str], None]) -> None:
    """Take over the subscriptions of ``app`` whenever a file of theirs has changed, until ``stop`` is set.

    Changes that come together are taken over together. The system watches a folder, whatever becomes of its name: where
    the name comes to stand for another one, that is watched from then on.
    """
    folder = app.settings.config
    missed = False
    while not stop.is_set():
        watched = _identity(folder)
        try:
            async with aclosing(_changes(folder, stop)) as changes:
                async for some in changes:
                    if some or missed:
                        missed = False
                        await reload(app, say)
                    if _identity(folder) != watched:
                        break
        except FileNotFoundError:  # it is away
            await _pause(stop)
        missed = True


def _changes(folder: Path, stop: asyncio.Event) -> AsyncGenerator[set[FileChange], None]:
    """What has changed since the last look; nothing where nothing has."""
    look = int(LOOK * 1000)
    return awatch(folder, watch_filter=_matters, stop_event=stop, rust_timeout=look, yield_on_timeout=True)


async def reload(app: App, say: Callable[[str], None]) -> None:
    """Take over the subscriptions as they are on disk; where they don't compile, say why and leave all as it is."""
    try:
        catalogue = await asyncio.to_thread(load, app.settings.config)
    except ConfigError as error:
        for problem in (*error.problems, "the subscriptions stay as they were"):
            say(problem)
        return
    app.reload(catalogue)
    say(f"reloaded: {counted(len(catalogue.subscriptions), 'subscription')}")


def _identity(folder: Path) -> tuple[int, int] | None:
    """Which folder it is; None where there is none."""
    try:
        status = folder.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


async def _pause(stop: asyncio.Event) -> None:
    """Until the next look."""
    try:
        await asyncio.wait_for(stop.wait(), LOOK)
    except TimeoutError:
        return


def _matters(_change: Change, path: str) -> bool:
    return Path(path).suffix in _SUFFIXES
