"""Commands on subscriptions: ``check``, ``test``, ``render``, ``match``, ``schema``."""

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kxmsg.cli.common import settings
from kxmsg.errors import ConfigError

if TYPE_CHECKING:
    from kxmsg.subscriptions import Catalogue, Subscription

ConfigFolder = Annotated[
    Path | None,
    typer.Option("--config", metavar="FOLDER", help="Where the subscriptions are, in place of KXMSG_CONFIG."),
]
EventFile = Annotated[Path, typer.Option("--event", metavar="FILE", help="The event, a JSON object; - is stdin.")]


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command()(check)
    app.command(name="test")(run_tests)
    app.command()(render)
    app.command()(match)
    app.command()(schema)


def check(
    paths: Annotated[list[Path] | None, typer.Argument(help="Only mistakes in these files and folders.")] = None,
    config: ConfigFolder = None,
) -> None:
    """Compile the subscriptions and name every mistake.

    Exit status 2 where there is one.
    """
    from kxmsg.subscriptions.compiler import examine
    from kxmsg.wording import counted

    current = settings(config=config)
    subscriptions, problems = examine(current.config)
    found = sorted(problems.found)
    if paths and current.config.is_dir():
        _refuse_strange(paths, [*current.config.rglob("*"), current.config], "file", current.config)
        found = [one for one in found if _is_within(one.at.file, paths)]
        subscriptions = [one for one in subscriptions if _is_within(one.at.file, paths)]
    if found:
        raise ConfigError([str(one) for one in found])
    places = ", ".join(map(str, paths or [current.config]))
    typer.echo(f"{places}: {counted(len(subscriptions), 'subscription')}, no mistakes")


def run_tests(
    paths: Annotated[list[Path] | None, typer.Argument(help="Only tests in these files and folders.")] = None,
    config: ConfigFolder = None,
    coverage: Annotated[
        bool, typer.Option("--coverage", help="List the mappings that no test reaches; status 1 where there are some.")
    ] = False,
    name: Annotated[
        str, typer.Option("-k", metavar="NAME", help="Only tests with this in 'subscription › test name'.")
    ] = "",
) -> None:
    """Run the tests that subscriptions bring along.

    Exit status 1 where one fails, 2 where the YAML is wrong.
    """
    from kxmsg.cli import report
    from kxmsg.subscriptions import Defaults, load
    from kxmsg.subscriptions.inline_tests import run, untested
    from kxmsg.wording import counted

    current = settings(config=config)
    chosen = _chosen(load(current.config), paths or (), current.config)
    defaults = Defaults(current.default_tenant, current.locale)
    there = [result for one in chosen for result in run(one, defaults)]
    results = [one for one in there if name.casefold() in f"{one.subscription} › {one.test.name}".casefold()]
    if there and not results:
        raise ConfigError([f"-k: no test has {name!r} in its name; leave it out to run all {len(there)}"])
    for result in results:
        if result.differences:
            typer.echo("\n".join(report.failure(result)))
    typer.echo(report.summary(results) if results else "there are no tests; give a subscription some, under 'tests'")
    missed = [template for one in chosen for template in untested(one, results)] if coverage else []
    if coverage:
        total = sum(len(templates) for one in chosen for templates in one.templates.values())
        for template in missed:
            typer.echo(report.unreached(template))
        typer.echo(f"{total - len(missed)} of {counted(total, 'mapping')} reached")
    if missed or any(result.differences for result in results):
        raise typer.Exit(1)


def render(
    event: EventFile,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    config: ConfigFolder = None,
) -> None:
    """Show what the subscriptions would make of an event, and for whom; nothing is sent.

    The event may lack what the bus adds, such as its id and time. Exit status 1 where a template can't be rendered.
    """
    import orjson

    from kxmsg.cli.documents import read_event
    from kxmsg.cli.preview import errors, lines, preview
    from kxmsg.subscriptions import Defaults, load
    from kxmsg.subscriptions.samples import whole

    current = settings(config=config)
    whole_event = whole(read_event(event))
    for field in ("source", "detail-type"):
        if not isinstance(whole_event[field], str) or not whole_event[field]:
            raise ConfigError([f"{event}: {field}: an event needs one, a text; add it"])
    previews = preview(load(current.config), whole_event, Defaults(current.default_tenant, current.locale))
    if json:
        typer.echo(orjson.dumps({"event": whole_event, "matches": previews}, option=orjson.OPT_INDENT_2))
    else:
        for line in lines(previews, whole_event["detail-type"]):
            typer.echo(line)
    faults = errors(previews)
    for fault in faults:
        typer.echo(fault, err=True)
    if faults:
        raise typer.Exit(1)


def match(
    pattern: Annotated[
        Path, typer.Option("--pattern", metavar="FILE", help="The pattern, JSON, or YAML by its name; - is stdin.")
    ],
    event: EventFile,
) -> None:
    """Tell whether an event pattern matches an event.

    Exit status 0 where it does, 1 where it doesn't, 2 where one of them is wrong.
    """
    from kxmsg.cli.documents import STDIN, read_event, read_pattern

    if pattern == event == STDIN:
        raise ConfigError(["--pattern and --event can't both be stdin; name a file for one of them"])
    if not read_pattern(pattern).matches(read_event(event)):
        typer.echo("no match")
        raise typer.Exit(1)
    typer.echo("match")


def schema() -> None:
    """Print the JSON Schema (draft 7) of subscription files, for editors to check and complete them by."""
    import orjson

    from kxmsg.subscriptions.schema import schema as made

    typer.echo(orjson.dumps(made(), option=orjson.OPT_INDENT_2))


def _chosen(catalogue: "Catalogue", paths: Sequence[Path], folder: Path) -> "list[Subscription]":
    """The subscriptions that stand in one of the paths; all of them where none is given."""
    if not paths:
        return list(catalogue.subscriptions)
    _refuse_strange(paths, {one.at.file for one in catalogue.subscriptions}, "subscription", folder)
    return [one for one in catalogue.subscriptions if _is_within(one.at.file, paths)]


def _refuse_strange(paths: Iterable[Path], files: Collection[Path], what: str, folder: Path) -> None:
    """Raise :class:`ConfigError` where none of the files is in a path."""
    strange = [path for path in paths if not any(_is_within(file, [path]) for file in files)]
    if strange:
        remedy = "name another folder with --config"
        raise ConfigError([f"{path}: no {what} of {folder} stands there; {remedy}" for path in strange])


def _is_within(file: Path, paths: Iterable[Path]) -> bool:
    place = file.resolve()
    return any(place.is_relative_to(path.resolve()) for path in paths)
