"""YAML as composed nodes, so that every value knows its line and column."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from kxmsg.errors import ConfigError

MAX_BYTES: Final = 1_000_000
MAX_NODES: Final = 50_000
"""Nodes of one file after aliases are followed: an alias bomb ends here."""

MAX_DEPTH: Final = 100
"""Nesting: PyYAML's composer recurses in C, without a limit of its own."""


@dataclass(frozen=True, slots=True)
class At:
    """A place in a file, counted from 1."""

    file: Path
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Node:
    """A YAML value and where it stands. ``value`` is a scalar, a list of nodes, or a dict of (key node, node)."""

    at: At
    value: Any
    text_at: At | None = None
    """Where the characters of a text begin, if it stands in one line and as it is: behind its quote, if it has one."""

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
        """The place of a character of the text; the node's where that can't be told."""
        start = self.text_at
        return At(start.file, start.line, start.column + offset) if start else self.at

    @property
    def plain(self) -> Any:
        """The value without places."""
        if isinstance(self.value, list):
            return [node.plain for node in self.value]
        if isinstance(self.value, dict):
            return {name: node.plain for name, (_, node) in self.value.items()}
        return self.value


def parse(file: Path, text: str, problems: list[str]) -> Node | None:
    """The file's one document, None where it is empty.

    Mistakes that leave the rest readable are added to ``problems``; for others it raises :class:`ConfigError`. Each
    has its place and a remedy.
    """
    if len(text) > MAX_BYTES:
        raise ConfigError([f"{file}: is larger than {MAX_BYTES} bytes; split it"])
    loader = yaml.CSafeLoader(text)
    try:
        _check_depth(file, text)
        root = loader.get_single_node()
        return None if root is None else _Reader(file, loader, problems).read(root)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = _at(file, mark) if mark else file
        raise ConfigError(
            [f"{place}: not YAML: {error.problem}; quote text that holds ': ', ' #' or '{{{{'"]
        ) from error
    except yaml.YAMLError as error:
        raise ConfigError([f"{file}: not YAML: {error}"]) from error
    finally:
        loader.dispose()


def _check_depth(file: Path, text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise ConfigError([f"{_at(file, event.start_mark)}: nested deeper than {MAX_DEPTH}; write it flatter"])
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _at(file: Path, mark: Any) -> At:
    """``mark`` is PyYAML's, from C or from Python: two classes alike."""
    return At(file, mark.line + 1, mark.column + 1)


class _Reader:
    def __init__(self, file: Path, loader: yaml.CSafeLoader, problems: list[str]) -> None:
        self._file = file
        self._loader = loader
        self._problems = problems
        self._count = 0
        self._depth = 0

    def read(self, node: yaml.Node) -> Node:
        self._count += 1
        self._depth += 1
        at = _at(self._file, node.start_mark)
        if self._count > MAX_NODES:
            raise ConfigError([f"{at}: more than {MAX_NODES} values once aliases are followed; write less"])
        if self._depth > MAX_DEPTH:
            raise ConfigError([f"{at}: nested deeper than {MAX_DEPTH} once aliases are followed; write it flatter"])
        value: Any
        match node:
            case yaml.MappingNode():
                value = self._mapping(node)
            case yaml.SequenceNode():
                value = [self.read(child) for child in node.value]
            case _:
                value = self._scalar(at, node)
        self._depth -= 1
        return Node(at, value, self._text_at(at, node))

    def _text_at(self, at: At, node: yaml.Node) -> At | None:
        if not isinstance(node, yaml.ScalarNode) or node.start_mark.line != node.end_mark.line:
            return None
        quotes = 0 if node.style is None else 1
        as_it_is = node.end_mark.column - node.start_mark.column == len(node.value) + 2 * quotes
        return At(at.file, at.line, at.column + quotes) if as_it_is else None

    def _scalar(self, at: At, node: yaml.Node) -> Any:
        try:
            return self._loader.construct_object(node)
        except (ValueError, AttributeError) as error:  # what PyYAML takes for a date or a number, and is none
            self._problems.append(f"{at}: {node.value!r} is no value: {error}; quote it if it is text")
            return node.value

    def _mapping(self, node: yaml.MappingNode) -> dict[str, tuple[Node, Node]]:
        fields: dict[str, tuple[Node, Node]] = {}
        for key_node, value_node in node.value:
            key, value = self.read(key_node), self.read(value_node)
            if not isinstance(key.value, str):
                self._problems.append(f"{key.at}: a key must be text, not {key.plain!r}; quote it")
            elif key.value in fields:
                first = fields[key.value][0].at
                self._problems.append(f"{key.at}: {key.value!r} stands twice, first in line {first.line}; keep one")
            else:
                fields[key.value] = (key, value)
        return fields
