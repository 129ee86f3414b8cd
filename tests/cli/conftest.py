"""Running the command line in process."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from kxmsg.cli.main import main
from tests.product import CONFIG


@dataclass
class Done:
    """How a command ended."""

    status: int
    out: str
    err: str


Kxmsg = Callable[..., Done]


@pytest.fixture
def kxmsg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Kxmsg:
    """Call it with arguments: the command runs on a folder of its own and the samples' configuration."""
    monkeypatch.setenv("KXMSG_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("KXMSG_CONFIG", str(CONFIG))
    monkeypatch.setenv("KXMSG_DURABILITY", "normal")

    def call(*arguments: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["kxmsg", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        shown = capsys.readouterr()
        status = ended.value.code
        assert isinstance(status, int)
        return Done(status, shown.out, shown.err)

    return call
