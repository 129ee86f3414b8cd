"""YAML as composed nodes, so that every value knows its line and column."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import yaml

from kxmsg.subscriptions.offsets import Scalar
from kxmsg.subscriptions.problems import At, Problems
from kxmsg.subscriptions.traps import (
    bare_braces,
    cut_off,
    explained,
    is_braces,
    lost_comment,
    misread,
    not_json,
    open_quote,
)
from kxmsg.wording import shown

MAX_BYTES: Final = 1_000_000
MAX_NODES: Final = 50_000
"""Nodes of one file after aliases are followed: an alias bomb ends here."""

MAX_DEPTH: Final = 100
"""Nesting: PyYAML's composer recurses in C, without a limit of its own."""

_TAG: Final = "tag:yaml.org,2002:"
_TAGS: Final = {
    yaml.MappingNode: frozenset({"map"}),
    yaml.SequenceNode: frozenset({"seq"}),
    yaml.ScalarNode: frozenset({"str", "null", "bool", "int", "float", "timestamp", "binary", "value"}),
}
"""Types of YAML that are read; ``value`` is a lone ``=``, which is text."""

Fields: TypeAlias = "Mapping[str, tuple[Node, Node]]"
"""A map: for each key its node and its value's."""


@dataclass(frozen=True, slots=True)
class Node:
    """A YAML value and where it stands. ``value`` is a scalar, a list of nodes, or a dict of (key node, node)."""

    at: At
    value: Any
    scalar: Scalar | None = None
    """How the file writes a text."""

    def descend(self, path: Sequence[str | int]) -> "Node":
        """The node that ``path`` (keys and positions) leads to, or the last one on the way that there is."""
        node = self
        for step in path:
            inside = node.value
            if isinstance(inside, dict) and step in inside:
                node = inside[str(step)][1]
            elif isinstance(inside, list) and isinstance(step, int) and step < len(inside):
                node = inside[step]
            else:
                break
        return node

    def at_offset(self, offset: int) -> At:
        """The place of a character of the text; the node's where it is none."""
        if self.scalar is None:
            return self.at
        lines, columns = self.scalar.place(offset)
        return At(self.at.file, self.at.line + lines, columns + (1 if lines else self.at.column))

    @property
    def plain(self) -> Any:
        """The value without places."""
        if isinstance(self.value, list):
            return [node.plain for node in self.value]
        if isinstance(self.value, dict):
            return {name: node.plain for name, (_, node) in self.value.items()}
        return self.value


class Unreadable(Exception):
    """Nothing can be made of the file; its problem is among the problems."""


def parse(file: Path, text: str, problems: Problems) -> Node | None:
    """The file's one document, None where it is empty.

    Mistakes are added to ``problems``; where nothing can be made of the rest it raises :class:`Unreadable`.
    """
    text = text.removeprefix("\ufeff")
    if len(text) > MAX_BYTES:
        problems.add(At(file), "file", f"is larger than {MAX_BYTES} characters; split it")
        raise Unreadable
    lines = text.splitlines()
    loader = yaml.CSafeLoader(text)
    try:
        _check_depth(file, text, problems)
        root = loader.get_single_node()
        return None if root is None else _Reader(file, text, lines, loader, problems).read(root)
    except yaml.MarkedYAMLError as error:
        problems.add(*_syntax(file, text, lines, error))
        raise Unreadable from error
    except yaml.reader.ReaderError as error:
        until = (text.encode()[: error.position].decode(errors="replace") + "?").splitlines()
        fault = f"not YAML: {error.reason}: #x{error.character:02x}; remove it, or write it as an escape in quotes"
        problems.add(At(file, len(until), len(until[-1])), "yaml", fault)
        raise Unreadable from error
    finally:
        loader.dispose()


def _syntax(file: Path, text: str, lines: list[str], error: yaml.MarkedYAMLError) -> tuple[At, str, str]:
    at = _error_at(file, text, error)
    if braces := bare_braces(lines, at.line - 1):
        return At(file, braces[0] + 1, braces[1] + 1), "yaml-braces", _BRACES
    if comment := lost_comment(lines, at.line - 1):
        return At(file, comment[0] + 1, comment[1] + 1), "yaml-comment", _comment(comment[2])
    if quote := open_quote(lines, at.line - 1):
        return At(file, quote[0] + 1, quote[1] + 1), "yaml", "not YAML: the quote is not closed in its line; close it"
    if lines[at.line - 1 : at.line] and lines[at.line - 1][at.column - 1 : at.column] == "\t":
        return at, "yaml", "not YAML: a tab stands here; indent with spaces"
    return at, "yaml", explained(error.problem)


def _error_at(file: Path, text: str, error: yaml.MarkedYAMLError) -> At:
    """Where the error is; what lacks its end is told where it begins."""
    text = text.rstrip()
    for mark in (error.problem_mark, error.context_mark):
        if mark is not None and mark.index < len(text):
            return _at(file, mark)
    last = text.splitlines() or [""]
    return At(file, len(last), max(len(last[-1]), 1))


