"""Values with ``{{ path }}`` in them, compiled once into functions of the event."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

import orjson

from kxmsg.errors import Poison

Renderer: TypeAlias = Callable[[Mapping[str, Any]], Any]

ROOTS: Final = frozenset({"detail", "source", "detail-type", "id", "time", "account", "region", "resources"})
"""What a path may begin with: the fields of an event."""

_PLACEHOLDER: Final = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_PATH: Final = re.compile(r"[A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*)*")


class TemplateError(ValueError):
    """A template that can't be compiled."""


class RenderError(Poison):
    """A template that this event can't fill."""


def compile_value(value: Any) -> Renderer:
    """A function that gives ``value`` for an event; raises :class:`TemplateError`.

    In a string each ``{{ path }}`` is replaced by what the event has there; a string that is one placeholder
    alone keeps the type of what it finds. Lists and maps are compiled element by element.
    """
    match value:
        case str():
            return _compile_text(value)
        case list():
            elements = [compile_value(element) for element in value]
            return lambda event: [element(event) for element in elements]
        case dict():
            fields = {name: compile_value(field) for name, field in value.items()}
            return lambda event: {name: field(event) for name, field in fields.items()}
        case _:
            return lambda _event: value


def _compile_text(text: str) -> Renderer:
    pieces = _PLACEHOLDER.split(text)  # literal, path, literal, path, …, literal
    if any("{{" in literal or "}}" in literal for literal in pieces[::2]):
        raise TemplateError(f"{text!r}: '{{{{' and '}}}}' must come in pairs")
    if len(pieces) == 1:
        return lambda _event: text
    paths = [_compile_path(path.strip()) for path in pieces[1::2]]
    literals = pieces[::2]
    if len(paths) == 1 and not any(literals):
        return paths[0]

    def render(event: Mapping[str, Any]) -> str:
        parts = [literals[0]]
        for path, literal in zip(paths, literals[1:], strict=True):
            parts.append(_text(path(event)))
            parts.append(literal)
        return "".join(parts)

    return render


def _compile_path(path: str) -> Renderer:
    if not _PATH.fullmatch(path):
        raise TemplateError(f"'{{{{ {path} }}}}' is not a path; write it as {{{{ detail.orderId }}}}")
    names = path.split(".")
    if names[0] not in ROOTS:
        raise TemplateError(f"'{{{{ {path} }}}}' must begin with one of {', '.join(sorted(ROOTS))}")

    def look_up(event: Mapping[str, Any]) -> Any:
        node: Any = event
        for name in names:
            if not isinstance(node, Mapping) or name not in node:
                raise RenderError(f"the event has no {path}")
            node = node[name]
        return node

    return look_up


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return orjson.dumps(value).decode()
