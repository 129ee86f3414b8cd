"""Commands that run until told to stop: ``dev``, ``worker``, ``api``, ``gateway``."""

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kxmsg.cli.common import settings
from kxmsg.settings import Settings

if TYPE_CHECKING:
    import asyncio


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command()(dev)
    app.command()(worker)
    app.command()(api)
    app.command()(gateway)


def dev() -> None:
    """Run everything in one process on 127.0.0.1, and say what to try."""
    from kxmsg.cli.dev import run

    _run(settings(), run, quiet=True)


def worker(
    name: Annotated[str, typer.Argument(help="A worker type of kxmsg, or your own as module:attribute.")],
) -> None:
    """Run one worker type."""
    from kxmsg.cli.serve import run_worker

    _run(settings(), lambda current, stop: run_worker(current, name, stop))


def api() -> None:
    """Run the REST API."""
    from kxmsg.cli.serve import run_api

    _run(settings(), run_api)


def gateway() -> None:
    """Run the WebSocket gateway."""
    from kxmsg.cli.serve import run_gateway

    _run(settings(), run_gateway)


def _run(
    current: Settings,
    main: "Callable[[Settings, asyncio.Event], Coroutine[Any, Any, None]]",
    *,
    quiet: bool = False,
) -> None:
    """Set up logs, metrics, loop, signals. ``quiet``: warnings only unless the environment says more, no EMF lines."""
    from kxmsg.runtime import logs, loop

    level = "WARNING" if quiet and "log_level" not in current.model_fields_set else current.log_level
    as_json = logs.configure(level, current.log_format)

    async def inside(stop: "asyncio.Event") -> None:
        from kxmsg.runtime.metrics import exported
        from kxmsg.telemetry import SystemClock

        async with exported(clock=SystemClock(), port=current.metrics_port, emf=as_json and not quiet):
            await main(current, stop)

    loop.run(inside)
