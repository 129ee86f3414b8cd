"""Append, as pure decisions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kxmsg.errors import CancelCode, CancelReason
from kxmsg.log import MAX_ENTRIES, Batch, Head, Refused, refused
from kxmsg.model.envelope import Entry
from tests.product import envelope

HEAD = Head(seq=4, epoch="E")
MOVED = {"seq": 9, "epoch": "E", "rev": 0}
FINE = CancelReason("none")
CONFLICT = CancelReason("conflict")
THROTTLED = CancelReason("throttled")
OTHER = CancelReason("other")
TAKEN = CancelReason("condition", {"seq": 2})
STALE = CancelReason("condition", MOVED)
ENTRIES = [Entry(5, envelope("a")), Entry(6, envelope("b"))]


@pytest.mark.parametrize(
    ("head", "entries", "ids", "expected"),
    [
        pytest.param(STALE, [FINE, FINE], [FINE, FINE], Refused(Head(9, "E"), {}, "now"), id="the head moved"),
        pytest.param(
            STALE, [TAKEN, FINE], [TAKEN, FINE], Refused(Head(9, "E"), {"a": 2}, "now"), id="moved and stored"
        ),
        pytest.param(FINE, [FINE, FINE], [FINE, TAKEN], Refused(HEAD, {"b": 2}, "now"), id="one is stored"),
        pytest.param(FINE, [FINE, FINE], [TAKEN, TAKEN], Refused(HEAD, {"a": 2, "b": 2}, "now"), id="all are stored"),
        pytest.param(CONFLICT, [FINE, FINE], [FINE, FINE], Refused(None, {}, "later"), id="conflict"),
        pytest.param(FINE, [FINE, THROTTLED], [FINE, FINE], Refused(None, {}, "later"), id="throttle"),
        pytest.param(FINE, [FINE, FINE], [OTHER, FINE], Refused(None, {}, "later"), id="anything else"),
        pytest.param(CONFLICT, [FINE, FINE], [TAKEN, FINE], Refused(HEAD, {"a": 2}, "now"), id="conflict and stored"),
        pytest.param(FINE, [TAKEN, FINE], [FINE, FINE], Refused(None, {}, "later"), id="an entry that should not be"),
        pytest.param(
            FINE, [FINE, FINE], [CancelReason("condition"), FINE], Refused(None, {}, "later"), id="stored, but where?"
        ),
        pytest.param(
            CancelReason("condition", {**MOVED, "deleted": True}),
            [FINE, FINE],
            [FINE, FINE],
            Refused(Head(9, "E", deleted=True), {}, "now"),
            id="deleted",
        ),
        pytest.param(
            CancelReason("condition"), [FINE, FINE], [FINE, FINE], Refused(Head(), {}, "now"), id="the head is gone"
        ),
    ],
)
def test_each_mix_of_reasons_tells_what_to_do(
    head: CancelReason, entries: list[CancelReason], ids: list[CancelReason], expected: Refused
) -> None:
    assert refused([head, *entries, *ids], ENTRIES, HEAD) == expected


codes = st.sampled_from(("none", "condition", "conflict", "throttled", "other"))


@given(codes, st.tuples(codes, codes), st.tuples(codes, codes))
def test_a_refusal_either_brings_news_or_asks_to_wait(
    head: CancelCode, entries: tuple[CancelCode, CancelCode], ids: tuple[CancelCode, CancelCode]
) -> None:
    """So that no loop repeats the same transaction at once."""
    reasons = [CancelReason(head, MOVED), *(CancelReason(code, {"seq": 1}) for code in (*entries, *ids))]
    told = refused(reasons, ENTRIES, HEAD)
    if told.again == "now":
        assert told.found or told.head != HEAD
    else:
        assert told.head is None


@given(st.lists(st.sampled_from("abcdefghijklmno"), min_size=1, max_size=30), st.integers(0, 5))
def test_a_batch_numbers_each_id_once_in_its_order(idents: list[str], start: int) -> None:
    batch, head = Batch.fold([envelope(ident) for ident in idents]), start
    while batch.waiting:
        entries = batch.numbered(Head(head, "E"))
        assert len(entries) <= MAX_ENTRIES
        batch.commit(entries)
        head += len(entries)
    assert [entry.envelope.id for entry in batch.entries()] == list(dict.fromkeys(idents))
    assert [entry.sequence for entry in batch.entries()] == list(range(start + 1, head + 1))


def test_of_equal_ids_the_first_is_kept() -> None:
    batch = Batch.fold([envelope("a", payload={"content": "first"}), envelope("a", payload={"content": "second"})])
    assert [one.payload["content"] for one in batch.waiting] == ["first"]


def test_an_absent_head_is_one_that_does_not_exist() -> None:
    assert Head.of(None) == Head()
    assert not Head().exists
    assert Head.of({"seq": 0, "epoch": "E"}).exists
