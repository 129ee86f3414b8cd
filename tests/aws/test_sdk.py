"""Calls through the SDK: what comes back, and what each way of failing comes to."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from botocore.exceptions import (  # type: ignore[import-untyped]  # botocore has no stubs
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    IncompleteReadError,
    ParamValidationError,
    ProxyConnectionError,
    SSLError,
)

from kxmsg.aws.account import Account, Resolved
from kxmsg.aws.errors import AwsError
from kxmsg.aws.retrying import Retrying
from kxmsg.aws.sdk import SdkApi
from kxmsg.aws.sdk_errors import SDK_ERRORS, from_sdk
from kxmsg.errors import StartError
from kxmsg.sigv4 import Credentials
from tests.aws.emulator import Emulator
from tests.aws.responder import Mishap, Reply, Responder, json_reply, responding

BATCH = {"QueueUrl": "http://sqs/q", "Entries": [{"Id": "0", "MessageBody": "körper"}]}
SENT = {"Successful": [{"Id": "0", "MessageId": "m", "MD5OfMessageBody": "d"}], "Failed": []}


@pytest.fixture(autouse=True)
def _region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-central-1")


def credentials(_: str) -> Resolved:
    return Resolved(Credentials("key", "secret", "token"))


@asynccontextmanager
async def sdk(*replies: Reply | Mishap, timeout: float = 10.0) -> AsyncIterator[tuple[SdkApi, Responder]]:
    """The API, and the server that it calls."""
    with pytest.MonkeyPatch.context() as patch:
        async with responding(*replies) as server:
            patch.setenv("AWS_ENDPOINT_URL", server.url)
            api = SdkApi(Account(credentials), timeout=timeout)
            await api.client("sqs")  # opening it takes time, which the time-outs of the tests don't allow for
            try:
                yield api, server
            finally:
                await api.close()


async def failure(*replies: Reply | Mishap, timeout: float = 10.0) -> AwsError:
    """What sending a batch comes to; it was tried once."""
    async with sdk(*replies, timeout=timeout) as (api, server):
        with pytest.raises(AwsError) as failed:
            await api.call("sqs", "SendMessageBatch", BATCH)
        assert len(server.requests) == 1
    assert (failed.value.service, failed.value.operation) == ("sqs", "SendMessageBatch")
    return failed.value


async def test_a_call_is_signed_and_its_answer_is_the_json_object() -> None:
    async with sdk(json_reply(200, SENT)) as (api, server):
        assert await api.call("sqs", "SendMessageBatch", BATCH) == SENT
    (request,) = server.requests
    assert (request.method, request.path) == ("POST", "/")
    assert request.headers["x-amz-target"] == "AmazonSQS.SendMessageBatch"
    assert "Credential=key/" in request.headers["authorization"]
    assert "/eu-central-1/sqs/" in request.headers["authorization"]
    assert request.headers["x-amz-security-token"] == "token"
    assert request.headers["user-agent"].startswith("kxmsg ")
    assert json.loads(request.body) == BATCH


async def test_each_request_is_signed_with_the_credentials_of_its_moment() -> None:
    given = iter(["first", "second"])
    async with responding(json_reply(200, SENT)) as server:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AWS_ENDPOINT_URL", server.url)
            patch.setattr("kxmsg.aws.account.SHORT_PAUSE", 0.0)
            account = Account(lambda _: Resolved(Credentials(next(given), "secret")))
            api = SdkApi(account)
            await api.call("sqs", "SendMessageBatch", BATCH)
            await account.renew()
            await api.call("sqs", "SendMessageBatch", BATCH)
            await api.close()
    keys = [request.headers["authorization"].partition("Credential=")[2][:6] for request in server.requests]
    assert keys == ["first/", "second"]


async def test_no_credentials_are_the_starts_error_and_nothing_is_sent() -> None:
    async with responding(json_reply(200, SENT)) as server:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AWS_ENDPOINT_URL", server.url)
            api = SdkApi(Account(lambda _: None))
            with pytest.raises(StartError, match="no AWS credentials"):
                await api.call("sqs", "SendMessageBatch", BATCH)
            await api.close()
    assert server.requests == []


async def test_an_answer_without_a_body_is_an_empty_result() -> None:
    async with sdk(Reply(200, b"")) as (api, _):
        assert await api.call("sqs", "PurgeQueue", {"QueueUrl": "http://sqs/q"}) == {}
        assert await api.call("sqs", "ReceiveMessage", {"QueueUrl": "http://sqs/q"}) == {}


async def test_sns_speaks_xml_and_answers_the_same_way() -> None:
    body = (
        "<PublishBatchResponse xmlns='http://sns.amazonaws.com/doc/2010-03-31/'><PublishBatchResult>"
        "<Failed><member><Id>1</Id><Code>InternalError</Code><SenderFault>false</SenderFault></member></Failed>"
        "<Successful><member><Id>0</Id><MessageId>m</MessageId></member></Successful>"
        "</PublishBatchResult></PublishBatchResponse>"
    )
    async with sdk(Reply(200, body.encode())) as (api, server):
        entries = [{"Id": "0", "Message": "a"}, {"Id": "1", "Message": "b"}]
        answer = await api.call("sns", "PublishBatch", {"TopicArn": "arn", "PublishBatchRequestEntries": entries})
    assert answer["Successful"] == [{"Id": "0", "MessageId": "m"}]
    assert answer["Failed"] == [{"Id": "1", "Code": "InternalError", "SenderFault": False}]
    assert b"PublishBatchRequestEntries.member.2.Message=b" in server.requests[0].body


# --------------------------------------------------------------------------------------------------- refusals by AWS


async def test_a_refusal_has_the_code_of_the_json_protocol_without_its_namespace() -> None:
    refusal = json_reply(
        400,
        {"__type": "com.amazonaws.sqs#QueueDoesNotExist", "message": "The specified queue does not exist."},
        x_amzn_query_error="AWS.SimpleQueueService.NonExistentQueue;Sender",
    )
    failed = await failure(refusal)
    assert (failed.code, failed.status, failed.unclear) == ("QueueDoesNotExist", 400, False)
    assert failed.message == "The specified queue does not exist."


@pytest.mark.parametrize(
    ("status", "code", "unclear"),
    [
        (400, "ThrottlingException", False),
        (429, "TooManyRequestsException", False),
        (503, "SlowDown", False),
        (500, "InternalError", True),
        (503, "ServiceUnavailable", True),
        (403, "AccessDeniedException", False),
    ],
)
async def test_only_a_servers_fault_leaves_unclear_whether_it_was_done(status: int, code: str, unclear: bool) -> None:
    failed = await failure(json_reply(status, {"__type": code}))
    assert (failed.code, failed.status, failed.unclear) == (code, status, unclear)


async def test_a_load_balancers_error_page_is_told_by_its_status() -> None:
    failed = await failure(Reply(502, b"<html>Bad Gateway</html>", {"content-type": "text/html"}))
    assert (failed.code, failed.status, failed.unclear) == ("502", 502, True)


async def test_a_cancelled_transaction_tells_its_reasons_and_items() -> None:
    reasons = [{"Code": "None"}, {"Code": "ConditionalCheckFailed", "Item": {"pk": {"S": "a"}}, "Message": "no"}]
    body = {
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "Message": "Transaction cancelled",
        "CancellationReasons": reasons,
    }
    async with sdk(json_reply(400, body)) as (api, _):
        with pytest.raises(AwsError) as failed:
            await api.call("dynamodb", "TransactWriteItems", {"TransactItems": []})
    assert failed.value.code == "TransactionCanceledException"
    assert failed.value.details["CancellationReasons"] == reasons


async def test_a_failed_condition_tells_the_item_that_stands_there() -> None:
    item = {"pk": {"S": "a"}, "n": {"N": "7"}}
    body = {"__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException", "message": "no", "Item": item}
    async with sdk(json_reply(400, body)) as (api, _):
        with pytest.raises(AwsError) as failed:
            await api.call("dynamodb", "PutItem", {"TableName": "t", "Item": item})
    assert failed.value.code == "ConditionalCheckFailedException"
    assert failed.value.details["Item"] == item


async def test_sns_refuses_in_xml() -> None:
    body = (
        b"<ErrorResponse><Error><Type>Sender</Type><Code>NotFound</Code><Message>gone</Message></Error></ErrorResponse>"
    )
    async with sdk(Reply(404, body)) as (api, _):
        with pytest.raises(AwsError) as failed:
            await api.call("sns", "Publish", {"TopicArn": "arn", "Message": "a"})
    assert (failed.value.code, failed.value.status, failed.value.message) == ("NotFound", 404, "gone")


# ------------------------------------------------------------------------------------------------- no usable answer


@pytest.fixture
def unused_url() -> Iterator[str]:
    """A URL where nothing listens: its port is taken, so nobody else's either."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


