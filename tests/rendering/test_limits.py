"""Limits: nothing that a template or an event says escapes, hangs or grows without bound."""

import builtins
from collections.abc import Mapping
from contextlib import suppress
from time import process_time
from typing import Any

import pytest

from kxmsg.rendering import RenderError, TemplateError, compile_expression, compile_fields, compile_value, compiler
from kxmsg.rendering.functions import FUNCTIONS
from kxmsg.rendering.namespace import NAMESPACE
from kxmsg.rendering.operators import MAX_DEPTH
from tests.rendering.events import EVENT

NUMBERS: Mapping[str, Any] = {
    "detail": {
        "big": list(range(5_000)),
        "text": "x" * 200_000,
        "other": "x" * 199_999 + "y",
        "near": "a" * 30_000,
        "part": "a" * 98 + "ba",
        "words": ["ab"] * 5_000,
        "nested": [list(range(9_000))],
    }
}


@pytest.mark.parametrize(
    "text",
    [
        "detail.__class__",
        "detail['__class__']",
        "detail.id.__class__",
        "detail.id['__class__']",
        "detail.id.format",
        "detail.items",
        "detail.keys",
        "detail.list.append",
        "event.get",
        "has(detail.id.__len__)",
        "coalesce(detail.id.__len__, 1)",
        "detail.list.map(x, x.__class__)",
    ],
)
def test_attributes_of_python_are_no_members(text: str) -> None:
    with pytest.raises(RenderError):
        compile_expression(text)(EVENT)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os')",
        "exec('1')",
        "explain",
        "failure",
        "render",
        "function_size('x')",
        "operators",
        "detail.id.format('x')",
        "detail.id.encode()",
        "detail.id.join('x')",
        "lambda: 1",
        "[x for x in detail.list]",
        "detail.id if true else 1",
        "detail.n ** 9",
        "detail.id @ 1",
        "(detail.n := 3)",
        "f'{detail}'",
        "detail.id * 99999",
        "'x' * 99999",
        "[0] * 99999",
        "1 << 99",
        "t",
        "meter",
    ],
)
def test_python_is_not_the_language(text: str) -> None:
    with pytest.raises((TemplateError, RenderError)):
        compile_expression(text, sample=EVENT)(EVENT)


def test_generated_code_has_no_builtins() -> None:
    render = compile_value("a {{ detail.id }}")
    namespace = render.__globals__
    assert namespace["__builtins__"] == {}
    assert not {"open", "exec", "eval", "getattr", "__import__", "compile"} & set(namespace)
    assert {name for name in NAMESPACE if hasattr(builtins, name)} == {"len", "all", "any", "type", "str"}


@pytest.mark.parametrize("quote", ["'", '"', "\\", "\n", "{", "}", "%s", "\x00", "\u2028", "'''", "#{x}"])
def test_what_a_string_holds_stays_a_string(quote: str) -> None:
    escaped = "".join(f"\\U{ord(character):08x}" for character in quote)
    assert compile_value("{{ 'a" + escaped + "b' }}-")(EVENT) == f"a{quote}b-"
    assert compile_expression("{'" + escaped + "': 1}")(EVENT) == {quote: 1}
    with pytest.raises(RenderError):
        compile_expression("detail['" + escaped + "']")(EVENT)


@pytest.mark.parametrize(
    "text",
    [
        "(" * 4_000,
        "[" * 60 + "]" * 60,
        "{1:" * 60 + "1" + "}" * 60,
        "!" * 4_000 + "true",
        "-" * 4_000 + "1",
        "1" + "+1" * 2_000,
        "true" + "&&(true" * 500 + ")" * 500,
        "detail" + ".a" * 2_000,
        "detail" + "[0]" * 1_000,
        "'a'" + ".trim()" * 500,
        "true?1:" * 500 + "1",
        "size(" * 500 + "[]" + ")" * 500,
        "[1].map(a, " * 50 + "1" + ")" * 50,
        "'" + "a" * 5_000 + "'",
    ],
    ids=lambda text: text[:16],
)
def test_what_is_nested_or_long_without_bound_is_refused(text: str) -> None:
    with pytest.raises(TemplateError) as caught:
        compile_expression(text)
    assert caught.value.code in {"too-deep", "too-long", "syntax", "string"}


