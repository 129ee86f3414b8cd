"""YAML as composed nodes, so that every value knows its line and column."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from kxmsg.errors import ConfigError

MAX_BYTES: Final = 1_000_000
MAX_NODES: Final = 50_000
"""Nodes of one file after aliases are followed: an alias bomb ends here."""


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

    @property
    def plain(self) -> Any:
        """The value without places."""
        if isinstance(self.value, list):
            return [node.plain for node in self.value]
        if isinstance(self.value, dict):
            return {name: node.plain for name, (_, node) in self.value.items()}
        return self.value


def parse(file: Path, text: str) -> Node | None:
    """The file's one document, None where it is empty; raises :class:`ConfigError` with place and remedy."""
    if len(text) > MAX_BYTES:
        raise ConfigError([f"{file}: is larger than {MAX_BYTES} bytes; split it"])
    loader = yaml.CSafeLoader(text)
    try:
        root = loader.get_single_node()
        return None if root is None else _Reader(file, loader).read(root)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = At(file, mark.line + 1, mark.column + 1) if mark else file
        raise ConfigError(
            [f"{place}: not YAML: {error.problem}; quote text that holds ': ', ' #' or '{{{{'"]
        ) from error
    except yaml.YAMLError as error:
        raise ConfigError([f"{file}: not YAML: {error}"]) from error
    finally:
        loader.dispose()


class _Reader:
    def __init__(self, file: Path, loader: yaml.CSafeLoader) -> None:
        self._file = file
        self._loader = loader
        self._count = 0

    def read(self, node: yaml.Node) -> Node:
        self._count += 1
        at = At(self._file, node.start_mark.line + 1, node.start_mark.column + 1)
        if self._count > MAX_NODES:
            raise ConfigError([f"{at}: more than {MAX_NODES} values once aliases are followed; write less"])
        match node:
            case yaml.MappingNode():
                return Node(at, self._mapping(node))
            case yaml.SequenceNode():
                return Node(at, [self.read(child) for child in node.value])
            case _:
                return Node(at, self._loader.construct_object(node))

    def _mapping(self, node: yaml.MappingNode) -> dict[str, tuple[Node, Node]]:
        fields: dict[str, tuple[Node, Node]] = {}
        for key_node, value_node in node.value:
            key = self.read(key_node)
            if not isinstance(key.value, str):
                raise ConfigError([f"{key.at}: a key must be text, not {key.plain!r}; quote it"])
            if key.value in fields:
                first = fields[key.value][0].at
                raise ConfigError([f"{key.at}: {key.value!r} stands twice, first in line {first.line}; keep one"])
            fields[key.value] = (key, self.read(value_node))
        return fields
