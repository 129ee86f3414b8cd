"""kxmsg.sigv4 signs as botocore does, and verifies what it and botocore have signed."""

import string
from datetime import UTC, datetime
from unittest.mock import patch
from urllib.parse import quote

import botocore.auth  # type: ignore[import-untyped]  # botocore has no stubs
import botocore.credentials  # type: ignore[import-untyped]  # botocore has no stubs
import pytest
from botocore.awsrequest import AWSRequest  # type: ignore[import-untyped]  # botocore has no stubs
from hypothesis import assume, given
from hypothesis import strategies as st

from kxmsg import sigv4
from kxmsg.sigv4 import Credentials, SignatureRefused, sign, verify

NOW = datetime(2026, 3, 1, 12, 30, 45, tzinfo=UTC)
AT = NOW.timestamp()
KEYS = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
HOST = "gateway.example.com:8081"

words = st.text(string.ascii_letters + string.digits + "-_.~ é€@:=+$&/%", max_size=12)
paths = st.lists(st.sampled_from(["", ".", ".."]) | words, max_size=5).map(
    lambda parts: "/" + "/".join(quote(part, safe="@:.~") for part in parts)
)
queries = st.lists(st.tuples(words, words), max_size=4).map(
    lambda pairs: "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in pairs)
)
header_values = st.text(string.ascii_letters + string.digits + " ,;=/\t", max_size=20)
headers = st.dictionaries(
    st.sampled_from(["content-type", "x-amz-target", "x-custom", "accept", "amz-sdk-request"]), header_values
)
credentials = st.builds(
    Credentials,
    st.text(string.ascii_uppercase + string.digits, min_size=4, max_size=20),
    st.text(string.ascii_letters + string.digits + "/+", min_size=1, max_size=40),
    st.none() | st.text(string.ascii_letters + string.digits + "/+=", min_size=1, max_size=80),
)


def botocore_signs(
    keys: Credentials, method: str, path: str, query: str, given: dict[str, str], body: bytes, region: str, service: str
) -> dict[str, str]:
    """The headers of the same request once botocore has signed it."""
    url = f"https://{HOST}{path}" + (f"?{query}" if query else "")
    request = AWSRequest(method=method, url=url, headers={"host": HOST, **given}, data=body)
    signer = botocore.auth.SigV4Auth(
        botocore.credentials.Credentials(keys.access_key, keys.secret_key, keys.session_token), service, region
    )
    with patch.object(botocore.auth, "get_current_datetime", lambda: NOW.replace(tzinfo=None)):
        signer.add_auth(request)
    return {name.lower(): value for name, value in request.headers.items()}


@given(
    credentials,
    st.sampled_from(["GET", "POST", "PUT", "DELETE", "post"]),
    paths,
    queries,
    headers,
    st.binary(max_size=200),
    st.sampled_from(["eu-central-1", "us-east-1", "local"]),
    st.sampled_from(["execute-api", "sqs", "dynamodb"]),
)
def test_the_signature_is_botocores(
    keys: Credentials,
    method: str,
    path: str,
    query: str,
    extra: dict[str, str],
    body: bytes,
    region: str,
    service: str,
) -> None:
    """Over methods, paths (normalised and encoded twice), queries, headers, bodies and session tokens."""
    expected = botocore_signs(keys, method, path, query, extra, body, region, service)
    given_headers = {"host": HOST, **extra}
    added = sign(keys, method, path, query, given_headers, body, region=region, service=service, now=AT)
    assert {name: expected[name] for name in added} == added
    assert added.keys() | given_headers.keys() == expected.keys()


@given(credentials, paths, queries, headers, st.binary(max_size=100))
def test_what_botocore_signed_is_accepted(
    keys: Credentials, path: str, query: str, extra: dict[str, str], body: bytes
) -> None:
    signed = botocore_signs(keys, "POST", path, query, extra, body, "local", "execute-api")
    assert accept(keys, signed, path=path, query=query, body=body) == keys


@given(st.binary(max_size=50), st.binary(max_size=50))
def test_another_body_is_refused(body: bytes, other: bytes) -> None:
    assume(body != other)
    signed = {"host": HOST} | sign(KEYS, "POST", "/", "", {"host": HOST}, body, region="local", service="s", now=AT)
    with pytest.raises(SignatureRefused):
        accept(KEYS, signed, body=other, service="s")


@given(st.text(max_size=200))
def test_an_arbitrary_authorization_header_is_refused(text: str) -> None:
    with pytest.raises(SignatureRefused):
        accept(KEYS, signed_request() | {"authorization": text})


@given(st.text(max_size=30))
def test_an_arbitrary_date_is_refused(text: str) -> None:
    with pytest.raises(SignatureRefused):
        accept(KEYS, signed_request() | {"x-amz-date": text})