def test_a_chain_of_conditions_may_be_long() -> None:
    text = " || ".join(f"detail.id == 'B-{number}'" for number in range(150))
    assert compile_expression(text)(EVENT) is False
    assert compile_expression(text + " || true || detail.absent == 1")(EVENT) is True


def test_a_value_nested_too_deep_is_refused() -> None:
    value: Any = "{{ detail.n }}"
    for _ in range(45):
        value = [value]
    with pytest.raises(TemplateError) as caught:
        compile_value(value)
    assert caught.value.code == "too-deep"


def test_the_deepest_expression_compiles_far_down_the_stack() -> None:
    """The limits leave room for the callers' frames."""
    text = "(" * 34 + "detail.n" + ")" * 34 + " + 1" * 70

    def down(frames: int) -> Any:
        return down(frames - 1) if frames else compile_expression(text)(EVENT)

    assert down(150) == 72


@pytest.mark.parametrize(
    "text",
    [
        "detail.big.map(a, detail.big.map(b, detail.big.map(c, a * b * c)))",
        "detail.big.filter(a, detail.big.exists(b, b == -1))",
        "detail.big.map(a, detail.text)",
        "detail.big.map(a, detail.text.contains('y'))",
        "detail.big.map(a, detail.text + 'y')",
        "detail.big.map(a, a in detail.big)",
        "detail.big.map(a, detail.big == detail.big)",
        "detail.big.map(a, detail.words.unique())",
        "detail.big.map(a, formatCurrency(a, 'EUR', 'de')).map(b, formatNumber(size(b))).map(c, formatPercent(1))",
        "[detail.big.map(a, detail.text)].map(texts, detail.words.map(b, detail.other in texts))",
        "detail.big.map(a, detail.text < detail.other)",
        "detail.big.map(a, detail.text == detail.other)",
        "[detail.big.map(a, a % 2 == 0 ? detail.text : detail.other)].map(texts, texts.unique().size())",
        "detail.big.map(a, detail.near.contains(detail.part))",
        "detail.big.all(a, detail.words.join() != 'x')",
        "detail.text.replace('x', detail.text)",
        "detail.text.replace('', detail.text)",
        "detail.text.split('').map(x, detail.text.split('').size())",
        "detail.words.join(detail.text)",
        "[detail.text, detail.text].map(x, x)",
        "detail.text + detail.text",
        "string(detail.big.map(a, detail.big))",
        "detail.big.map(a, string(detail.nested))",
        "detail.big.map(a, detail.nested == detail.nested)",
        "[detail.big.transformMap(i, v, v)].map(m, detail.big.map(a, detail.big.map(b, m[b])))",
    ],
)
def test_work_and_output_are_bounded(text: str) -> None:
    with pytest.raises(RenderError, match=r"more work than|more than \d+ characters"):
        compile_value("{{ " + text + " }}")(NUMBERS)


def test_a_rendered_text_is_bounded() -> None:
    with pytest.raises(RenderError, match="more than 262144 characters") as caught:
        compile_fields({"content": "{{ detail.text }} {{ detail.text }}"})(NUMBERS)
    assert caught.value.field == "content"


def test_no_operator_absorbs_the_end_of_the_budget() -> None:
    loop = "detail.big.all(a, detail.big.all(b, detail.big.all(c, c >= 0)))"
    with pytest.raises(RenderError, match="more work"):
        compile_expression(f"{loop} || true")(NUMBERS)
    with pytest.raises(RenderError, match="more work"):
        compile_expression(f"coalesce({loop}, 1)")(NUMBERS)


def test_an_event_nested_without_bound_is_refused_where_it_is_computed_with() -> None:
    deep: Any = []
    for _ in range(5_000):
        deep = [deep]
    for text in (
        "{{ detail.d == [detail.d] }}",
        "a {{ detail.d }}",
        "{{ detail.d + [] }}",
        "{{ [detail.d].unique() }}",
    ):
        with pytest.raises(RenderError, match="nested deeper"):
            compile_value(text)({"detail": {"d": deep}})


