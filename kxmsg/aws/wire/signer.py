"""Signer: heads of signed requests, of which all that doesn't change within a second is made once in it."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Final

from kxmsg.errors import ConfigError
from kxmsg.sigv4 import ALGORITHM, Credentials, signing_key, timestamp

_BLOCK: Final = 64
"""Bytes of a block of SHA-256."""


class Signer:
    """Signs (SigV4, :mod:`kxmsg.sigv4`) requests of one method to one host, whose ``headers`` are always the same.

    Header names are in lower case; ``host`` is one of them. All are signed, ``x-amz-date`` and the session token with
    them. Requests have no query.
    """

    def __init__(self, method: str, headers: Mapping[str, str], *, region: str, service: str) -> None:
        self._method = method
        self._headers = headers
        self._region = region
        self._service = service
        self._second = -1
        self._credentials: Credentials | None = None

    def head(self, path: str, canonical_path: str, body: bytes, credentials: Credentials, second: int) -> bytes:
        """The request's head, to be followed by ``body``; ``second`` is now, since the epoch.

        ``path`` is given as it stands on the wire, ``canonical_path`` as :func:`kxmsg.sigv4.canonical_path` makes it.
        """
        if second != self._second or credentials is not self._credentials:
            self._prepare(credentials, second)
        request = f"{self._method}\n{canonical_path}{self._canonical}{sha256(body).hexdigest()}"
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(sha256(request.encode()).hexdigest().encode())
        outer.update(inner.digest())
        return (
            f"{self._method} {path}{self._fields}{outer.hexdigest()}\r\ncontent-length: {len(body)}\r\n\r\n"
        ).encode()

    def _prepare(self, credentials: Credentials, second: int) -> None:
        stamp = timestamp(second)
        scope = f"{stamp[:8]}/{self._region}/{self._service}/aws4_request"
        headers = {**self._headers, "x-amz-date": stamp}
        if credentials.session_token:
            headers["x-amz-security-token"] = credentials.session_token
        names = sorted(headers)
        signed = ";".join(names)
        lines = "".join(f"{name}:{' '.join(headers[name].split())}\n" for name in names)
        self._canonical = f"\n\n{lines}\n{signed}\n"
        fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        if not (credentials.access_key + (credentials.session_token or "")).isprintable():
            raise ConfigError(["AWS credentials: the access key or session token holds a line break or the like"])
        self._fields = (
            f" HTTP/1.1\r\n{fields}user-agent: kxmsg\r\nauthorization: {ALGORITHM} "
            f"Credential={credentials.access_key}/{scope}, SignedHeaders={signed}, Signature="
        )
        # HMAC (RFC 2104), its two hashes begun: finishing copies of them takes half the time of hmac.digest.
        key = signing_key(credentials.secret_key, stamp[:8], self._region, self._service).ljust(_BLOCK, b"\0")
        self._inner = sha256(bytes(byte ^ 0x36 for byte in key))
        self._inner.update(f"{ALGORITHM}\n{stamp}\n{scope}\n".encode())
        self._outer = sha256(bytes(byte ^ 0x5C for byte in key))
        self._second = second
        self._credentials = credentials
