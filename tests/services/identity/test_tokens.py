"""kxmsg.services.identity.tokens: what attackers send, and what is remembered."""

import base64
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from jwt import PyJWK

from kxmsg.errors import Unauthenticated, Unavailable
from kxmsg.services.identity import StaticKeys, TokenVerifier
from kxmsg.services.identity import tokens as module
from tests.services.identity.tokens import (
    AUDIENCE,
    EC_KEY,
    ISSUER,
    JWKS,
    NOW,
    OTHER_KEY,
    RSA_KEY,
    FakeClock,
    jwk,
    token,
)


class CountingKeys(StaticKeys):
    """Counts the look-ups; each is one verification."""

    looked_up = 0

    async def find(self, kid: str) -> PyJWK | None:
        self.looked_up += 1
        return await super().find(kid)


def make(jwks: dict[str, Any] = JWKS, **options: Any) -> tuple[TokenVerifier, CountingKeys, FakeClock]:
    keys, clock = CountingKeys(jwks), FakeClock()
    return TokenVerifier(keys, issuer=ISSUER, audience=AUDIENCE, clock=clock, **options), keys, clock


async def refusal(bad: str, verifier: TokenVerifier | None = None) -> Unauthenticated:
    """The refusal, which must not repeat any part of the token."""
    with pytest.raises(Unauthenticated) as caught:
        await (verifier or make()[0]).verify(bad)
    words = f"{caught.value} {caught.value.details}"
    assert not any(part in words for part in bad.split(".") if len(part) > 3)
    return caught.value


@pytest.mark.parametrize(("key", "kid", "alg"), [(RSA_KEY, "rsa", "RS256"), (EC_KEY, "ec", "ES256")])
async def test_good_tokens_pass(key: Any, kid: str, alg: str) -> None:
    """RSA and elliptic curve."""
    who = await make()[0].verify(token(key, kid, alg))
    assert (who.user, who.tenant) == ("u1", "t1")
    assert who.roles == {"member"}


async def test_token_without_jti_gets_a_stable_id() -> None:
    """The same for the same token, another for another."""
    verifier = make()[0]
    one, other = token(), token(sub="u2")
    assert (await verifier.verify(one)).token_id == (await make()[0].verify(one)).token_id
    assert (await verifier.verify(one)).token_id != (await verifier.verify(other)).token_id


# ------------------------------------------------------------------------------------------------------ attacks


def _segment(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize("alg", ["none", "None", "NONE", ""])
async def test_unsigned_token_is_refused(alg: str) -> None:
    """RFC 8725, section 3.1: 'none' in any spelling, with or without a signature."""
    _, payload, signature = token().split(".")
    header = _segment({"alg": alg, "kid": "ec"})
    await refusal(f"{header}.{payload}.")
    await refusal(f"{header}.{payload}.{signature}")


@pytest.mark.parametrize("kid", ["rsa", "ec"])
@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
async def test_public_key_is_no_shared_secret(kid: str, encoding: Encoding) -> None:
    """HS256 with the public key's bytes as secret: the classic confusion of keys."""
    key = RSA_KEY if kid == "rsa" else EC_KEY
    public = key.public_key().public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo)
    _, payload, _ = token().split(".")
    unsigned = f"{_segment({'alg': 'HS256', 'kid': kid})}.{payload}"
    signature = jwt.get_algorithm_by_name("HS256").sign(unsigned.encode(), public)
    await refusal(f"{unsigned}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}")


async def test_symmetric_key_in_the_set_is_never_used() -> None:
    """A published secret would let everybody sign."""
    secret = "s" * 32
    entry = {"kty": "oct", "kid": "hmac", "alg": "HS256", "k": base64.urlsafe_b64encode(secret.encode()).decode()}
    verifier = make({"keys": [*JWKS["keys"], entry]}, algorithms=("ES256", "RS256", "HS256"))[0]
    error = await refusal(token(secret, "hmac", "HS256"), verifier)
    assert "not known" in error.message


