"""Mistakes: what is refused when a template is compiled."""

from typing import Any

import pytest

from kxmsg.rendering import TemplateError, compile_expression, compile_fields, compile_value
from tests.rendering.events import EVENT


@pytest.mark.parametrize(
    ("text", "code", "offset"),
    [
        ("", "empty", 0),
        ("  ", "empty", 0),
        ("{{ detail.n }}", "syntax", 0),
        ("1 +", "syntax", 3),
        ("1 2", "syntax", 2),
        ("(1", "syntax", 2),
        ("[1 2]", "syntax", 3),
        ("{'a' 1}", "syntax", 5),
        ("a ? b", "syntax", 5),
        ("detail.", "syntax", 7),
        ("detail.1", "syntax", 6),
        ("detail.in", "syntax", 7),
        ("detail[]", "syntax", 7),
        ("detail.n = 1", "syntax", 9),
        ("detail.n & 1", "syntax", 9),
        ("detail.n | 1", "syntax", 9),
        ("detail.n; 1", "syntax", 8),
        ("é", "syntax", 0),
        ("for", "syntax", 0),
        ("detail.`a$b`", "syntax", 7),
        ("[1].map(2, 3)", "syntax", 8),
        ("[1].exists(x, x, true)", "syntax", 14),
        ("'open", "string", 0),
        ("'line\nbreak'", "string", 0),
        (r"'\q'", "string", 1),
        (r"'\ud800'", "string", 1),
        (r"'\U00110000'", "string", 1),
        ("'''open''", "string", 0),
        ("9223372036854775808", "number", 0),
        ("-9223372036854775809", "number", 1),
        ("1e999", "number", 0),
        ("12abc", "number", 0),
        ("9" * 5000, "too-long", 0),
        ("1u", "unsupported", 0),
        ("b'x'", "unsupported", 0),
        ("detail.id.matches('a')", "unsupported", 10),
        ("uint(1)", "unsupported", 0),
        ("details.n", "unknown-name", 0),
        ("1 + x", "unknown-name", 4),
        ("[1].map(x, x) + [x]", "unknown-name", 17),
        ("size", "unknown-name", 0),
        ("detail-type", "unknown-name", 7),
        ("detail.a-b", "unknown-name", 9),
        ("source-b", "unknown-name", 7),
        ("detail.id.upper()", "unknown-function", 10),
        ("len(detail.id)", "unknown-function", 0),
        ("__import__('os')", "unknown-function", 0),
        ("size()", "arity", 0),
        ("size(1, 2)", "arity", 0),
        ("detail.id.contains()", "arity", 10),
        ("truncate('a')", "arity", 0),
        ("coalesce()", "arity", 0),
        ("has(detail)", "arity", 0),
        ("has(detail.a, detail.b)", "arity", 0),
        ("[1].map(x)", "arity", 4),
        ("[1].filter(x, true, x)", "arity", 4),
        ("[1].transformList(x, x)", "arity", 4),
        ("contains('a', 'b')", "call-style", 0),
        ("detail.id.coalesce(2)", "call-style", 10),
        ("1 + 'a'", "type", 0),
        ("2 * (1 + 'a')", "type", 5),
        ("1.5 % 2", "type", 0),
        ("duration('1h') * 2", "type", 0),
        ("-'a'", "type", 0),
        ("!1", "type", 1),
        ("1 && true", "type", 0),
        ("true || 'x'", "type", 8),
        ("1 ? 2 : 3", "type", 0),
        ("1 == 'a'", "type", 0),
        ("1 < 'a'", "type", 0),
        ("[1] < [2]", "type", 0),
        ("1 in 'abc'", "type", 0),
        ("'abc'.x", "type", 6),
        ("'abc'[0]", "type", 0),
        ("[1]['a' + 'b']", "type", 4),
        ("[1][-1]", "type", 4),
        ("{1.5: 2}", "type", 1),
        ("{null: 2}", "type", 1),
        ("{'a': 1, 'a': 2}", "type", 9),
        ("{'a': 1}[null]", "type", 9),
        ("1.map(x, x)", "type", 0),
        ("(1).map(x, x)", "type", 1),
        ("[1].map(x, 1, x)", "type", 11),
        ("upperAscii(1)", "call-style", 0),
        ("(1).upperAscii()", "type", 1),
        ("truncate('a', '1')", "type", 14),
        ("plural(1, {'one': 'x'})", "argument", 10),
        ("plural(1, {'single': 'x', 'other': 'y'})", "argument", 10),
        ("plural(1, {'other': 'x'}, 'xx-nope')", "argument", 26),
        ("formatNumber(1, 'klingon-XX')", "argument", 16),
        ("formatCurrency(1, 'euro')", "argument", 18),
        ("formatDate(timestamp(0), 'lnog')", "argument", 25),
        ("formatDate(timestamp(0), 'long', 'de', 'Europe/Berlni')", "argument", 39),
        ("timestamp(0).getHours('../../etc/passwd')", "argument", 22),
    ],
)
def test_a_mistake_in_an_expression_has_a_code_and_a_place(text: str, code: str, offset: int) -> None:
    with pytest.raises(TemplateError) as caught:
        compile_expression(text)
    assert (caught.value.code, caught.value.offset) == (code, offset)
    assert caught.value.message
    assert caught.value.remedy or code == "argument"