@pytest.mark.parametrize(
    "value",
    [
        "{{ detail.d }}",
        {"a": ["{{ detail.d }}"]},
        "{{ detail.no ? 1 : detail.d }}",
        "{{ coalesce(detail.absent, detail.d) }}",
        "{{ [detail.d] }}",
        "{{ detail.d + [] }}",
        {"a": "{{ {'b': detail.d} }}"},
    ],
)
def test_what_a_field_gives_is_nested_no_deeper_than_told(value: Any) -> None:
    own = {"no": False}
    around = 62 if "[detail.d]" in str(value) or "'b'" in str(value) else 63
    around -= 2 if isinstance(value, dict) and "['{{" in str(value) else 1 if isinstance(value, dict) else 0
    fits: Any = []
    for _ in range(around):
        fits = [fits]
    render = compile_fields({"title": "x", "metadata": value})
    made = render({"detail": {**own, "d": fits}})
    assert made is not None
    assert depth(made["metadata"]) == MAX_DEPTH
    with pytest.raises(RenderError, match="nested deeper than 64") as caught:
        render({"detail": {**own, "d": [fits]}})
    assert caught.value.field == "metadata"


def depth(value: Any) -> int:
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inside is None else 1 + max(map(depth, inside), default=0)


def test_the_same_large_value_many_times_is_refused() -> None:
    event = {"detail": {"l": list(range(40_000)), "text": "x" * 50_000}}
    with pytest.raises(RenderError, match=r"more than \d+ characters and elements"):
        compile_value("{{ [detail.text, detail.text, detail.text, detail.text, detail.text, detail.text] }}")(event)
    for value in ("{{ detail.l }}", "{{ detail.l + [] }}", "{{ [detail.l] }}", "at {{ detail.l }}"):
        with pytest.raises(RenderError, match="more work"):
            compile_fields({"metadata": {str(number): value for number in range(100)}})(event)


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_no_function_takes_long_however_often_a_loop_calls_it(name: str) -> None:
    """A quarter of a second, on a machine that has nothing else to do."""
    for example in FUNCTIONS[name].examples:
        render = compile_expression(f"detail.l.all(x, dyn({example}) != dyn([]))")
        for rounds in (8_000, 32_000):
            began = process_time()
            with suppress(RenderError):
                render({"detail": {"l": list(range(rounds))}})
            assert process_time() - began < 1.5


def test_a_search_from_the_right_takes_no_longer_than_one_from_the_left() -> None:
    """Python's own takes the product of both lengths."""
    event = {"detail": {"s": "a" * 120_000, "t": "ab" + "a" * 60_000}}
    began = process_time()
    assert compile_expression("detail.s.lastIndexOf(detail.t)")(event) == -1
    assert process_time() - began < 0.2


def test_the_careful_form_is_made_once_and_not_before_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def counted(source: Any, filename: str, mode: str) -> Any:
        made.append(filename)
        return compile(source, filename, mode)

    monkeypatch.setattr(compiler, "compile", counted, raising=False)
    render = compile_fields({"title": "{{ detail.id }}", "content": "{{ detail.n }}!"}, sample=EVENT)
    assert len(made) == 1
    render(EVENT)
    assert len(made) == 1
    for _ in range(2):
        with pytest.raises(RenderError):
            render({"detail": {}})
    assert len(made) == 2


def test_the_deepest_expression_has_a_careful_form_as_well() -> None:
    for text in (
        "(" * 34 + "detail.n" + ")" * 34 + " + 1" * 70,
        "detail.n.map(a, [a].map(b, [b].map(c, c)))",
        "!" * 70 + "true",
    ):
        for deep in (text, f"coalesce(coalesce(coalesce({text})))"):
            with pytest.raises(RenderError):
                compile_value("{{ 1 in {'a': " + deep + "}.b }}")({})


def test_a_large_list_is_within_the_budget() -> None:
    assert compile_expression("detail.big.filter(x, x % 2 == 0).map(x, x / 2).size()")(NUMBERS) == 2_500