async def test_an_endpoint_that_refuses_was_not_reached(unused_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", unused_url)
    api = SdkApi(Account(credentials))
    with pytest.raises(AwsError) as failed:
        await api.call("sqs", "SendMessageBatch", BATCH)
    await api.close()
    assert (failed.value.code, failed.value.status, failed.value.unclear) == ("Unreachable", 0, False)


@pytest.mark.parametrize("mishap", ["reset", "close"])
async def test_a_connection_lost_after_the_request_leaves_it_unclear(mishap: Mishap) -> None:
    failed = await failure(mishap)
    assert (failed.code, failed.status, failed.unclear) == ("Reset", 0, True)


async def test_an_answer_that_is_cut_short_leaves_it_unclear() -> None:
    whole = json_reply(200, SENT)
    failed = await failure(Reply(200, whole.body, whole.headers, cut=True))
    assert (failed.code, failed.unclear) == ("Reset", True)


async def test_no_answer_in_time_leaves_it_unclear() -> None:
    failed = await failure("hang", timeout=0.2)
    assert (failed.code, failed.status, failed.unclear) == ("Timeout", 0, True)


async def test_a_calls_own_time_out_comes_before_the_general_one() -> None:
    async with sdk("hang") as (api, _):
        with pytest.raises(AwsError, match="Timeout"):
            await api.call("sqs", "SendMessageBatch", BATCH, timeout=0.2)


@pytest.mark.parametrize(
    "body", [b"<html>Please log in</html>", b'{"Successful": [', b"[]", b'"ok"'], ids=lambda body: body.decode()
)
async def test_what_a_proxy_answers_instead_is_not_taken_for_an_empty_result(body: bytes) -> None:
    failed = await failure(Reply(200, body))
    assert (failed.code, failed.unclear) == ("BadAnswer", True)


@pytest.mark.parametrize("body", [b"<html></html>", b"<html>", b"", b"{}"], ids=lambda body: body.decode())
async def test_nor_is_that_so_where_the_protocol_is_xml(body: bytes) -> None:
    async with sdk(Reply(200, body)) as (api, _):
        with pytest.raises(AwsError) as failed:
            await api.call("sns", "Publish", {"TopicArn": "arn", "Message": "a"})
    assert (failed.value.code, failed.value.unclear) == ("BadAnswer", True)


async def test_what_is_no_http_is_a_bad_answer() -> None:
    failed = await failure(Reply(200, b"{}", {"content-length": "many"}))
    assert (failed.code, failed.unclear) == ("BadAnswer", True)


async def test_a_cancelled_call_ends_at_once_and_the_next_one_works() -> None:
    async with sdk("hang", json_reply(200, SENT)) as (api, server):
        task = asyncio.create_task(api.call("sqs", "SendMessageBatch", BATCH))
        await server.asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await api.call("sqs", "SendMessageBatch", BATCH) == SENT


async def test_an_endpoint_that_is_no_url_is_the_starts_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "user:secret@nowhere")
    api = SdkApi(Account(credentials))
    with pytest.raises(StartError, match="see AWS_ENDPOINT_URL") as failed:
        await api.call("sqs", "SendMessageBatch", BATCH)
    await api.close()
    assert "secret" not in str(failed.value)


