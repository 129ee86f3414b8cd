"""Sample: what an event looks like, by an example or by a JSON Schema of it."""

import re
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from kxmsg.model.event import Event
from kxmsg.rendering import UNKNOWN
from kxmsg.wording import shown

MAX_BYTES: Final = 1_000_000
"""Of a file."""

MAX_NODES: Final = 10_000
"""Parts of a schema once its references are followed."""

MAX_DEPTH: Final = 100
"""Nesting of a schema's parts."""

_BY_TYPE: Final[Mapping[str, Any]] = {"string": "", "integer": 0, "boolean": True}
"""Values that stand for a type. A number may be an int or a double, so nothing stands for it."""


@dataclass(frozen=True, slots=True)
class Sample:
    """``event`` is an example, if there is one. Expressions are checked against ``shape``, where it knows a field.

    ``detail_types`` are those that it speaks of; None: any.
    """

    shape: Mapping[str, Any]
    event: Mapping[str, Any] | None = None
    detail_types: frozenset[str] | None = None

    def is_of(self, detail_type: str) -> bool:
        return self.detail_types is None or detail_type in self.detail_types

    def kinds(self) -> list[dict[str, str]]:
        """Source and detail-type of the events that it speaks of, as far as it names them."""
        source = self.event.get("source") if self.event else None
        known = {"source": source} if isinstance(source, str) else {}
        return [{**known, "detail-type": kind} for kind in self.detail_types or ()] or [known]


class SampleError(ValueError):
    """It is neither an event nor a schema of one; the text says why, and what would be right."""


def read(value: Any, folder: Path) -> Sample:
    """A sample given inline, or as the name of a JSON file in ``folder``; raises :class:`SampleError`. Reads files."""
    if isinstance(value, str):
        value = _json(folder / value)
    if not isinstance(value, dict):
        raise SampleError("the sample must be one event, a JSON object, or a JSON Schema of it")
    return _of_schema(value) if _is_schema(value) else _of_event(value)


def _json(file: Path) -> Any:
    if fault := _unreadable(file):
        raise SampleError(f"the sample {file} {fault}")
    try:
        return orjson.loads(file.read_bytes())
    except OSError as error:
        raise SampleError(f"the sample {file} can't be read: {error.strerror}; name another file") from error
    except orjson.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise SampleError(f"the sample {file} is not JSON: {place}: {error.msg}; mend it there") from error


def _unreadable(file: Path) -> str | None:
    """Why a file is not even opened, or None: a pipe would never end."""
    try:
        status = file.stat()
    except OSError as error:
        return f"can't be read: {error.strerror}; name a file beside this one"
    except ValueError as error:  # no file can have that name
        return f"can't be read: {error}; name a file beside this one"
    if not stat.S_ISREG(status.st_mode):
        return "is no regular file; name a JSON file beside this one"
    return f"is larger than {MAX_BYTES} bytes; leave some of it out" if status.st_size > MAX_BYTES else None


def whole(event: Mapping[str, Any]) -> dict[str, Any]:
    """An event with what the bus adds to each."""
    made = Event(event.get("source", ""), event.get("detail-type", ""), {}, time="2026-01-01T00:00:00Z")
    return {**made.as_dict(), **event}


def _is_schema(value: Mapping[str, Any]) -> bool:
    return "$schema" in value or ("properties" in value and "detail" not in value)


def _of_event(event: Mapping[str, Any]) -> Sample:
    if not isinstance(event.get("detail", {}), dict):
        raise SampleError("the sample's detail must be a map")
    detail_type = event.get("detail-type")
    kinds = frozenset({detail_type}) if isinstance(detail_type, str) else None
    return Sample(whole(event), event, kinds)


