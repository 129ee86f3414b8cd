"""JSON Web Key Sets: where the keys come from that tokens are verified with."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol

import aiohttp
import orjson
from jwt import PyJWK
from jwt.exceptions import PyJWTError

from kxmsg.errors import Unavailable
from kxmsg.telemetry import get_logger

MAX_AGE: Final = 600.0
"""Seconds after which a key set is loaded again."""

UNKNOWN_PAUSE: Final = 30.0
"""Seconds between two loads that keys we don't know ask for, or anybody could make us load for ever."""

RETRY_PAUSE: Final = 2.0
"""Seconds between two loads while there are no keys at all."""

FETCH_TIMEOUT: Final = 5.0
MAX_BYTES: Final = 1 << 20

_PUBLIC: Final = frozenset({"kty", "kid", "use", "alg", "n", "e", "crv", "x", "y"})

_log = get_logger(__name__)

Load = Callable[[], Awaitable[bytes]]


class KeySource(Protocol):
    """Keys by their id."""

    async def find(self, kid: str) -> PyJWK | None:
        """The key, or None; raises :class:`~kxmsg.errors.Unavailable` while no key could be had at all."""
        ...


def parse_keys(document: Mapping[str, Any]) -> dict[str, PyJWK]:
    """The asymmetric signature keys of a key set by ``kid``, each bound to one algorithm; others are passed over.

    Raises ValueError if there is none. Private parts are left out, and so are symmetric keys: in a key set, which
    is public, they would let everybody sign (RFC 8725, section 2.1).
    """
    entries = document.get("keys") if isinstance(document, Mapping) else None
    keys = {}
    for entry in entries if isinstance(entries, list) else ():
        if not isinstance(entry, dict) or not isinstance(kid := entry.get("kid"), str):
            continue
        if entry.get("kty") not in ("RSA", "EC") or entry.get("use", "sig") != "sig":
            continue
        try:
            keys[kid] = PyJWK({name: value for name, value in entry.items() if name in _PUBLIC})
        except PyJWTError as error:
            _log.warning("key passed over", kid=kid, error=type(error).__name__)
    if not keys:
        raise ValueError("it holds no usable key")
    return keys


class StaticKeys:
    """Keys that never change while the process lives. Raises ValueError if there is none."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._keys = parse_keys(document)

    async def find(self, kid: str) -> PyJWK | None:
        return self._keys.get(kid)


class CachedKeys:
    """Keys of a place that may change them. One load at a time; a failed one leaves the keys we have in use.

    A known key is answered at once, and one past :data:`MAX_AGE` is refreshed behind the caller's back. An unknown
    one waits for a load, if the last is long enough ago. ``name`` is for logs and errors.
    """

    def __init__(self, load: Load, name: str, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._load = load
        self._name = name
        self._monotonic = monotonic
        self._keys: dict[str, PyJWK] = {}
        self._loaded_at = self._tried_at = float("-inf")
        self._loading: asyncio.Task[None] | None = None

    async def find(self, kid: str) -> PyJWK | None:
        if key := self._keys.get(kid):
            if self._monotonic() - self._loaded_at >= MAX_AGE:
                self._start()
            return key
        if loading := self._start():
            await asyncio.shield(loading)
        if not self._keys:
            raise Unavailable("the keys that tokens are verified with can't be had")
        return self._keys.get(kid)

    async def ready(self) -> None:
        """Load the keys if there are none; raises :class:`~kxmsg.errors.Unavailable`. A readiness check."""
        if not self._keys:
            await self.find("")

    async def close(self) -> None:
        """Stop a load under way."""
        if self._loading is not None:
            self._loading.cancel()
            await asyncio.wait([self._loading])

    def _start(self) -> asyncio.Task[None] | None:
        """The load under way, or a new one unless the last try was too lately."""
        if self._loading is not None and not self._loading.done():
            return self._loading
        if self._monotonic() - self._tried_at < (UNKNOWN_PAUSE if self._keys else RETRY_PAUSE):
            return None
        self._loading = asyncio.create_task(self._refresh(), name=f"jwks {self._name}")
        return self._loading

    async def _refresh(self) -> None:
        self._tried_at = self._monotonic()
        try:
            self._keys = parse_keys(orjson.loads(await self._load()))
        except (OSError, TimeoutError, aiohttp.ClientError, ValueError) as error:
            _log.warning("key set can't be loaded", place=self._name, error=repr(error), kept=len(self._keys))
        else:
            self._loaded_at = self._monotonic()


async def fetch(url: str, *, timeout: float = FETCH_TIMEOUT) -> bytes:
    """The key set at an address. Follows no redirect. Raises aiohttp's errors, TimeoutError, ValueError."""
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=timeout)) as session,
        session.get(url, allow_redirects=False, headers={"Accept": "application/json"}) as response,
    ):
        if response.status != 200:
            raise ValueError(f"the answer is {response.status}")
        data = bytearray()
        async for chunk in response.content.iter_any():
            data += chunk
            if len(data) > MAX_BYTES:
                raise ValueError(f"it is longer than {MAX_BYTES} bytes")
        return bytes(data)


async def read(path: Path) -> bytes:
    """The key set in a file. Raises OSError."""
    return await asyncio.to_thread(path.read_bytes)


def key_source(location: str) -> CachedKeys:
    """Keys from an http(s) URL or, otherwise, a file."""
    if location.startswith(("https://", "http://")):
        return CachedKeys(partial(fetch, location), location)
    return CachedKeys(partial(read, Path(location)), location)
