"""kxmsg.services.identity.claims: what a token must say."""

from typing import Any

import pytest

from kxmsg.errors import Unauthenticated
from kxmsg.services.identity.claims import ClaimRules

NOW = 1_700_000_000.0
RULES = ClaimRules("issuer", "app")
GOOD: dict[str, Any] = {"iss": "issuer", "aud": "app", "sub": "u1", "tenantId": "t1", "exp": NOW + 60}


def claims(**changes: Any) -> dict[str, Any]:
    """Good claims with changes; None takes a claim away."""
    return {name: value for name, value in {**GOOD, **changes}.items() if value is not None}


def refusal(given: dict[str, Any]) -> Unauthenticated:
    with pytest.raises(Unauthenticated) as caught:
        RULES.principal(given, now=NOW, fallback_id="f")
    return caught.value


def test_everything_a_token_says_arrives() -> None:
    """User, tenant, roles, name, email, expiry and id."""
    who = RULES.principal(
        claims(roles=["admin"], name="Ann", email="a@example.com", jti="j1"), now=NOW, fallback_id="f"
    )
    assert (who.user, who.tenant, who.name, who.email) == ("u1", "t1", "Ann", "a@example.com")
    assert who.roles == {"admin"}
    assert (who.expires_at, who.token_id) == (NOW + 60, "j1")
    assert who.is_admin
    assert not who.is_system


def test_a_token_without_an_id_gets_the_fallback() -> None:
    """The caller passes a digest, so that tokens can be told apart."""
    assert RULES.principal(claims(), now=NOW, fallback_id="f").token_id == "f"


@pytest.mark.parametrize("audience", ["app", ["other", "app"]])
def test_audience_may_be_one_or_several(audience: Any) -> None:
    """RFC 7519, section 4.1.3."""
    assert RULES.principal(claims(aud=audience), now=NOW, fallback_id="f").user == "u1"


@pytest.mark.parametrize("audience", ["other", "ap", "application", ["other"], [], "", {"app": 1}, 7])
def test_another_audience_is_refused(audience: Any) -> None:
    """Also one that merely contains ours."""
    assert "audience" in refusal(claims(aud=audience)).message


def test_cognito_access_token_names_us_as_client() -> None:
    """It has client_id where others have aud."""
    given = claims(aud=None, client_id="app", token_use="access")
    assert RULES.principal(given, now=NOW, fallback_id="f").user == "u1"


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": None},
        {"aud": None, "client_id": "app"},
        {"aud": None, "client_id": "app", "token_use": "id"},
        {"aud": None, "client_id": "other", "token_use": "access"},
        {"aud": "other", "client_id": "app", "token_use": "access"},
    ],
)
def test_client_id_counts_only_in_access_tokens_without_audience(changes: dict[str, Any]) -> None:
    """Anything else is for another audience."""
    assert "audience" in refusal(claims(**changes)).message


@pytest.mark.parametrize("issuer", [None, "other", "issuer/", ["issuer"]])
def test_another_issuer_is_refused(issuer: Any) -> None:
    """The issuer is compared as a whole."""
    assert "issuer" in refusal(claims(iss=issuer)).message


def test_expiry_is_required() -> None:
    """A token for ever is no token."""
    assert refusal(claims(exp=None)).code == "invalid_token"


@pytest.mark.parametrize(("seconds", "good"), [(-4, True), (-5, False), (-3600, False)])
def test_expiry_allows_for_the_leeway(seconds: float, good: bool) -> None:
    """Five seconds by default; an expired token has its own code, so that a client refreshes it."""
    if good:
        assert RULES.principal(claims(exp=NOW + seconds), now=NOW, fallback_id="f").expires_at == NOW + seconds
    else:
        assert refusal(claims(exp=NOW + seconds)).code == "token_expired"


@pytest.mark.parametrize("claim", ["nbf", "iat"])
def test_not_yet_valid_is_refused(claim: str) -> None:
    """Not before, and not issued in the future, but for the leeway."""
    assert RULES.principal(claims(**{claim: NOW + 5}), now=NOW, fallback_id="f").user == "u1"
    assert "not valid yet" in refusal(claims(**{claim: NOW + 6})).message


