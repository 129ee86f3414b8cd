"""YAML with places."""

from time import process_time

import pytest

from kxmsg.subscriptions.nodes import MAX_BYTES, MAX_NODES, Node
from tests.subscriptions.compiling import FILE, read


def node(text: str) -> Node:
    root, found = read(text)
    assert found == []
    assert root is not None
    return root


def test_every_value_knows_its_place() -> None:
    root = node("a:\n  - 1\n  - {b: x}\n")
    assert root.plain == {"a": [1, {"b": "x"}]}
    key, value = root.value["a"][1].value[1].value["b"]
    assert (str(key.at), str(value.at)) == ("a.yaml:3:6", "a.yaml:3:9")


def test_a_character_of_what_is_no_text_has_the_place_of_the_whole() -> None:
    root, _ = read("a: [b]\nc: {{ d }}\n")
    assert root is not None
    assert [str(value.at_offset(3)) for _, value in root.value.values()] == ["a.yaml:1:4", "a.yaml:2:4"]


def test_a_path_leads_to_a_node_or_as_far_as_there_is_one() -> None:
    root = node("a: [b, {c: d}]")
    assert root.descend(["a", 1, "c"]).plain == "d"
    assert root.descend(["a", 1, "x", "y"]).plain == {"c": "d"}
    assert root.descend(["a", 2]).plain == ["b", {"c": "d"}]
    assert root.descend(["a", 0, "c"]).plain == "b"
    assert root.descend([]) is root


@pytest.mark.parametrize("text", ["", "# nothing\n", "\ufeff"])
def test_an_empty_file_holds_nothing(text: str) -> None:
    assert read(text) == (None, [])


def test_a_byte_order_mark_shifts_no_place() -> None:
    root, found = read("\ufeffa: [no, {{ b }}]")
    assert [problem.split(": ")[0] for problem in found] == ["a.yaml:1:5", "a.yaml:1:9"]
    assert root is not None
    assert root.plain == {"a": ["no", "{{ b }}"]}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: b: c", "a.yaml:1:5: error[yaml]: not YAML: mapping values are not allowed"),
        ("a: [\n\n", "a.yaml:1:4: error[yaml]: not YAML: did not find expected node content"),
        ("a: b\nc: 'd\ne: f\n", "a.yaml:2:4: error[yaml]: not YAML: the quote is not closed in its line; close it"),
        ('a: "b\nc: "d"\n', "a.yaml:1:4: error[yaml]: not YAML: the quote is not closed in its line; close it"),
        ("a:\n  - b: 'x\n    c: y\n  - d: 'z'\n", "a.yaml:2:8: error[yaml]: not YAML: the quote is not closed in its"),
        ("a: |\n  'tis \"so\nb: c: d\n", "a.yaml:3:5: error[yaml]: not YAML: mapping values are not allowed"),
        ("a: 'b\n  c'\nd: e: f\n", "a.yaml:3:5: error[yaml]: not YAML: mapping values are not allowed"),
        ("a: 'it''s' # don't\nd: e: f\n", "a.yaml:2:5: error[yaml]: not YAML: mapping values are not allowed"),
        ("a: 1\n...\nb: 2", "a.yaml:3:1: error[yaml]: a second document begins here; keep one in each file"),
        ("a:\n  b: c\n d: e\n", "a.yaml:3:2: error[yaml]: not YAML: did not find expected key"),
        ("a: 1\n---\nb: 2", "a.yaml:2:1: error[yaml]: a second document begins here; keep one in each file"),
        ("a: \x00", "a.yaml:1:4: error[yaml]: not YAML: control characters are not allowed: #x00"),
        ("é: b\nü: c\x07", "a.yaml:2:5: error[yaml]: not YAML: control characters are not allowed: #x07"),
        ("a: *b", "a.yaml:1:4: error[yaml]: not YAML: found undefined alias"),
        ("a: @b", "a.yaml:1:4: error[yaml]: not YAML: found character that cannot start any token"),
        ("x" * (MAX_BYTES + 1), f"a.yaml: error[file]: is larger than {MAX_BYTES} characters; split it"),
        ("[" * 100_000, "a.yaml:1:101: error[shape]: nested deeper than 100; write it flatter"),
        ("a: &a [*a]", "a.yaml:1:4: error[yaml-alias]: nested deeper than 100 once aliases are followed"),
        ("a: &a {b: *a}", "a.yaml:1:8: error[yaml-alias]: nested deeper than 100 once aliases are followed"),
    ],
)
def test_what_can_not_be_read_is_refused_at_its_place(text: str, problem: str) -> None:
    root, (found,) = read(text)
    assert root is None
    assert found.startswith(problem)


def test_an_alias_bomb_goes_off_harmlessly() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    began = process_time()
    root, (problem,) = read("\n".join(lines))
    assert process_time() - began < 2
    assert root is None
    assert f"more than {MAX_NODES} values once aliases are followed; write less" in problem


def test_aliases_stand_for_the_values_that_they_name_at_those_places() -> None:
    root = node("a: &a {b: [1, 2]}\nc: *a\nd: [*a, &e x, *e]\n")
    assert root.plain == {"a": {"b": [1, 2]}, "c": {"b": [1, 2]}, "d": [{"b": [1, 2]}, "x", "x"]}
    assert root.value["c"][1].at == root.value["a"][1].at


def test_mistakes_that_leave_the_rest_readable_are_all_told() -> None:
    root, found = read("a: 1\na: 2\n5: x\nb: 2026-02-30\nc: ok\n")
    assert root is not None
    assert root.plain["c"] == "ok"
    assert root.at.file == FILE
    assert found == [
        "a.yaml:2:1: error[yaml-duplicate]: 'a' stands twice, first in line 1; keep one",
        "a.yaml:3:1: error[yaml-key]: a key must be text, not 5; quote it",
        "a.yaml:4:4: error[yaml]: '2026-02-30' is no timestamp: day is out of range for month; quote it if it is text",
    ]
