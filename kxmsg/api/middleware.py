"""ASGI middleware: what surrounds every request."""

import re
import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kxmsg.api.responses import error_response
from kxmsg.telemetry import bind_log, get_logger, new_trace, set_trace

CORRELATION_HEADER: Final = "X-Correlation-Id"

MAX_BODY: Final = 1 << 20
"""Bytes of a request's body, unless its endpoint says otherwise (:func:`body_limit`)."""

SECURITY_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""Defaults; an answer that sets one of them keeps its own."""

_CORRELATION_ID: Final = re.compile(r"[\x20-\x7e]{1,128}")
_TRACEPARENT: Final = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
"""W3C Trace Context, section 3.2; ids of zeros are invalid."""

_Endpoint = TypeVar("_Endpoint", bound=Callable[..., Any])

_body_limits: Final[dict[object, int]] = {}

_log = get_logger(__name__)


class RequestContext:
    """Gives each request its correlation id and trace, its log line, its security headers, and a 500 if it fails.

    The line names the route's template and never the query string, which may hold a token.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        headers = Headers(scope=scope)
        trace = _accepted(_TRACEPARENT, headers.get("traceparent")) or new_trace()
        ident = _accepted(_CORRELATION_ID, headers.get(CORRELATION_HEADER)) or trace.split("-")[1]
        scope.setdefault("state", {})["correlation_id"] = ident
        # A pipelined request runs in the context of the one before it.
        structlog.contextvars.clear_contextvars()
        bind_log(correlation_id=ident)
        set_trace(trace)
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                answer = MutableHeaders(scope=message)
                answer[CORRELATION_HEADER] = ident
                for name, value in SECURITY_HEADERS.items():
                    answer.setdefault(name, value)
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except Exception:
            _log.exception("request failed", method=scope["method"], route=_template(scope))
            if status:  # too late for an answer: the server cuts the connection
                raise
            answer = error_response(500, "internal", "something went wrong here", correlation_id=ident)
            await answer(scope, receive, send_with_headers)
        finally:
            ms = round((time.perf_counter() - began) * 1000, 1)
            _log.info("request", method=scope["method"], route=_template(scope), status=status, ms=ms)


class BodyLimit:
    """Refuses bodies over the limit with 413: at once if the length is declared, else when the limit is passed."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "0")
        size = int(declared) if declared.isdecimal() else 0
        count = 0

        async def receive_up_to_limit() -> Message:
            nonlocal count
            limit = _body_limits.get(scope.get("endpoint"), MAX_BODY)
            if size > limit:
                raise _too_large(limit)
            message = await receive()
            count += len(message.get("body", b""))
            if count > limit:
                raise _too_large(limit)
            return message

        await self._app(scope, receive_up_to_limit, send)


def body_limit(limit: int) -> Callable[[_Endpoint], _Endpoint]:
    """Decorates an endpoint whose bodies may have ``limit`` bytes, such as one that takes attachments."""

    def remember(endpoint: _Endpoint) -> _Endpoint:
        _body_limits[endpoint] = limit
        return endpoint

    return remember


def _too_large(limit: int) -> HTTPException:
    return HTTPException(413, f"the body is longer than {limit} bytes")


def _accepted(pattern: re.Pattern[str], value: str | None) -> str | None:
    return value if value is not None and pattern.fullmatch(value) else None


def _template(scope: Scope) -> str:
    """The path with its parameters' names in place of their values: a route knows no prefix of its router."""
    if "route" not in scope:
        return "unmatched"
    names = {str(value): f"{{{name}}}" for name, value in scope.get("path_params", {}).items()}
    return "/".join(names.get(part, part) for part in scope["path"].split("/"))
