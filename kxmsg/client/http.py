"""Requests: one call of the API, repeated until it is known what became of it."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from secrets import token_hex
from typing import Any, Final, TypeAlias

import aiohttp
import orjson

from kxmsg.errors import KxmsgError, Refusal, Transient
from kxmsg.retry import Backoff

Token: TypeAlias = str | Callable[[], str | Awaitable[str]]
"""A JWT, or what gives one that is good now: it is asked again when one was refused."""

ATTEMPTS: Final = 6

MAX_PAUSE: Final = 30.0
"""Seconds that a server's ``Retry-After`` is followed at most."""

_BACKOFF: Final = Backoff(base=0.2, cap=5.0)

_AGAIN: Final = frozenset({429, 502, 503, 504})
"""Answers after which the same request may succeed."""

_KINDS: Final = {kind.status: kind for kind in Refusal.__subclasses__()}


@dataclass(frozen=True, slots=True)
class Reply:
    """A success: its JSON and its entity tag."""

    body: dict[str, Any]
    etag: str | None


class Credentials:
    """The token of a client."""

    def __init__(self, token: Token) -> None:
        self._token = token

    @property
    def renewable(self) -> bool:
        """Whether asking again may bring another token."""
        return callable(self._token)

    async def header(self) -> dict[str, str]:
        """``Authorization``, with the token of now."""
        given = self._token() if callable(self._token) else self._token
        token = await given if inspect.isawaitable(given) else given
        return {"Authorization": f"Bearer {token}"}


class Http:
    """Calls of one API. ``timeout`` in seconds is for one try."""

    def __init__(
        self, base_url: str, credentials: Credentials, *, timeout: float = 30, attempts: int = ATTEMPTS
    ) -> None:
        self._base = base_url.rstrip("/")
        self._credentials = credentials
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._attempts = attempts
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """One call. A POST gets an ``Idempotency-Key``, so that repeating it does it once.

        Raises the :class:`~kxmsg.errors.Refusal` that is answered, and :class:`~kxmsg.errors.Transient` where nothing
        else comes in as many tries as there are: then it may or may not have been done.
        """
        request = _Request(
            method,
            f"{self._base}{path}",
            {name: _text(value) for name, value in (query or {}).items() if value is not None},
            {
                **({"Idempotency-Key": token_hex(16)} if method == "POST" else {}),
                **({"Content-Type": "application/json"} if body is not None else {}),
                **(headers or {}),
            },
            orjson.dumps(body) if body is not None else None,
        )
        attempt = 0
        while True:
            try:
                return await self._try(request)
            except _Again as again:
                attempt += 1
                if attempt >= self._attempts:
                    raise again.failure from again
                await asyncio.sleep(_BACKOFF.delay(attempt) if again.pause is None else again.pause)

    async def _try(self, request: "_Request") -> Reply:
        """One try, or two where the first shows that the token is not good any more. Raises what is to be told, or
        :class:`_Again`."""
        try:
            status, headers, content = await self._once(request)
            if status == 401 and self._credentials.renewable:
                status, headers, content = await self._once(request)
        except (aiohttp.ClientError, TimeoutError) as error:
            failure = Transient(f"{request.method} {request.url}: no answer ({error!r})")
            if "If-Match" in request.headers:  # what was seen may have been changed by this very try
                raise failure from error
            raise _Again(failure) from error
        if status < 400:
            return Reply(_parsed(content), headers.get("ETag"))
        refused = refusal(status, content)
        told = refused if status < 500 else Transient(f"{request.method} {request.url}: {status} {refused.message}")
        if status in _AGAIN or refused.code == "request_in_progress":
            raise _Again(told, _pause(headers.get("Retry-After")))
        raise told

    async def _once(self, request: "_Request") -> tuple[int, Mapping[str, str], bytes]:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._timeout)
            # It would repeat a PUT by itself, also a conditional one, and has no option not to.
            self._session._retry_connection = False  # noqa: SLF001
        async with self._session.request(
            request.method,
            request.url,
            params=request.query,
            data=request.body,
            headers={**request.headers, **await self._credentials.header()},
            allow_redirects=False,
        ) as answer:
            return answer.status, answer.headers, await answer.read()


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    url: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes | None


class _Again(Exception):
    """The same request may succeed, after ``pause`` seconds (None: not said); else ``failure`` is what to raise."""

    def __init__(self, failure: KxmsgError, pause: float | None = None) -> None:
        super().__init__()
        self.failure = failure
        self.pause = pause


def refusal(status: int, content: bytes) -> Refusal:
    """What an answer of refusal says; what is in no shape of ours is quoted, shortened."""
    kind = _KINDS.get(status, Refusal)
    try:
        error = orjson.loads(content)["error"]
        return kind(str(error["message"]), code=str(error["code"]), details=dict(error.get("details") or {}))
    except (ValueError, KeyError, TypeError):
        return kind(f"status {status}: {content.decode(errors='replace')[:200]}")


def _parsed(content: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise Transient(f"the answer is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise Transient("the answer is no JSON object")
    return found


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else str(value)


def _pause(retry_after: str | None) -> float | None:
    if retry_after is None or not (retry_after.isascii() and retry_after.isdecimal()):
        return None
    return min(float(retry_after), MAX_PAUSE)


def prefer(wait: int | None) -> dict[str, str]:
    """Headers that ask to wait so many seconds until it is stored."""
    return {} if wait is None else {"Prefer": f"wait={wait}"}


def match(etag: str | None) -> dict[str, str]:
    """Headers that make a change conditional."""
    return {} if etag is None else {"If-Match": etag}
