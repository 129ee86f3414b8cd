"""Properties: any text is handled, and any tree has the value that a second implementation gives it."""

import math
import string
from contextlib import suppress
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from kxmsg.rendering import RenderError, TemplateError, compile_expression, compile_fields, compile_value
from tests.rendering.events import EVENT
from tests.rendering.interpreter import NoValueError, Tree, run, show

ALPHABET = r"""
    detail . id n list map ( ) [ ] { } , : ? ' " r' + - * / % < <= == != && || ! in 1 0 2.5 1e9 0x1 true false null x
    size has coalesce exists filter upperAscii plural timestamp string {{ }} \ ''' // ` é __class__ 9223372036854775807
"""
WORDS = st.sampled_from(ALPHABET.split())


@given(st.lists(WORDS, max_size=30).map(" ".join) | st.text(string.printable, max_size=60) | st.text(max_size=40))
@settings(max_examples=250)
@example("'" + "\\" * 50)
@example("a?" * 40)
def test_any_text_is_an_expression_or_is_refused_with_a_place_in_it(text: str) -> None:
    for compiled in (compile_expression, lambda source: compile_value("{{" + source + "}}")):
        try:
            evaluate = compiled(text)
        except TemplateError as error:
            refused = error
            assert 0 <= refused.offset <= len(text) + 4
            continue
        with suppress(RenderError):
            evaluate(EVENT)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)
DETAIL = st.dictionaries(st.sampled_from("abc"), JSON, max_size=3)
SCALARS = (
    st.booleans() | st.integers(-3, 3) | st.sampled_from([0.0, 1.0, -0.5, 2.0**62]) | st.sampled_from(["", "a", "b"])
)
PATHS = st.lists(st.sampled_from("abc"), min_size=1, max_size=2).map(lambda names: ("path", *names))
LEAVES = st.builds(lambda value: ("value", value), SCALARS) | PATHS | st.just(("var", "x"))


def _grow(inner: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    operators = st.sampled_from(["&&", "||", "==", "!=", "<", "in", "+", "-", "*", "/", "%"])
    lists = PATHS | st.lists(SCALARS, max_size=3).map(lambda values: ("value", values))
    return st.one_of(
        st.tuples(operators, inner, inner),
        st.tuples(st.just("not"), inner),
        st.tuples(st.just("if"), inner, inner, inner),
        st.tuples(st.sampled_from(["map", "filter", "all", "exists"]), lists, inner),
        st.tuples(st.just("coalesce"), PATHS, PATHS, st.just(("value", "d"))),
    )


TREES = st.recursive(LEAVES, _grow, max_leaves=12)


@given(TREES, DETAIL)
@settings(max_examples=150)
def test_any_tree_has_the_value_that_the_second_implementation_gives(tree: Tree, detail: dict[str, Any]) -> None:
    try:
        evaluate = compile_expression(show(("map", ("value", [1]), tree)))
    except TemplateError:
        return  # an evident mistake, or too many loops
    expected: Any
    try:
        expected = run(tree, detail, 1)
    except NoValueError:
        expected = NoValueError
    try:
        (value,) = evaluate({"detail": detail})
    except RenderError:
        value = NoValueError
    assert _alike(value, expected)


def _alike(one: Any, two: Any) -> bool:
    if isinstance(one, float) and isinstance(two, float) and math.isnan(one):
        return math.isnan(two)
    if isinstance(one, list) and isinstance(two, list):
        return len(one) == len(two) and all(map(_alike, one, two))
    return type(one) is type(two) and bool(one == two)


FIELDS = st.dictionaries(
    st.sampled_from(["title", "content", "tags"]),
    st.sampled_from(["{{ detail.a }}", "a {{ detail.b }}", ["{{ detail.a.b }}"], {"k": "{{ coalesce(detail.c, 1) }}"}]),
)


@given(FIELDS, DETAIL)
def test_fields_together_are_what_each_is_alone(fields: dict[str, Any], detail: dict[str, Any]) -> None:
    event = {"detail": detail}
    try:
        alone: Any = {name: compile_value(value)(event) for name, value in fields.items()}
    except RenderError:
        alone = None
    try:
        together: Any = compile_fields(fields)(event)
    except RenderError:
        together = None
    assert together == alone
