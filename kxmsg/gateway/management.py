"""The management API: ``@connections`` as API Gateway has it, the batch of posts beside it, and ``/health``.

Requests carry a SigV4 signature for the service ``execute-api``; a stage before ``/@connections`` is accepted.
"""

import asyncio
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import orjson
from starlette.types import Receive, Scope, Send

from kxmsg.embedded import batch
from kxmsg.errors import InvalidInput, Refusal, TooLarge
from kxmsg.gateway.protocol import NORMAL, SENT, Connection, encode_text
from kxmsg.gateway.registry import Registry
from kxmsg.ports import Outcome
from kxmsg.sigv4 import Credentials, SignatureRefused, verify
from kxmsg.telemetry import get_logger

SERVICE: Final = "execute-api"
BODY_SECONDS: Final = 10
READERS: Final = 64
"""Bodies that are read at once, of up to 4 MiB each."""
TURN: Final = 1000
"""Frames written before the event loop gets its turn."""

_ROUTE: Final = re.compile(r"(?:/[^/@]+)?/@connections(?:/([^/]+))?/?")
_ERROR_TYPES: Final = {
    "missing_authentication_token": "MissingAuthenticationTokenException",
    "incomplete_signature": "IncompleteSignatureException",
    "unknown_access_key": "UnrecognizedClientException",
    "signature_expired": "InvalidSignatureException",
    "signature_mismatch": "InvalidSignatureException",
}
_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Reply:
    """A response; ``error`` is AWS's name of the exception that a client raises for it."""

    status: int
    body: bytes = b""
    error: str | None = None


OK: Final = Reply(200)
NO_CONTENT: Final = Reply(204)
NOT_FOUND: Final = Reply(404, b'{"message":"Not Found"}', "NotFoundException")
GONE: Final = Reply(410, b'{"message":"Gone"}', "GoneException")
BUSY: Final = Reply(429, b'{"message":"The connection\'s buffer is full"}', "LimitExceededException")
SLOW_BODY: Final = Reply(408, b'{"message":"Request Timeout"}', "RequestTimeoutException")


class Management:
    """The ASGI application of the gateway's port."""

    def __init__(self, registry: Registry[Connection], credentials: Sequence[Credentials], region: str) -> None:
        self._registry = registry
        self._credentials = {known.access_key: known for known in credentials}
        self._reading = asyncio.Semaphore(READERS)
        self._region = region

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            reply = await self._route(scope, receive)
        except SignatureRefused as refusal:
            _log.warning("management request refused", reason=refusal.code)
            missing = refusal.code == "missing_authentication_token"
            reply = _error(403, "Missing Authentication Token" if missing else "Forbidden", _ERROR_TYPES[refusal.code])
        except TooLarge as refusal:
            reply = _error(413, refusal.message, "PayloadTooLargeException")
        except Refusal as refusal:
            reply = _error(refusal.status, refusal.message, "BadRequestException")
        except TimeoutError:
            reply = SLOW_BODY
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(reply.body)).encode())]
        if reply.error is not None:
            headers.append((b"x-amzn-errortype", reply.error.encode()))
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.body, "more_body": False})

    async def _route(self, scope: Scope, receive: Receive) -> Reply:
        method, path = scope["method"], scope["path"]
        if method == "GET" and path == "/health":
            return Reply(200, orjson.dumps({"status": "ok", "connections": self._registry.count}))
        route = _ROUTE.fullmatch(path)
        if route is None or method not in (("GET", "POST", "DELETE") if route[1] else ("POST",)):
            return NOT_FOUND
        batched = route[1] is None
        body = await self._verified_body(scope, receive, batch.BODY_LIMIT if batched else batch.DATA_LIMIT)
        if batched:
            return Reply(200, orjson.dumps(await self._post_many(batch.parse(body))))
        if method == "POST":
            return self._post(route[1], body)
        return self._get(route[1]) if method == "GET" else self._delete(route[1])

    async def _verified_body(self, scope: Scope, receive: Receive, limit: int) -> bytes:
        headers: dict[str, str] = {}
        for raw_name, raw_value in scope["headers"]:
            name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
            headers[name] = f"{headers[name]},{value}" if name in headers else value
        if "authorization" not in headers:
            raise SignatureRefused("missing_authentication_token", "the request is not signed")
        self._check_key(headers["authorization"])
        async with asyncio.timeout(BODY_SECONDS), self._reading:
            body = await _read(receive, limit)
        verify(
            scope["method"],
            scope["raw_path"].decode("latin-1"),
            scope["query_string"].decode("latin-1"),
            headers,
            body,
            credentials=self._credentials,
            region=self._region,
            service=SERVICE,
            now=time.time(),
        )
        return body

    def _check_key(self, authorization: str) -> None:
        """Nobody's body is read who doesn't at least name a key of ours; the signature itself covers the body."""
        _, named, rest = authorization.partition("Credential=")
        if not named:
            raise SignatureRefused("incomplete_signature", "the authorization names no credential")
        if rest.partition("/")[0] not in self._credentials:
            raise SignatureRefused("unknown_access_key", "the access key is not known here")

    def _post(self, connection: str, data: bytes) -> Reply:
        match self._write([connection], _frame(data)):
            case ["ok"]:
                return OK
            case ["busy"]:
                return BUSY
        return GONE

    async def _post_many(self, postings: Sequence[batch.Posting]) -> list[list[Outcome]]:
        outcomes: list[list[Outcome]] = []
        written = 0
        for connections, data in postings:
            try:
                outcomes.append(self._write(connections, _frame(data)))
            except InvalidInput:
                outcomes.append(["failed"] * len(connections))
            written += len(connections)
            if written >= TURN:
                written = 0
                await asyncio.sleep(0)
        return outcomes

    def _write(self, connections: Sequence[str], frame: bytes) -> list[Outcome]:
        now = asyncio.get_running_loop().time()
        get = self._registry.get
        outcomes: list[Outcome] = [
            "gone" if (found := get(connection)) is None else found.send(frame, now) for connection in connections
        ]
        SENT.inc(outcomes.count("ok"))
        return outcomes

    def _get(self, connection: str) -> Reply:
        found = self._registry.get(connection)
        if found is None:
            return GONE
        answer = {
            "connectedAt": _iso8601(found.peer.connected_at),
            "identity": {"sourceIp": found.peer.source_ip, "userAgent": found.peer.user_agent},
            "lastActiveAt": _iso8601(found.last_active_at),
        }
        return Reply(200, orjson.dumps(answer))

    def _delete(self, connection: str) -> Reply:
        found = self._registry.get(connection)
        if found is None:
            return GONE
        found.close(*NORMAL)
        return NO_CONTENT


def _error(status: int, message: str, error: str) -> Reply:
    return Reply(status, orjson.dumps({"message": message}), error)


def _frame(data: bytes) -> bytes:
    try:
        data.decode()  # RFC 6455, section 5.6: a client would fail the connection on a text frame that is not UTF-8
    except UnicodeDecodeError:
        raise InvalidInput("the data is not valid UTF-8") from None
    return encode_text(data)


def _iso8601(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


async def _read(receive: Receive, limit: int) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise InvalidInput("the request ended before its body")
        body += message["body"]
        if len(body) > limit:
            raise TooLarge(f"the body is larger than {limit} bytes")
        if not message["more_body"]:
            return bytes(body)
