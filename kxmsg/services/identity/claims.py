"""From the claims of a token whose signature holds to a principal. Pure.

Checks follow RFC 7519 (section 4.1) and, for access tokens of Cognito, its page "Verifying JSON Web Tokens".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from kxmsg.errors import InvalidInput, Unauthenticated
from kxmsg.model.notification import locale_key
from kxmsg.model.principal import Principal
from kxmsg.model.target import EVERYBODY, check_id
from kxmsg.policy import ALIASES, DEFAULT_ROLE, ROLES

INVALID: Final = "invalid_token"
EXPIRED: Final = "token_expired"

_KNOWN: Final = frozenset((*ROLES, *ALIASES))


def refuse(message: str, code: str = INVALID) -> Unauthenticated:
    """The refusal of a token. ``message`` must hold nothing of it."""
    return Unauthenticated(message, code=code)


@dataclass(frozen=True, slots=True)
class ClaimRules:
    """What a token must say. The first claim present of ``tenant_claims`` and of ``role_claims`` counts.

    ``leeway`` in seconds is how far clocks may differ.
    """

    issuer: str
    audience: str
    tenant_claims: Sequence[str] = ("tenantId", "custom:tenantId")
    role_claims: Sequence[str] = ("roles", "cognito:groups")
    leeway: float = 5

    def principal(self, claims: Mapping[str, Any], *, now: float, fallback_id: str) -> Principal:
        """The caller whom ``claims`` describe at ``now`` (epoch seconds); ``fallback_id`` stands in for ``jti``.

        Raises :class:`~kxmsg.errors.Unauthenticated`.
        """
        if claims.get("iss") != self.issuer:
            raise refuse("the token is from another issuer")
        if not self._is_meant_for_us(claims):
            raise refuse("the token is for another audience")
        expires_at = self._check_times(claims, now)
        roles = self._roles(claims)
        tenant = _id(self._first(claims, self.tenant_claims), "tenant")
        if tenant == EVERYBODY and "system" not in roles:
            raise refuse("only a system token may name everybody's tenant")
        token_id, locale = _text(claims, "jti"), _text(claims, "locale")
        return Principal(
            user=_id(claims.get("sub"), "subject"),
            tenant=tenant,
            roles=roles,
            name=_text(claims, "name"),
            email=_text(claims, "email"),
            expires_at=expires_at,
            token_id=fallback_id if token_id is None else token_id,
            locale=None if locale is None else locale_key(locale),
        )

    def _is_meant_for_us(self, claims: Mapping[str, Any]) -> bool:
        audience = claims.get("aud")
        if audience is None:  # a Cognito access token has client_id in its place
            return claims.get("client_id") == self.audience and claims.get("token_use") == "access"
        return audience == self.audience or (isinstance(audience, list) and self.audience in audience)

    def _check_times(self, claims: Mapping[str, Any], now: float) -> float:
        expires_at = _time(claims, "exp")
        if expires_at is None:
            raise refuse("the token has no expiry")
        if expires_at + self.leeway <= now:
            raise refuse("the token has expired", EXPIRED)
        for claim in ("nbf", "iat"):
            since = _time(claims, claim)
            if since is not None and since - self.leeway > now:
                raise refuse("the token is not valid yet")
        return expires_at

    def _roles(self, claims: Mapping[str, Any]) -> frozenset[str]:
        found = self._first(claims, self.role_claims)
        if isinstance(found, str):
            found = found.replace(",", " ").split()
        if found is None:
            found = []
        if not isinstance(found, list) or not all(isinstance(role, str) for role in found):
            raise refuse("the token's roles are neither a list nor a text")
        roles = frozenset(found)
        return roles | {DEFAULT_ROLE} if roles.isdisjoint(_KNOWN) else roles

    @staticmethod
    def _first(claims: Mapping[str, Any], names: Sequence[str]) -> Any:
        return next((claims[name] for name in names if claims.get(name) is not None), None)


def _id(value: Any, what: str) -> str:
    if value is None:
        raise refuse(f"the token names no {what}")
    try:
        return check_id(value, what)
    except InvalidInput as error:
        raise refuse(f"the token's {error.message}") from error


def _time(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise refuse(f"the token's {name} is not a number")
    return float(value)


def _text(claims: Mapping[str, Any], name: str) -> str | None:
    value = claims.get(name)
    return value if isinstance(value, str) and value else None
