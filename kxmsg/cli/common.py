"""What commands share."""

from typing import Any

from pydantic import ValidationError

from kxmsg.errors import ConfigError
from kxmsg.settings import Settings


def settings(**changes: Any) -> Settings:
    """The settings of the environment; raises :class:`ConfigError` naming each that is wrong."""
    try:
        made = Settings()
    except ValidationError as error:
        raise ConfigError([_problem(problem) for problem in error.errors()]) from error
    return made.model_copy(update={name: value for name, value in changes.items() if value is not None})


def variable_of(name: str) -> str:
    """The environment variable of the setting ``name``."""
    field = Settings.model_fields.get(name)
    return str(field.validation_alias) if field and field.validation_alias else f"KXMSG_{name.upper()}"


def _problem(problem: Any) -> str:
    name = str(problem["loc"][0])  # the setting's own, or the variable where that is an alias
    return f"{name if name.isupper() else variable_of(name)}: {problem['msg']}"