_BRACES: Final = 'without quotes, {{ }} is a map to YAML; write the whole text in quotes: "… {{ … }} …"'


def _comment(text: str) -> str:
    return f"{text!r} is a comment, and not part of the text; quote the text, or move the comment"


def _check_depth(file: Path, text: str, problems: Problems) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                problems.add(_at(file, event.start_mark), "shape", f"nested deeper than {MAX_DEPTH}; write it flatter")
                raise Unreadable
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _at(file: Path, mark: Any) -> At:
    """``mark`` is PyYAML's, from C or from Python: two classes alike."""
    return At(file, mark.line + 1, mark.column + 1)


class _Reader:
    def __init__(self, file: Path, text: str, lines: list[str], loader: yaml.CSafeLoader, problems: Problems) -> None:
        self._file = file
        self._text = text
        self._lines = lines
        self._loader = loader
        self._problems = problems
        self._count = 0
        self._depth = 0
        self._told: set[int] = set()

    def read(self, node: yaml.Node) -> Node:
        self._count += 1
        self._depth += 1
        at = _at(self._file, node.start_mark)
        if self._count > MAX_NODES:
            self._problems.add(at, "yaml-alias", f"more than {MAX_NODES} values once aliases are followed; write less")
            raise Unreadable
        if self._depth > MAX_DEPTH:
            fault = f"nested deeper than {MAX_DEPTH} once aliases are followed; write it flatter"
            self._problems.add(at, "yaml-alias", fault)
            raise Unreadable
        value: Any
        if node.tag.removeprefix(_TAG) not in _TAGS[type(node)]:
            self._unknown_tag(at, node)
        match node:
            case yaml.MappingNode():
                value = self._braces(at, node) if is_braces(node) else self._mapping(node)
            case yaml.SequenceNode():
                value = [self.read(child) for child in node.value]
            case yaml.ScalarNode():
                value = self._scalar(at, node)
        self._depth -= 1
        return Node(at, value, self._written(node) if isinstance(node, yaml.ScalarNode) else None)

    def _written(self, node: yaml.ScalarNode) -> Scalar:
        return Scalar(self._text, node.start_mark.index, node.end_mark.index, node.style or "", node.value)

    def _braces(self, at: At, node: yaml.MappingNode) -> str:
        """What the braces were meant as."""
        self._tell(node, at, "yaml-braces", _BRACES)
        return self._text[node.start_mark.index : node.end_mark.index]

    def _unknown_tag(self, at: At, node: yaml.Node) -> None:
        fault = f"YAML's {node.tag.replace(_TAG, '!!')} is not known here; remove it, or quote the text that it begins"
        if node.tag == f"{_TAG}merge":
            fault = "'<<' does not merge here; write the keys out, or use an alias for a whole value"
        self._tell(node, at, "yaml", fault)

    def _scalar(self, at: At, node: yaml.ScalarNode) -> Any:
        tag = node.tag.removeprefix(_TAG)
        if tag == "value" or tag not in _TAGS[yaml.ScalarNode]:
            return node.value
        try:
            value = self._loader.construct_object(node)
        except (ValueError, LookupError, AttributeError, yaml.constructor.ConstructorError) as error:
            # What a tag says it is, or PyYAML takes for a date or a number, and is none.
            why = f": {error}" if isinstance(error, ValueError) else ""
            self._tell(node, at, "yaml", f"{node.value!r} is no {tag}{why}; quote it if it is text")
            return node.value
        if trap := misread(node, value):
            self._tell(node, at, *trap)
            return value if isinstance(value, int | float) and not isinstance(value, bool) else node.value
        if comment := cut_off(node, self._lines):
            self._tell(node, at, "yaml-comment", _comment(comment))
        if fault := not_json(value):
            self._tell(node, at, "json", fault)
            return node.value
        return value

    def _mapping(self, node: yaml.MappingNode) -> dict[str, tuple[Node, Node]]:
        fields: dict[str, tuple[Node, Node]] = {}
        for key_node, value_node in node.value:
            key, value = self.read(key_node), self.read(value_node)
            if key_node.tag == f"{_TAG}merge":
                continue
            if not isinstance(key.value, str):
                self._tell(key_node, key.at, "yaml-key", f"a key must be text, not {shown(key.plain)}; quote it")
            elif key.value in fields:
                first = fields[key.value][0].at
                fault = f"{key.value!r} stands twice, first in line {first.line}; keep one"
                self._tell(key_node, key.at, "yaml-duplicate", fault)
            else:
                fields[key.value] = (key, value)
        return fields

    def _tell(self, node: yaml.Node, at: At, code: str, text: str) -> None:
        """Once for each place, however many aliases lead to it."""
        if id(node) not in self._told:
            self._told.add(id(node))
            self._problems.add(at, code, text)
