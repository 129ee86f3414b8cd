"""Commands that look: ``token``, ``settings``, ``check``, ``health``."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from kxmsg.cli.common import settings as read_settings


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command()(token)
    app.command(name="settings")(settings)
    app.command()(check)
    app.command()(health)


def token(
    user: Annotated[str, typer.Option(help="The user: 'sub' of the token.")],
    tenant: Annotated[str, typer.Option(help="The user's tenant.")],
    role: Annotated[list[str] | None, typer.Option(help="A role; may be given several times.")] = None,
    ttl: Annotated[float, typer.Option(help="Seconds until it expires.")] = 3600,
    name: Annotated[str | None, typer.Option(help="The user's display name.")] = None,
) -> None:
    """Print a token signed with the key in the data folder, and nothing else."""
    from kxmsg.embedded.secrets import LocalSecrets
    from kxmsg.model.target import check_id

    current = read_settings()
    check_id(user, "user")
    check_id(tenant, "tenant")
    secrets = LocalSecrets(current.data)
    typer.echo(secrets.mint(user, tenant, role or ["employee"], ttl, current.issuer, current.audience, name))


def settings() -> None:
    """List every setting, its value and what it means."""
    current = read_settings()
    table = Table("setting", "value", "meaning")
    for field_name, field in type(current).model_fields.items():
        variable = str(field.validation_alias or f"KXMSG_{field_name.upper()}")
        value = getattr(current, field_name)
        table.add_row(variable, "set" if field_name.endswith("secrets") and value else str(value), field.description)
    Console().print(table)


def check() -> None:
    """Compile the subscriptions; exit status 2 with every mistake and its place."""
    from kxmsg.subscriptions import load

    current = read_settings()
    catalogue = load(current.config)
    count = len(catalogue.subscriptions)
    typer.echo(f"{current.config}: {count} subscription{'s' if count != 1 else ''}, no mistakes")


def health() -> None:
    """Whether the workers on this data folder move; exit status 1 where one doesn't."""
    from kxmsg.runtime.health import check as problems_in

    problems = problems_in(read_settings().data / "health")
    for problem in problems:
        typer.echo(problem, err=True)
    if problems:
        raise typer.Exit(1)
    typer.echo("all workers move")