def signed_request(keys: Credentials = KEYS, *, extra: dict[str, str] | None = None, at: float = AT) -> dict[str, str]:
    """The headers of a good ``POST /@connections/abc`` with body ``hello``."""
    given_headers = {"host": HOST, **(extra or {})}
    return given_headers | sign(
        keys, "POST", "/@connections/abc", "", given_headers, b"hello", region="local", service="execute-api", now=at
    )


def accept(
    keys: Credentials,
    signed: dict[str, str],
    *,
    method: str = "POST",
    path: str = "/@connections/abc",
    query: str = "",
    body: bytes = b"hello",
    region: str = "local",
    service: str = "execute-api",
    now: float = AT,
) -> Credentials:
    return verify(
        method,
        path,
        query,
        signed,
        body,
        credentials={keys.access_key: keys},
        region=region,
        service=service,
        now=now,
    )


def refusal(signed: dict[str, str], keys: Credentials = KEYS, now: float = AT) -> str:
    with pytest.raises(SignatureRefused) as caught:
        accept(keys, signed, now=now)
    assert caught.value.status == 403
    return caught.value.code


def test_a_good_request_is_accepted() -> None:
    assert accept(KEYS, signed_request()) is KEYS


@pytest.mark.parametrize(
    "changed",
    [
        {"method": "DELETE"},
        {"path": "/@connections/abd"},
        {"query": "a=b"},
        {"region": "eu-west-1"},
        {"service": "sqs"},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_a_signature_is_good_for_its_own_request_alone(changed: dict[str, str]) -> None:
    with pytest.raises(SignatureRefused) as caught:
        accept(KEYS, signed_request(), **changed)  # type: ignore[arg-type]  # all of them are strings
    assert caught.value.code == "signature_mismatch"


def test_a_changed_signed_header_is_refused() -> None:
    assert refusal(signed_request() | {"host": "other.example.com"}) == "signature_mismatch"


def test_an_added_header_that_is_not_signed_is_of_no_account() -> None:
    assert accept(KEYS, signed_request() | {"user-agent": "added"}) is KEYS


def test_an_unsigned_request_is_refused() -> None:
    assert refusal({"host": HOST}) == "missing_authentication_token"


def test_an_unknown_access_key_is_refused() -> None:
    assert refusal(signed_request(Credentials("AKIDOTHER", KEYS.secret_key))) == "unknown_access_key"


def test_another_secret_is_refused() -> None:
    assert refusal(signed_request(Credentials(KEYS.access_key, "guess"))) == "signature_mismatch"


@pytest.mark.parametrize("seconds", [-301, 301])
def test_a_date_too_far_off_is_refused(seconds: int) -> None:
    assert refusal(signed_request(), now=AT + seconds) == "signature_expired"


@pytest.mark.parametrize("seconds", [-300, 300])
def test_a_date_within_five_minutes_is_accepted(seconds: int) -> None:
    assert accept(KEYS, signed_request(), now=AT + seconds) is KEYS


@pytest.mark.parametrize("name", ["host", "x-amz-date"])
def test_host_and_date_must_be_signed(name: str) -> None:
    signed = signed_request(extra={"accept": "*/*"})
    names = ";".join(sorted({"accept", "host", "x-amz-date"} - {name}))
    signed["authorization"] = signed["authorization"].replace("accept;host;x-amz-date", names)
    assert refusal(signed) == "incomplete_signature"


def test_a_signed_header_that_is_missing_is_refused() -> None:
    signed = signed_request(extra={"accept": "*/*"})
    del signed["accept"]
    assert refusal(signed) == "incomplete_signature"


def test_a_declared_hash_of_another_body_is_refused_though_it_is_signed() -> None:
    assert refusal(signed_request(extra={"x-amz-content-sha256": "UNSIGNED-PAYLOAD"})) == "signature_mismatch"


def test_the_session_token_must_be_the_keys_own() -> None:
    keys = Credentials(KEYS.access_key, KEYS.secret_key, "token")
    assert accept(keys, signed_request(keys)) is keys
    assert refusal(signed_request(KEYS), keys) == "incomplete_signature"
    assert refusal(signed_request(Credentials(KEYS.access_key, KEYS.secret_key, "other")), keys) == "signature_mismatch"
    assert refusal(signed_request(keys), KEYS) == "signature_mismatch"


def test_the_signing_key_is_derived_once_a_day() -> None:
    sigv4.signing_key.cache_clear()
    for second in range(5):
        signed_request(at=AT + second)
    assert sigv4.signing_key.cache_info().misses == 1
    signed_request(at=AT + 86_400)
    assert sigv4.signing_key.cache_info().misses == 2


def test_secrets_do_not_show() -> None:
    assert repr(Credentials("AKID", "secret", "token")) == "Credentials(access_key='AKID')"
