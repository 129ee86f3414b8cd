"""The SDK's exceptions as :class:`~kxmsg.aws.errors.AwsError`."""

from socket import gaierror
from typing import Any, Final

from aiohttp import ClientConnectorError
from aiohttp import ClientError as HttpError
from botocore.exceptions import (  # type: ignore[import-untyped]  # botocore has no stubs
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    IncompleteReadError,
    ProxyConnectionError,
    ReadTimeoutError,
    ResponseStreamingError,
    SSLError,
)
from botocore.parsers import ResponseParserError  # type: ignore[import-untyped]  # as above

from kxmsg.aws.errors import AwsError, kind_of_code

SDK_ERRORS: Final[tuple[type[Exception], ...]] = (
    BotoCoreError,
    ClientError,
    ResponseParserError,
    HttpError,
    TimeoutError,
)
"""What a call through aiobotocore, or reading the body that it returns, may raise."""


def from_sdk(error: Exception, service: str, operation: str) -> AwsError:
    """What one of :data:`SDK_ERRORS` comes to."""
    if isinstance(error, ClientError):
        return _refused(error.response, service, operation)
    code, unclear = _fault(error)
    return AwsError(service, operation, code, str(error), unclear=unclear)


def _refused(response: dict[str, Any], service: str, operation: str) -> AwsError:
    """Of an answer with an error status; ``details`` has its members (``CancellationReasons``, ``Item``)."""
    error = response.get("Error", {})
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    # The code of the JSON protocol, where the SDK puts that of the query protocol first (x-amzn-query-error).
    code = error.get("QueryErrorCode") or error.get("Code") or str(status)
    return AwsError(
        service,
        operation,
        code,
        error.get("Message", ""),
        status=status,
        unclear=status >= 500 and kind_of_code(code, status) != "throttle",
        details={name: value for name, value in response.items() if name != "ResponseMetadata"},
    )


def _fault(error: Exception) -> tuple[str, bool]:
    """Code and ``unclear`` where there was no usable answer."""
    match error:
        case ConnectTimeoutError() | ProxyConnectionError() | SSLError():
            return "Unreachable", False
        case EndpointConnectionError():
            # aiobotocore raises this also for a connection that was reset after the request had gone out.
            never_sent = isinstance(error.kwargs.get("error"), ClientConnectorError | gaierror)
            return ("Unreachable", False) if never_sent else ("Reset", True)
        case ReadTimeoutError() | TimeoutError():
            return "Timeout", True
        case ConnectionClosedError() | IncompleteReadError() | ResponseStreamingError() | HttpError():
            return "Reset", True
        case HTTPClientError() | ResponseParserError():
            return "BadAnswer", True
    return type(error).__name__, False
