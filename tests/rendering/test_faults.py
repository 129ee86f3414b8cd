"""Faults: events that an expression has no value for."""

from typing import Any

import pytest

from kxmsg.errors import Poison
from kxmsg.rendering import RenderError, compile_expression, compile_fields, compile_value
from kxmsg.rendering.namespace import NAMESPACE, function_name
from tests.rendering.events import EVENT


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("detail.absent", "detail.absent is absent from the event"),
        ("detail.absent.deeper", "detail.absent is absent from the event"),
        ("detail.none.deeper", "detail.none.deeper is absent: what it belongs to is null"),
        ("detail.id.deeper", "detail.id.deeper is absent: what it belongs to is a string, not a map"),
        ("detail.people[0].nam", "detail.people[0].nam is absent from the event"),
        ("detail.list[3]", "detail.list[3] is out of the list's range"),
        ("detail.list[-1]", "is out of the list's range"),
        ("detail.list['x' + 'y']", "indexes a list by a string"),
        ("detail.list[detail.f]", "indexes a list by a double"),
        ("detail.id[0]", "detail.id[0] indexes a string"),
        ("detail.none[0]", "indexes null"),
        ("{1: 2}[true]", "is absent from the event"),
        ("9223372036854775807 + 1", "overflows"),
        ("-9223372036854775808 - 1", "overflows"),
        ("5000000000 * 5000000000", "overflows"),
        ("-(-9223372036854775808)", "overflows"),
        ("-9223372036854775808 / -1", "overflows"),
        ("1 / 0", "1 / 0 divides by zero"),
        ("1 % 0", "divides by zero"),
        ("detail.id + 1 + 1", "detail.id + 1 can't be computed: there is no + for a string and an int"),
        ("detail.id - 1", "there is no - for a string and an int"),
        ("detail.id * 1", "there is no * for"),
        ("detail.id / 1", "there is no / for"),
        ("detail.f % 2", "there is no % for a double and an int"),
        ("-detail.id", "there is no - for a string"),
        ("detail.yes < 1", "there is no < for a bool and an int"),
        ("detail.id < 1", "there is no < for a string and an int"),
        ("detail.none > 1", "there is no < for an int and null"),
        ("detail.id <= 1", "there is no <= for a string and an int"),
        ("1 in detail.id", "there is no in for an int and a string"),
        ("detail.n && true", "detail.n && true is an int, where a bool is needed"),
        ("detail.n ? 1 : 2", "is an int, where a bool is needed"),
        ("!detail.none", "is null, where a bool is needed"),
        ("detail.absent == 1 || false", "detail.absent is absent"),
        ("detail.absent == 1 && true", "detail.absent is absent"),
        ("detail.n.map(x, x)", "loops over an int, neither a list nor a map"),
        ("detail.list.map(x, 1 / (x - 1))", "1 / (x - 1) divides by zero"),
        ("detail.list.map(x, x.name)", "x.name is absent: what it belongs to is an int, not a map"),
        ("detail.list.filter(x, x)", "is an int, where a bool is needed"),
        ("detail.list.all(x, x.y)", "x.y is absent"),
        ("detail.list.exists_one(x, 1 / (x - 2) == 1)", "divides by zero"),
        ("has(detail.id.x)", "there is no has() for a string"),
        ("coalesce(detail.id.x, 1)", "what it belongs to is a string"),
        ("{detail.f: 1}", "has a double for the key of a map"),
        ("{detail.id: 1, detail.id: 2}", "the same key twice"),
        ("detail.n.upperAscii()", "detail.n is an int, where string is needed"),
        ("size(detail.n)", "is an int, where string or list or map is needed"),
        ("[1].join()", "joins a list that holds an int"),
        ("'abc'.charAt(7)", "out of the string's range"),
        ("'abc'.substring(2, 1)", "ends before it starts"),
        ("truncate('abc', 0)", "less than one character"),
        ("int('1.5')", "is no int"),
        ("int(1e99)", "out of the range"),
        ("int('9223372036854775808')", "out of the range"),
        ("double('1_0')", "is no number"),
        ("double('x')", "is no number"),
        ("bool('yes')", "neither true nor false"),
        ("string(null)", "is null, which has no text"),
        ("timestamp('yesterday')", "is no time"),
        ("timestamp('2026-02-30')", "is no time: there is no such day"),
        ("timestamp('2026-02-28T25:00:00Z')", "is no time: there is no such hour"),
        ("timestamp('2026-02-28T23:00:00+24:00')", "is no time: there is no such hour, minute, second or offset"),
        ("timestamp('0000-01-01')", "the years 1 to 9999"),
        ("timestamp(253402300800)", "the years 1 to 9999"),
        ("duration('1')", "is no duration"),
        ("duration('9999999h')", "292 years"),
        ("timestamp('2026-01-31').getHours(detail.id)", "time zone"),
        ("duration('1h').getHours('UTC')", "gives a time zone to a duration"),
        ("plural(detail.n, detail.map)", "has no form for 'other'"),
        ("formatNumber(1.0 / 0.0)", "is no finite number"),
        ("plural(1.0 / 0.0, {'other': 'x'})", "is no finite number"),
        ("plural(double('nan'), {'other': 'x'})", "is no finite number"),
        ("formatTime(timestamp(0), 'D')", "has a date pattern that can't be written"),
        ("detail.names.length", "what it belongs to is a list, not a map; write size(x)"),
        ("formatNumber(1, 'en', 99)", "0 to 20 digits"),
        ("formatNumber(1, detail.id)", "locale"),
        ("formatCurrency(1, detail.id)", "ISO 4217"),
        ("formatDate(timestamp(0), detail.names[0] + 'lnog')", "style"),
        ("formatDate(timestamp(0), 'short', 'en', detail.id)", "time zone"),
    ],
)
def test_what_has_no_value_is_poison_and_says_where_and_why(text: str, fault: str) -> None:
    with pytest.raises(RenderError) as caught:
        compile_expression(text)(EVENT)
    assert fault in str(caught.value)
    assert isinstance(caught.value, Poison)


