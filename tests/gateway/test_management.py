"""The management API: AWS's own client works against it, and nobody without the keys does."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3  # type: ignore[import-untyped]  # boto3 has no stubs
import botocore.config  # type: ignore[import-untyped]  # nor has botocore
import orjson
import pytest
from botocore.exceptions import ClientError  # type: ignore[import-untyped]  # as above

from kxmsg.embedded import batch
from kxmsg.gateway import management
from kxmsg.gateway.integration import Answer
from kxmsg.gateway.protocol import encode_text
from kxmsg.sigv4 import Credentials, sign
from tests.gateway.conftest import Start
from tests.gateway.fakes import KEYS, Event, Gateway, until, upgrade

KB = 1024


@pytest.fixture(scope="module")
def session() -> boto3.Session:
    """One for all, since it reads botocore's service models."""
    return boto3.Session(KEYS.access_key, KEYS.secret_key, region_name="local")


@pytest.fixture
async def aws(session: boto3.Session, gateway: Gateway) -> AsyncIterator[Any]:
    """AWS's synchronous client, unmodified."""
    config = botocore.config.Config(retries={"total_max_attempts": 1})
    client = session.client("apigatewaymanagementapi", endpoint_url=gateway.url, config=config)
    yield client
    client.close()


def body_of(*postings: tuple[list[str], bytes]) -> bytes:
    return batch.assemble([batch.entry(names, len(data)) for names, data in postings], [data for _, data in postings])


# ---------------------------------------------------------------------------------------------- AWS's client


async def test_boto3_posts_to_a_connection(gateway: Gateway, aws: Any) -> None:
    client, name = await gateway.opened()
    answer = await asyncio.to_thread(aws.post_to_connection, ConnectionId=name, Data="é!".encode())
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert await client.recv() == "é!"


async def test_boto3_reads_a_connection(gateway: Gateway, aws: Any) -> None:
    _, name = await gateway.opened(user_agent_header="test/2")
    answer = await asyncio.to_thread(aws.get_connection, ConnectionId=name)
    assert answer["Identity"] == {"SourceIp": "127.0.0.1", "UserAgent": "test/2"}
    now = datetime.now(UTC)
    assert now - timedelta(seconds=5) < answer["ConnectedAt"] <= now
    assert answer["ConnectedAt"] - timedelta(milliseconds=2) <= answer["LastActiveAt"] <= now


async def test_boto3_deletes_a_connection_which_closes_1000(gateway: Gateway, aws: Any) -> None:
    client, name = await gateway.opened()
    answer = await asyncio.to_thread(aws.delete_connection, ConnectionId=name)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
    await client.wait_closed()
    assert (client.close_code, client.close_reason) == (1000, "Connection Closed Normally")
    assert await gateway.integration.disconnected() == (1000, "Connection Closed Normally")


@pytest.mark.parametrize("operation", ["post_to_connection", "get_connection", "delete_connection"])
async def test_boto3_raises_gone_for_an_unknown_connection(aws: Any, operation: str) -> None:
    data = {"Data": b"x"} if operation == "post_to_connection" else {}
    with pytest.raises(aws.exceptions.GoneException):
        await asyncio.to_thread(getattr(aws, operation), ConnectionId="Zk3eJfs0oAMCJ1w=", **data)


async def test_boto3_raises_too_large_beyond_128_kb(gateway: Gateway, aws: Any) -> None:
    client, name = await gateway.opened()
    await asyncio.to_thread(aws.post_to_connection, ConnectionId=name, Data=b"x" * 128 * KB)
    assert len(await client.recv()) == 128 * KB
    with pytest.raises(aws.exceptions.PayloadTooLargeException):
        await asyncio.to_thread(aws.post_to_connection, ConnectionId=name, Data=b"x" * (128 * KB + 1))


async def test_boto3_raises_limit_exceeded_when_the_client_does_not_read(gateway: Gateway, aws: Any) -> None:
    _, writer, name = await gateway.upgraded()
    connection = gateway.connection(name)
    await until(lambda: connection.send(encode_text(b"x" * 64 * KB), 0) == "busy")
    with pytest.raises(aws.exceptions.LimitExceededException):
        await asyncio.to_thread(aws.post_to_connection, ConnectionId=name, Data=b"x")
    writer.transport.abort()


