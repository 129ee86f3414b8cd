"""Embedded blobs: the port's contract, and what a crash leaves."""

import errno
import os
from pathlib import Path

import pytest

from kxmsg.embedded.blobs import EmbeddedBlobs
from kxmsg.errors import Permanent, StorageFull
from kxmsg.ports import BlobStore
from kxmsg.telemetry import SystemClock
from kxmsg.topology import CLAIM_DAYS, CLAIMS
from tests.contracts.blobs import BlobsContract


class TestOnFiles(BlobsContract):
    @pytest.fixture
    async def blobs(self, tmp_path: Path) -> BlobStore:
        return EmbeddedBlobs(tmp_path, SystemClock())


class TestInMemory(BlobsContract):
    @pytest.fixture
    async def blobs(self) -> BlobStore:
        return EmbeddedBlobs(None, SystemClock())


async def test_blobs_outlive_their_process(tmp_path: Path) -> None:
    await EmbeddedBlobs(tmp_path, SystemClock()).put("k", b"1")
    assert await EmbeddedBlobs(tmp_path, SystemClock()).get("k") == b"1"


@pytest.mark.parametrize(("number", "error"), [(errno.ENOSPC, StorageFull), (errno.EACCES, Permanent)])
async def test_a_put_that_fails_leaves_the_old_bytes_and_no_litter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, error: type[Exception]
) -> None:
    blobs = EmbeddedBlobs(tmp_path, SystemClock())
    await blobs.put("k", b"old")

    def fail(_: int) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(error, match=r"blobs: .*: (make room|check)"):
            await blobs.put("k", b"new")
    assert await blobs.get("k") == b"old"
    assert len(list((tmp_path / "blobs").iterdir())) == 1


async def test_files_are_this_users_alone(tmp_path: Path) -> None:
    await EmbeddedBlobs(tmp_path / "data", SystemClock()).put("k", b"1")
    assert (tmp_path / "data" / "blobs").stat().st_mode & 0o077 == 0


class At:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.time = 1_750_000_000.0

    def now(self) -> float:
        return self.time


@pytest.mark.parametrize("on_files", [True, False])
async def test_claims_expire_after_their_last_put_and_other_blobs_do_not(tmp_path: Path, on_files: bool) -> None:
    clock = At()
    blobs = EmbeddedBlobs(tmp_path if on_files else None, clock)
    assert await blobs.sweep() == 0, "even before there is any folder"
    for key in (f"{CLAIMS}a/1", f"{CLAIMS}a/2", "attachments/1"):
        await blobs.put(key, b"1")
    clock.time += 86_400
    await blobs.put(f"{CLAIMS}a/2", b"1")
    clock.time += (CLAIM_DAYS - 1) * 86_400 + 1
    assert await blobs.sweep() == 1
    assert await blobs.get(f"{CLAIMS}a/1") is None
    clock.time += 86_400
    assert await blobs.sweep() == 1
    clock.time += 1e9
    assert (await blobs.sweep(), await blobs.get("attachments/1")) == (0, b"1")
