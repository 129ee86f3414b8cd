"""Secrets of an installation: made once, agreed upon by all its processes. Reading them may block: at start-up only."""

import json
import secrets
import string
import time
from abc import ABC, abstractmethod
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from hashlib import sha256
from typing import Any, Final, TypeVar

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from kxmsg.errors import StartError

_T = TypeVar("_T")

SIGNING: Final = "signing-key.pem"
GATEWAY: Final = "gateway.json"
MANAGEMENT: Final = "management.json"
CURSOR: Final = "cursor.key"

_ALPHABET: Final = string.ascii_uppercase + string.digits


class Secrets(ABC):
    """What is kept under four names; adapters say where. Every method raises :class:`~kxmsg.errors.StartError` for
    what can't be read or understood."""

    @abstractmethod
    def read(self, name: str) -> bytes:
        """What is kept under the name; where it may be made, it is made now. Raises StartError."""

    @abstractmethod
    def place(self, name: str) -> str:
        """Where that is, for a message."""

    # ------------------------------------------------------------------------------------------------- tokens

    def jwks(self) -> dict[str, Any]:
        """The key set with the public half of the signing key."""
        return {"keys": [{**self._public, "kid": self._kid, "use": "sig", "alg": "ES256"}]}

    def mint(
        self,
        user: str,
        tenant: str,
        roles: Sequence[str],
        ttl: float,
        issuer: str,
        audience: str,
        name: str | None = None,
        *,
        now: float | None = None,
        tenant_claim: str = "tenantId",
        role_claim: str = "roles",
    ) -> str:
        """A token good for ``ttl`` seconds from ``now`` (epoch seconds; default: the system's clock)."""
        issued_at = time.time() if now is None else now
        claims: dict[str, Any] = {
            "iss": issuer,
            "aud": audience,
            "sub": user,
            tenant_claim: tenant,
            role_claim: list(roles),
            "iat": int(issued_at),
            "exp": int(issued_at + ttl),
            "jti": secrets.token_hex(16),
        }
        if name is not None:
            claims["name"] = name
        return jwt.encode(claims, self._signing_key, algorithm="ES256", headers={"kid": self._kid})

    @cached_property
    def _signing_key(self) -> ec.EllipticCurvePrivateKey:
        return self._parsed(SIGNING, _parse_signing_key)

    @cached_property
    def _public(self) -> dict[str, str]:
        numbers = self._signing_key.public_key().public_numbers()
        return {
            "kty": "EC",
            "crv": "P-256",
            "x": _base64url(numbers.x.to_bytes(32, "big")),
            "y": _base64url(numbers.y.to_bytes(32, "big")),
        }

    @cached_property
    def _kid(self) -> str:
        """RFC 7638: SHA-256 over the required members in lexicographic order."""
        canonical = json.dumps(self._public, sort_keys=True, separators=(",", ":"))
        return _base64url(sha256(canonical.encode()).digest())

    # ------------------------------------------------------------------------------------------------- others

    def gateway_secrets(self) -> list[str]:
        """Secrets that the integration routes accept, the current one first, at most two."""
        return self._parsed(GATEWAY, _parse_gateway_secrets)

    def management_credentials(self) -> tuple[str, str]:
        """Access key id and secret key with which calls of ``@connections`` are signed (SigV4)."""
        return self._parsed(MANAGEMENT, _parse_credentials)

    def cursor_key(self) -> bytes:
        """The key that list cursors are signed with: 32 bytes."""
        return self._parsed(CURSOR, _parse_cursor_key)

    def _parsed(self, name: str, parse: Callable[[bytes], _T]) -> _T:
        content = self.read(name)
        try:
            return parse(content)
        except (ValueError, TypeError, KeyError) as error:
            damaged = f"{self.place(name)} is damaged; restore it, or delete it to have a new one made"
            raise StartError(damaged) from error


def new_secret() -> str:
    """A gateway secret: 256 bits of chance."""
    return secrets.token_urlsafe(32)


def _new_signing_key() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _parse_signing_key(content: bytes) -> ec.EllipticCurvePrivateKey:
    key = load_pem_private_key(content, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ValueError("not a P-256 key")
    return key


def _new_gateway_secrets() -> bytes:
    return json.dumps([new_secret()]).encode()


def _parse_gateway_secrets(content: bytes) -> list[str]:
    match json.loads(content):
        case [str(current)] if current:
            return [current]
        case [str(current), str(previous)] if current and previous:
            return [current, previous]
        case _:
            raise ValueError("not one or two secrets")


def _new_credentials() -> bytes:
    access_key_id = "KX" + "".join(secrets.choice(_ALPHABET) for _ in range(18))
    return json.dumps({"accessKeyId": access_key_id, "secretKey": new_secret()}).encode()


def _parse_credentials(content: bytes) -> tuple[str, str]:
    match json.loads(content):
        case {"accessKeyId": str(access_key_id), "secretKey": str(secret_key)} if access_key_id and secret_key:
            return access_key_id, secret_key
        case _:
            raise ValueError("not a pair of credentials")


def _parse_cursor_key(content: bytes) -> bytes:
    key = bytes.fromhex(content.decode("ascii"))
    if len(key) != 32:
        raise ValueError("not 32 bytes")
    return key


def _new_cursor_key() -> bytes:
    return secrets.token_hex(32).encode()


NEW: Final[Mapping[str, Callable[[], bytes]]] = {
    SIGNING: _new_signing_key,
    GATEWAY: _new_gateway_secrets,
    MANAGEMENT: _new_credentials,
    CURSOR: _new_cursor_key,
}
"""Every name, and how its content is made."""


def _base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