@pytest.mark.parametrize(
    ("text", "code", "offset", "remedy"),
    [
        ("Hi {{ detail.nam }}", "unknown-field", 13, "did you mean 'names'?"),
        ("{{ detail.people[0].nmae }}", "unknown-field", 20, "did you mean 'name'?"),
        ("{{ detail.people.map(p, p.agee) }}", "unknown-field", 26, "did you mean 'age'?"),
        ("{{ event.detial.id }}", "unknown-field", 9, "did you mean 'detail'?"),
        ("{{ detail.id * 2 }}", "type", 3, "int("),
        ("{{ detail.n == '2' }}", "type", 3, "convert"),
        ("{{ detail.id + detail.n }}", "type", 3, "string("),
        ("{{ detail.n.upperAscii() }}", "type", 3, "upperAscii()"),
        ("{{ detail.id ? 1 : 2 }}", "type", 3, "compare"),
        ("{{ detail.id.x }}", "type", 13, "map"),
        ("{{ detail.list.name }}", "type", 15, "map"),
        ("{{ detail.n.map(x, x) }}", "type", 3, "loop over"),
        ("{{ detail.list.map(x, x + 'a') }}", "type", 22, "string("),
        ("{{ detail.list['first'] }}", "type", 15, "map"),
    ],
)
def test_what_the_sample_shows_to_be_wrong_is_refused(text: str, code: str, offset: int, remedy: str) -> None:
    compile_value(text)  # nothing is wrong with it but for the sample
    with pytest.raises(TemplateError) as caught:
        compile_value(text, sample=EVENT)
    assert (caught.value.code, caught.value.offset) == (code, offset)
    assert remedy in caught.value.remedy


@pytest.mark.parametrize(
    "text",
    [
        "{{ has(detail.nick) ? detail.nick : detail.id }}",
        "{{ coalesce(detail.nick, detail.id) }}",
        "{{ detail.none.whatever }}",
        "{{ detail.none + 1 }}",
        "{{ detail.empty.map(x, x.whatever) }}",
        "{{ detail.n / 2.0 }}",
        "{{ detail.n == 2.5 || detail.n == null }}",
        "{{ detail.people.map(p, p.age) }}",
        "{{ dyn(detail.id) == 1 }}",
        "{{ region }}",
    ],
)
def test_what_the_sample_leaves_open_is_taken(text: str) -> None:
    compile_value(text, sample=EVENT)


def test_a_sample_of_the_detail_alone_leaves_the_other_fields_open() -> None:
    sample = {"detail": {"a": 1}}
    compile_value("{{ source }} {{ detail.a }} {{ detailType }}", sample=sample)
    with pytest.raises(TemplateError, match="no 'b'"):
        compile_value("{{ detail.b }}", sample=sample)


@pytest.mark.parametrize(
    ("text", "code", "offset"),
    [
        ("a {{ detail.id", "unpaired-braces", 2),
        ("a detail.id }}", "unpaired-braces", 12),
        ("{{ detail.id }} }}", "unpaired-braces", 16),
        ("a {{ }}", "empty", 2),
        ("{{}}", "empty", 0),
        ("{{ detail.id } }", "unpaired-braces", 0),
        ("{{ detail.id } }}", "syntax", 13),
        ("{{ detail.id }}{{ nope }}", "unknown-name", 18),
        ("{{ {'a': 1 }}", "syntax", 12),
        ("{{ detail.id }}" * 65, "too-long", 64 * 15),
    ],
)
def test_a_mistake_in_a_text_is_placed_in_the_whole_text(text: str, code: str, offset: int) -> None:
    with pytest.raises(TemplateError) as caught:
        compile_value(text)
    assert (caught.value.code, caught.value.offset) == (code, offset)


@pytest.mark.parametrize(
    ("fields", "path", "code"),
    [
        ({"title": "{{ x }}"}, ("title",), "unknown-name"),
        ({"tags": ["a", "{{ x }}"]}, ("tags", 1), "unknown-name"),
        ({"metadata": {"k": [{"d": "{{ x }}"}]}}, ("metadata", "k", 0, "d"), "unknown-name"),
        ({"p": {"cases": [{"when": "x", "use": 1}]}}, ("p", "cases", 0, "when"), "unknown-name"),
        ({"p": {"cases": [{"when": "true", "use": "{{ x }}"}]}}, ("p", "cases", 0, "use"), "unknown-name"),
        ({"p": {"cases": [{"when": "1", "use": 1}]}}, ("p", "cases", 0, "when"), "type"),
        ({"p": {"cases": [{"when": True, "use": 1}]}}, ("p", "cases", 0, "when"), "cases"),
        ({"p": {"cases": [{"default": "{{ x }}"}]}}, ("p", "cases", 0, "default"), "unknown-name"),
        ({"p": {"cases": [{"default": 1}, {"when": "true", "use": 1}]}}, ("p", "cases", 0), "cases"),
        ({"p": {"cases": [{"when": "true"}]}}, ("p", "cases", 0), "cases"),
        ({"p": {"cases": ["high"]}}, ("p", "cases", 0), "cases"),
        ({"p": {"cases": []}}, ("p", "cases"), "cases"),
        ({"p": {"cases": [{"when": "true", "use": 1}] * 41}}, ("p", "cases"), "cases"),
    ],
    ids=str,
)
def test_a_mistake_in_a_field_has_the_path_to_its_text(fields: Any, path: tuple[str | int, ...], code: str) -> None:
    with pytest.raises(TemplateError) as caught:
        compile_fields(fields)
    assert (caught.value.path, caught.value.code) == (path, code)


