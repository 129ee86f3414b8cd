"""kxmsg.aws.wire.client: signed calls in the services' protocols, and every way in which they fail."""

import asyncio
import time
from pathlib import Path
from typing import Any

import orjson
import pytest

from kxmsg.aws.api import Service
from kxmsg.aws.errors import AwsError, kind_of
from kxmsg.aws.wire.client import WireApi
from kxmsg.errors import ConfigError
from kxmsg.sigv4 import Credentials
from tests.aws.wire.certificates import Authority
from tests.aws.wire.conftest import Connect, Start
from tests.aws.wire.responder import KEYS, OK, FixedAccount, Talk, answer, hang, then_end, then_hang, then_reset, until

SECRETS = (KEYS.secret_key, KEYS.session_token or "", "hunter2")
PUBLISHED = (
    b"<PublishBatchResponse><PublishBatchResult><Successful><member><Id>0</Id><MessageId>m</MessageId></member>"
    b"</Successful></PublishBatchResult></PublishBatchResponse>"
)


async def refused(client: WireApi, operation: str = "SendMessage", **options: Any) -> AwsError:
    with pytest.raises(AwsError) as caught:
        await client.call("sqs", operation, {"MessageBody": "hunter2"}, **options)
    text = f"{caught.value!r} {caught.value} {caught.value.__cause__!r}"
    assert not [secret for secret in SECRETS if secret in text]
    return caught.value


@pytest.mark.parametrize(
    ("service", "operation", "content_type", "target"),
    [
        ("sqs", "SendMessage", "application/x-amz-json-1.0", "AmazonSQS.SendMessage"),
        ("dynamodb", "GetItem", "application/x-amz-json-1.0", "DynamoDB_20120810.GetItem"),
        ("events", "PutEvents", "application/x-amz-json-1.1", "AWSEvents.PutEvents"),
    ],
)
async def test_a_call_speaks_the_services_protocol(
    start: Start, connect: Connect, service: Service, operation: str, content_type: str, target: str
) -> None:
    responder = await start(answer({"Result": [1]}))
    assert await connect(responder).call(service, operation, {"Key": "é"}) == {"Result": [1]}
    request = responder.requests[0]
    request.verify(service, time.time())
    assert (request.method, request.path) == ("POST", "/")
    assert (request.headers["content-type"], request.headers["x-amz-target"]) == (content_type, target)
    assert request.headers["host"] == f"127.0.0.1:{responder.port}"
    assert orjson.loads(request.body) == {"Key": "é"}


async def test_sns_is_spoken_in_forms_and_xml(start: Start, connect: Connect) -> None:
    responder = await start(answer(PUBLISHED))
    entries = [{"Id": "0", "Message": "a b"}]
    result = await connect(responder).call("sns", "PublishBatch", {"PublishBatchRequestEntries": entries})
    assert result == {"Successful": [{"Id": "0", "MessageId": "m"}], "Failed": []}
    request = responder.requests[0]
    request.verify("sns", time.time())
    assert request.headers["content-type"].startswith("application/x-www-form-urlencoded")
    assert b"&PublishBatchRequestEntries.member.1.Message=a%20b" in request.body


async def test_other_operations_of_sns_are_refused(start: Start, connect: Connect) -> None:
    responder = await start(OK)
    with pytest.raises(AwsError, match=r"sns CreateTopic: UnsupportedOperation"):
        await connect(responder).call("sns", "CreateTopic", {"Name": "x"})
    assert not responder.connections


async def test_credentials_without_a_token_send_none(start: Start, connect: Connect) -> None:
    responder = await start(OK)
    keys = Credentials("AKIDOTHER", "other secret")
    client = WireApi(FixedAccount(responder.url, keys))
    await client.call("sqs", "SendMessage", {})
    await client.close()
    responder.requests[0].verify("sqs", time.time(), keys)
    assert "x-amz-security-token" not in responder.requests[0].headers


@pytest.mark.parametrize("status", [400, 403])
async def test_after_a_refusal_the_account_is_asked_for_its_credentials_again(start: Start, status: int) -> None:
    """They may have expired, and been renewed since."""
    responder = await start(answer({"__type": "x#ExpiredTokenException"}, status=status), OK)
    account = FixedAccount(responder.url)
    client = WireApi(account)
    assert (await refused(client)).code == "ExpiredTokenException"
    account.current = Credentials(KEYS.access_key, KEYS.secret_key, "fresh token")
    await client.call("sqs", "SendMessage", {})
    await client.close()
    responder.requests[1].verify("sqs", time.time(), account.current)


