"""Who takes part in a channel, decided."""

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kxmsg.errors import Conflict
from kxmsg.model.channel import Channel, Participant
from kxmsg.participants import joined, moved, owns, participant_hash

NOW = 1_769_846_400.0
AT = "2026-01-31T08:00:00.000Z"
EARLIER = "2026-01-01T00:00:00.000Z"

IDS = st.text(st.characters(blacklist_characters="#", blacklist_categories=["Cs"]), min_size=1, max_size=8)


def person(user: str, role: str = "member", **fields: Any) -> Participant:
    return Participant(user, role, EARLIER, **fields)


def channel(*people: Participant, **fields: Any) -> Channel:
    fields = {"type": "group", "created_at": EARLIER, "created_by": "ana", **fields}
    return Channel("C", "acme", participants=people, **fields)


@given(st.lists(IDS), st.randoms())
def test_the_hash_is_that_of_the_set(users: list[str], rng: Random) -> None:
    shuffled = [*users, *users[:2]]
    rng.shuffle(shuffled)
    assert participant_hash("t", users) == participant_hash("t", shuffled)


@given(IDS, st.sets(IDS), IDS, st.sets(IDS))
def test_different_sets_and_tenants_have_different_hashes(
    one: str, users: set[str], other: str, more: set[str]
) -> None:
    same = (one, users) == (other, more)
    assert (participant_hash(one, users) == participant_hash(other, more)) is same


@pytest.mark.parametrize(("one", "other"), [(["a|b"], ["a", "b"]), (["ab"], ["a", "b"]), (["a", "bc"], ["ab", "c"])])
def test_ids_can_not_pretend_to_be_two(one: list[str], other: list[str]) -> None:
    assert participant_hash("t", one) != participant_hash("t", other)


def test_who_enters_and_who_leaves_is_told_apart_from_who_gets_another_role() -> None:
    before = channel(person("ana"), person("bob"), person("cleo"))
    change = moved(before, NOW, enter=[Participant("dan", "member", AT), person("ana", "admin")], leave=["bob"])
    assert [one.user for one in change.channel.participants] == ["ana", "cleo", "dan"]
    assert [(one.user, one.is_active, one.left_at) for one in change.left] == [("bob", False, AT)]
    assert [one.user for one in change.entered] == ["dan"]
    assert [(one.user, one.role, one.joined_at) for one in change.renamed] == [("ana", "admin", EARLIER)]
    assert change.channel.once("bob") == change.left[0]
    back = moved(change.channel, NOW, enter=[Participant("bob", "member", AT)])
    assert (back.channel.former, [one.user for one in back.entered]) == ((), ["bob"])


def test_joining_again_changes_nothing_but_a_role_or_a_name() -> None:
    before = channel(person("ana", name="Ana"))
    assert joined(before, Participant("ana", "member", AT), NOW) is None
    for again in (Participant("ana", "admin", AT), Participant("ana", "member", AT, "Anna")):
        change = joined(before, again, NOW)
        assert change is not None
        assert (change.entered, change.renamed[0].joined_at) == ((), EARLIER)
        assert change.renamed[0].name == (again.name or "Ana")


@pytest.mark.parametrize(
    ("fields", "code"), [({"is_active": False}, "channel_closed"), ({"type": "direct"}, "direct_channel")]
)
def test_what_is_closed_or_between_two_is_not_joined(fields: dict[str, Any], code: str) -> None:
    before = channel(person("ana"), **fields)
    assert joined(before, person("ana"), NOW) is None
    with pytest.raises(Conflict) as caught:
        joined(before, person("bob"), NOW)
    assert caught.value.code == code


def test_owners_are_who_made_it_and_who_has_such_a_role_while_they_take_part() -> None:
    before = channel(person("ana"), person("bob"), person("cleo", "admin"), person("dan", "owner"))
    assert [user for user in ("ana", "bob", "cleo", "dan", "eve") if owns(before, user)] == ["ana", "cleo", "dan"]
    assert not owns(moved(before, NOW, leave=["ana"]).channel, "ana")
