"""``kxmsg``: every command, and what its failures look like."""

import re
import sys
from typing import Final

import typer

from kxmsg.cli import data, mappings, processes, provision, tools
from kxmsg.errors import BackendError, ConfigError, KxmsgError, Refusal, StartError

app = typer.Typer(
    name="kxmsg",
    help="Notifications and messaging: business events in, live frames out.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

for module in (processes, data, mappings, tools, provision):
    module.register(app)

EXIT_FAILED: Final = 1
EXIT_CONFIG: Final = 2
EXIT_START: Final = 3

_PLACED: Final = re.compile(r"\S.*?: error\[[a-z-]+\]: ")
"""The beginning of a mistake in a file: its place comes first, so that editors and CI can jump to it."""


def main() -> None:
    """Run a command; what is wrong is said in plain lines on stderr.

    Exit status: 0 done, 1 failed, 2 the YAML, a setting or the command line is wrong, 3 something can't be reached or
    is missing, 130 interrupted.
    """
    try:
        app()
    except (KxmsgError, OSError, ExceptionGroup) as error:
        match _first(error):
            case ConfigError() as wrong:
                _say(wrong.problems, EXIT_CONFIG)
            case StartError() as missing:
                _say([str(missing)], EXIT_START)
            case BackendError() | Refusal() as failed:
                _say([str(failed)], EXIT_FAILED)
            case OSError(filename=str(place)) as failed:  # no room, no right: nothing that a traceback would explain
                _say([f"{place}: {failed.strerror}; see to its folder, or point KXMSG_DATA elsewhere"], EXIT_START)
            case _:
                raise


def _first(error: Exception) -> Exception:
    """What went wrong first: tasks that run side by side raise a group."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


def _say(lines: list[str], status: int) -> None:
    for line in lines:
        shown = line if _PLACED.match(line) else f"kxmsg: {line}"
        print(shown, file=sys.stderr)  # noqa: T201 - this is the command line's voice
    sys.exit(status)
