"""``kxmsg``: every command, and what its failures look like."""

import sys
from typing import Final

import typer

from kxmsg.cli import data, processes, tools
from kxmsg.errors import BackendError, ConfigError, Refusal, StartError

app = typer.Typer(
    name="kxmsg",
    help="Notifications and messaging: business events in, live frames out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

for module in (processes, data, tools):
    module.register(app)

EXIT_FAILED: Final = 1
EXIT_CONFIG: Final = 2
EXIT_START: Final = 3


def main() -> None:
    """Run a command; what is wrong is said in plain lines on stderr.

    Exit status: 0 done, 1 failed, 2 the YAML, a setting or the command line is wrong, 3 something can't be reached or
    is missing, 130 interrupted.
    """
    try:
        app()
    except ConfigError as error:
        _say(error.problems, EXIT_CONFIG)
    except StartError as error:
        _say([str(error)], EXIT_START)
    except (BackendError, Refusal) as error:
        _say([str(error)], EXIT_FAILED)
    except KeyboardInterrupt:
        sys.exit(130)


def _say(lines: list[str], status: int) -> None:
    for line in lines:
        print(f"kxmsg: {line}", file=sys.stderr)  # noqa: T201 - this is the command line's voice
    sys.exit(status)
