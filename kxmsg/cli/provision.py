"""Commands on the surroundings: ``provision``, ``doctor``."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Final

import typer

from kxmsg.cli.common import settings as read_settings
from kxmsg.errors import ConfigError
from kxmsg.settings import Settings

if TYPE_CHECKING:
    from kxmsg.aws.account import Account
    from kxmsg.aws.control import Control
    from kxmsg.aws.desired import Route
    from kxmsg.topology import Rule, Topology

_DIFFERENT: Final = 1
_UNWELL: Final = 3

Workers = Annotated[
    list[str] | None, typer.Option("--worker", help="Your worker, as module:attribute, with its queue; repeatable.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command()(provision)
    app.command()(doctor)


def provision(
    plan: Annotated[bool, typer.Option("--plan", help="Only show the differences.")] = False,
    worker: Workers = None,
) -> None:
    """Make on AWS what is missing, and change what differs.

    Deletes nothing but rules, targets and subscriptions of its own that are not wanted any more. With --plan the exit
    status is 0 where there is no difference, 1 where there is one.
    """
    import asyncio

    current = read_settings()
    if current.backend != "aws":
        raise ConfigError(["KXMSG_BACKEND: the embedded backend makes what it needs by itself; set it to aws"])
    if asyncio.run(_provision(current, worker or [], apply=not plan)) and plan:
        raise typer.Exit(_DIFFERENT)


def doctor(
    worker: Workers = None,
    role: Annotated[
        list[str] | None,
        typer.Option(help="Also check this role, as fanout=arn:aws:iam::…:role/…, or api=…; repeatable."),
    ] = None,
) -> None:
    """Look at credentials, clock, queues, topics, rules, tables and bucket, and say what to do.

    Changes nothing. Exit status 0 where all is well, 3 where something isn't.
    """
    import asyncio

    current = read_settings()
    examination = _examine_embedded(current) if current.backend == "embedded" else _examine(current, worker, role)
    if not asyncio.run(examination):
        raise typer.Exit(_UNWELL)


async def _provision(current: Settings, workers: Sequence[str], *, apply: bool) -> int:
    """How many differences there were."""
    from kxmsg.aws.desired import desired
    from kxmsg.aws.names import Names
    from kxmsg.aws.provision import Provisioner

    topology, (rules, routes) = _topology(workers), _bus(current)
    async with _control() as (account, calls):
        names = Names(current.prefix, await account.account_id(), account.region)
        wanted = desired(topology, names, rules, routes)
        provisioner = Provisioner(calls, current.prefix, wanted, typer.echo)
        if apply:
            count = await provisioner.apply()
            typer.echo(f"{_counted(count, 'change')} made, {len(wanted)} resources in {account.region}")
        else:
            changes = await provisioner.plan()
            count = len(changes)
            for change in changes:
                typer.echo(str(change))
            typer.echo(f"{_counted(count, 'difference')}, {len(wanted)} resources in {account.region}")
    return count


async def _examine(current: Settings, workers: Sequence[str] | None, roles: Sequence[str] | None) -> bool:
    from kxmsg.aws import doctor as examiner
    from kxmsg.aws.desired import desired
    from kxmsg.aws.names import Names
    from kxmsg.aws.permissions import needed
    from kxmsg.aws.provision import Provisioner
    from kxmsg.telemetry import SystemClock

    topology, (rules, routes) = _topology(workers or []), _bus(current)
    named = [_role(given) for given in roles or []]
    async with _control() as (account, calls):
        caller = await examiner.caller(calls, SystemClock())
        names = Names(current.prefix, caller.account, account.region)
        wanted = desired(topology, names, rules, routes)
        findings = examiner.about(caller, account.region)
        findings += await examiner.resources(Provisioner(calls, current.prefix, wanted, typer.echo), wanted)
        for process, arn in named:
            findings += await examiner.role(calls, arn, needed(process, topology, names))
    for finding in findings:
        typer.echo(str(finding))
    if not named:
        typer.echo("     what the workers' roles may do is not checked: name them with --role")
    return all(finding.good for finding in findings)


async def _examine_embedded(current: Settings) -> bool:
    """There is only the data folder; raises StartError where it can't be used."""
    from kxmsg.bootstrap import open_app

    async with open_app(current):
        typer.echo(f"embedded backend: nothing to check but the data folder, and {current.data} can be written")
    return True


@asynccontextmanager
async def _control() -> "AsyncIterator[tuple[Account, Control]]":
    from kxmsg.aws.account import Account
    from kxmsg.aws.control import Control

    account = Account()
    calls = Control(account)
    try:
        yield account, calls
    finally:
        await calls.close()


def _topology(workers: Sequence[str]) -> "Topology":
    """kxmsg's own, with the queues of the user's workers."""
    from kxmsg.cli.serve import find_worker
    from kxmsg.topology import TOPOLOGY

    topology = TOPOLOGY
    for name in workers:
        topology = find_worker(name).topology(topology)
    return topology


def _bus(current: Settings) -> "tuple[list[Rule], list[Route]]":
    """What the subscriptions want of the bus; raises ConfigError with all mistakes in them."""
    from kxmsg.aws.desired import Route
    from kxmsg.subscriptions import load
    from kxmsg.topology import bus_rules

    catalogue = load(current.config)
    routes = [
        Route(one.name, one.pattern.mapping, tuple((target.id, target.arn) for target in one.targets))
        for one in catalogue.destinations()
    ]
    return bus_rules(catalogue), routes


def _role(given: str) -> tuple[str, str]:
    from kxmsg.aws.permissions import USES
    from kxmsg.suggest import did_you_mean

    process, _, arn = given.partition("=")
    if process not in USES:
        raise ConfigError([f"--role {given}: no worker type {process!r}{did_you_mean(process, USES)}"])
    if ":role/" not in arn and ":user/" not in arn:
        raise ConfigError([f"--role {given}: write it as {process}=arn:aws:iam::123456789012:role/name"])
    return process, arn


def _counted(count: int, noun: str) -> str:
    return f"{count or 'no'} {noun}{'' if count == 1 else 's'}"
