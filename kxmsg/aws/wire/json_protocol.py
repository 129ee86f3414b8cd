"""The AWS JSON protocols, 1.0 and 1.1: requests are an operation's name and a JSON object, and so are answers."""

from collections.abc import Mapping
from typing import Any

import orjson

from kxmsg.aws.errors import AwsError, kind_of_code
from kxmsg.aws.wire.http1 import Answer


class JsonProtocol:
    """``prefix`` and ``version`` are the service's (Smithy specification, "AWS JSON 1.0 protocol")."""

    def __init__(self, prefix: str, version: str) -> None:
        self._prefix = prefix
        self._version = version

    def headers(self, operation: str) -> dict[str, str]:
        return {
            "content-type": f"application/x-amz-json-{self._version}",
            "x-amz-target": f"{self._prefix}.{operation}",
        }

    def encode(self, service: str, operation: str, payload: Mapping[str, Any]) -> bytes:
        """The request's body. Raises AwsError ``SerializationException``, as AWS does for what it can't read."""
        try:
            return orjson.dumps(payload)
        except TypeError as error:
            # orjson tells the type that it can't encode, not the value.
            raise AwsError(service, operation, "SerializationException", f"the request: {error}") from error

    def decode(self, service: str, operation: str, answer: Answer) -> dict[str, Any]:
        """The result. Raises AwsError, ``BadAnswer`` for a success that can't be read."""
        if answer.status == 200:
            # SQS leaves out the body of an empty result.
            result = _object(answer.body or b"{}")
            if result is not None:
                return result
            message = f"200 with {len(answer.body)} bytes that are no JSON object"
            raise AwsError(service, operation, "BadAnswer", message, status=200, unclear=True)
        return self._refuse(service, operation, answer)

    def _refuse(self, service: str, operation: str, answer: Answer) -> dict[str, Any]:
        details = _object(answer.body) or {}
        code = _code(details, answer) or str(answer.status)
        message = details.get("message") or details.get("Message")
        raise AwsError(
            service,
            operation,
            code,
            message if isinstance(message, str) else "",
            status=answer.status,
            unclear=answer.status >= 500 and kind_of_code(code, answer.status) != "throttle",
            details=details,
        )


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


def _code(details: Mapping[str, Any], answer: Answer) -> str | None:
    """``QueueDoesNotExist`` of ``com.amazonaws.sqs#QueueDoesNotExist:http://...`` (Smithy, "Operation error
    serialization").

    ``x-amzn-query-error``, ``AWS.SimpleQueueService.NonExistentQueue;Sender``, has the name in the former protocol of
    SQS: taken only where there is no other, since the API reference has the new ones.
    """
    for given in (details.get("__type"), answer.field("x-amzn-errortype"), details.get("code")):
        if isinstance(given, str) and given:
            return given.partition(":")[0].rpartition("#")[2]
    former = answer.field("x-amzn-query-error")
    return former.partition(";")[0] if former else None
