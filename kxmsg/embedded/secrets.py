"""Secrets of the embedded backend, made on first use and kept in files. For start-up only: every call may block."""

import json
import os
import secrets
import string
import tempfile
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Sequence
from functools import cached_property
from hashlib import sha256
from pathlib import Path
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

_SIGNING: Final = "signing-key.pem"
_GATEWAY: Final = "gateway.json"
_MANAGEMENT: Final = "management.json"
_CURSOR: Final = "cursor.key"

_ALPHABET: Final = string.ascii_uppercase + string.digits


class LocalSecrets:
    """What ``secrets/`` under the data folder holds, readable by its owner alone.

    Processes that start together agree: a file appears whole, under its name, once. Every method raises
    :class:`~kxmsg.errors.StartError` for a file that can't be read, written or understood.
    """

    def __init__(self, data: Path) -> None:
        self._folder = data / "secrets"

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
        return self._stored(_SIGNING, _new_signing_key, _parse_signing_key)

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
        return self._stored(_GATEWAY, _new_gateway_secrets, _parse_gateway_secrets)

    def rotate(self) -> list[str]:
        """Put a new gateway secret before the current one and forget the one before that."""
        current = self.gateway_secrets()[0]
        path = self._folder / _GATEWAY
        try:
            self._temporary(json.dumps([_new_secret(), current]).encode()).replace(path)
        except OSError as error:
            raise _unusable(path, error) from error
        return self.gateway_secrets()

    def management_credentials(self) -> tuple[str, str]:
        """Access key id and secret key with which calls of ``@connections`` are signed (SigV4)."""
        return self._stored(_MANAGEMENT, _new_credentials, _parse_credentials)

    def cursor_key(self) -> bytes:
        """The key that list cursors are signed with: 32 bytes."""
        return self._stored(_CURSOR, lambda: secrets.token_hex(32).encode(), _parse_cursor_key)

    # -------------------------------------------------------------------------------------------------- files

    def _stored(self, name: str, make: Callable[[], bytes], parse: Callable[[bytes], _T]) -> _T:
        path = self._folder / name
        try:
            if not path.exists():
                self._create(path, make())
            content = path.read_bytes()
        except OSError as error:
            raise _unusable(path, error) from error
        try:
            return parse(content)
        except (ValueError, TypeError, KeyError) as error:
            raise StartError(f"{path} is damaged; restore it, or delete it to have a new one made") from error

    def _create(self, path: Path, content: bytes) -> None:
        """Put the file there unless another process was faster: a link, unlike a rename, replaces nothing."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._folder.chmod(0o700)
        temporary = self._temporary(content)
        try:
            path.hardlink_to(temporary)
        except FileExistsError:
            return
        finally:
            temporary.unlink()

    def _temporary(self, content: bytes) -> Path:
        """A new file beside the others (mode 0600) with ``content``, on disk."""
        descriptor, name = tempfile.mkstemp(prefix=".new-", dir=self._folder)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        return Path(name)


def _unusable(path: Path, error: OSError) -> StartError:
    reason = error.strerror or type(error).__name__
    return StartError(f"{path} can't be used ({reason}): give this user access to it or point KXMSG_DATA elsewhere")


def _new_secret() -> str:
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
    return json.dumps([_new_secret()]).encode()


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
    return json.dumps({"accessKeyId": access_key_id, "secretKey": _new_secret()}).encode()


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


def _base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