async def test_algorithm_is_the_keys_not_the_tokens() -> None:
    """An RSA key announced for RS256 doesn't verify RS512 or PS256, even if those are allowed."""
    verifier = make(algorithms=("RS256", "RS512", "PS256"))[0]
    await refusal(token(RSA_KEY, "rsa", "RS512"), verifier)
    await refusal(token(RSA_KEY, "rsa", "PS256"), verifier)
    assert (await verifier.verify(token(RSA_KEY, "rsa", "RS256"))).user == "u1"


async def test_algorithm_outside_the_list_is_refused() -> None:
    """Though the key in the set names it."""
    verifier = make({"keys": [jwk(RSA_KEY, "r5", alg="RS512")]})[0]
    await refusal(token(RSA_KEY, "r5", "RS512"), verifier)


async def test_kid_must_belong_to_the_signer() -> None:
    """A token signed with one key that names the other."""
    await refusal(token(EC_KEY, "rsa", "ES256"))
    await refusal(token(OTHER_KEY, "ec", "ES256"))


@pytest.mark.parametrize("headers", [{"kid": "nobody"}, {"kid": "../../../dev/null"}, {"kid": "' OR 1=1 --"}])
async def test_unknown_kid_is_refused(headers: dict[str, Any]) -> None:
    """A kid is looked up, not interpreted."""
    assert "not known" in (await refusal(token(headers=headers))).message


async def test_missing_kid_is_refused() -> None:
    """No key is tried out."""
    assert "no key" in (await refusal(token(kid=None))).message


async def test_kid_that_is_no_text_is_refused() -> None:
    """RFC 7515, section 4.1.4."""
    _, payload, signature = token().split(".")
    await refusal(f"{_segment({'alg': 'ES256', 'kid': {'a': 1}})}.{payload}.{signature}")


@pytest.mark.parametrize(
    "headers",
    [
        {"jwk": jwk(OTHER_KEY, "ec")},
        {"jku": "http://127.0.0.1:9/jwks.json"},
        {"x5u": "http://127.0.0.1:9/cert.pem"},
        {"x5c": ["MIIB"]},
    ],
)
async def test_key_brought_along_is_ignored(headers: dict[str, Any]) -> None:
    """The attacker's key in, or named by, the token's header (RFC 8725, section 3.10)."""
    await refusal(token(OTHER_KEY, "ec", headers=headers))


@pytest.mark.parametrize("where", ["jwk", "jku", "x5u"])
async def test_key_brought_along_is_not_looked_up_by_another_name(where: str) -> None:
    """Not even where the set has no such key: nothing is fetched, and the keys of the set are asked alone."""
    verifier, keys, _ = make()
    brought = {"jwk": jwk(OTHER_KEY, "mine")} if where == "jwk" else {where: "http://127.0.0.1:9/keys"}
    assert "not known" in (await refusal(token(OTHER_KEY, "mine", headers=brought), verifier)).message
    assert keys.looked_up == 1


async def test_token_without_an_algorithm_is_refused() -> None:
    """RFC 7515, section 4.1.1: it must be there."""
    _, payload, signature = token().split(".")
    await refusal(f"{_segment({'kid': 'ec'})}.{payload}.{signature}")


async def test_detached_payload_is_refused() -> None:
    """RFC 7797: what would be signed is not what is read."""
    _, payload, signature = token().split(".")
    await refusal(f"{_segment({'alg': 'ES256', 'kid': 'ec', 'b64': False, 'crit': ['b64']})}.{payload}.{signature}")
    await refusal(f"{_segment({'alg': 'ES256', 'kid': 'ec'})}..{signature}")


@pytest.mark.parametrize("exp", ["9999999999", True, [], {}])
async def test_expiry_that_is_no_number_is_refused(exp: Any) -> None:
    """RFC 7519, section 2: a NumericDate."""
    assert "exp" in (await refusal(token(exp=exp))).message


async def test_unknown_critical_extension_is_refused() -> None:
    """RFC 7515, section 4.1.11."""
    await refusal(token(headers={"crit": ["exp2"], "exp2": 1}))


async def test_changed_claims_are_noticed() -> None:
    """The signature covers them."""
    header, payload, signature = token().split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    await refusal(f"{header}.{_segment({**claims, 'roles': ['admin']})}.{signature}")


