"""Embedded blobs: the port's contract, and what a crash leaves."""

import errno
import os
from pathlib import Path

import pytest

from kxmsg.embedded.blobs import EmbeddedBlobs
from kxmsg.errors import Permanent, StorageFull
from kxmsg.ports import BlobStore
from tests.contracts.blobs import BlobsContract


class TestOnFiles(BlobsContract):
    @pytest.fixture
    async def blobs(self, tmp_path: Path) -> BlobStore:
        return EmbeddedBlobs(tmp_path)


class TestInMemory(BlobsContract):
    @pytest.fixture
    async def blobs(self) -> BlobStore:
        return EmbeddedBlobs(None)


async def test_blobs_outlive_their_process(tmp_path: Path) -> None:
    await EmbeddedBlobs(tmp_path).put("k", b"1")
    assert await EmbeddedBlobs(tmp_path).get("k") == b"1"


@pytest.mark.parametrize(("number", "error"), [(errno.ENOSPC, StorageFull), (errno.EACCES, Permanent)])
async def test_a_put_that_fails_leaves_the_old_bytes_and_no_litter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, error: type[Exception]
) -> None:
    blobs = EmbeddedBlobs(tmp_path)
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
    await EmbeddedBlobs(tmp_path / "data").put("k", b"1")
    assert (tmp_path / "data" / "blobs").stat().st_mode & 0o077 == 0
