"""Values with placeholders."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kxmsg.errors import Poison
from kxmsg.rendering import RenderError, TemplateError, compile_value

EVENT: dict[str, Any] = {
    "source": "shop",
    "detail-type": "order",
    "detail": {"id": "A-1", "n": 2, "f": 1.5, "yes": True, "none": None, "list": [1, "x"], "map": {"a": "ä"}, "a-b": 1},
}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("plain", "plain"),
        ("", ""),
        (5, 5),
        (None, None),
        ("{{ detail.n }}", 2),
        ("{{detail.n}}", 2),
        ("{{ detail.list }}", [1, "x"]),
        ("{{ detail.none }}", None),
        (" {{ detail.n }}", " 2"),
        ("{{ detail.n }}{{ detail.f }}", "21.5"),
        ("#{{ detail.id }}: {{ detail.n }} of {{ detail.n }}", "#A-1: 2 of 2"),
        ("is {{ detail.yes }}", "is true"),
        ("is {{ detail.none }}", "is null"),
        ("is {{ detail.map }}", 'is {"a":"ä"}'),
        ("{{ detail-type }}/{{ source }}", "order/shop"),
        ("{{ detail.a-b }}", 1),
        (["{{ detail.id }}", 1], ["A-1", 1]),
        ({"k": {"d": "{{ detail.n }}"}}, {"k": {"d": 2}}),
        ("a } b { c", "a } b { c"),
    ],
    ids=str,
)
def test_placeholders_are_filled_and_a_lone_one_keeps_its_type(value: Any, expected: Any) -> None:
    filled = compile_value(value)(EVENT)
    assert filled == expected
    assert type(filled) is type(expected)


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("{{ detail.id", "come in pairs"),
        ("detail.id }}", "come in pairs"),
        ("{{ }}", "is not a path"),
        ("{{ detail. }}", "is not a path"),
        ("{{ detail.a[0] }}", "is not a path"),
        ("{{ 1 + 1 }}", "is not a path"),
        ("{{ details.id }}", "must begin with one of account, detail"),
        ("{{ __class__ }}", "must begin with"),
        ({"a": ["{{ x }}"]}, "must begin with"),
    ],
    ids=str,
)
def test_what_is_no_template_is_refused_when_it_is_compiled(value: Any, fault: str) -> None:
    with pytest.raises(TemplateError, match=fault):
        compile_value(value)


@pytest.mark.parametrize("path", ["detail.absent", "detail.id.x", "detail.list.x", "time", "detail.none.x"])
def test_an_event_that_lacks_the_path_is_poison_and_named(path: str) -> None:
    with pytest.raises(RenderError, match=f"the event has no {path}") as caught:
        compile_value("{{ " + path + " }}")(EVENT)
    assert isinstance(caught.value, Poison)


@given(st.text())
def test_any_text_compiles_to_itself_or_is_refused_or_is_a_template(text: str) -> None:
    try:
        render = compile_value(text)
    except TemplateError:
        assert "{{" in text or "}}" in text
        return
    if "{{" not in text:
        assert render(EVENT) == text


def test_what_an_event_holds_is_never_taken_for_a_template() -> None:
    assert compile_value("say {{ detail.x }}")({"detail": {"x": "{{ detail.secret }}"}}) == "say {{ detail.secret }}"
