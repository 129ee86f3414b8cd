"""Errors of AWS: what may be repeated, what a port raises, and one line with the remedy."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import botocore  # type: ignore[import-untyped]  # botocore has no stubs
import botocore.retries.standard as standard  # type: ignore[import-untyped]  # as above
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kxmsg.aws.errors import AwsError, Kind, expired, iam_action, kind_of, kind_of_code, start_error, to_backend_error
from kxmsg.errors import Permanent, StartError, Transient


def error(code: str, message: str = "", *, operation: str = "SendMessageBatch", status: int = 400) -> AwsError:
    return AwsError("sqs", operation, code, message, status=status)


KINDS: list[tuple[str, int, Kind]] = [
    ("ThrottlingException", 400, "throttle"),
    ("ProvisionedThroughputExceededException", 400, "throttle"),
    ("RequestThrottled", 403, "throttle"),
    ("TooManyRequestsException", 400, "throttle"),
    ("SlowDown", 503, "throttle"),
    ("RequestLimitExceeded", 400, "throttle"),
    ("Throttled", 429, "throttle"),
    ("KmsThrottled", 400, "throttle"),
    ("KMSThrottling", 400, "throttle"),
    ("KMS.ThrottlingException", 400, "throttle"),
    ("OverLimit", 403, "throttle"),
    ("LimitExceededException", 429, "throttle"),
    ("ProvisionedThroughputExceeded", 0, "throttle"),
    ("ThrottlingError", 0, "throttle"),
    ("anything", 429, "throttle"),
    ("InternalServerError", 500, "transient"),
    ("InternalFailure", 0, "transient"),
    ("ServiceUnavailable", 503, "transient"),
    ("anything", 502, "transient"),
    ("504", 504, "transient"),
    ("TransactionInProgressException", 400, "transient"),
    ("TransactionConflictException", 400, "transient"),
    ("TransactionConflict", 0, "transient"),
    ("ReplicatedWriteConflictException", 400, "transient"),
    ("RequestTimeout", 408, "transient"),
    ("IDPCommunicationError", 400, "transient"),
    ("ExpiredToken", 403, "transient"),
    ("ExpiredTokenException", 400, "transient"),
    ("RequestTimeTooSkewed", 403, "transient"),
    ("Timeout", 0, "transient"),
    ("Unreachable", 0, "transient"),
    ("Reset", 0, "transient"),
    ("BadAnswer", 200, "transient"),
    ("NoCredentials", 0, "transient"),
    ("AccessDenied", 403, "permanent"),
    ("com.amazon.coral.service#AccessDeniedException", 400, "permanent"),
    ("AuthorizationError", 403, "permanent"),
    ("KMS.AccessDeniedException", 400, "permanent"),
    ("KmsAccessDenied", 400, "permanent"),
    ("com.amazonaws.sqs#QueueDoesNotExist", 400, "permanent"),
    ("AWS.SimpleQueueService.NonExistentQueue", 400, "permanent"),
    ("ResourceNotFoundException", 400, "permanent"),
    ("NotFound", 404, "permanent"),
    ("ValidationException", 400, "permanent"),
    ("InvalidSignatureException", 400, "permanent"),
    ("UnrecognizedClientException", 400, "permanent"),
    ("ConditionalCheckFailedException", 400, "permanent"),
    ("TransactionCanceledException", 400, "permanent"),
    ("GoneException", 410, "permanent"),
    ("never heard of", 400, "permanent"),
]


@pytest.mark.parametrize(("code", "status", "kind"), KINDS, ids=str)
def test_every_code_has_its_kind(code: str, status: int, kind: Kind) -> None:
    assert kind_of(error(code, status=status)) == kind
    assert kind_of_code(code, status) == kind


@pytest.mark.parametrize("code", standard.ThrottledRetryableChecker._THROTTLED_ERROR_CODES)
def test_what_the_sdk_takes_for_a_throttle_is_repeated_here_too(code: str) -> None:
    assert kind_of_code(code) != "permanent"


@pytest.mark.parametrize("code", standard.TransientRetryableChecker._TRANSIENT_ERROR_CODES)
def test_what_the_sdk_takes_for_transient_is_repeated_here_too(code: str) -> None:
    assert kind_of_code(code) != "permanent"


def modelled(service: str) -> Iterator[tuple[str, int, bool]]:
    """Code, status and whether it is repeatable, of the errors in the service's model."""
    folder = Path(botocore.__file__).parent / "data" / service
    newest = max(path for path in folder.iterdir() if path.is_dir())
    model = json.loads(gzip.decompress((newest / "service-2.json.gz").read_bytes()))
    for name, shape in model["shapes"].items():
        if shape.get("exception"):
            declared = shape.get("error", {})
            server = shape.get("fault", False) or "retryable" in shape
            yield declared.get("code", name), declared.get("httpStatusCode", 0), server


@pytest.mark.parametrize("service", ["sqs", "sns", "events", "dynamodb"])
def test_what_a_services_model_calls_its_own_fault_is_repeated(service: str) -> None:
    faults = [(code, status) for code, status, server in modelled(service) if server or status >= 500]
    assert [code for code, status in faults if kind_of_code(code, status) == "permanent"] == []


