"""AWS Signature Version 4 in its header form: signing, and verifying for the gateway's management API.

The rules are those of the AWS IAM User Guide, "Create a signed AWS API request", for every service but S3, whose
paths are not normalised and encoded once less. Paths and queries are given as they stand on the wire; header names
in lower case, a repeated header's values joined by a comma.
"""

import hmac
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from typing import Final, Literal
from urllib.parse import quote

from kxmsg.errors import Forbidden

ALGORITHM: Final = "AWS4-HMAC-SHA256"
MAX_SKEW: Final = 300
"""Seconds that the two clocks may differ by."""

Reason = Literal[
    "missing_authentication_token",
    "incomplete_signature",
    "unknown_access_key",
    "signature_expired",
    "signature_mismatch",
]


@dataclass(frozen=True, slots=True)
class Credentials:
    """An access key; the parts that are secret stay out of its ``repr``."""

    access_key: str
    secret_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


class SignatureRefused(Forbidden):
    """The request isn't signed, or not by somebody known, or not for this service, moment or content.

    ``code`` is one of :data:`Reason`.
    """

    def __init__(self, code: Reason, message: str) -> None:
        super().__init__(message, code=code)


def sign(
    credentials: Credentials,
    method: str,
    path: str,
    query: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    region: str,
    service: str,
    now: float,
) -> dict[str, str]:
    """The headers to add to a request; ``headers`` (``host`` among them) are all signed. ``now`` is epoch seconds."""
    stamp = timestamp(int(now))
    added = {"x-amz-date": stamp}
    if credentials.session_token:
        added["x-amz-security-token"] = credentials.session_token
    signed = {**headers, **added}
    names = sorted(signed)
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    canonical = _canonical_request(method, path, query, signed, names, sha256(body).hexdigest())
    signature = _signature(credentials.secret_key, region, service, stamp, scope, canonical)
    added["authorization"] = (
        f"{ALGORITHM} Credential={credentials.access_key}/{scope}, "
        f"SignedHeaders={';'.join(names)}, Signature={signature}"
    )
    return added


def verify(
    method: str,
    path: str,
    query: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    credentials: Mapping[str, Credentials],
    region: str,
    service: str,
    now: float,
) -> Credentials:
    """Whose signature this is, of those in ``credentials`` (by access key).

    Raises :class:`SignatureRefused`. A signature must cover ``host``, ``x-amz-date`` and the body.
    """
    if "authorization" not in headers:
        raise SignatureRefused("missing_authentication_token", "the request is not signed")
    access_key, scope, names, claimed = _parse(headers["authorization"])
    known = credentials.get(access_key)
    if known is None:
        raise SignatureRefused("unknown_access_key", "the access key is not known here")
    stamp = headers.get("x-amz-date", "")
    required = {"host", "x-amz-date"} | ({"x-amz-security-token"} if known.session_token else set())
    if not required <= set(names) or not set(names) <= headers.keys():
        raise SignatureRefused("incomplete_signature", "the signature does not cover the headers that it must")
    if abs(_epoch(stamp) - now) > MAX_SKEW:
        raise SignatureRefused("signature_expired", "the signature's date is too far from this server's clock")
    payload_hash = sha256(body).hexdigest()
    canonical = _canonical_request(method, path, query, headers, names, payload_hash)
    expected = _signature(known.secret_key, region, service, stamp, scope, canonical)
    # Every part is compared whatever the others say, so that the time taken does not tell which of them differs.
    agreed = (
        scope == f"{stamp[:8]}/{region}/{service}/aws4_request",
        headers.get("x-amz-content-sha256", payload_hash) == payload_hash,
        _same(headers.get("x-amz-security-token", ""), known.session_token or ""),
        _same(claimed, expected),
    )
    if not all(agreed):
        raise SignatureRefused("signature_mismatch", "the signature is not that of this request")
    return known


def _parse(authorization: str) -> tuple[str, str, Sequence[str], str]:
    """Access key, credential scope, signed headers and signature of an ``Authorization`` header."""
    algorithm, _, rest = authorization.partition(" ")
    parts = {name: value for name, _, value in (part.strip().partition("=") for part in rest.split(","))}
    access_key, _, scope = parts.get("Credential", "").partition("/")
    names = parts.get("SignedHeaders", "").split(";")
    signature = parts.get("Signature", "")
    if algorithm != ALGORITHM or not (access_key and scope and signature):
        raise SignatureRefused("incomplete_signature", "the Authorization header is not a Signature Version 4 one")
    return access_key, scope, names, signature


def _epoch(stamp: str) -> float:
    try:
        return datetime.strptime(stamp, "%Y%m%dT%H%M%S%z").timestamp()
    except ValueError:
        raise SignatureRefused("incomplete_signature", "x-amz-date is not YYYYMMDDThhmmssZ") from None


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


@lru_cache(maxsize=16)
def timestamp(second: int) -> str:
    """A value of ``x-amz-date``; ``second`` counts from the epoch."""
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))


@lru_cache(maxsize=64)
def signing_key(secret_key: str, day: str, region: str, service: str) -> bytes:
    """The key that signs what is sent to a service in a region on a day, ``YYYYMMDD``; derived once."""
    key = f"AWS4{secret_key}".encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def _signature(secret_key: str, region: str, service: str, stamp: str, scope: str, canonical: str) -> str:
    to_sign = f"{ALGORITHM}\n{stamp}\n{scope}\n{sha256(canonical.encode()).hexdigest()}"
    return hmac.digest(signing_key(secret_key, stamp[:8], region, service), to_sign.encode(), "sha256").hex()


def _canonical_request(
    method: str, path: str, query: str, headers: Mapping[str, str], names: Sequence[str], payload_hash: str
) -> str:
    lines = "".join([f"{name}:{' '.join(headers[name].split())}\n" for name in names])
    return (
        f"{method.upper()}\n{canonical_path(path)}\n{_canonical_query(query) if query else ''}\n"
        f"{lines}\n{';'.join(names)}\n{payload_hash}"
    )


@lru_cache(maxsize=256)
def canonical_path(path: str) -> str:
    """Dot segments and empty ones removed (RFC 3986, section 5.2.4), then encoded a second time."""
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del kept[-1:]
        elif segment not in ("", "."):
            kept.append(segment)
    closing = "/" if kept and path.endswith("/") else ""
    return quote(f"/{'/'.join(kept)}{closing}", safe="/~")


def _canonical_query(query: str) -> str:
    pairs = sorted(pair.partition("=")[::2] for pair in query.split("&"))
    return "&".join([f"{name}={value}" for name, value in pairs])
