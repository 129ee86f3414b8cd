"""Reload: changed subscriptions taken over while ``kxmsg dev`` runs."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

from watchfiles import Change, awatch

from kxmsg.bootstrap import App
from kxmsg.errors import ConfigError
from kxmsg.subscriptions import load
from kxmsg.wording import counted

_SUFFIXES: Final = frozenset({".yaml", ".yml", ".json", ""})
"""Of files that matter, and of folders."""


async def watch(app: App, stop: asyncio.Event, say: Callable[[str], None]) -> None:
    """Take over the subscriptions of ``app`` whenever a file of theirs has changed, until ``stop`` is set.

    Changes that come together are taken over together.
    """
    async for _ in awatch(app.settings.config, watch_filter=_matters, stop_event=stop):
        await reload(app, say)


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


def _matters(_change: Change, path: str) -> bool:
    return Path(path).suffix in _SUFFIXES
