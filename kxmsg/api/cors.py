"""Cross-origin requests: which web pages may call the API (Fetch standard, section 3.3, "CORS protocol").

Without credentials: a page sends its token itself, never a cookie.
"""

from collections.abc import Sequence
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

METHODS: Final = "GET, POST, PUT, DELETE"

REQUEST_HEADERS: Final = (
    "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Prefer, X-Correlation-Id, traceparent"
)

ANSWER_HEADERS: Final = (
    "ETag, Idempotency-Replayed, Location, Preference-Applied, Retry-After, WWW-Authenticate, X-Correlation-Id"
)
"""What a page may read of an answer, beside what every page may."""

MAX_AGE: Final = 600
"""Seconds that a browser remembers a preflight's answer."""


class Cors:
    """Tells browsers that pages of ``origins`` may call; none: of any.

    A page of another origin is told nothing, so that its browser keeps the answer from it.
    """

    def __init__(self, app: ASGIApp, origins: Sequence[str] = ()) -> None:
        self._app = app
        self._origins = frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        allowed = origin is not None and (not self._origins or origin in self._origins)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer = MutableHeaders(scope=message)
                if self._origins:
                    answer.add_vary_header("Origin")
                if allowed and origin is not None:
                    answer["Access-Control-Allow-Origin"] = origin if self._origins else "*"
                    answer["Access-Control-Expose-Headers"] = ANSWER_HEADERS
            await send(message)

        if allowed and scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
            preflight = {
                "Access-Control-Allow-Methods": METHODS,
                "Access-Control-Allow-Headers": REQUEST_HEADERS,
                "Access-Control-Max-Age": str(MAX_AGE),
            }
            await Response(status_code=204, headers=preflight)(scope, receive, send_with_headers)
            return
        await self._app(scope, receive, send_with_headers)
