"""S3Blobs: the BlobStore port on one bucket."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from kxmsg.aws.errors import to_backend_error
from kxmsg.aws.sdk import SdkApi
from kxmsg.aws.sdk_errors import SDK_ERRORS, from_sdk

LONGEST_KEY: Final = 1024
"""Bytes of a key ("Naming Amazon S3 objects")."""

TIMEOUT: Final = 30.0
"""Seconds for a blob, the SDK's repetitions included."""


class S3Blobs:
    """See :class:`~kxmsg.ports.BlobStore`. Encryption is what the bucket has by default.

    The SDK repeats requests and has S3 check what arrives (CRC). A key with empty or dotted steps, control
    characters or over 1024 bytes raises ValueError. Where the process may not list the bucket, S3 answers 403 for a key
    that is not there (GetObject in its API reference, "Permissions"), which is raised as Permanent.
    """

    def __init__(self, api: SdkApi, bucket: str, *, timeout: float = TIMEOUT) -> None:
        self._api = api
        self._bucket = bucket
        self._timeout = timeout

    async def put(self, key: str, data: bytes, *, content_type: str = "application/octet-stream") -> None:
        place = self._place(key)
        async with self._client("PutObject") as s3:
            await s3.put_object(**place, Body=data, ContentType=content_type)

    async def get(self, key: str) -> bytes | None:
        place = self._place(key)
        async with self._client("GetObject") as s3:
            try:
                answer = await s3.get_object(**place)
            except s3.exceptions.NoSuchKey:
                return None
            async with answer["Body"] as body:
                data: bytes = await body.read()
                return data

    async def delete(self, key: str) -> None:
        place = self._place(key)
        async with self._client("DeleteObject") as s3:
            await s3.delete_object(**place)

    def _place(self, key: str) -> dict[str, str]:
        if not key or not key.isprintable() or len(key.encode()) > LONGEST_KEY:
            raise ValueError(f"a key has 1 to {LONGEST_KEY} bytes and no control characters: {key[:80]!r}")
        if not {"", ".", ".."}.isdisjoint(key.split("/")):
            raise ValueError(f"a key has no empty, '.' or '..' step: {key[:80]!r}")
        return {"Bucket": self._bucket, "Key": key}

    @asynccontextmanager
    async def _client(self, operation: str) -> AsyncIterator[Any]:
        """The S3 client, within the time-out; its exceptions come out as the port's."""
        try:
            async with asyncio.timeout(self._timeout):
                yield await self._api.client("s3")
        except SDK_ERRORS as error:
            raise to_backend_error(from_sdk(error, "s3", operation), f"bucket {self._bucket}") from error