async def test_boto3_with_other_keys_is_told_so(session: boto3.Session, gateway: Gateway) -> None:
    stranger = session.client(
        "apigatewaymanagementapi",
        endpoint_url=gateway.url,
        aws_access_key_id="AKIDSTRANGER",
        aws_secret_access_key="guess",
    )
    with pytest.raises(ClientError) as caught:
        await asyncio.to_thread(stranger.get_connection, ConnectionId="x")
    stranger.close()
    assert caught.value.response["Error"]["Code"] == "UnrecognizedClientException"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


async def test_a_stage_in_the_endpoint_is_accepted(session: boto3.Session, gateway: Gateway) -> None:
    client, name = await gateway.opened()
    staged = session.client("apigatewaymanagementapi", endpoint_url=f"{gateway.url}/prod")
    await asyncio.to_thread(staged.post_to_connection, ConnectionId=name, Data=b"staged")
    staged.close()
    assert await client.recv() == "staged"


# ------------------------------------------------------------------------------------------------- @connections


async def test_a_connection_is_gone_until_its_connect_is_answered(gateway: Gateway) -> None:
    answered = asyncio.Event()

    async def later(event: Event) -> Answer:
        await answered.wait()
        return Answer(200)

    gateway.integration.on_connect = later
    reader, writer = await gateway.raw()
    writer.write(upgrade())
    name = (await gateway.integration.connects.get())["requestContext"]["connectionId"]
    assert (await gateway.request("POST", f"/@connections/{name}", b"x"))[0] == 410
    answered.set()
    await reader.readuntil(b"\r\n\r\n")
    assert (await gateway.request("POST", f"/@connections/{name}", b"x"))[0] == 200
    assert await reader.readexactly(3) == b"\x81\x01x"
    writer.close()


async def test_a_connection_is_gone_once_it_has_begun_to_close(gateway: Gateway) -> None:
    _, writer, name = await gateway.upgraded()
    assert (await gateway.request("DELETE", f"/@connections/{name}"))[0] == 204
    assert (await gateway.request("POST", f"/@connections/{name}", b"x"))[0] == 410
    assert (await gateway.request("DELETE", f"/@connections/{name}"))[0] == 410
    writer.close()


async def test_data_that_is_not_text_is_a_bad_request(gateway: Gateway) -> None:
    client, name = await gateway.opened()
    status, _, error = await gateway.request("POST", f"/@connections/{name}", b"\xff")
    assert (status, error) == (400, "BadRequestException")
    await (await client.ping())


@pytest.mark.parametrize(
    ("how", "error"),
    [
        ({"keys": None}, "MissingAuthenticationTokenException"),
        ({"keys": Credentials("AKIDOTHER", "secret")}, "UnrecognizedClientException"),
        ({"keys": Credentials(KEYS.access_key, "guess")}, "InvalidSignatureException"),
        ({"region": "eu-west-1"}, "InvalidSignatureException"),
        ({"age": 301}, "InvalidSignatureException"),
        ({"age": -330}, "InvalidSignatureException"),
    ],
    ids=["unsigned", "stranger", "wrong secret", "region", "old", "future"],
)
@pytest.mark.parametrize(("method", "path"), [("POST", "/@connections/x"), ("DELETE", "/@connections/x")])
async def test_without_a_good_signature_everything_is_forbidden(
    gateway: Gateway, method: str, path: str, how: dict[str, Any], error: str
) -> None:
    status, body, error_type = await gateway.request(method, path, b"data", **how)
    message = "Missing Authentication Token" if how == {"keys": None} else "Forbidden"
    assert (status, orjson.loads(body), error_type) == (403, {"message": message}, error)


async def test_a_recorded_request_can_not_be_replayed_with_other_content(gateway: Gateway) -> None:
    client, name = await gateway.opened()
    path = f"/@connections/{name}"
    headers = {"host": "localhost"}
    headers |= sign(
        KEYS, "POST", path, "", headers, b"original", region="local", service="execute-api", now=time.time()
    )
    reader, writer = await gateway.raw()
    head = "".join(f"{key}: {value}\r\n" for key, value in headers.items())
    writer.write(f"POST {path} HTTP/1.1\r\n{head}content-length: 8\r\n\r\nmodified".encode())
    assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 403 ")
    writer.write(f"POST {path} HTTP/1.1\r\n{head}content-length: 8\r\n\r\noriginal".encode())
    await reader.readuntil(b"HTTP/1.1 200 ")
    assert await client.recv() == "original"
    writer.close()


