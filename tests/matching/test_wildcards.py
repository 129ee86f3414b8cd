"""How complex a field's wildcards are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kxmsg.matching.wildcards import MAX_COMPLEXITY, _Machines, parse, too_complex


def places(wildcards: tuple[tuple[str, ...], ...]) -> int:
    """The most places that some value is at, by trying every value: the definition."""
    rows = [[*first, *(one for part in others for one in ("", *part)), '"'] for first, *others in wildcards]
    alphabet = sorted({one for row in rows for one in row} - {""})

    def onto(some: set[tuple[int, int]]) -> frozenset[tuple[int, int]]:
        return frozenset(some | {(row, at + 1) for row, at in some if rows[row][at : at + 1] == [""]})

    begin = onto({(row, 0) for row in range(len(rows))})
    pending, seen = [begin], {begin}
    while pending:
        some = pending.pop()
        for character in alphabet:
            stay = {(row, at) for row, at in some if at and rows[row][at - 1] == ""}
            reached = onto(stay | {(row, at + 1) for row, at in some if rows[row][at : at + 1] == [character]})
            if reached not in seen:
                seen.add(reached)
                pending.append(reached)
    return max(sum(at > 0 for _, at in some) for some in seen)


texts = st.text("ab", max_size=3)
wildcard = st.tuples(texts) | st.lists(st.text("ab", min_size=1, max_size=3), max_size=2).flatmap(
    lambda middle: st.tuples(texts, *map(st.just, middle), texts)
)


@given(st.lists(wildcard, min_size=1, max_size=3).map(tuple))
def test_it_is_the_most_places_that_one_value_is_at(wildcards: tuple[tuple[str, ...], ...]) -> None:
    assert max(one.bit_count() for one in _Machines(wildcards).worst()) == places(wildcards)
    starred = any(len(parts) > 1 for parts in wildcards)
    assert too_complex(wildcards) == (starred and places(wildcards) > MAX_COMPLEXITY)


@pytest.mark.parametrize(
    "wildcard",
    ["arn:aws:s3:::bucket-1/*/logs/*/file-*.json", "*error 17 occurred*", "*abcabcabd*abcabd*", "a*"],
)
def test_the_work_grows_with_the_wildcards_length_alone(wildcard: str) -> None:
    """A file has many of them, and each is compiled at every start."""
    assert len(list(_Machines([parse(wildcard)]).worst())) <= 2 * len(wildcard)
