"""Many patterns at once."""

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from kxmsg.matching import Matcher, Pattern

scalars = st.sampled_from(["a", "b", "c", "", 0, 1, 1.5, True, False, None])
allowed = st.lists(scalars, min_size=1, max_size=3)
fields = st.dictionaries(st.sampled_from(["x", "y"]), allowed | st.fixed_dictionaries({"z": allowed}), min_size=1)
patterns = st.fixed_dictionaries({}, optional={"source": allowed, "detail-type": allowed, "detail": fields}).filter(
    bool
)
values = scalars | st.lists(scalars, max_size=3)
nested = st.fixed_dictionaries({}, optional={"z": values})
details = st.dictionaries(st.sampled_from(["x", "y"]), values | nested | st.lists(nested, max_size=2))
events = st.fixed_dictionaries({}, optional={"source": values, "detail-type": values, "detail": details})


@given(st.lists(patterns, max_size=8), events)
def test_it_finds_what_the_patterns_find_one_by_one_in_their_order(
    given_patterns: list[dict[str, Any]], event: dict[str, Any]
) -> None:
    named = {str(n): pattern for n, pattern in enumerate(given_patterns)}
    expected = [name for name, pattern in named.items() if Pattern(pattern).matches(event)]
    assert Matcher(named).match(event) == expected
    assert Matcher(named).match(orjson.dumps(event)) == expected


def test_an_event_is_found_once_however_many_of_its_values_fit() -> None:
    matcher = Matcher({"one": {"source": ["a", "b"], "detail-type": ["x", "y"]}})
    assert matcher.match({"source": ["a", "b", "a"], "detail-type": ["x", "y"]}) == ["one"]
