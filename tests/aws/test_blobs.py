"""S3Blobs: the port's contract at the emulator, and by a responder what S3 does when it doesn't do its work."""

import os
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4
from zlib import crc32

import pytest
import pytest_asyncio

from kxmsg.aws.account import Account
from kxmsg.aws.blobs import S3Blobs
from kxmsg.aws.sdk import SdkApi
from kxmsg.errors import Permanent, Transient
from kxmsg.ports import BlobStore
from tests.aws.emulator import Emulator
from tests.aws.responder import Mishap, Reply, Responder, responding
from tests.contracts.blobs import BlobsContract

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sdk(emulator: Emulator) -> AsyncIterator[SdkApi]:
    """One client for all tests of the module: to make one takes half a second."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in emulator.environment.items():
            patch.setenv(name, value)
        api = SdkApi(Account())
        yield api
        await api.close()


@pytest_asyncio.fixture(loop_scope="module")
async def bucket(sdk: SdkApi) -> str:
    """An empty bucket."""
    bucket = f"t-{uuid4().hex[:12]}"
    s3 = await sdk.client("s3")
    await s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": s3.meta.region_name})
    return bucket


class TestAtEmulator(BlobsContract):
    @pytest.fixture
    def blobs(self, sdk: SdkApi, bucket: str) -> BlobStore:
        return S3Blobs(sdk, bucket)


async def test_a_blob_keeps_its_content_type(sdk: SdkApi, bucket: str) -> None:
    await S3Blobs(sdk, bucket).put("a/b", b"{}", content_type="application/json")
    head = await (await sdk.client("s3")).head_object(Bucket=bucket, Key="a/b")
    assert head["ContentType"] == "application/json"


async def test_a_put_lets_s3_check_what_arrives(sdk: SdkApi, bucket: str) -> None:
    """ "Checking object integrity in Amazon S3": what does not fit its checksum is refused as BadDigest."""
    sent: list[Mapping[str, bytes]] = []

    def keep(request: Any, **_: Any) -> None:
        sent.append(request.headers)

    events = (await sdk.client("s3")).meta.events
    events.register("before-send.s3.PutObject", keep)
    await S3Blobs(sdk, bucket).put("a", b"some bytes")
    events.unregister("before-send.s3.PutObject", keep)
    checksum = b64encode(crc32(b"some bytes").to_bytes(4, "big"))
    assert [headers["x-amz-checksum-crc32"] for headers in sent] == [checksum]


async def test_a_missing_bucket_is_no_missing_blob(sdk: SdkApi) -> None:
    blobs = S3Blobs(sdk, "t-unheard-of")
    with pytest.raises(Permanent, match=r"bucket t-unheard-of: .*NoSuchBucket.*kxmsg provision"):
        await blobs.get("a")
    with pytest.raises(Permanent, match=r"bucket t-unheard-of: "):
        await blobs.put("a", b"")


# ------------------------------------------------------------------------------------------------ by a responder


def refused(status: int, code: str) -> Reply:
    body = f"<Error><Code>{code}</Code><Message>why</Message></Error>"
    return Reply(status, body.encode(), {"content-type": "application/xml"})


@asynccontextmanager
async def played(
    monkeypatch: pytest.MonkeyPatch, *replies: Reply | Mishap, timeout: float = 5.0
) -> AsyncIterator[tuple[S3Blobs, Responder]]:
    """Blobs at a responder; the SDK repeats without pauses."""
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)
    async with responding(*replies) as responder:
        for name, value in Emulator(responder.url, clock=Path(os.devnull)).environment.items():
            monkeypatch.setenv(name, value)
        api = SdkApi(Account())
        try:
            yield S3Blobs(api, "kx-blobs", timeout=timeout), responder
        finally:
            await api.close()


@pytest.mark.parametrize(
    ("reply", "complaint"),
    [
        (refused(403, "AccessDenied"), "allow s3:GetObject"),
        (refused(404, "NoSuchBucket"), "kxmsg provision"),
    ],
)
async def test_a_refusal_names_the_bucket_and_the_remedy(
    monkeypatch: pytest.MonkeyPatch, reply: Reply, complaint: str
) -> None:
    async with played(monkeypatch, reply) as (blobs, _):
        with pytest.raises(Permanent, match=f"bucket kx-blobs: .*{complaint}"):
            await blobs.get("a")


async def test_a_throttle_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    async with played(monkeypatch, refused(503, "SlowDown"), Reply(200, b"data")) as (blobs, responder):
        assert await blobs.get("a") == b"data"
    assert len(responder.requests) == 2


@pytest.mark.parametrize("reply", [Reply(200, b"data", cut=True), "reset", "close", refused(500, "InternalError")])
async def test_an_answer_that_is_lost_is_transient(monkeypatch: pytest.MonkeyPatch, reply: Reply | Mishap) -> None:
    async with played(monkeypatch, reply) as (blobs, _):
        with pytest.raises(Transient, match=r"bucket kx-blobs: "):
            await blobs.get("a")


@pytest.mark.parametrize("operation", ["put", "get", "delete"])
async def test_an_answer_that_does_not_come_is_transient(monkeypatch: pytest.MonkeyPatch, operation: str) -> None:
    async with played(monkeypatch, "hang", timeout=0.3) as (blobs, _):
        with pytest.raises(Transient, match=r"bucket kx-blobs: .*Timeout"):
            await (blobs.put("a", b"data") if operation == "put" else getattr(blobs, operation)("a"))