async def test_short_rsa_key_is_refused() -> None:
    """NIST SP 800-131A: at least 2048 bits."""
    weak = rsa.generate_private_key(65537, 1024)  # noqa: S505 - weak on purpose
    _, payload, _ = token().split(".")
    unsigned = f"{_segment({'alg': 'RS256', 'kid': 'weak'})}.{payload}"
    signature = jwt.get_algorithm_by_name("RS256").sign(unsigned.encode(), weak)
    bad = f"{unsigned}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"
    await refusal(bad, make({"keys": [jwk(weak, "weak")]})[0])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"iss": "evil"}, "issuer"),
        ({"aud": "evil"}, "audience"),
        ({"exp": NOW - 60}, "expired"),
        ({"exp": None}, "expiry"),
        ({"nbf": NOW + 60}, "not valid yet"),
        ({"tenantId": None}, "tenant"),
        ({"sub": None}, "subject"),
        ({"tenantId": "*"}, "everybody"),
    ],
)
async def test_claims_are_checked(changes: dict[str, Any], words: str) -> None:
    """A good signature is not enough."""
    assert words in (await refusal(token(**changes))).message


@pytest.mark.parametrize(
    "bad", ["", ".", "..", "a.b.c", "Bearer x", "é.é.é", "x" * 10_000, "W10.W10.W10", "bnVsbA.bnVsbA.bnVsbA", "\x00"]
)
async def test_garbage_is_refused(bad: str) -> None:
    """As a refusal, never as an error of the library's."""
    assert (await refusal(bad)).code == "invalid_token"


@given(st.text(max_size=200))
async def test_any_text_is_refused(text: str) -> None:
    """Whatever it is."""
    with pytest.raises(Unauthenticated):
        await make()[0].verify(text)


async def test_huge_token_is_refused_unread() -> None:
    """Before any work is done with it."""
    verifier, keys, _ = make()
    await refusal(token(padding="x" * 8192), verifier)
    assert keys.looked_up == 0


async def test_claims_that_are_no_object_are_refused() -> None:
    """A signed list is no set of claims."""
    bad = jwt.PyJWS().encode(b"[1]", EC_KEY, algorithm="ES256", headers={"kid": "ec"})
    assert "object" in (await refusal(bad)).message


# -------------------------------------------------------------------------------------------------------- cache


async def test_verified_token_is_remembered_for_a_minute() -> None:
    """A second call costs no signature check; after 60 s it does again."""
    verifier, keys, clock = make()
    good = token()
    first = await verifier.verify(good)
    clock.time += 59.9
    assert await verifier.verify(good) is first
    assert keys.looked_up == 1
    clock.time += 0.1
    assert await verifier.verify(good) == first
    assert keys.looked_up == 2


async def test_memory_ends_with_the_token() -> None:
    """An expired token is not served from the memory."""
    verifier, _, clock = make(leeway=0)
    good = token(exp=NOW + 10)
    await verifier.verify(good)
    clock.time += 10
    assert (await refusal(good, verifier)).code == "token_expired"


async def test_refused_token_is_not_remembered() -> None:
    """It is checked each time."""
    verifier, keys, _ = make()
    await refusal(token(aud="evil"), verifier)
    await refusal(token(aud="evil"), verifier)
    assert keys.looked_up == 2


async def test_memory_is_bounded_and_holds_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest goes first; keys are hashes."""
    monkeypatch.setattr(module, "CACHE_SIZE", 2)
    verifier, keys, _ = make()
    several = [token(sub=f"u{number}") for number in range(3)]
    for good in several:
        await verifier.verify(good)
    assert len(verifier._cache) == 2
    assert all(isinstance(key, bytes) and len(key) == 32 for key in verifier._cache)
    await verifier.verify(several[2])
    assert keys.looked_up == 3
    await verifier.verify(several[0])
    assert keys.looked_up == 4


async def test_no_keys_is_not_the_callers_fault() -> None:
    """503, not 401."""

    class NoKeys:
        async def find(self, kid: str) -> PyJWK | None:
            raise Unavailable("no keys")

    verifier = TokenVerifier(NoKeys(), issuer=ISSUER, audience=AUDIENCE, clock=FakeClock())
    with pytest.raises(Unavailable):
        await verifier.verify(token())
