"""The codec of everything that travels between stages."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kxmsg.codecs.envelope import decode_bundle, decode_parcel, encode_bundle, encode_parcel
from kxmsg.errors import Poison
from kxmsg.model.envelope import Bundle, Change, Entry, Envelope, Parcel
from kxmsg.model.target import BROADCAST, Target
from tests.product import DESK, USER, bundle, envelope

text = st.text(st.characters(blacklist_categories=["Cs"]), max_size=10)
numbers = st.integers(-(2**53), 2**53)
json = st.recursive(
    st.none() | st.booleans() | numbers | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=8,
)
targets = st.sampled_from([USER, DESK, BROADCAST, Target("client", "acme")])


@st.composite
def envelopes(draw: st.DrawFn, target: Target) -> Envelope:
    return Envelope(
        id=draw(text.filter(bool)),
        tenant="acme",
        target=target,
        kind=draw(st.sampled_from(["notification", "message"])),
        ordering=draw(st.sampled_from(["fifo", "standard"])),
        payload=draw(st.dictionaries(text, json, max_size=3)),
        created_at=draw(st.integers(0, 2**45)),
        content_type=draw(st.sampled_from(["application/json", "text/plain"])),
        origin=draw(st.none() | text),
        trace=draw(st.none() | text),
        hops=draw(st.integers(0, 3)),
        expires_at=draw(st.none() | st.integers(0, 2**33)),
    )


@given(st.data(), targets)
def test_parcels_and_bundles_survive_the_round_trip(data: st.DataObject, target: Target) -> None:
    inside = tuple(data.draw(st.lists(envelopes(target), min_size=1, max_size=3)))
    parcel = Parcel("acme", target, "fifo", inside)
    assert decode_parcel(encode_parcel(parcel)) == parcel
    committed = Bundle("acme", target, "standard", "E", tuple(Entry(n, one) for n, one in enumerate(inside, start=1)))
    assert decode_bundle(encode_bundle(committed)) == committed


changes = st.builds(
    Change,
    kind=st.sampled_from(["updated", "deleted", "reaction"]),
    at=st.integers(0, 2**45),
    by=st.none() | text,
    detail=st.dictionaries(text, json, max_size=3),
    origin=st.none() | text,
)


@given(st.data(), targets, changes)
def test_what_was_done_to_an_entry_survives_the_round_trip(data: st.DataObject, target: Target, change: Change) -> None:
    entry = Entry(4, data.draw(envelopes(target)), 9, change.at, data.draw(st.none() | st.just(change.at)))
    told = Bundle("acme", target, "fifo", "E", (entry,), change)
    assert decode_bundle(encode_bundle(told)) == told


@pytest.mark.parametrize("changes", [{"entries": []}, {"change": {"kind": "eaten", "at": 1}}, {"change": {}}], ids=str)
def test_a_bundle_that_can_not_be_is_poison(changes: dict[str, Any]) -> None:
    with pytest.raises(Poison, match="not a bundle"):
        decode_bundle(orjson.dumps({**GOOD_BUNDLE, **changes}))


@given(st.binary(max_size=40) | json.map(orjson.dumps))
def test_garbage_is_poison(body: bytes) -> None:
    for decode in (decode_parcel, decode_bundle):
        with pytest.raises(Poison):
            decode(body)


GOOD_PARCEL = orjson.loads(encode_parcel(Parcel("acme", USER, "standard", (envelope("a"), envelope("b")))))
GOOD_BUNDLE = orjson.loads(encode_bundle(bundle(USER, [envelope("a")])))


@given(st.sampled_from(sorted(GOOD_PARCEL)), json)
def test_a_parcel_with_any_other_value_in_a_field_decodes_or_is_poison(name: str, value: Any) -> None:
    try:
        decode_parcel(orjson.dumps({**GOOD_PARCEL, name: value}))
    except Poison:
        return


@given(st.sampled_from(sorted(GOOD_PARCEL["envelopes"][0])), json)
def test_an_envelope_with_any_other_value_in_a_field_decodes_or_is_poison(name: str, value: Any) -> None:
    changed = {**GOOD_PARCEL, "envelopes": [{**GOOD_PARCEL["envelopes"][0], name: value}]}
    try:
        (one,) = decode_parcel(orjson.dumps(changed)).envelopes
    except Poison:
        return
    assert isinstance(one.id, str)
    assert isinstance(one.payload, dict)
    assert isinstance(one.created_at, int)


@pytest.mark.parametrize(
    "changes",
    [
        {"v": 2},
        {"v": None},
        {"envelopes": []},
        {"tenant": "globex"},
        {"tenant": ""},
        {"target": "user#bob"},
        {"target": "user#a#b"},
        {"ordering": "random"},
    ],
    ids=str,
)
def test_a_parcel_that_can_not_be_is_poison(changes: dict[str, Any]) -> None:
    with pytest.raises(Poison, match="not a parcel"):
        decode_parcel(orjson.dumps({**GOOD_PARCEL, **changes}))


def test_a_signal_can_not_be_on_its_way_to_be_stored() -> None:
    body = encode_parcel(Parcel("acme", USER, "standard", (envelope("a", kind="signal"),)))
    with pytest.raises(Poison, match="signal"):
        decode_parcel(body)


def test_a_version_of_the_future_is_named() -> None:
    with pytest.raises(Poison, match="not a bundle of version 1 but of 7"):
        decode_bundle(orjson.dumps({**GOOD_BUNDLE, "v": 7}))


def test_what_is_nested_too_deeply_for_json_is_poison() -> None:
    deep: list[Any] = []
    for _ in range(400):
        deep = [deep]
    with pytest.raises(Poison, match="can't be put on a queue"):
        encode_parcel(Parcel("acme", USER, "standard", (envelope("a", payload={"deep": deep}),)))


def test_the_wire_form_of_version_1() -> None:
    body = encode_parcel(Parcel("acme", DESK, "fifo", (envelope("a", DESK, origin="c1", created_at=5, hops=1),)))
    assert body == (
        b'{"v":1,"tenant":"acme","target":"channel#desk","ordering":"fifo","envelopes":[{"id":"a","tenant":"acme",'
        b'"target":"channel#desk","kind":"message","ordering":"fifo","createdAt":5,"payload":{"content":"text of a"},'
        b'"origin":"c1","hops":1}]}'
    )