async def test_credentials_are_not_waited_for_beyond_the_timeout(start: Start) -> None:
    class SlowAccount(FixedAccount):
        async def credentials(self) -> Credentials:
            never: asyncio.Future[Credentials] = asyncio.get_running_loop().create_future()
            return await never

    responder = await start(OK)
    client = WireApi(SlowAccount(responder.url))
    error = await refused(client, timeout=0.01)
    await client.close()
    assert (error.code, error.unclear) == ("Timeout", False)
    assert not responder.connections


async def test_an_error_of_aws_is_told_as_it_is(start: Start, connect: Connect) -> None:
    body = {"__type": "com.amazonaws.sqs#QueueDoesNotExist", "message": "The specified queue does not exist."}
    error = await refused(connect(await start(answer(body, status=400))))
    assert str(error) == "sqs SendMessage: QueueDoesNotExist: The specified queue does not exist."
    assert (error.status, error.unclear) == (400, False)


@pytest.mark.parametrize(
    ("step", "code"),
    [
        (hang, "Timeout"),
        (then_hang(OK[:-1]), "Timeout"),
        (then_reset(OK[:-1]), "Reset"),
        (then_end(OK[:-1]), "Reset"),
        (then_end(b""), "Reset"),
        (b"hunter2\r\n\r\n", "BadAnswer"),
        (answer(b"<html>hunter2"), "BadAnswer"),
    ],
    ids=["hang", "hang in body", "reset in body", "end in body", "end", "garbage", "no JSON"],
)
async def test_without_an_answer_nobody_knows_whether_it_was_done(
    start: Start, connect: Connect, step: Any, code: str
) -> None:
    error = await refused(connect(await start(step)), timeout=0.1 if code == "Timeout" else 30)
    assert (error.code, error.unclear, kind_of(error)) == (code, True, "transient")


async def test_a_server_that_is_not_there_did_nothing(start: Start, connect: Connect) -> None:
    responder = await start(OK)
    client = connect(responder)
    await responder.stop()
    error = await refused(client)
    assert (error.code, error.unclear, kind_of(error)) == ("Unreachable", False, "transient")


async def test_the_default_timeout_is_the_clients(start: Start, connect: Connect) -> None:
    assert (await refused(connect(await start(hang), timeout=0.02))).code == "Timeout"


async def test_a_calls_own_timeout_may_be_longer(start: Start, connect: Connect) -> None:
    """As a long poll's is."""
    client = connect(await start(hang, OK), timeout=0.02)
    await refused(client)
    assert await client.call("sqs", "ReceiveMessage", {}, timeout=30) == {}


@pytest.mark.parametrize(("operation", "again"), [("DeleteMessageBatch", True), ("SendMessage", False)])
async def test_only_what_may_be_done_twice_is_sent_again_where_aws_hung_up(
    start: Start, connect: Connect, operation: str, again: bool
) -> None:
    responder = await start(OK, then_end(b""), OK)
    client = connect(responder)
    await client.call("sqs", "SendMessage", {})
    if again:
        assert await client.call("sqs", operation, {}) == {}
    else:
        assert (await refused(client, operation)).unclear
    assert len(responder.requests) == (3 if again else 2)


async def test_a_service_has_a_pool_of_its_own(start: Start, connect: Connect) -> None:
    """Long polls of SQS that fill one don't stand in DynamoDB's way, though one endpoint has both, as emulators do."""

    async def step(talk: Talk) -> None:
        if "Receive" in talk.request.headers["x-amz-target"]:
            await hang(talk)
        await talk.write(OK)

    responder = await start(step)
    client = connect(responder, connections=1)
    poll = asyncio.create_task(client.call("sqs", "ReceiveMessage", {}))
    await until(lambda: responder.requests)
    assert await client.call("dynamodb", "GetItem", {}) == {}
    poll.cancel()
    with pytest.raises(asyncio.CancelledError):
        await poll


async def test_a_cancelled_poll_hangs_up(start: Start, connect: Connect) -> None:
    """So that SQS doesn't hand messages to nobody."""
    responder = await start(hang)
    client = connect(responder)
    poll = asyncio.create_task(client.call("sqs", "ReceiveMessage", {}))
    await until(lambda: responder.requests)
    poll.cancel()
    await responder.all_closed()
    assert poll.cancelled()


async def test_calls_work_over_tls(start: Start, connect: Connect, authority: Authority, trusted: Path) -> None:
    responder = await start(answer({"a": "b" * 100_000}), tls=authority.server_context("localhost"))
    client = connect(responder)
    for _ in range(2):
        result = await client.call("sqs", "SendMessage", {"MessageBody": "c" * 100_000})
        assert len(result["a"]) == 100_000
    assert responder.connections == 1
    responder.requests[1].verify("sqs", time.time())


