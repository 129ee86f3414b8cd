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


def _problem(problem: Any) -> str:
    name = str(problem["loc"][0]) if problem["loc"] else "settings"
    variable = name if name == "LOG_LEVEL" else f"KXMSG_{name.upper()}"
    return f"{variable}: {problem['msg']}"
