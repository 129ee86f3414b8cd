"""The contract of ``BlobStore``."""

import asyncio

import pytest

from kxmsg.ports import BlobStore


class BlobsContract:
    """Subclasses give the fixture ``blobs``, an empty store."""

    @pytest.fixture
    async def blobs(self) -> BlobStore:
        raise NotImplementedError

    async def test_what_was_put_is_got(self, blobs: BlobStore) -> None:
        data = bytes(range(256)) * 10
        await blobs.put("tenant/claims/1", data, content_type="application/json")
        assert await blobs.get("tenant/claims/1") == data

    async def test_an_unknown_key_has_nothing(self, blobs: BlobStore) -> None:
        assert await blobs.get("unknown") is None

    async def test_a_later_put_replaces(self, blobs: BlobStore) -> None:
        await blobs.put("k", b"long before")
        await blobs.put("k", b"")
        assert await blobs.get("k") == b""

    async def test_a_deleted_key_has_nothing(self, blobs: BlobStore) -> None:
        await blobs.put("k", b"1")
        await blobs.delete("k")
        await blobs.delete("k")
        assert await blobs.get("k") is None

    async def test_keys_that_begin_or_look_alike_are_different(self, blobs: BlobStore) -> None:
        keys = ["a", "a/b", "a/b/c", "A", "a.b", "ä", "x" * 1024]
        await asyncio.gather(*(blobs.put(key, key.encode()) for key in keys))
        assert [await blobs.get(key) for key in keys] == [key.encode() for key in keys]

    @pytest.mark.parametrize(
        "key", ["", "/etc/passwd", "../x", "a/../b", "a/./b", "a//b", "a/", "a\x00b", "a\nb", "x" * 1025]
    )
    async def test_a_key_that_could_lead_elsewhere_is_refused(self, blobs: BlobStore, key: str) -> None:
        with pytest.raises(ValueError, match="a key has"):
            await blobs.put(key, b"")
        with pytest.raises(ValueError, match="a key has"):
            await blobs.get(key)
