"""Patterns and events of a small vocabulary, so that they meet."""

from typing import Any

from hypothesis import strategies as st

NAMES = ["a", "b", "c", "a.b", "b.c"]
TEXTS = ["", "x", "X", "xy", "xyx", "yx", "*", "10.0.0.1", "10.0.1.1", "::1"]
NUMBERS = [0, 1, 1.0, -1, 2.5, 6e9]

texts = st.sampled_from(TEXTS)
numbers = st.sampled_from([number for number in NUMBERS if number < 5e9])
scalars = st.sampled_from([*TEXTS, *NUMBERS, True, False, None])
exact = scalars.filter(lambda value: value != "::1")
wildcards = st.sampled_from(["*", "", "x*", "*x", "x*x", "*y*", "\\*", "x*\\**"])


def either(operand: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return operand | st.lists(operand, min_size=1, max_size=2)


ignore_case = st.fixed_dictionaries({"equals-ignore-case": texts})
comparisons = st.sampled_from(["=", "<", "<=", ">", ">="])
ranges = st.tuples(st.sampled_from([">", ">="]), numbers, st.sampled_from(["<", "<="]), numbers).filter(
    lambda given: given[1] < given[3]
)
negated = st.one_of(
    either(texts),
    either(numbers),
    st.fixed_dictionaries({"prefix": either(texts.filter(bool))}),
    st.fixed_dictionaries({"suffix": either(texts.filter(bool))}),
    st.fixed_dictionaries({"equals-ignore-case": either(texts)}),
    st.fixed_dictionaries({"wildcard": either(wildcards)}),
)
terms = st.one_of(
    exact,
    st.fixed_dictionaries({"exactly": texts}),
    st.fixed_dictionaries({"prefix": texts | ignore_case}),
    st.fixed_dictionaries({"suffix": texts | ignore_case}),
    ignore_case,
    st.fixed_dictionaries({"wildcard": wildcards}),
    st.fixed_dictionaries({"exists": st.booleans()}),
    st.fixed_dictionaries({"cidr": st.sampled_from(["10.0.0.0/24", "10.0.0.0/8", "::/64"])}),
    st.fixed_dictionaries({"numeric": (st.tuples(comparisons, numbers) | ranges).map(list)}),
    st.fixed_dictionaries({"anything-but": negated}),
)
tests = st.lists(exact, min_size=1, max_size=3) | st.lists(terms, min_size=1, max_size=2)


def named(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.sampled_from(NAMES), inner, min_size=1, max_size=3)


def with_or(*alternatives: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    either = st.fixed_dictionaries({"$or": st.tuples(*alternatives).map(list)})
    return either | st.tuples(named(tests), either).map(lambda both: both[0] | both[1])


plain = named(tests | named(tests | named(tests)))
patterns = st.one_of(
    plain,
    with_or(plain, plain),
    named(tests | with_or(plain, named(tests))),
    with_or(plain, with_or(named(tests), named(tests)), named(tests)),
)

exact_tests = st.lists(st.sampled_from(["x", "y", "xy"]), min_size=1, max_size=2)
simple_patterns = st.fixed_dictionaries(
    {},
    optional={"a": exact_tests, "b": exact_tests, "c": tests | st.fixed_dictionaries({"a": exact_tests, "b": tests})},
).filter(bool)
"""Patterns as products have them, which a tree can part."""

events = st.dictionaries(
    st.sampled_from(NAMES),
    st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
        max_leaves=12,
    ),
    max_size=4,
)
