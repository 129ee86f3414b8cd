"""Finding the worker that a command names."""

import sys
from pathlib import Path

import pytest

from kxmsg.cli.serve import find_worker
from kxmsg.errors import ConfigError
from kxmsg.topology import TOPOLOGY

MINE = """
from kxmsg import Worker
worker = Worker("mine", queue="mine")
number = 7
"""


@pytest.mark.parametrize("spec", TOPOLOGY.workers, ids=lambda spec: spec.name)
def test_each_worker_type_serves_the_queues_that_the_topology_names(spec: object) -> None:
    (wanted,) = [one for one in TOPOLOGY.workers if one is spec]
    worker = find_worker(wanted.name)
    assert worker.name == wanted.name
    assert sorted(worker.queues) == sorted(wanted.queues)


def test_your_own_is_found_in_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the console script's own path is."""
    (tmp_path / "kxmsg_test_mine.py").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    monkeypatch.delitem(sys.modules, "kxmsg_test_mine", raising=False)
    assert find_worker("kxmsg_test_mine:worker").name == "mine"
    with pytest.raises(ConfigError, match="is a int, not"):
        find_worker("kxmsg_test_mine:number")
    with pytest.raises(ConfigError, match="has no attribute 'nothing'"):
        find_worker("kxmsg_test_mine:nothing")


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("fan-out", "did you mean 'fanout'"),
        ("nonsense", "your own is module:attribute"),
        ("no_such_module:worker", "No module named 'no_such_module'"),
    ],
)
def test_an_unknown_worker_is_told_with_what_would_be_right(name: str, remedy: str) -> None:
    with pytest.raises(ConfigError, match=remedy):
        find_worker(name)
