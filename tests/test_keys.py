"""Ids and keys."""

import re

from hypothesis import given
from hypothesis import strategies as st

from kxmsg import keys
from kxmsg.model.target import BROADCAST, Target

idents = st.text(st.characters(blacklist_characters="#", blacklist_categories=["C"]), min_size=1, max_size=20)


def test_fresh_ids_differ_and_sort_by_time() -> None:
    early, late = keys.new_id(1_000.0), keys.new_id(1_000.001)
    assert early < late
    assert keys.new_id(1_000.0) != early


@given(st.floats(0, 4e9), st.lists(st.text(max_size=8) | st.integers(), max_size=4))
def test_a_derived_id_repeats_and_is_a_ulid(at: float, parts: list[str | int]) -> None:
    ident = keys.derived_id(at, *parts)
    assert ident == keys.derived_id(at, *parts)
    assert re.fullmatch("[0-7][0-9A-HJKMNP-TV-Z]{25}", ident)


def test_derived_ids_tell_their_parts_apart() -> None:
    assert len({keys.derived_id(0, *parts) for parts in (["ab", "c"], ["a", "bc"], ["abc"], ["ab", "c", ""])}) == 4


@given(st.integers(1, 10**12 - 1), st.integers(1, 10**12 - 1))
def test_entry_keys_sort_as_their_numbers_and_below_the_head(one: int, other: int) -> None:
    assert (keys.entry_key(one) < keys.entry_key(other)) == (one < other)
    assert keys.entry_key(one) < keys.HEAD
    assert keys.entry_sequence(keys.entry_key(one)) == one


@given(st.tuples(idents, idents), st.tuples(idents, idents))
def test_no_two_logs_share_a_partition_or_a_group(one: tuple[str, str], other: tuple[str, str]) -> None:
    (tenant, user), (other_tenant, other_user) = one, other
    mine, theirs = Target("user", user), Target("user", other_user)
    assert (keys.log_key(tenant, mine) == keys.log_key(other_tenant, theirs)) == (one == other)
    assert (keys.group_id(tenant, mine) == keys.group_id(other_tenant, theirs)) == (one == other)


@given(idents, idents)
def test_the_tenant_heads_every_key_of_what_it_owns(tenant: str, ident: str) -> None:
    target = Target("channel", ident)
    made = [
        keys.log_key(tenant, target),
        keys.id_key(tenant, ident),
        keys.channel_key(tenant, ident),
        keys.member_key(tenant, ident),
        keys.users_key(tenant),
        keys.idempotency_key(tenant, ident, "scope"),
        keys.subscription_key(tenant, target, 0),
    ]
    assert all(key.startswith(f"{tenant}#") for key in made)
    assert len(set(made)) == len(made)


@given(idents)
def test_groups_fit_what_aws_allows(ident: str) -> None:
    for group in (keys.group_id(ident, BROADCAST), keys.tenant_group(ident)):
        assert 0 < len(group) <= 128
        assert group.isascii()


@given(st.text(), st.integers(1, 64))
def test_a_shard_is_always_the_same_and_in_range(ident: str, shards: int) -> None:
    assert 0 <= keys.shard_of(ident, shards) < shards
    assert keys.shard_of(ident, shards) == keys.shard_of(ident, shards)
