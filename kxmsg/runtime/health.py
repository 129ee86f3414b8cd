"""Health: heartbeat files, one per worker process, whose age tells whether it moves."""

import os
import time
from pathlib import Path
from typing import Final

BEAT: Final = 5.0
"""Seconds between two heartbeats."""

STALE: Final = 30.0
"""Seconds after which a heartbeat is no sign of life."""


def heartbeat_file(folder: Path, worker: str) -> Path:
    """This process's heartbeat as ``worker``."""
    return folder / f"{worker}-{os.getpid()}"


def check(folder: Path) -> list[str]:
    """What is wrong with the workers whose heartbeats are in ``folder``, a line each; nothing: all is well."""
    beats = sorted(folder.iterdir()) if folder.is_dir() else []
    if not beats:
        return [f"{folder}: no worker runs here"]
    return [problem for beat in beats if (problem := _problem(beat)) is not None]


def sweep(heartbeat: Path) -> None:
    """Remove what killed processes of the same worker left behind."""
    worker = _parse(heartbeat)[0]
    for beat in heartbeat.parent.iterdir():
        name, pid = _parse(beat)
        if name == worker and pid is not None and not _runs(pid):
            beat.unlink(missing_ok=True)


def _problem(beat: Path) -> str | None:
    worker, pid = _parse(beat)
    if pid is None:
        return f"{beat.name}: not a heartbeat"
    if not _runs(pid):
        return f"{worker}: process {pid} is gone without having stopped"
    try:
        age = time.time() - beat.stat().st_mtime
    except FileNotFoundError:  # it stopped just now
        return None
    return f"{worker}: process {pid} has not moved for {age:.0f} s" if age > STALE else None


def _parse(beat: Path) -> tuple[str, int | None]:
    worker, _, pid = beat.name.rpartition("-")
    return worker, int(pid) if worker and pid.isdecimal() else None


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