def test_only_expired_credentials_call_for_fresh_ones() -> None:
    assert expired(error("ExpiredToken"))
    assert expired(error("com.amazon.coral.service#ExpiredTokenException"))
    assert not expired(error("UnrecognizedClientException"))
    assert not expired(error("RequestExpired"))


def test_a_permanent_error_names_resource_code_and_remedy() -> None:
    failed = to_backend_error(error("AccessDenied", "User x is not authorized"), "queue kx-render")
    assert isinstance(failed, Permanent)
    assert str(failed) == (
        "queue kx-render: sqs SendMessageBatch: AccessDenied: User x is not authorized; "
        "allow sqs:SendMessage on it to this process's user or role"
    )


def test_an_unknown_permanent_error_says_what_aws_says() -> None:
    failed = to_backend_error(error("UnsupportedOperation", "Not on a FIFO queue"), "queue kx-render")
    assert isinstance(failed, Permanent)
    assert str(failed) == "queue kx-render: sqs SendMessageBatch: UnsupportedOperation: Not on a FIFO queue"


@pytest.mark.parametrize("code", ["ThrottlingException", "Timeout", "ExpiredToken"])
def test_what_may_pass_is_transient(code: str) -> None:
    failed = to_backend_error(error(code), "queue kx-render")
    assert isinstance(failed, Transient)
    assert str(failed) == f"queue kx-render: sqs SendMessageBatch: {code}"


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        ("QueueDoesNotExist", "kxmsg provision"),
        ("AccessDenied", "sqs:SendMessage"),
        ("KMS.AccessDeniedException", "kms:Decrypt"),
        ("KmsDisabled", "KMS key"),
        ("UnrecognizedClientException", "AWS_ACCESS_KEY_ID"),
        ("ExpiredToken", "AWS_SESSION_TOKEN"),
        ("NoCredentials", "role"),
        ("RequestTimeTooSkewed", "clock"),
        ("Unreachable", "AWS_ENDPOINT_URL"),
        ("Timeout", "network"),
        ("OptInRequired", "enable sqs"),
        ("ThrottlingException", "quota"),
        ("InternalError", "try again"),
    ],
)
def test_a_start_error_is_one_line_with_resource_code_and_remedy(code: str, remedy: str) -> None:
    failed = start_error(error(code, "first line\nsecond line"), "queue kx-render")
    assert isinstance(failed, StartError)
    assert str(failed).startswith(f"queue kx-render: sqs SendMessageBatch: {code}: first line; ")
    assert remedy in str(failed).partition(";")[2]
    assert "\n" not in str(failed)


@pytest.mark.parametrize(
    ("service", "operation", "action"),
    [
        ("sqs", "ReceiveMessage", "sqs:ReceiveMessage"),
        ("sqs", "DeleteMessageBatch", "sqs:DeleteMessage"),
        ("sns", "PublishBatch", "sns:Publish"),
        ("events", "PutEvents", "events:PutEvents"),
        ("dynamodb", "BatchGetItem", "dynamodb:BatchGetItem"),
        ("s3", "HeadBucket", "s3:ListBucket"),
    ],
)
def test_the_action_to_allow_is_the_policys_name_for_the_operation(service: str, operation: str, action: str) -> None:
    assert iam_action(service, operation) == action


def test_a_transaction_needs_the_actions_of_its_items() -> None:
    refused = AwsError("dynamodb", "TransactWriteItems", "AccessDeniedException", status=400)
    assert "dynamodb:PutItem, dynamodb:UpdateItem" in str(to_backend_error(refused, "table kx-logs"))


def test_a_signature_error_keeps_the_session_token_to_itself() -> None:
    message = (
        "The request signature we calculated does not match the signature you provided.\n\n"
        "The Canonical String for this request should have been\n'POST\n/\n\nx-amz-security-token:IQoJb3Jp\n'"
    )
    refused = error("SignatureDoesNotMatch", message)
    assert "IQoJb3Jp" not in str(refused)
    assert refused.message == "The request signature we calculated does not match the signature you provided."


SECRET = "s3cr3t"


@given(before=st.text(max_size=60), after=st.text(max_size=60))
def test_a_validation_error_keeps_the_messages_body_to_itself(before: str, after: str) -> None:
    body = f"[{before}{SECRET}{after}]"
    for message in (
        f"1 validation error detected: Value '{body}' at 'entries' failed to satisfy constraint: too long",
        f"Value {body} for parameter MessageBody is invalid. Reason: forbidden characters.",
        f"1 validation error detected: Value '{body}",
    ):
        assert SECRET not in str(error("ValidationException", message))


def test_a_validation_error_still_says_what_failed() -> None:
    refused = error("ValidationException", "1 validation error detected: Value '[x]' at 'entries' failed: too long")
    assert refused.message == "1 validation error detected: the value at 'entries' failed: too long"
    refused = error("ValidationException", "The provided key element does not match the schema")
    assert refused.message == "The provided key element does not match the schema"


@given(st.text())
def test_no_message_makes_more_than_one_short_line(message: str) -> None:
    shown = error("ValidationException", message).message
    assert "\n" not in shown
    assert len(shown) <= 300


@given(st.text(), st.integers(0, 599))
def test_any_code_has_a_kind_and_a_sentence(code: str, status: int) -> None:
    failed = error(code, status=status)
    assert kind_of(failed) in ("throttle", "transient", "permanent")
    assert str(start_error(failed, "queue kx-render")).startswith("queue kx-render: ")