@pytest.mark.parametrize(
    ("text", "offset", "remedy"),
    [
        ("detail.a and detail.b", 9, "write &&"),
        ("detail.a or detail.b", 9, "write ||"),
        ("not detail.a", 0, "write !"),
        ("not(detail.a)", 0, "write !x"),
        ("detail.a not in detail.b", 9, "write !"),
        ("detail.a is null", 9, "compare with =="),
        ("if(detail.a, 1, 2)", 0, "write condition ? value : other"),
        ("'x' if detail.a else 'y'", 4, "write condition ? value : other"),
        ("detail.a ?? 'b'", 9, "coalesce(a, b)"),
        ("detail?.a", 6, "coalesce(a.b, …), or has(a.b)"),
        ("detail.l.map(x => x.a)", 15, "list.map(x, x.name)"),
        ("detail.a === 1", 9, "compare with =="),
        ("detail.a !== 1", 9, "compare with !="),
        ("detail.a ** 2", 9, "multiply"),
        ("detail.a | upper", 9, "upperAscii()"),
        ("detail.id.toUpperCase()", 10, "upperAscii()"),
        ("detail.id.lower()", 10, "lowerAscii()"),
        ("now()", 0, "timestamp(time)"),
        ("len(detail.a)", 0, "size(x)"),
        ("detail.names.length", 13, "size(x)"),
        ("detail.names.length()", 13, "size(x)"),
    ],
)
def test_what_other_languages_write_is_told_as_it_is_here(text: str, offset: int, remedy: str) -> None:
    with pytest.raises(TemplateError) as caught:
        compile_expression(text, sample={"detail": {**EVENT["detail"], "a": True, "b": True, "l": []}})
    assert caught.value.offset == offset
    assert remedy in caught.value.remedy


def test_words_of_other_languages_may_be_names() -> None:
    assert compile_expression("[1].map(and, and + detail.not)")({"detail": {"not": 1}}) == [2]
    with pytest.raises(TemplateError, match="stands where"):
        compile_expression("detail.not detail.n")


def test_all_mistakes_of_all_fields_are_reported_one_by_one() -> None:
    found: list[TemplateError] = []
    render = compile_fields(
        {
            "title": "{{ detail.nme }} {{ detail.n }} {{ detail.n + }} }} {{ }} {{ detail.nam }} {{ detail.id",
            "tags": ["{{ x }}", "fine", {"k": "{{ y }}", "l": "{{ z }}"}],
            "icon": "{{ detail.id }}",
            "priority": {
                "cases": [{"when": "a", "use": "{{ b }}"}, 5, {"when": "detail.n", "use": "ok"}, {"default": "{{ c }}"}]
            },
        },
        conditions={"when": "detail.n", "also": "nope"},
        sample=EVENT,
        report=found.append,
    )
    assert [(error.path, error.code, error.offset) for error in found] == [
        (("when",), "type", 0),
        (("also",), "unknown-name", 0),
        (("title",), "unknown-field", 10),
        (("title",), "syntax", 46),
        (("title",), "unpaired-braces", 49),
        (("title",), "empty", 52),
        (("title",), "unknown-field", 68),
        (("title",), "unpaired-braces", 75),
        (("tags", 0), "unknown-name", 3),
        (("tags", 2, "k"), "unknown-name", 3),
        (("tags", 2, "l"), "unknown-name", 3),
        (("priority", "cases", 0, "when"), "unknown-name", 0),
        (("priority", "cases", 0, "use"), "unknown-name", 3),
        (("priority", "cases", 1), "cases", 0),
        (("priority", "cases", 2, "when"), "type", 0),
        (("priority", "cases", 3, "default"), "unknown-name", 3),
    ]
    assert render(EVENT) is None


def test_fields_with_mistakes_are_left_out_and_conditions_with_mistakes_are_false() -> None:
    found: list[TemplateError] = []
    fields = {"title": "{{ x }}", "icon": "{{ detail.id }}"}
    assert compile_fields(fields, report=found.append)(EVENT) == {"icon": "A-1"}
    assert compile_fields(fields, conditions={"when": "1 +"}, report=found.append)(EVENT) is None
    assert len(found) == 3


def test_a_condition_must_be_a_bool_and_is_named() -> None:
    with pytest.raises(TemplateError) as caught:
        compile_fields({}, conditions={"when": "detail.n"}, sample=EVENT)
    assert (caught.value.path, caught.value.code) == (("when",), "type")
