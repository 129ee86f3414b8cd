"""Health, from the heartbeats' ages."""

import os
import time
from pathlib import Path

from kxmsg.runtime.health import check, heartbeat_file


def test_a_fresh_heartbeat_is_health(tmp_path: Path) -> None:
    """Nothing is told."""
    heartbeat_file(tmp_path, "fanout").touch()
    assert check(tmp_path) == []


def test_no_heartbeat_is_a_problem(tmp_path: Path) -> None:
    """A worker that never came up must not pass for healthy."""
    assert check(tmp_path) == [f"{tmp_path}: no worker runs here"]
    assert check(tmp_path / "absent") == [f"{tmp_path / 'absent'}: no worker runs here"]


def test_a_stale_heartbeat_is_a_problem(tmp_path: Path) -> None:
    """With the worker's name, its process and since when."""
    beat = heartbeat_file(tmp_path, "template-renderer")
    beat.touch()
    os.utime(beat, (time.time() - 45, time.time() - 45))
    assert check(tmp_path) == [f"template-renderer: process {os.getpid()} has not moved for 45 s"]


def test_a_process_that_is_gone_is_a_problem(tmp_path: Path) -> None:
    """It would have removed its heartbeat had it stopped in order."""
    (tmp_path / "fanout-999999999").touch()
    (tmp_path / "stray").touch()
    assert check(tmp_path) == [
        "fanout: process 999999999 is gone without having stopped",
        "stray: not a heartbeat",
    ]
