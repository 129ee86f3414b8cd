"""Commands on what flows: ``emit``, ``listen``, ``dlq``."""

from pathlib import Path
from typing import Annotated

import typer

from kxmsg.cli.common import settings


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    from kxmsg.cli import dlq

    app.command()(emit)
    app.command()(listen)
    app.add_typer(dlq.app, name="dlq")


def emit(
    files: Annotated[list[Path], typer.Argument(help="Event files: JSON, a JSON array, or a line each; - is stdin.")],
    count: Annotated[int, typer.Option(min=1, help="Emit everything this many times.")] = 1,
) -> None:
    """Put business events on the bus. They are durable when this says so."""
    import asyncio

    from kxmsg.cli.emit import emit_files

    asyncio.run(emit_files(settings(), files, count))


def listen(
    user: Annotated[str, typer.Option(help="Listen as this user.")],
    tenant: Annotated[str, typer.Option(help="The user's tenant.")],
    channel: Annotated[list[str] | None, typer.Option(help="Join this channel (made if unknown); repeatable.")] = None,
    role: Annotated[list[str] | None, typer.Option(help="A role of the minted token; repeatable.")] = None,
    token: Annotated[str | None, typer.Option(envvar="KXMSG_TOKEN", help="Use this one, mint none.")] = None,
    count: Annotated[int | None, typer.Option(min=1, help="End after this many frames.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print frames as they come, a line each.")] = False,
) -> None:
    """Show what arrives for a user, live, until Ctrl-C. Reconnects by itself."""
    import asyncio

    from kxmsg.cli.listen import Listener

    listener = Listener(settings(), user, tenant, role or ["employee"], token=token, raw=json, count=count)
    asyncio.run(listener.run(channel or []))
