"""kxmsg.aws.wire.signer signs as botocore does."""

import string
from datetime import UTC, datetime
from unittest.mock import patch
from urllib.parse import quote

import botocore.auth  # type: ignore[import-untyped]  # botocore has no stubs
import botocore.credentials  # type: ignore[import-untyped]  # botocore has no stubs
import pytest
from botocore.awsrequest import AWSRequest  # type: ignore[import-untyped]  # botocore has no stubs
from hypothesis import given
from hypothesis import strategies as st

from kxmsg.aws.wire.signer import Signer
from kxmsg.errors import ConfigError
from kxmsg.sigv4 import Credentials, canonical_path, signing_key

NOW = datetime(2026, 3, 1, 12, 30, 45, tzinfo=UTC)
SECOND = int(NOW.timestamp())
HOST = "abc123.execute-api.eu-central-1.amazonaws.com"
KEYS = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")

words = st.text(string.ascii_letters + string.digits + "-_.~ é€@:=+$&/%", max_size=12)
paths = st.lists(st.sampled_from(["", ".", "..", "@connections", "L0SM9cOFvHcCIhw%3D"]) | words, max_size=5).map(
    lambda parts: "/" + "/".join(quote(part, safe="@:.~%") for part in parts)
)
values = st.text(string.ascii_letters + string.digits + " ,;=/", max_size=20).map(str.strip)
headers = st.dictionaries(st.sampled_from(["content-type", "x-amz-target", "x-custom", "accept"]), values)
credentials = st.builds(
    Credentials,
    st.text(string.ascii_uppercase + string.digits, min_size=4, max_size=20),
    st.text(string.ascii_letters + string.digits + "/+", min_size=1, max_size=80),
    st.none() | st.text(string.ascii_letters + string.digits + "/+=", min_size=1, max_size=80),
)


def split(head: bytes) -> tuple[str, dict[str, str]]:
    """The request line, and the fields by name."""
    line, *fields, end, rest = head.decode().split("\r\n")
    assert (end, rest) == ("", "")
    pairs = [field.split(": ", 1) if ": " in field else [field.rstrip(":"), ""] for field in fields]
    assert len(dict(pairs)) == len(pairs)
    return line, dict(pairs)


def botocore_signs(
    keys: Credentials, method: str, path: str, given: dict[str, str], body: bytes, region: str, service: str
) -> dict[str, str]:
    request = AWSRequest(method=method, url=f"https://{HOST}{path}", headers={"host": HOST, **given}, data=body)
    signer = botocore.auth.SigV4Auth(
        botocore.credentials.Credentials(keys.access_key, keys.secret_key, keys.session_token), service, region
    )
    with patch.object(botocore.auth, "get_current_datetime", lambda: NOW.replace(tzinfo=None)):
        signer.add_auth(request)
    return {name.lower(): value for name, value in request.headers.items()}


@given(
    credentials,
    st.sampled_from(["POST", "DELETE", "GET"]),
    paths,
    headers,
    st.binary(max_size=200),
    st.sampled_from(["eu-central-1", "us-east-1"]),
    st.sampled_from(["execute-api", "sqs", "dynamodb"]),
)
def test_the_signature_is_botocores(
    keys: Credentials, method: str, path: str, extra: dict[str, str], body: bytes, region: str, service: str
) -> None:
    """Over methods, paths with spaces, letters beyond ASCII and escapes, header values with spaces, and tokens."""
    signer = Signer(method, {"host": HOST, **extra}, region=region, service=service)
    line, fields = split(signer.head(path, canonical_path(path), body, keys, SECOND))
    assert line == f"{method} {path} HTTP/1.1"
    assert fields.pop("content-length") == str(len(body))
    assert fields.pop("user-agent") == "kxmsg"
    assert fields == botocore_signs(keys, method, path, extra, body, region, service)


@given(st.lists(st.tuples(st.binary(max_size=30), st.integers(0, 2), st.sampled_from([None, "t1", "t2"])), max_size=8))
def test_what_it_remembers_never_shows_in_a_signature(calls: list[tuple[bytes, int, str | None]]) -> None:
    """The same signer, from second to second and day to day, with changing credentials, signs as a fresh one does."""
    known = {token: Credentials(KEYS.access_key, f"secret of {token}", token) for token in (None, "t1", "t2")}
    used = Signer("POST", {"host": HOST}, region="eu-central-1", service="sqs")
    for body, step, token in calls:
        second = SECOND + step * 43_200
        fresh = Signer("POST", {"host": HOST}, region="eu-central-1", service="sqs")
        assert used.head("/", "/", body, known[token], second) == fresh.head("/", "/", body, known[token], second)


def test_the_signing_key_is_derived_once_a_day() -> None:
    signing_key.cache_clear()
    signers = [Signer("POST", {"host": HOST}, region="eu-central-1", service="sqs") for _ in range(3)]
    for signer in signers:
        for second in range(3):
            signer.head("/", "/", b"", KEYS, SECOND + second)
    assert signing_key.cache_info().misses == 1


@pytest.mark.parametrize("keys", [Credentials("AKID\n", "s"), Credentials("AKID", "s", "token\r\nx: y")])
def test_credentials_that_would_break_the_header_are_refused_and_not_shown(keys: Credentials) -> None:
    with pytest.raises(ConfigError, match="line break") as caught:
        Signer("POST", {"host": HOST}, region="eu-central-1", service="sqs").head("/", "/", b"", keys, SECOND)
    assert "token\r" not in str(caught.value)
