"""Mistakes: every code of one can be provoked, and is told at its place."""

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

import kxmsg.subscriptions
from kxmsg.errors import ConfigError
from kxmsg.rendering import CODES as EXPRESSION_CODES
from kxmsg.subscriptions import load
from kxmsg.subscriptions.problems import CODES, At, Problem, Problems
from tests.subscriptions.compiling import GOOD, HEAD, problems, with_template

OWN = """\
eventSubscriptions:
  - name: echo
    eventPattern: {source: [kx-notifications-messaging]}
    notificationMapping:
      notification.created: {targetType: user, userId: ana, content: x}
"""


def content(text: str) -> str:
    """A template whose content's text, in double quotes, begins at 5:49."""
    return with_template(f'targetType: broadcast, content: "{text}"')


PROVOKED = {
    "yaml": ("a: [", "1:4"),
    "yaml-braces": (with_template("targetType: broadcast, content: {{ source }}"), "5:49"),
    "yaml-comment": (
        f"{HEAD}    notificationMapping:\n     lost:\n      targetType: broadcast\n      content: a{{{{ id }}}} #",
        "7:16",
    ),
    "yaml-bool": (GOOD.replace("orders", "no"), "2:11"),
    "yaml-number": (with_template("targetType: broadcast, content: x, ttl: 012"), "5:57"),
    "yaml-date": (GOOD.replace("orders", "2026-01-01"), "2:11"),
    "yaml-key": (f"{GOOD}      5: x\n", "6:7"),
    "yaml-duplicate": (f"{GOOD}    name: more\n", "6:5"),
    "yaml-alias": (f"a: &a [{'x, ' * 300}x]\nb: [{'*a, ' * 200}]", "1:503"),
    "shape": ("eventSubscriptions: x", "1:21"),
    "unknown-key": (f"{GOOD}    nmae: x\n", "6:5"),
    "missing-key": (GOOD.replace("name: orders", "tests: []"), "2:5"),
    "duplicate-name": (GOOD + GOOD.removeprefix("eventSubscriptions:\n"), "6:11"),
    "pattern": (GOOD.replace("[shop]", "[{prefixes: x}]"), "3:40"),
    "unreachable": (GOOD.replace("shipped:", "gone:"), "5:7"),
    "loop": (OWN, "5:29"),
    "target-type": (with_template("targetType: all, content: x"), "5:29"),
    "misplaced-key": (with_template("targetType: broadcast, content: x, targetUserIds: [a]"), "5:52"),
    "value": (with_template("targetType: broadcast, content: x, priority: top"), "5:62"),
    "json": (with_template("targetType: broadcast, content: x, metadata: {a: .inf}"), "5:66"),
    "locale": (with_template("targetType: broadcast, content: {english: x}"), "5:49"),
    "sample": (f"{GOOD}    sample: none.json\n", "6:13"),
    "target": (f"{GOOD}    targets: [{{id: q, arn: my-queue}}]\n", "6:28"),
    "test": (f"{GOOD}    tests: [{{name: a, event: {{detail-type: shipped}}, expect: {{}}}}]\n", "6:62"),
    "syntax": (content("a {{ detail.a + }}"), "5:66"),
    "empty": (content("a {{ }}"), "5:52"),
    "string": (content("a {{ 'b }}"), "5:55"),
    "number": (content("a {{ 0x }}"), "5:55"),
    "unpaired-braces": (content("a {{ b"), "5:52"),
    "unsupported": (content("a {{ b'x' }}"), "5:55"),
    "unknown-name": (content("a {{ order.id }}"), "5:55"),
    "unknown-field": (
        content("a {{ detail.ide }}").replace("lost]}", "lost]}\n    sample: {detail: {id: 1}}"),
        "6:62",
    ),
    "unknown-function": (content("a {{ upper(source) }}"), "5:55"),
    "arity": (content("a {{ size() }}"), "5:55"),
    "call-style": (content("a {{ startsWith(source, 'b') }}"), "5:55"),
    "argument": (content("a {{ formatNumber(1, 'xx-nope') }}"), "5:71"),
    "type": (content("a {{ 'b' - 1 }}"), "5:55"),
    "cases": (with_template("targetType: broadcast, content: {cases: []}"), "5:57"),
    "too-long": (content("{{ id }}" * 65), "5:562"),
    "too-deep": (content(f"a {{{{ {'(' * 99}1{')' * 99} }}}}"), "5:95"),
}
"""For each code a file with that one mistake, and its place. Two are not of a text."""


@pytest.mark.parametrize("code", PROVOKED)
def test_each_code_can_be_provoked_and_has_its_exact_place(code: str, tmp_path: Path) -> None:
    text, place = PROVOKED[code]
    (problem,) = problems(tmp_path, a=text)
    assert problem.startswith(f"a.yaml:{place}: error[{code}]: ")


@pytest.mark.parametrize("code", PROVOKED)
def test_each_mistake_comes_with_what_would_be_right(code: str, tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, a=PROVOKED[code][0])
    what = problem.partition("]: ")[2]
    assert "; " in what or "must be" in what


def test_a_missing_folder_is_told_with_the_setting(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere: error\[folder\]: no such folder; set KXMSG_CONFIG"):
        load(tmp_path / "nowhere")


def test_a_file_that_is_not_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(ConfigError, match=r"a\.yaml: error\[file\]: byte 1 is not UTF-8; save"):
        load(tmp_path)


def test_a_folder_that_is_named_as_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").mkdir()
    with pytest.raises(ConfigError, match=r"a\.yaml: error\[file\]: can't be read"):
        load(tmp_path)


def test_every_code_has_been_provoked() -> None:
    assert set(CODES) == {*PROVOKED, "folder", "file"}


def test_every_code_that_the_compiler_uses_is_declared_and_the_other_way_round() -> None:
    used = {code for file in Path(inspect.getfile(kxmsg.subscriptions)).parent.glob("*.py") for code in _codes(file)}
    assert used - set(EXPRESSION_CODES) == set(CODES) - set(EXPRESSION_CODES)
    assert used <= set(CODES)


def _codes(file: Path) -> Iterator[str]:
    """Codes that a module hands over, as arguments or as the results of a trap."""
    position = {"add": 1, "_wrong": 1, "_tell": 2}
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and len(node.args) > 2:
            argument = node.args[position[node.func.attr]] if node.func.attr in position else None
            some = [argument.body, argument.orelse] if isinstance(argument, ast.IfExp) else [argument]
            yield from (str(one.value) for one in some if isinstance(one, ast.Constant))
        elif isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple):
            texts = [one.value for one in node.value.elts if isinstance(one, ast.Constant)]
            yield from (text for text in texts if isinstance(text, str) and text.startswith("yaml"))


def test_mistakes_are_told_by_file_and_place() -> None:
    found = Problems()
    for at in (At(Path("b"), 1, 1), At(Path("a"), 10, 1), At(Path("a"), 9, 5), At(Path("a"), 9, 4), At(Path("a"))):
        found.add(at, "x", "y; z")
    places = ["a", "a:9:4", "a:9:5", "a:10:1", "b:1:1"]
    assert found.lines() == [f"{place}: error[x]: y; z" for place in places]


def test_a_mistake_is_one_line_whatever_is_quoted_in_it() -> None:
    assert str(Problem(At(Path("a"), 1, 2), "x", "a\nb\x85 'ü'")) == "a:1:2: error[x]: a\\nb\\x85 'ü'"
