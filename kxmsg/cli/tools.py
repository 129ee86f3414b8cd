"""Commands that look: ``token``, ``settings``, ``health``."""

from typing import Annotated

import typer

from kxmsg.cli.common import settings as read_settings
from kxmsg.cli.common import variable_of
from kxmsg.errors import ConfigError, InvalidInput


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command()(token)
    app.command(name="settings")(settings)
    app.command()(health)


def token(
    user: Annotated[str, typer.Option(help="The user: 'sub' of the token.")],
    tenant: Annotated[str, typer.Option(help="The user's tenant.")],
    role: Annotated[list[str] | None, typer.Option(help="A role; may be given several times.")] = None,
    ttl: Annotated[float, typer.Option(help="Seconds until it expires; below 0 it has expired.")] = 3600,
    name: Annotated[str | None, typer.Option(help="The user's display name.")] = None,
) -> None:
    """Print a token signed with the installation's own key: in the data folder or, on AWS, in its secret."""
    import asyncio

    from kxmsg.bootstrap import secrets_of
    from kxmsg.model.target import check_id

    current = read_settings()
    try:
        check_id(user, "--user")
        check_id(tenant, "--tenant")
    except InvalidInput as error:
        raise ConfigError([str(error)]) from error
    secrets = asyncio.run(secrets_of(current))
    typer.echo(secrets.mint(user, tenant, role or ["employee"], ttl, current.issuer, current.audience, name))


def settings() -> None:
    """List every setting, its value and what it means."""
    from kxmsg.cli.tables import show_table

    current = read_settings()
    show_table(
        ["setting", "value", "meaning"],
        [
            (variable_of(name), _shown(getattr(current, name)), field.description or "")
            for name, field in type(current).model_fields.items()
        ],
    )


def health() -> None:
    """Tell whether the workers on this data folder move.

    Exit status 1 where one doesn't, or none runs.
    """
    from kxmsg.runtime.health import check as problems_in

    problems = problems_in(read_settings().data / "health")
    for problem in problems:
        typer.echo(problem, err=True)
    if problems:
        raise typer.Exit(1)
    typer.echo("all workers move")


def _shown(value: object) -> str:
    """A setting as one would write it; secrets stay hidden."""
    if isinstance(value, list):
        return ",".join(map(str, value))
    return "" if value is None else str(value)
