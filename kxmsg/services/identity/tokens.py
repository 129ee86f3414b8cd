"""Verification of bearer tokens (RFC 7519), with the precautions of RFC 8725."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

import orjson
from jwt import PyJWS
from jwt.exceptions import PyJWTError

from kxmsg.errors import Unauthenticated
from kxmsg.model.principal import Principal
from kxmsg.ports import Clock
from kxmsg.services.identity.claims import ClaimRules, refuse
from kxmsg.services.identity.jwks import KeySource

ALGORITHMS: Final = ("RS256", "ES256")

MAX_CHARS: Final = 8192
"""Longer tokens are refused unread."""

CACHE_SECONDS: Final = 60.0
CACHE_SIZE: Final = 10_000


class TokenVerifier:
    """Turns a token into a principal.

    The key is chosen by ``kid`` from ``keys`` alone: keys that a token brings along or points to (``jwk``, ``jku``,
    ``x5c``, ``x5u``) are never looked at, and the algorithm is the key's own, which must be one of ``algorithms``.
    Verified tokens are remembered, by hash, for up to :data:`CACHE_SECONDS`: a signature check costs 100 µs.
    """

    def __init__(
        self,
        keys: KeySource,
        *,
        issuer: str,
        audience: str,
        clock: Clock,
        algorithms: Sequence[str] = ALGORITHMS,
        tenant_claims: Sequence[str] = ("tenantId", "custom:tenantId"),
        role_claims: Sequence[str] = ("roles", "cognito:groups"),
        leeway: float = 5,
    ) -> None:
        self._keys = keys
        self._clock = clock
        self._rules = ClaimRules(issuer, audience, tuple(tenant_claims), tuple(role_claims), leeway)
        self._algorithms = tuple(algorithms)
        self._jws = PyJWS(algorithms=self._algorithms, options={"enforce_minimum_key_length": True})
        self._cache: dict[bytes, tuple[Principal, float]] = {}

    async def verify(self, token: str) -> Principal:
        """The caller whom ``token`` speaks for.

        Raises :class:`~kxmsg.errors.Unauthenticated` (code ``invalid_token`` or ``token_expired``), whose message
        holds nothing of the token, and :class:`~kxmsg.errors.Unavailable` while there are no keys.
        """
        if not token.isascii() or len(token) > MAX_CHARS:
            raise refuse("the token is malformed or too long")
        digest = sha256(token.encode()).digest()
        now = self._clock.now()
        principal, until = self._cache.get(digest, (None, 0.0))
        if principal is not None and now < until:
            return principal
        principal = self._rules.principal(await self._claims(token), now=now, fallback_id=digest.hex()[:32])
        self._remember(digest, principal, now)
        return principal

    async def _claims(self, token: str) -> dict[str, object]:
        try:
            kid = self._jws.get_unverified_header(token).get("kid")
            if not kid:
                raise refuse("the token names no key")
            key = await self._keys.find(kid)
            if key is None:
                raise refuse("the token is signed with a key that is not known")
            payload = self._jws.decode_complete(token, key, self._algorithms)["payload"]
            claims = orjson.loads(payload)
        except (PyJWTError, ValueError) as error:
            raise _refusal_of(error) from None
        if not isinstance(claims, dict):
            raise refuse("the token's claims are not an object")
        return claims

    def _remember(self, digest: bytes, principal: Principal, now: float) -> None:
        self._cache.pop(digest, None)
        if len(self._cache) >= CACHE_SIZE:
            del self._cache[next(iter(self._cache))]
        self._cache[digest] = principal, min(principal.expires_at, now + CACHE_SECONDS)


def _refusal_of(error: Exception) -> Unauthenticated:
    """A refusal without the library's words, which may quote the token's header."""
    return refuse(f"the token can't be verified ({type(error).__name__})")
