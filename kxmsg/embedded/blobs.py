"""EmbeddedBlobs: a file per key."""

import asyncio
import contextlib
import errno
import hashlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from kxmsg.errors import Permanent, StorageFull
from kxmsg.ports import Clock
from kxmsg.topology import CLAIM_DAYS, CLAIMS

LONGEST_KEY: Final = 1024
"""Bytes of a key, as in S3."""

_CLAIM: Final = "claim-"
"""Head of the file names of what expires."""


class EmbeddedBlobs:
    """See :class:`~kxmsg.ports.BlobStore`. Below ``folder``, or in memory if it is None.

    A file is named by the hash of its key: keys may be longer than file names, differ in case alone, and be each
    other's beginning. A key with empty or dotted steps, control characters or over 1024 bytes raises ValueError.
    Claims expire :data:`~kxmsg.topology.CLAIM_DAYS` after their last put, at the next :meth:`sweep`.
    """

    def __init__(self, folder: Path | None, clock: Clock) -> None:
        self._folder = folder / "blobs" if folder else None
        self._clock = clock
        self._memory: dict[str, tuple[float, bytes]] = {}

    async def put(self, key: str, data: bytes, *, content_type: str = "application/octet-stream") -> None:
        """Durable when it returns. ``content_type`` is for stores that serve their blobs themselves."""
        name = _name(key)
        if self._folder is None:
            self._memory[name] = self._clock.now(), bytes(data)
        else:
            await asyncio.to_thread(_write, self._folder, name, data, self._clock.now())

    async def get(self, key: str) -> bytes | None:
        name = _name(key)
        if self._folder is None:
            return self._memory[name][1] if name in self._memory else None
        return await asyncio.to_thread(_read, self._folder / name)

    async def delete(self, key: str) -> None:
        name = _name(key)
        if self._folder is None:
            self._memory.pop(name, None)
        else:
            await asyncio.to_thread(_delete, self._folder / name)

    async def sweep(self) -> int:
        """Delete what has expired; returns how many blobs that were."""
        before = self._clock.now() - CLAIM_DAYS * 86_400
        if self._folder is not None:
            return await asyncio.to_thread(_sweep, self._folder, before)
        expired = [name for name, (at, _) in self._memory.items() if name.startswith(_CLAIM) and at < before]
        for name in expired:
            del self._memory[name]
        return len(expired)


def _name(key: str) -> str:
    if not key or not key.isprintable() or len(key.encode()) > LONGEST_KEY:
        raise ValueError(f"a key has 1 to {LONGEST_KEY} bytes and no control characters: {key[:80]!r}")
    if not {"", ".", ".."}.isdisjoint(key.split("/")):
        raise ValueError(f"a key has no empty, '.' or '..' step: {key[:80]!r}")
    return (_CLAIM if key.startswith(CLAIMS) else "") + hashlib.sha256(key.encode()).hexdigest()


def _write(folder: Path, name: str, data: bytes, now: float) -> None:
    """Write beside and rename: whoever reads, also after power loss, finds the old bytes or all of the new ones."""
    with _explained(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = folder / f"{name}.{secrets.token_hex(4)}"
        try:
            with draft.open("xb") as file:
                file.write(data)
                file.flush()
                os.utime(file.fileno(), (now, now))
                os.fsync(file.fileno())
            draft.replace(folder / name)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
        directory = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def _read(path: Path) -> bytes | None:
    with _explained(path.parent):
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None


def _delete(path: Path) -> None:
    with _explained(path.parent):
        path.unlink(missing_ok=True)


def _sweep(folder: Path, before: float) -> int:
    swept = 0
    with _explained(folder):
        for path in folder.glob(f"{_CLAIM}*"):
            with contextlib.suppress(FileNotFoundError):  # another process sweeps as well
                if path.stat().st_mtime < before:
                    path.unlink()
                    swept += 1
    return swept


@contextlib.contextmanager
def _explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull(f"{folder}: {error}: make room") from error
        raise Permanent(f"{folder}: {error}: check the folder and its permissions") from error