def _of_schema(schema: Mapping[str, Any]) -> Sample:
    reader = _SchemaReader(schema)
    shape = reader.shape(schema)
    if not isinstance(shape, dict) or "detail" not in shape:
        raise SampleError("the JSON Schema has no property detail; describe the whole event, as the bus brings it")
    examples = [_of_event(one).event for one in _list(schema.get("examples")) if isinstance(one, dict)]
    properties = reader.resolved(schema).get("properties")
    kind = reader.resolved(properties.get("detail-type") if isinstance(properties, dict) else None)
    kinds = [kind["const"]] if "const" in kind else _list(kind.get("enum"))
    return Sample(
        {**dict.fromkeys(whole({}), UNKNOWN), **shape},
        examples[0] if examples else None,
        frozenset(map(str, kinds)) or None,
    )


_LOCAL: Final = re.compile(r"#(/|$)")


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


_OPEN: Final = frozenset({"anyOf", "oneOf", "if", "patternProperties", "dependencies", "dependentSchemas"})
"""Keywords by which an object may have properties that ``properties`` does not name."""


class _SchemaReader:
    """Makes a value that has what every value by a schema may have; UNKNOWN where that can't be told."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._open: set[int] = set()
        self._count = 0

    def shape(self, schema: Any) -> Any:
        found = self.resolved(schema)
        self._count += 1
        if self._count > MAX_NODES:
            raise SampleError(
                f"the JSON Schema has more than {MAX_NODES} parts once its references are followed; describe less"
            )
        if id(found) in self._open:  # it refers to itself
            return UNKNOWN
        if len(self._open) == MAX_DEPTH:
            raise SampleError(f"the JSON Schema is nested deeper than {MAX_DEPTH}; describe less of it")
        self._open.add(id(found))
        made = self._shape(found)
        self._open.discard(id(found))
        return made

    def _shape(self, schema: Mapping[str, Any]) -> Any:
        if isinstance(schema.get("allOf"), list):
            alone = {name: value for name, value in schema.items() if name != "allOf"}
            parts = [self.shape(part) for part in schema["allOf"]]
            own = "properties" in alone or not _OPEN.isdisjoint(alone)
            return _merged([self._shape(alone), *parts] if own else parts)
        kinds = schema.get("type", "object" if "properties" in schema else None)
        some = [kind for kind in kinds if kind != "null"] if isinstance(kinds, list) else [kinds]
        match some:
            case ["object"]:
                return self._object(schema)
            case ["array"] if "items" in schema:
                return [self.shape(schema["items"])]
            case [str(kind)]:
                return _BY_TYPE.get(kind, UNKNOWN)
            case _:
                return UNKNOWN

    def _object(self, schema: Mapping[str, Any]) -> Any:
        properties = schema.get("properties")
        if not isinstance(properties, dict) or schema.get("additionalProperties", False) is not False:
            return UNKNOWN
        if not _OPEN.isdisjoint(schema):
            return UNKNOWN
        return {name: self.shape(value) for name, value in properties.items()}

    def resolved(self, schema: Any) -> Mapping[str, Any]:
        """The schema that local references (JSON Pointer, RFC 6901) lead to; a boolean schema says nothing."""
        seen = set()
        while isinstance(schema, dict) and "$ref" in schema:
            reference = schema["$ref"]
            if not isinstance(reference, str) or not _LOCAL.match(reference):
                raise SampleError(f"the JSON Schema refers to {shown(reference)}; only parts of its own file are read")
            if reference in seen:
                raise SampleError(f"the JSON Schema's {reference!r} refers to itself; say there what it is")
            seen.add(reference)
            schema = self._root
            for step in reference.split("/")[1:]:
                name = step.replace("~1", "/").replace("~0", "~")
                inside = {str(at): one for at, one in enumerate(schema)} if isinstance(schema, list) else schema
                if not isinstance(inside, dict) or name not in inside:
                    raise SampleError(f"the JSON Schema refers to {reference!r}, which it does not have")
                schema = inside[name]
        return schema if isinstance(schema, dict) else {}


def _merged(shapes: Iterable[Any]) -> Any:
    merged: dict[str, Any] = {}
    for shape in shapes:
        if not isinstance(shape, dict):
            return UNKNOWN
        for name, value in shape.items():
            merged[name] = _merged([merged[name], value]) if name in merged else value
    return merged
