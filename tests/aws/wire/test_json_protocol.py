"""kxmsg.aws.wire.json_protocol: results and errors of the JSON protocols."""

from typing import Any

import orjson
import pytest

from kxmsg.aws.errors import AwsError, kind_of
from kxmsg.aws.wire.http1 import Answer
from kxmsg.aws.wire.json_protocol import JsonProtocol

PROTOCOL = JsonProtocol("AmazonSQS", "1.0")


def answer(status: int, body: object = b"", *fields: str) -> Answer:
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    head = "\r\n".join([f"HTTP/1.1 {status} Phrase", *fields, ""])
    return Answer(status, data, head.encode())


def decode(result: Answer) -> dict[str, Any]:
    return PROTOCOL.decode("sqs", "SendMessage", result)


def refused(result: Answer) -> AwsError:
    with pytest.raises(AwsError) as caught:
        decode(result)
    assert (caught.value.service, caught.value.operation) == ("sqs", "SendMessage")
    assert caught.value.status == result.status
    return caught.value


def test_requests_name_their_operation() -> None:
    assert PROTOCOL.headers("SendMessage") == {
        "content-type": "application/x-amz-json-1.0",
        "x-amz-target": "AmazonSQS.SendMessage",
    }
    assert PROTOCOL.encode("sqs", "SendMessage", {"MessageBody": "é"}) == '{"MessageBody":"é"}'.encode()


@pytest.mark.parametrize(
    "payload", [{"MessageBody": b"hunter2"}, {"MessageBody": "hunter2\ud800"}, {"Delay": 2**70}, {1: "hunter2"}]
)
def test_what_is_no_json_is_refused_without_being_shown(payload: dict[Any, Any]) -> None:
    with pytest.raises(AwsError) as caught:
        PROTOCOL.encode("sqs", "SendMessage", payload)
    assert (caught.value.code, kind_of(caught.value), caught.value.unclear) == (
        "SerializationException",
        "permanent",
        False,
    )
    assert "hunter2" not in str(caught.value)


def test_a_result_is_the_body() -> None:
    assert decode(answer(200, {"MessageId": "m"})) == {"MessageId": "m"}


def test_an_empty_body_is_an_empty_result() -> None:
    """SQS answers DeleteMessage with nothing."""
    assert decode(answer(200)) == {}


@pytest.mark.parametrize("body", [b"<html>hunter2</html>", b'{"MessageId": "hunter', b"[1]", b"\xff"])
def test_a_success_that_can_not_be_read_is_unclear(body: bytes) -> None:
    error = refused(answer(200, body))
    assert (error.code, error.unclear, kind_of(error)) == ("BadAnswer", True, "transient")
    assert "hunter" not in str(error)


@pytest.mark.parametrize(
    ("result", "code"),
    [
        (answer(400, {"__type": "com.amazonaws.sqs#QueueDoesNotExist"}), "QueueDoesNotExist"),
        (
            answer(
                400,
                {"__type": "com.amazonaws.sqs#QueueDoesNotExist"},
                "x-amzn-query-error: AWS.SimpleQueueService.NonExistentQueue;Sender",
            ),
            "QueueDoesNotExist",
        ),
        (answer(400, {"__type": "ValidationException"}), "ValidationException"),
        (
            answer(400, b"", "X-Amzn-ErrorType: ValidationException:http://internal.amazon.com/coral/x#y/"),
            "ValidationException",
        ),
        (answer(400, {"code": "aws.protocol#ThrottlingException"}), "ThrottlingException"),
        (answer(403, b"", "x-amzn-query-error: AccessDenied;Sender"), "AccessDenied"),
        (answer(413, b"<html>"), "413"),
        (answer(301, b""), "301"),
        (answer(400, {"__type": 7}), "400"),
    ],
    ids=["namespace", "both names", "bare", "header", "code", "query header only", "none", "redirect", "no text"],
)
def test_the_code_is_found_wherever_it_stands(result: Answer, code: str) -> None:
    """Amazon SQS Developer Guide, "Interpreting Amazon SQS JSON API responses"; Smithy, "AWS JSON 1.0 protocol"."""
    error = refused(result)
    assert error.code == code
    assert not error.unclear


@pytest.mark.parametrize("name", ["message", "Message"])
def test_the_message_is_found_in_either_case(name: str) -> None:
    assert refused(answer(400, {"__type": "X", name: "what is wrong"})).message == "what is wrong"


def test_the_error_object_is_kept() -> None:
    body = {"__type": "a#TransactionCanceledException", "CancellationReasons": [{"Code": "None"}]}
    assert refused(answer(400, body)).details["CancellationReasons"] == [{"Code": "None"}]


@pytest.mark.parametrize("body", [b"", b"<html>", {"__type": "a#InternalFailure"}], ids=["empty", "HTML", "JSON"])
def test_after_a_5xx_nobody_knows(body: object) -> None:
    error = refused(answer(500, body))
    assert (error.unclear, kind_of(error)) == (True, "transient")


def test_a_throttle_was_not_executed_though_it_is_a_5xx() -> None:
    error = refused(answer(503, {"__type": "a#ThrottlingException"}))
    assert (error.unclear, kind_of(error)) == (False, "throttle")


def test_a_signature_error_shows_no_token() -> None:
    message = "The request signature does not match.\n\nThe Canonical String was\nx-amz-security-token:hunter2"
    assert "hunter2" not in str(refused(answer(403, {"__type": "a#InvalidSignatureException", "message": message})))
