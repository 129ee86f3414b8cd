"""Targets and ids."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kxmsg.errors import InvalidInput
from kxmsg.model.target import BROADCAST, EVERYBODY, Target, check_id, check_tenant, owner


@given(st.text())
def test_an_id_is_taken_as_it_is_or_refused(ident: str) -> None:
    if ident and "#" not in ident and ident.isprintable() and len(ident.encode()) <= 256:
        assert check_id(ident, "userId") == ident
        return
    with pytest.raises(InvalidInput, match="userId") as caught:
        check_id(ident, "userId")
    assert caught.value.code == "invalid_id"


@pytest.mark.parametrize("ident", ["", "a#b", "a\nb", "a\x00", "x" * 257, "é" * 129, "\ud800", None, 5, ["a"], True])
def test_what_can_not_stand_in_a_key_is_refused(ident: object) -> None:
    with pytest.raises(InvalidInput):
        check_id(ident, "userId")  # type: ignore[arg-type] # that is the point


def test_256_bytes_are_just_allowed() -> None:
    assert check_id("é" * 128, "userId") == "é" * 128


@pytest.mark.parametrize("key", ["user#ana", "client#acme", "channel#a b", "broadcast"])
def test_a_key_names_its_target(key: str) -> None:
    assert Target.parse(key).key == key


@pytest.mark.parametrize("key", ["", "user", "user#", "user#a#b", "broadcast#x", "room#1", "USER#a"])
def test_what_is_no_target_is_refused(key: str) -> None:
    with pytest.raises(InvalidInput):
        Target.parse(key)


def test_a_client_owns_its_log_and_everybody_the_broadcast() -> None:
    assert owner("acme", Target("user", "ana")) == "acme"
    assert owner("acme", Target("client", "globex")) == "globex"
    assert owner("acme", BROADCAST) == EVERYBODY


def test_no_client_is_the_tenant_of_everybody() -> None:
    """Its log would stand beside the broadcast."""
    assert check_tenant("acme", "tenantId") == "acme"
    with pytest.raises(InvalidInput, match=r"tenantId may not be '\*', which stands for everybody"):
        check_tenant(EVERYBODY, "tenantId")
    with pytest.raises(InvalidInput, match="clientId may not be"):
        Target.of("client", EVERYBODY)
    assert Target.of("user", EVERYBODY).key == "user#*"
