"""``kxmsg dlq``: dead letters, and what to do with them."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kxmsg.cli.common import settings
from kxmsg.errors import ConfigError, NotFound, Unavailable
from kxmsg.suggest import did_you_mean
from kxmsg.times import iso
from kxmsg.topology import TOPOLOGY, QueueSpec, Topology

if TYPE_CHECKING:
    from kxmsg.bootstrap import App
    from kxmsg.runtime.deadletter import DeadLetter

app = typer.Typer(help="Dead letters: messages that were given up, with the reason.", no_args_is_help=True)

QueueName = Annotated[str, typer.Argument(help="The queue that the messages came from, as 'render'.")]
WorkerName = Annotated[
    str | None, typer.Option("--worker", help="Your worker, as module:attribute, where the queue is its own.")
]


@app.command(name="list")
def list_(
    queue: Annotated[str | None, typer.Argument(help="Only of this queue.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Messages per queue at most.")] = 50,
    worker: WorkerName = None,
) -> None:
    """What is dead, why, and since when."""
    import asyncio

    from kxmsg.cli.tables import show_table
    from kxmsg.runtime.deadletter import look

    topology = _topology(worker)
    specs = [_spec(topology, queue)] if queue else list(topology.queues)

    async def collect(current: "App") -> list[tuple[str, "DeadLetter"]]:
        looks = await asyncio.gather(*(look(current.queue(spec.dlq), limit) for spec in specs))
        return [(spec.name, letter) for spec, letters in zip(specs, looks, strict=True) for letter in letters]

    found = _run(topology, collect)
    if not found:
        typer.echo("no dead letters")
        return
    show_table(
        ["queue", "id", "failed at", "failures", "reason"],
        [
            (
                name,
                letter.id,
                letter.about.get("failedAt", iso(letter.sent_at)),
                letter.about.get("failures", "-"),
                letter.about.get("reason", "received too often without an end"),
            )
            for name, letter in found
        ],
    )


@app.command()
def show(
    queue: QueueName,
    ident: Annotated[str, typer.Argument(metavar="ID", help="Its id, as 'kxmsg dlq list' shows it.")],
    worker: WorkerName = None,
) -> None:
    """One dead letter in full, its body included."""
    import orjson

    from kxmsg.runtime.deadletter import find

    topology = _topology(worker)
    spec = _spec(topology, queue)
    letter = _run(topology, lambda current: find(current.queue(spec.dlq), ident))
    if letter is None:
        raise NotFound(f"no dead letter {ident} of queue {queue}; 'kxmsg dlq list {queue}' shows what is there")
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
    worker: WorkerName = None,
) -> None:
    """Send dead letters back to their queue, once what broke them is mended."""
    from kxmsg.runtime.deadletter import redrive

    topology = _topology(worker)
    spec = _spec(topology, queue)
    result = _run(
        topology, lambda current: redrive(current.queue(spec.dlq), current.queue(spec.name), limit=limit, rate=rate)
    )
    typer.echo(f"{result.moved} sent back to {queue}")
    if result.stayed:
        raise Unavailable(f"{result.stayed} could not be sent to {queue} and stay; try again")


@app.command()
def purge(
    queue: QueueName,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    worker: WorkerName = None,
) -> None:
    """Delete all dead letters of a queue, for good."""
    topology = _topology(worker)
    spec = _spec(topology, queue)
    if not yes:
        typer.confirm(f"Delete every dead letter of {queue} for good?", abort=True)
    _run(topology, lambda current: current.queue(spec.dlq).purge())
    typer.echo(f"dead letters of {queue} are gone")


def _topology(worker: str | None) -> Topology:
    """The product's queues, and those of a user's worker."""
    if worker is None:
        return TOPOLOGY
    from kxmsg.cli.serve import find_worker

    return find_worker(worker).topology(TOPOLOGY)


def _spec(topology: Topology, name: str) -> QueueSpec:
    for spec in topology.queues:
        if name in (spec.name, spec.dlq):
            return spec
    names = [spec.name for spec in topology.queues]
    raise ConfigError([f"no queue {name!r}{did_you_mean(name, names)}; there are {', '.join(names)}"])


def _run(topology: Topology, work: Callable[["App"], Awaitable[Any]]) -> Any:
    import asyncio

    from kxmsg.bootstrap import open_app

    async def inside() -> Any:
        async with open_app(settings(), topology) as current:
            return await work(current)

    return asyncio.run(inside())


def _readable(body: bytes) -> Any:
    """The body as JSON where it is some, else as text."""
    import orjson

    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return body.decode(errors="replace")
