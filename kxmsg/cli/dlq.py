"""``kxmsg dlq``: dead letters, and what to do with them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.table import Table

from kxmsg.bootstrap import App, open_app
from kxmsg.cli.common import settings
from kxmsg.errors import ConfigError
from kxmsg.runtime.deadletter import DeadLetter, find, look, redrive
from kxmsg.suggest import did_you_mean
from kxmsg.times import iso
from kxmsg.topology import TOPOLOGY, QueueSpec

app = typer.Typer(help="Dead letters: messages that were given up, with the reason.", no_args_is_help=True)

QueueName = Annotated[str, typer.Argument(help="The queue that the messages came from, as 'render'.")]


@app.command(name="list")
def list_(
    queue: Annotated[str | None, typer.Argument(help="Only of this queue.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Messages per queue at most.")] = 50,
) -> None:
    """What is dead, why, and since when."""
    specs = [_spec(queue)] if queue else list(TOPOLOGY.queues)

    async def collect(current: App) -> list[tuple[str, DeadLetter]]:
        return [(spec.name, letter) for spec in specs for letter in await look(current.queue(spec.dlq), limit)]

    found = _run(collect)
    table = Table("queue", "id", "failed at", "failures", "reason")
    for name, letter in found:
        about = letter.about
        table.add_row(
            name,
            letter.id,
            about.get("failedAt", iso(letter.sent_at)),
            about.get("failures", "-"),
            about.get("reason") or letter.attributes.get("reason", "-"),
        )
    Console().print(table if found else "no dead letters")


@app.command()
def show(queue: QueueName, ident: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """One dead letter in full, its body included."""
    spec = _spec(queue)
    letter = _run(lambda current: find(current.queue(spec.dlq), ident))
    if letter is None:
        raise ConfigError([f"no dead letter {ident} of queue {queue}; 'kxmsg dlq list {queue}' shows what is there"])
    fields = {
        "id": letter.id,
        "queue": queue,
        "about": dict(letter.about),
        "attributes": dict(letter.attributes),
        "body": _readable(letter.body),
    }
    typer.echo(orjson.dumps(fields, option=orjson.OPT_INDENT_2).decode())


@app.command(name="redrive")
def redrive_(
    queue: QueueName,
    limit: Annotated[int | None, typer.Option(min=1, help="Messages at most; all by default.")] = None,
    rate: Annotated[float, typer.Option(min=0.1, help="Messages a second.")] = 500,
) -> None:
    """Send dead letters back to their queue, once what broke them is mended."""
    spec = _spec(queue)
    result = _run(lambda current: redrive(current.queue(spec.dlq), current.queue(spec.name), limit=limit, rate=rate))
    stayed = f"; {result.stayed} could not be sent and stay" if result.stayed else ""
    typer.echo(f"{result.moved} sent back to {queue}{stayed}")


@app.command()
def purge(queue: QueueName, yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False) -> None:
    """Delete all dead letters of a queue, for good."""
    spec = _spec(queue)
    if not yes:
        typer.confirm(f"Delete every dead letter of {queue} for good?", abort=True)
    _run(lambda current: current.queue(spec.dlq).purge())
    typer.echo(f"dead letters of {queue} are gone")


def _spec(name: str) -> QueueSpec:
    for spec in TOPOLOGY.queues:
        if name in (spec.name, spec.dlq):
            return spec
    raise ConfigError([f"no queue {name!r}{did_you_mean(name, [spec.name for spec in TOPOLOGY.queues])}"])


def _run(work: Callable[[App], Awaitable[Any]]) -> Any:
    async def inside() -> Any:
        async with open_app(settings()) as current:
            return await work(current)

    return asyncio.run(inside())


def _readable(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except ValueError:
        return body.decode(errors="replace")
