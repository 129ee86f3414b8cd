"""What every command has in common: help, exit statuses, one clear line for what is wrong."""

import errno
import subprocess
import sys
from collections.abc import Callable

import pytest

from kxmsg.cli import main as cli
from kxmsg.errors import ConfigError, InvalidInput, StartError, StorageFull, Transient
from tests.cli.conftest import Kxmsg

COMMANDS = (
    *("dev", "worker", "api", "gateway", "emit", "listen", "dlq"),
    *("check", "test", "render", "match", "schema", "token", "settings", "health"),
)


def test_help_names_every_command(kxmsg: Kxmsg) -> None:
    done = kxmsg("--help")
    assert done.status == 0
    assert [name for name in COMMANDS if f"  {name} " not in done.out] == []


@pytest.mark.parametrize("command", [*COMMANDS, "dlq list", "dlq show", "dlq redrive", "dlq purge"])
def test_every_command_has_help_and_every_option_says_what_it_does(kxmsg: Kxmsg, command: str) -> None:
    done = kxmsg(*command.split(), "--help")
    assert (done.status, done.err) == (0, "")
    lines = [line.split() for line in done.out.splitlines() if line.startswith("  -")]
    assert lines
    assert [words for words in lines if len(words) < 3] == []


@pytest.mark.parametrize("wrong", [["nonsense"], ["token"], ["token", "--user"], ["emit"], ["dlq", "nonsense"]])
def test_a_wrong_command_line_is_2(kxmsg: Kxmsg, wrong: list[str]) -> None:
    done = kxmsg(*wrong)
    assert (done.status, done.out) == (2, "")
    assert "Error" in done.err


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("KXMSG_API_PORT", "x"),
        ("KXMSG_GATEWAY_SECRETS", "short"),
        ("LOG_LEVEL", "loud"),
        ("KXMSG_BACKEND", "mysql"),
        ("KXMSG_STOP_TIMEOUT", "1"),
    ],
)
def test_a_wrong_setting_is_2_and_named_by_its_variable(
    kxmsg: Kxmsg, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    done = kxmsg("check")
    assert done.status == 2
    assert done.err.startswith(f"kxmsg: {variable}: ")
    assert len(done.err.splitlines()) == 1


def raising(error: Exception) -> Callable[[], None]:
    def command() -> None:
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (ConfigError(["a: wrong", "b: wrong"]), 2, "kxmsg: a: wrong\nkxmsg: b: wrong\n"),
        (ConfigError(["a b.yaml:1:2: error[yaml-key]: wrong"]), 2, "a b.yaml:1:2: error[yaml-key]: wrong\n"),
        (StartError("the port is taken"), 3, "kxmsg: the port is taken\n"),
        (Transient("locked"), 1, "kxmsg: locked\n"),
        (StorageFull("x.db: full: make room"), 1, "kxmsg: x.db: full: make room\n"),
        (InvalidInput("no"), 1, "kxmsg: no\n"),
        (ExceptionGroup("tasks", [StartError("the port is taken"), Transient("x")]), 3, "kxmsg: the port is taken\n"),
        (ExceptionGroup("t", [ExceptionGroup("t", [ConfigError(["a"])])]), 2, "kxmsg: a\n"),
    ],
    ids=repr,
)
def test_what_goes_wrong_is_a_line_and_a_status(
    kxmsg: Kxmsg, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, line: str
) -> None:
    monkeypatch.setattr(cli, "app", raising(error))
    done = kxmsg()
    assert (done.status, done.err) == (status, line)


def test_no_room_or_no_right_is_3_and_names_the_place(kxmsg: Kxmsg, monkeypatch: pytest.MonkeyPatch) -> None:
    full = OSError(errno.ENOSPC, "No space left on device", "/data/health")
    monkeypatch.setattr(cli, "app", raising(ExceptionGroup("tasks", [full])))
    done = kxmsg()
    assert done.status == 3
    assert done.err.startswith("kxmsg: /data/health: No space left on device; ")


def test_a_mistake_of_ours_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    for error in (ZeroDivisionError(), ExceptionGroup("tasks", [ZeroDivisionError()])):
        monkeypatch.setattr(cli, "app", raising(error))
        with pytest.raises(type(error)):
            cli.main()


def test_quick_commands_load_nothing_heavy() -> None:
    heavy = {"aiohttp", "fastapi", "kxmsg.bootstrap", "rich", "structlog", "uvloop", "websockets", "yaml"}
    code = f"import sys, kxmsg.cli.main; print(*{heavy} & {{*sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603 - ours
    assert done.stdout.split() == []