async def test_a_wrong_host_is_not_spoken_to(
    start: Start, connect: Connect, authority: Authority, trusted: Path
) -> None:
    responder = await start(OK, tls=authority.server_context("other.example"))
    error = await refused(connect(responder))
    assert (error.code, error.unclear) == ("Unreachable", False)
    assert not responder.requests


async def test_a_closed_client_refuses_calls_and_ends_its_connections(start: Start) -> None:
    responder = await start(OK)
    client = WireApi(FixedAccount(responder.url))
    await client.call("sqs", "SendMessage", {})
    await client.call("dynamodb", "GetItem", {})
    await client.close()
    await responder.all_closed()
    for service in ("sqs", "events"):
        with pytest.raises(AwsError, match="the client has been closed") as caught:
            await client.call(service, "SendMessage", {})
        assert not caught.value.unclear
    assert responder.connections == 2


# ------------------------------------------------------------------------------------------------ @connections


@pytest.mark.parametrize("stage", ["", "/prod", "/prod/"])
@pytest.mark.parametrize(
    ("connection", "path"),
    [
        ("L0SM9cOFvHcCIhw=", "/@connections/L0SM9cOFvHcCIhw%3D"),
        ("a/b c", "/@connections/a%2Fb%20c"),
        ("é?#%", "/@connections/%C3%A9%3F%23%25"),
    ],
    ids=["API Gateway's", "slash and space", "others"],
)
async def test_a_frame_is_posted_signed_to_its_connection(
    start: Start, connect: Connect, stage: str, connection: str, path: str
) -> None:
    responder = await start(answer())
    client = connect(responder)
    assert await client.post_to_connection(responder.url + stage, connection, b"\x00frame") == 200
    request = responder.requests[0]
    request.verify("execute-api", time.time())
    assert (request.method, request.path, request.body) == ("POST", stage.rstrip("/") + path, b"\x00frame")


@pytest.mark.parametrize("connection", ["", ".", ".."])
async def test_what_is_no_id_reaches_no_other_resource(start: Start, connect: Connect, connection: str) -> None:
    responder = await start(answer(status=410))
    with pytest.raises(ValueError, match="connection"):
        await connect(responder).post_to_connection(responder.url, connection, b"frame")
    assert not responder.requests


@pytest.mark.parametrize("status", [200, 403, 410, 413, 429, 500, 503, 504])
async def test_the_status_is_the_result(start: Start, connect: Connect, status: int) -> None:
    responder = await start(answer({"message": "hunter2"}, status=status))
    client = connect(responder)
    assert await client.post_to_connection(responder.url, "id=", b"frame") == status
    assert await client.delete_connection(responder.url, "id=") == status


async def test_a_connection_is_deleted_signed(start: Start, connect: Connect) -> None:
    responder = await start(answer(status=204))
    assert await connect(responder).delete_connection(responder.url + "/prod", "id=") == 204
    request = responder.requests[0]
    request.verify("execute-api", time.time())
    assert (request.method, request.path, request.body) == ("DELETE", "/prod/@connections/id%3D", b"")


async def test_a_push_is_never_sent_again(start: Start, connect: Connect) -> None:
    """The client might see the frame twice: whether to risk that is the caller's to decide."""
    responder = await start(answer(), then_end(b""), answer())
    client = connect(responder)
    await client.post_to_connection(responder.url, "id=", b"frame")
    with pytest.raises(AwsError) as caught:
        await client.post_to_connection(responder.url, "id=", b"hunter2")
    error = caught.value
    assert (error.service, error.operation) == ("apigatewaymanagementapi", "PostToConnection")
    assert (error.code, error.unclear) == ("Reset", True)
    assert "hunter2" not in str(error)
    assert len(responder.requests) == 2


async def test_a_push_has_its_own_timeout(start: Start, connect: Connect) -> None:
    responder = await start(answer(), hang)
    client = connect(responder)
    await client.post_to_connection(responder.url, "id=", b"frame")  # or dialing might be what takes too long
    with pytest.raises(AwsError) as caught:
        await client.post_to_connection(responder.url, "id=", b"frame", timeout=0.02)
    assert (caught.value.code, caught.value.unclear) == ("Timeout", True)
    await responder.all_closed()


async def test_an_endpoint_that_is_no_url_is_a_mistake_of_configuration(start: Start, connect: Connect) -> None:
    with pytest.raises(ConfigError, match="write https://host"):
        await connect(await start(OK)).post_to_connection("wss://host/prod", "id=", b"frame")
