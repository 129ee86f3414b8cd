"""``Idempotency-Key`` on POST: the same request is done once, and answered the same as often as it comes.

After the IETF's draft "The Idempotency-Key HTTP Header Field". The middleware sees the body as it is read, and the
answer as it is sent; in between, once the caller is known, :func:`claim` decides whether the request is to be done.
"""

import re
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from fastapi import Request, Response
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kxmsg.api.context import app_of
from kxmsg.errors import InvalidInput, KxmsgError
from kxmsg.model.principal import Principal
from kxmsg.storage.idempotency import Claim, Idempotency, KeptAnswer
from kxmsg.telemetry import get_logger

if TYPE_CHECKING:
    from hashlib import _Hash

HEADER: Final = "Idempotency-Key"

REPLAYED: Final = "Idempotency-Replayed"
"""Header of an answer that was kept."""

_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")

_log = get_logger(__name__)


class Replay(Exception):
    """The request was answered before: raised in place of doing it again."""

    def __init__(self, answer: KeptAnswer) -> None:
        super().__init__()
        self.answer = answer


async def on_replay(_: Request, replay: Replay) -> Response:
    """The kept answer, byte for byte: the correlation id in it is that of the request which was done."""
    answer = replay.answer
    return Response(answer.body, answer.status, {**dict(answer.headers), REPLAYED: "true"})


@dataclass(slots=True)
class _Keyed:
    """A request with a key. ``digest`` has seen what is asked; ``claim`` is there while it is being done."""

    key: str
    digest: "_Hash"
    requests: Idempotency | None = None
    claim: Claim | None = None
    answer: list[Message] = field(default_factory=list)


class IdempotentRequests:
    """Keeps the answer of what was done under a key."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        key = Headers(scope=scope).get(HEADER) if scope["type"] == "http" and scope["method"] == "POST" else None
        if key is None:
            await self._app(scope, receive, send)
            return
        keyed = _Keyed(key, sha256(scope["query_string"] + b"\0"))
        scope.setdefault("state", {})["keyed"] = keyed

        async def receive_and_digest() -> Message:
            message = await receive()
            keyed.digest.update(message.get("body", b""))
            return message

        async def keep_and_send(message: Message) -> None:
            if keyed.claim is None:
                await send(message)
                return
            keyed.answer.append(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                await _settle(keyed)
                for kept in keyed.answer:
                    await send(kept)

        try:
            await self._app(scope, receive_and_digest, keep_and_send)
        except Exception:
            await _settle(keyed, failed=True)
            raise


async def claim(request: Request, who: Principal) -> None:
    """Let the request be done, if it is to be: it has no key, or ``who`` comes with this key for the first time.

    Its body has been read by now. Raises :class:`Replay`, and what :meth:`Idempotency.begin` raises.
    """
    keyed: _Keyed | None = getattr(request.state, "keyed", None)
    if keyed is None:
        return
    if not _KEY.fullmatch(keyed.key):
        raise InvalidInput(f"{HEADER} takes 1 to 255 printable ASCII characters", code="invalid_idempotency_key")
    keyed.requests = app_of(request).idempotency
    outcome = await keyed.requests.begin(
        who.tenant, who.user, f"POST {request.scope['path']}", keyed.key, keyed.digest.hexdigest()
    )
    if isinstance(outcome, KeptAnswer):
        raise Replay(outcome)
    keyed.claim = outcome


def claimed_id(request: Request) -> str | None:
    """The id that every try of this request has; None for a request without a key."""
    keyed: _Keyed | None = getattr(request.state, "keyed", None)
    return keyed.claim.ident if keyed is not None and keyed.claim is not None else None


async def _settle(keyed: _Keyed, *, failed: bool = False) -> None:
    """What becomes of the claim: a success is kept, a refusal forgotten, a failure may be tried again.

    A table that does not answer now is no fault of the request, which is done: its claim ends by itself.
    """
    if keyed.claim is None or keyed.requests is None:
        return
    claim, keyed.claim = keyed.claim, None
    status = 500 if failed else keyed.answer[0]["status"]
    try:
        if status < 400:
            if not await keyed.requests.keep(claim, _kept(keyed.answer)):
                _log.warning("answer not kept", status=status)
        elif status < 500:
            await keyed.requests.forget(claim)
        else:
            await keyed.requests.release(claim)
    except KxmsgError as error:
        _log.warning("answer not kept", status=status, error=repr(error))


def _kept(messages: list[Message]) -> KeptAnswer:
    headers = Headers(raw=messages[0]["headers"])
    names = [(name, value) for name, value in headers.items() if name != "content-length"]
    body = b"".join(message.get("body", b"") for message in messages[1:])
    return KeptAnswer(messages[0]["status"], tuple(names), body.decode())