@pytest.mark.parametrize("claim", ["exp", "nbf", "iat"])
@pytest.mark.parametrize("value", ["9999999999", True, [], {}])
def test_times_are_numbers(claim: str, value: Any) -> None:
    """RFC 7519, section 2: NumericDate."""
    assert "not a number" in refusal(claims(**{claim: value})).message


@pytest.mark.parametrize("subject", [None, "", "a#b", "a\nb", "x" * 257, 7, ["u1"]])
def test_subject_must_be_able_to_stand_in_a_key(subject: Any) -> None:
    """It becomes the user's id."""
    assert "subject" in refusal(claims(sub=subject)).message


@pytest.mark.parametrize("tenant", [None, "", "a#b", "a\x00", "x" * 257, 7])
def test_tenant_must_be_able_to_stand_in_a_key(tenant: Any) -> None:
    """It heads every key."""
    assert "tenant" in refusal(claims(tenantId=tenant)).message


def test_first_tenant_claim_present_counts() -> None:
    """The second is looked at only without the first, and a bad first is not made good by the second."""
    both = claims(**{"custom:tenantId": "t2"})
    assert RULES.principal(both, now=NOW, fallback_id="f").tenant == "t1"
    assert RULES.principal({**both, "tenantId": None}, now=NOW, fallback_id="f").tenant == "t2"
    assert "tenant" in refusal({**both, "tenantId": ""}).message


def test_tenant_of_everybody_is_for_system_alone() -> None:
    """An admin can't reach it."""
    assert "everybody" in refusal(claims(tenantId="*", roles=["admin"])).message
    assert RULES.principal(claims(tenantId="*", roles=["system"]), now=NOW, fallback_id="f").is_system


@pytest.mark.parametrize(
    ("given", "roles"),
    [
        (["employee", "admin"], {"employee", "admin"}),
        ("employee admin", {"employee", "admin"}),
        ("employee,admin", {"employee", "admin"}),
        ("employee, admin", {"employee", "admin"}),
        ("agent", {"agent"}),
        (None, {"member"}),
        ([], {"member"}),
        ("", {"member"}),
        (["eu-west-1_abc_Google"], {"eu-west-1_abc_Google", "member"}),
    ],
)
def test_roles_are_a_list_or_a_text(given: Any, roles: set[str]) -> None:
    """Whoever has none of the product's roles is a member."""
    assert RULES.principal(claims(roles=given), now=NOW, fallback_id="f").roles == roles


def test_first_role_claim_present_counts() -> None:
    """Groups of the pool can't add to the roles that a token states."""
    given = claims(**{"roles": ["member"], "cognito:groups": ["admin"]})
    assert RULES.principal(given, now=NOW, fallback_id="f").roles == {"member"}
    assert RULES.principal({**given, "roles": None}, now=NOW, fallback_id="f").roles == {"admin"}


@pytest.mark.parametrize("roles", [{"admin": True}, 7, ["admin", 7], [["admin"]], True])
def test_other_shapes_of_roles_are_refused(roles: Any) -> None:
    """Nothing is guessed."""
    assert "roles" in refusal(claims(roles=roles)).message


def test_name_and_email_count_only_as_text() -> None:
    """Odd ones are left out, not refused."""
    who = RULES.principal(claims(name=7, email=["x"]), now=NOW, fallback_id="f")
    assert (who.name, who.email) == (None, None)


@pytest.mark.parametrize(
    ("claim", "locale"),
    [("en-US", "en-us"), ("pt_BR", "pt-br"), ("de", "de"), (None, None), ("", None), ("German", None), (["de"], None)],
)
def test_locale_is_read_as_variants_are_kept_by(claim: Any, locale: str | None) -> None:
    """OpenID Connect Core, section 5.1, allows an underscore; an odd one is left out, not refused."""
    assert RULES.principal(claims(locale=claim), now=NOW, fallback_id="f").locale == locale