async def test_a_body_that_does_not_come_is_given_up(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(management, "BODY_SECONDS", 0.02)
    reader, writer = await gateway.raw()
    writer.write(
        b"POST /@connections/x HTTP/1.1\r\nhost: a\r\nauthorization: Credential=AKIDTEST/x\r\n"
        b"content-length: 5\r\n\r\nab"
    )
    assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 408 ")
    writer.close()


async def test_nobody_s_body_is_read_who_names_no_key_of_ours(gateway: Gateway) -> None:
    """Else anybody could make the gateway keep megabytes for them."""
    for authorization in (b"x", b"AWS4-HMAC-SHA256 Credential=AKIDOTHER/20260101/local/execute-api/aws4_request"):
        reader, writer = await gateway.raw()
        writer.write(b"POST /@connections HTTP/1.1\r\nhost: a\r\nauthorization: " + authorization)
        writer.write(b"\r\ncontent-length: 4000000\r\n\r\nab")
        assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 403 ")
        writer.close()


# ------------------------------------------------------------------------------------------------------ batches


async def test_a_batch_answers_an_outcome_per_post_and_connection(gateway: Gateway) -> None:
    one, first = await gateway.opened()
    two, second = await gateway.opened()
    body = body_of(([first, second, "unknown"], b"both"), ([second], b"second"), ([], b"nobody"), ([first], b"\xff"))
    status, answer, _ = await gateway.request("POST", batch.PATH, body)
    assert (status, orjson.loads(answer)) == (200, [["ok", "ok", "gone"], ["ok"], [], ["failed"]])
    assert await one.recv() == "both"
    assert [await two.recv(), await two.recv()] == ["both", "second"]


async def test_a_batch_keeps_the_order_of_its_posts(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(management, "TURN", 10)
    client, name = await gateway.opened()
    await gateway.request("POST", batch.PATH, body_of(*[([name], b"%d" % number) for number in range(200)]))
    assert [await client.recv() for _ in range(200)] == [str(number) for number in range(200)]


async def test_a_batch_says_which_connection_is_busy(start: Start) -> None:
    gateway = await start(outbox=64 * KB)
    client, good = await gateway.opened()
    _, writer, bad = await gateway.upgraded()
    connection = gateway.connection(bad)
    await until(lambda: connection.send(encode_text(b"x" * 16 * KB), 0) == "busy")
    _, answer, _ = await gateway.request("POST", batch.PATH, body_of(([bad, good], b"news")))
    assert orjson.loads(answer) == [["busy", "ok"]]
    assert await client.recv() == "news"
    writer.transport.abort()


async def test_a_malformed_batch_is_a_bad_request(gateway: Gateway) -> None:
    for body in (b"", b"\0\0\0", b"\0\0\0\x02[]x", body_of(([], b"x")) + b"x"):
        status, _, error = await gateway.request("POST", batch.PATH, body)
        assert (status, error) == (400, "BadRequestException")


async def test_a_batch_beyond_4_mb_is_too_large(gateway: Gateway) -> None:
    status, _, error = await gateway.request("POST", batch.PATH, bytes(4 * KB * KB + 1))
    assert (status, error) == (413, "PayloadTooLargeException")


async def test_a_batch_needs_a_signature_too(gateway: Gateway) -> None:
    client, name = await gateway.opened()
    assert (await gateway.request("POST", batch.PATH, body_of(([name], b"x")), keys=None))[0] == 403
    await gateway.request("POST", batch.PATH, body_of(([name], b"signed")))
    assert await client.recv() == "signed"


# ------------------------------------------------------------------------------------------------- other paths


async def test_health_needs_no_signature_and_counts(gateway: Gateway) -> None:
    await gateway.opened()
    status, body, _ = await gateway.request("GET", "/health", keys=None)
    assert (status, orjson.loads(body)) == (200, {"status": "ok", "connections": 1})


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/@connections"),
        ("PUT", "/@connections/x"),
        ("POST", "/@connections/x/y"),
        ("POST", "/a/b/@connections/x"),
        ("POST", "/health"),
        ("OPTIONS", "/@connections/x"),
    ],
)
async def test_there_is_nothing_else(gateway: Gateway, method: str, path: str) -> None:
    status, body, _ = await gateway.request(method, path)
    assert (status, orjson.loads(body)) == (404, {"message": "Not Found"})
