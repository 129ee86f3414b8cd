"""Templates: values with ``{{ expression }}`` in their texts, parsed and checked."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, TypeVar

from kxmsg.rendering.checker import UNKNOWN, Names, check
from kxmsg.rendering.errors import TemplateError
from kxmsg.rendering.kinds import Kind
from kxmsg.rendering.nodes import Node
from kxmsg.rendering.parser import MAX_NESTING, parse

_T = TypeVar("_T")

ROOTS: Final[Names] = {
    "detail": "detail",
    "source": "source",
    "detailType": "detail-type",
    "id": "id",
    "time": "time",
    "account": "account",
    "region": "region",
    "resources": "resources",
    "event": None,
}
"""The names that an expression begins with: fields of the event, and ``event`` for the whole of it."""

MAX_TEXT: Final = 65_536
"""Characters of one text with placeholders."""

MAX_PLACEHOLDERS: Final = 64
"""Placeholders of one text."""

MAX_CASES: Final = 40
"""Cases of one field."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """A value without placeholders."""

    value: bool | int | float | str | None


@dataclass(frozen=True, slots=True)
class Lone:
    """A text that is one placeholder alone: the value keeps its type."""

    source: str
    node: Node


@dataclass(frozen=True, slots=True)
class Text:
    source: str
    parts: tuple[str | Node, ...]


@dataclass(frozen=True, slots=True)
class Elements:
    elements: "tuple[Template, ...]"


@dataclass(frozen=True, slots=True)
class Entries:
    entries: "tuple[tuple[str, Template], ...]"


@dataclass(frozen=True, slots=True)
class Cases:
    """The first value whose condition is true, else the default."""

    cases: "tuple[tuple[Lone, Template], ...]"
    default: "Template"


Template: TypeAlias = Fixed | Lone | Text | Elements | Entries | Cases


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads values as templates; every method raises :class:`TemplateError` with the path to the text at fault."""

    names: Names
    sample: Mapping[str, Any] | None

    def field(self, value: Any, path: tuple[str | int, ...]) -> Template:
        """A field's value: a template, or a map with the one key ``cases``."""
        if isinstance(value, Mapping) and set(value) == {"cases"}:
            return self._cases(value["cases"], (*path, "cases"))
        return self.value(value, path)

    def value(self, value: Any, path: tuple[str | int, ...] = ()) -> Template:
        """A value, with what it holds."""
        if len(path) > MAX_NESTING:
            raise TemplateError(
                "too-deep", 0, "the value is nested too deep", f"at most {MAX_NESTING} levels", path=path
            )
        match value:
            case str():
                return _placed(path, lambda: self._text(value))
            case list() | tuple():
                return Elements(tuple(self.value(item, (*path, place)) for place, item in enumerate(value)))
            case Mapping():
                return Entries(tuple((str(name), self.value(item, (*path, str(name)))) for name, item in value.items()))
            case _:
                return Fixed(value)

    def expression(self, text: str, path: tuple[str | int, ...] = ()) -> tuple[Lone, Kind]:
        """A bare expression, without braces, and the kind that its value is expected to have."""

        def read() -> tuple[Lone, Kind]:
            if "{{" in text[:64].lstrip()[:2]:
                raise TemplateError(
                    "syntax", text.index("{{"), "an expression stands here without braces", "remove {{ and }}"
                )
            if not text.strip():
                raise TemplateError("empty", 0, "the expression is empty", "write one, such as detail.orderId")
            node, _ = parse(text)
            return Lone(text, node), self._check(node)

        return _placed(path, read)

    def condition(self, text: Any, path: tuple[str | int, ...]) -> Lone:
        """A bare expression that gives a bool."""
        if not isinstance(text, str):
            raise TemplateError(
                "cases", 0, "a condition is an expression in quotes", "such as \"detail.severity == 'high'\"", path=path
            )
        lone, kind = self.expression(text, path)
        if kind not in {Kind.BOOL, Kind.DYN}:
            raise TemplateError(
                "type",
                lone.node.start,
                f"the condition is of type {kind.value}",
                "compare it with something",
                path=path,
            )
        return lone

    def _check(self, node: Node) -> Kind:
        return check(node, self.names, UNKNOWN if self.sample is None else self.sample)

    def _cases(self, cases: Any, path: tuple[str | int, ...]) -> Cases:
        if not isinstance(cases, list) or not cases or len(cases) > MAX_CASES:
            raise TemplateError(
                "cases", 0, f"cases is a list of 1 to {MAX_CASES}", "write - { when: …, use: … } for each", path=path
            )
        made: list[tuple[Lone, Template]] = []
        default: Template = Fixed(None)
        for place, case in enumerate(cases):
            here = (*path, place)
            keys = set(case) if isinstance(case, Mapping) else set()
            if keys == {"when", "use"}:
                made.append((self.condition(case["when"], (*here, "when")), self.value(case["use"], (*here, "use"))))
            elif keys == {"default"} and place == len(cases) - 1:
                default = self.value(case["default"], (*here, "default"))
            else:
                raise TemplateError(
                    "cases",
                    0,
                    "a case has when and use; the last may be the default",
                    "write - { when: …, use: … } or - { default: … }",
                    path=here,
                )
        return Cases(tuple(made), default)

    def _text(self, text: str) -> Template:
        parts = list(self._parts(text))
        if not any(isinstance(part, Node) for part in parts):
            return Fixed(text)
        if len(parts) == 1 and isinstance(parts[0], Node):
            return Lone(text, parts[0])
        return Text(text, tuple(parts))

    def _parts(self, text: str) -> Iterator[str | Node]:
        """Texts and expressions in turn; empty texts are left out."""
        position = count = 0
        while True:
            opening, closing = text.find("{{", position), text.find("}}", position)
            if closing >= 0 and (opening < 0 or closing < opening):
                raise TemplateError(
                    "unpaired-braces", closing, "'}}' closes nothing", "write {{ '}}' }} for these characters"
                )
            if opening < 0:
                if text[position:]:
                    yield text[position:]
                return
            count += 1
            if count > MAX_PLACEHOLDERS or opening > MAX_TEXT:
                raise TemplateError(
                    "too-long",
                    opening,
                    "the text is too long",
                    f"at most {MAX_PLACEHOLDERS} placeholders in {MAX_TEXT} characters",
                )
            if opening > position:
                yield text[position:opening]
            node, position = self._placeholder(text, opening)
            yield node

    def _placeholder(self, text: str, opening: int) -> tuple[Node, int]:
        start = opening + 2
        closing = text.find("}}", start)
        if closing < 0:
            raise TemplateError(
                "unpaired-braces",
                opening,
                "'{{' is not closed",
                "close it with }}, or write {{ '{{' }} for these characters",
            )
        if not text[start:closing].strip():
            raise TemplateError(
                "empty", opening, "the placeholder is empty", "write an expression, such as {{ detail.orderId }}"
            )
        node, end = parse(text, start, closed=True)
        self._check(node)
        return node, end


def _placed(path: tuple[str | int, ...], read: Callable[[], _T]) -> _T:
    try:
        return read()
    except TemplateError as error:
        error.path = path
        raise
