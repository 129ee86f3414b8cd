"""YAML with places."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kxmsg.errors import ConfigError
from kxmsg.subscriptions.nodes import MAX_BYTES, parse

FILE = Path("a.yaml")


def refusal(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(FILE, text, [])
    (problem,) = caught.value.problems
    return str(problem)


def test_every_value_knows_its_place() -> None:
    problems: list[str] = []
    root = parse(FILE, "a:\n  - 1\n  - {b: x}\n", problems)
    assert root is not None
    assert root.plain == {"a": [1, {"b": "x"}]}
    key, value = root.value["a"][1].value[1].value["b"]
    assert (str(key.at), str(value.at)) == ("a.yaml:3:6", "a.yaml:3:9")
    assert problems == []


def test_an_empty_file_holds_nothing() -> None:
    assert parse(FILE, "# nothing\n", []) is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: b: c", "a.yaml:1:5: not YAML: mapping values are not allowed"),
        ("a: [", "a.yaml:"),
        ("a: 1\n---\nb: 2", "a.yaml:2:1: not YAML: but found another document"),
        ("a: !mine 1", "a.yaml:1:4: not YAML: could not determine a constructor"),
        ("a: \x00", "a.yaml: not YAML"),
        ("a: *b", "a.yaml:1:4: not YAML: found undefined alias"),
        ("x" * (MAX_BYTES + 1), "a.yaml: is larger than"),
        ("[" * 100_000, "a.yaml:1:101: nested deeper than 100"),
        ("a: &a [*a]", "nested deeper than 100 once aliases are followed"),
    ],
)
def test_what_can_not_be_read_is_refused_with_its_place(text: str, problem: str) -> None:
    assert problem in refusal(text)


def test_a_template_without_quotes_is_told() -> None:
    problems: list[str] = []
    parse(FILE, "a: {{ x }}", problems)
    assert len(problems) == 1
    assert problems[0].startswith("a.yaml:1:5: a key must be text")
    assert problems[0].endswith("quote it")


def test_an_alias_bomb_goes_off_harmlessly() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    assert "more than 50000 values once aliases are followed" in refusal("\n".join(lines))


def test_mistakes_that_leave_the_rest_readable_are_all_told() -> None:
    problems: list[str] = []
    root = parse(FILE, "a: 1\na: 2\n5: x\nb: 2026-02-30\nc: ok\n", problems)
    assert root is not None
    assert root.plain["c"] == "ok"
    assert problems == [
        "a.yaml:2:1: 'a' stands twice, first in line 1; keep one",
        "a.yaml:3:1: a key must be text, not 5; quote it",
        "a.yaml:4:4: '2026-02-30' is no value: day is out of range for month; quote it if it is text",
    ]


yaml_like = st.text(st.sampled_from("ab:-[]{}&*!|>'\"#%@,? \n\t0.~<="), max_size=40)


@given(yaml_like)
def test_any_text_is_read_or_refused(text: str) -> None:
    problems: list[str] = []
    try:
        root = parse(FILE, text, problems)
    except ConfigError:
        return
    assert root is None or root.at.file == FILE
    assert all(problem.startswith("a.yaml:") for problem in problems)
