"""Documents: events and patterns that a command is given, from a file or from standard input."""

import sys
from pathlib import Path
from typing import Any, Final

import orjson

from kxmsg.errors import ConfigError
from kxmsg.matching import Pattern, PatternError, faults
from kxmsg.subscriptions.nodes import Node, Unreadable, parse
from kxmsg.subscriptions.problems import At, Problem, Problems
from kxmsg.wording import type_of

STDIN: Final = Path("-")

_YAML: Final = frozenset({".yaml", ".yml"})


def read_event(file: Path) -> dict[str, Any]:
    """A JSON object; raises :class:`ConfigError`."""
    found = _json(file, _bytes(file))
    if not isinstance(found, dict):
        raise ConfigError([f"{file}: an event is one JSON object, not {type_of(found)}; write {{…}}"])
    if not isinstance(found.get("detail", {}), dict):
        raise ConfigError([f"{file}: detail: must be an object; write it as {{…}}"])
    return found


def read_pattern(file: Path) -> Pattern:
    """A pattern, JSON or YAML; raises :class:`ConfigError` naming the paths of its faults, and in YAML their lines.

    ``detailType`` is another name of ``detail-type``, as in subscriptions.
    """
    text = _bytes(file)
    root = _yaml(file, text) if _is_yaml(file, text) else None
    fields = root.plain if root else _json(file, text)
    if isinstance(fields, dict) and "detailType" in fields:
        fields["detail-type"] = fields.pop("detailType")
    try:
        return Pattern(fields)
    except PatternError as error:
        places = [(root.descend(fault.path).at if root else At(file), fault) for fault in faults(fields)]
        raise ConfigError([str(Problem(at, "pattern", str(fault))) for at, fault in places]) from error


def _is_yaml(file: Path, text: bytes) -> bool:
    """By its name or, where that says nothing, whether it is no JSON: YAML 1.1 reads some numbers of JSON as text."""
    if file.suffix in _YAML or file.suffix == ".json":
        return file.suffix in _YAML
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return True
    return False


def _bytes(file: Path) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == STDIN else file.read_bytes()
    except OSError as error:
        raise ConfigError([f"{file}: can't be read: {error.strerror}"]) from error


def _json(file: Path, text: bytes) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ConfigError([f"{file}:{error.lineno}:{error.colno}: not JSON: {error.msg}"]) from error


def _yaml(file: Path, text: bytes) -> Node:
    problems = Problems()
    try:
        root = parse(file, text.decode(), problems) or Node(At(file), None)
    except UnicodeDecodeError as error:
        raise ConfigError([f"{file}: byte {error.start + 1} is not UTF-8; save the file as UTF-8 text"]) from error
    except Unreadable as error:
        raise ConfigError(problems.lines()) from error
    if problems.found:
        raise ConfigError(problems.lines())
    return root