def test_a_fault_names_its_field_and_expression() -> None:
    render = compile_fields({"title": "all well", "content": "Hello {{ detail.name.first }}!"})
    with pytest.raises(RenderError) as caught:
        render(EVENT)
    assert (caught.value.field, caught.value.expression) == ("content", "detail.name")
    assert str(caught.value) == "content: detail.name is absent from the event"


@pytest.mark.parametrize(
    ("fields", "field", "expression"),
    [
        ({"userId": "{{ detail.id }}", "content": "{{ detail.long }}{{ detail.long }}"}, "content", None),
        ({"title": "{{ detail.id }}", "icon": {"cases": [{"when": "detail.n", "use": "x"}]}}, "icon", "detail.n"),
        ({"title": "{{ detail.id }}", "icon": "{{ detail.n ? 1 : 2 }}"}, "icon", "detail.n"),
        ({"title": "{{ detail.id }}", "tags": ["{{ detail.none }}!"]}, "tags", "detail.none"),
        ({"title": "{{ detail.id }}", "tags": ["{{ [0.0 / 0.0] }}"]}, "tags", "[0.0 / 0.0]"),
    ],
)
def test_a_fault_is_blamed_on_its_own_field(fields: Any, field: str, expression: str | None) -> None:
    render = compile_fields(fields, conditions={"when": "detail.yes"})
    with pytest.raises(RenderError) as caught:
        render({"detail": {**EVENT["detail"], "long": "x" * 200_000}})
    assert caught.value.field == field
    assert caught.value.expression == (expression or fields[field])


def test_a_condition_that_is_no_bool_is_blamed_itself() -> None:
    render = compile_fields({"title": "{{ detail.id }}"}, conditions={"one": "detail.yes", "two": "detail.n"})
    with pytest.raises(RenderError, match=r"^two: detail\.n is an int, where a bool is needed"):
        render(EVENT)


def test_what_no_function_should_raise_is_poison_at_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_value: Any) -> int:
        raise RecursionError("too far")

    monkeypatch.setitem(NAMESPACE, function_name("size"), broken)
    render = compile_fields({"title": "all well", "content": "{{ size(detail.names) }}!"})
    with pytest.raises(RenderError) as caught:
        render(EVENT)
    assert str(caught.value) == "content: size(detail.names) can't be computed: RecursionError: too far"
    assert isinstance(caught.value.__cause__, RecursionError)


def test_an_event_without_its_fields_is_poison() -> None:
    for text in ("{{ detail.x }}", "{{ source }}", "{{ detail.list.map(x, x) }}", "a {{ detail }}"):
        with pytest.raises(RenderError, match="absent from the event"):
            compile_value(text)({})


def test_a_long_expression_is_cut_in_the_message() -> None:
    with pytest.raises(RenderError) as caught:
        compile_expression("detail['" + "x" * 500 + "']")(EVENT)
    assert len(str(caught.value)) < 120


@pytest.mark.parametrize("detail", [None, 1, "text", [], [1], {"id": {}}, {"id": None}])
def test_no_event_makes_anything_but_a_render_error(detail: Any) -> None:
    for text in (
        "{{ detail.id.x + 1 }}",
        "{{ detail.id.y }}!",
        "{{ detail.id[0].x }}",
    ):
        with pytest.raises(RenderError):
            compile_value(text)({"detail": detail})
