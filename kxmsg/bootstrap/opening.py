"""Opening: the one place that chooses adapters, by the settings."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from kxmsg.bootstrap.app import App
from kxmsg.embedded.backend import EmbeddedBackend
from kxmsg.errors import StartError
from kxmsg.ports import Clock
from kxmsg.settings import Settings
from kxmsg.telemetry import SystemClock
from kxmsg.topology import TOPOLOGY, Topology

if TYPE_CHECKING:
    from kxmsg.bootstrap.base import Backend
    from kxmsg.services.secrets import Secrets


@asynccontextmanager
async def open_app(settings: Settings, topology: Topology = TOPOLOGY) -> AsyncIterator[App]:
    """The app that the settings describe, closed at the end. Raises :class:`~kxmsg.errors.StartError`."""
    _make_folder(settings.data)
    clock = SystemClock()
    app = App(settings, await _backend(settings, topology, clock), clock)
    try:
        yield app
    finally:
        await app.close()


async def _backend(settings: Settings, topology: Topology, clock: Clock) -> "Backend":
    if settings.backend == "embedded":
        return EmbeddedBackend(settings.data, topology, clock, durability=settings.durability)
    from kxmsg.aws.backend import AwsBackend  # imports the SDK, which takes a second

    return await AwsBackend.open(topology, settings.prefix, fast_wire=settings.fast_wire, timeout=settings.aws_timeout)


async def secrets_of(settings: Settings) -> "Secrets":
    """The installation's secrets, for a command. Raises :class:`~kxmsg.errors.StartError`."""
    async with open_app(settings) as app:
        await app.load_secrets()
        return app.secrets


def memory_app(
    *,
    topology: Topology = TOPOLOGY,
    clock: Clock | None = None,
    aws_like: int | None = None,
    settings: Settings | None = None,
) -> App:
    """An app in memory, all on the event loop's thread: for tests and, with a virtual clock, for simulation."""
    clock = clock or SystemClock()
    backend = EmbeddedBackend(None, topology, clock, inline=True, aws_like=aws_like)
    return App(settings or Settings(), backend, clock)


def _make_folder(data: Path) -> None:
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StartError(
            f"{data} can't be made ({error.strerror}): point KXMSG_DATA to a folder of your own"
        ) from error
    if not os.access(data, os.R_OK | os.W_OK | os.X_OK):
        raise StartError(f"{data} can't be written: give this user the right to, or point KXMSG_DATA elsewhere")