@pytest.mark.parametrize(
    ("error", "code", "unclear"),
    [
        (ConnectTimeoutError(endpoint_url="u"), "Unreachable", False),
        (SSLError(endpoint_url="u", error="e"), "Unreachable", False),
        (ProxyConnectionError(proxy_url="u"), "Unreachable", False),
        (EndpointConnectionError(endpoint_url="u", error=socket.gaierror(-2, "no name")), "Unreachable", False),
        (EndpointConnectionError(endpoint_url="u", error=aiohttp.ClientOSError(104, "reset")), "Reset", True),
        (HTTPClientError(error="e"), "BadAnswer", True),
        (IncompleteReadError(actual_bytes=1, expected_bytes=2), "Reset", True),
        (aiohttp.ClientPayloadError("cut"), "Reset", True),
        (TimeoutError(), "Timeout", True),
        (ParamValidationError(report="r"), "ParamValidationError", False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_every_exception_of_the_sdk_has_its_code(error: Exception, code: str, unclear: bool) -> None:
    assert isinstance(error, SDK_ERRORS)
    failed = from_sdk(error, "s3", "GetObject")
    assert (failed.code, failed.status, failed.unclear) == (code, 0, unclear)


# ------------------------------------------------------------------------------------- connections, other services


async def test_a_frame_is_posted_to_the_stage_of_its_gateway() -> None:
    async with sdk(Reply(200, b"")) as (api, server):
        assert await api.post_to_connection(f"{server.url}/prod", "AbC=", b'{"a":1}') == 200
        assert await api.delete_connection(f"{server.url}/prod", "AbC=") == 200
    post, delete = server.requests
    assert (post.method, post.path, post.body) == ("POST", "/prod/@connections/AbC%3D", b'{"a":1}')
    assert "/eu-central-1/execute-api/" in post.headers["authorization"]
    assert (delete.method, delete.path) == ("DELETE", "/prod/@connections/AbC%3D")


@pytest.mark.parametrize("status", [403, 410, 413, 429, 500, 503])
async def test_a_gateways_refusal_is_its_status_and_is_not_repeated(status: int) -> None:
    async with sdk(Reply(status, b"{}")) as (api, server):
        assert await api.post_to_connection(server.url, "a", b"x") == status
    assert len(server.requests) == 1


async def test_a_gateway_that_does_not_answer_is_an_error() -> None:
    async with sdk("hang") as (api, server):
        with pytest.raises(AwsError, match="Timeout") as failed:
            await api.post_to_connection(server.url, "a", b"x", timeout=0.2)
        assert failed.value.unclear
        with pytest.raises(AwsError, match="Timeout"):
            await api.delete_connection(server.url, "a", timeout=0.2)


async def test_a_client_is_opened_once_however_many_ask() -> None:
    async with sdk(json_reply(200, SENT)) as (api, _):
        clients = await asyncio.gather(*(api.client("s3") for _ in range(5)))
        assert all(client is clients[0] for client in clients)
        assert await api.client("sqs") is not clients[0]


async def test_what_nobody_else_repeats_the_sdk_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.retries.standard.random.random", lambda: 0.0)
    async with sdk(Reply(503, b""), Reply(200, b"data")) as (api, server):
        s3 = await api.client("s3")
        answer = await s3.get_object(Bucket="bucket", Key="key")
        async with answer["Body"] as body:
            assert await body.read() == b"data"
    assert len(server.requests) == 2


async def test_a_message_goes_through_a_queue_of_the_emulator(aws_env: Emulator) -> None:
    account = Account()
    calls = Retrying(SdkApi(account), renew=account.renew)
    try:
        queue = await calls.call("sqs", "CreateQueue", {"QueueName": "sdk"})
        url = queue["QueueUrl"]
        sent = await calls.call("sqs", "SendMessageBatch", {**BATCH, "QueueUrl": url})
        received: dict[str, Any] = await calls.call("sqs", "ReceiveMessage", {"QueueUrl": url, "WaitTimeSeconds": 2})
        with pytest.raises(AwsError) as missing:
            await calls.call("sqs", "GetQueueAttributes", {"QueueUrl": f"{url}-none"})
    finally:
        await calls.close()
    assert [entry["Id"] for entry in sent["Successful"]] == ["0"]
    assert [message["Body"] for message in received["Messages"]] == ["körper"]
    assert missing.value.code == "QueueDoesNotExist"
