"""Every error in one shape, whoever raised it."""

from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any, Final

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from kxmsg.api.context import correlation_id
from kxmsg.api.idempotency import Replay, on_replay
from kxmsg.api.responses import error_response
from kxmsg.errors import InvalidInput, Refusal, Transient, Unauthenticated, Unavailable
from kxmsg.telemetry import get_logger

_CODES: Final = {kind.status: kind.code for kind in Refusal.__subclasses__()}

_MAX_FIELDS: Final = 20

_log = get_logger(__name__)


async def on_refusal(request: Request, error: Refusal) -> Response:
    """A refusal says all by itself. RFC 6750, section 3: a 401 names the scheme, and why, if there was a token."""
    headers = {}
    if isinstance(error, Unauthenticated):
        no_token = error.code == Unauthenticated.code
        headers["WWW-Authenticate"] = "Bearer" if no_token else 'Bearer error="invalid_token"'
    if "retryAfter" in error.details:
        headers["Retry-After"] = str(error.details["retryAfter"])
    return _answer(request, error, headers)


async def on_invalid_request(request: Request, error: RequestValidationError) -> Response:
    """Body, query or path doesn't have the declared shape: name each field, but never repeat its value."""
    fields = [
        {"field": ".".join(map(str, problem["loc"])), "message": problem["msg"]}
        for problem in error.errors()[:_MAX_FIELDS]
    ]
    message = f"{fields[0]['field']}: {fields[0]['message']}"
    return _answer(request, InvalidInput(message, details={"fields": fields}))


async def on_http_error(request: Request, error: HTTPException) -> Response:
    """What the framework refuses: no such route, wrong method, unreadable or too large body."""
    status = error.status_code
    code = _CODES.get(status) or HTTPStatus(status).phrase.lower().replace(" ", "_")
    return error_response(
        status, code, str(error.detail), correlation_id=correlation_id(request), headers=error.headers
    )


async def on_transient(request: Request, error: Transient) -> Response:
    """A backend is overloaded or away: worth repeating."""
    _log.warning("backend failed", error=repr(error))
    return _answer(request, Unavailable("a part of the system is not available; try again"), {"Retry-After": "1"})


HANDLERS: Final[dict[int | type[Exception], Callable[[Request, Any], Coroutine[Any, Any, Response]]]] = {
    Refusal: on_refusal,
    RequestValidationError: on_invalid_request,
    HTTPException: on_http_error,
    Transient: on_transient,
    Replay: on_replay,
}


def _answer(request: Request, error: Refusal, headers: dict[str, str] | None = None) -> Response:
    return error_response(
        error.status,
        error.code,
        error.message,
        correlation_id=correlation_id(request),
        details=error.details,
        headers=headers,
    )
