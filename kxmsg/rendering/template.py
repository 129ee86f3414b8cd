"""Templates: values with ``{{ expression }}`` in their texts, parsed and checked."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from kxmsg.rendering.checker import UNKNOWN, Names, check
from kxmsg.rendering.errors import TemplateError
from kxmsg.rendering.kinds import Kind
from kxmsg.rendering.nodes import Literal, Node
from kxmsg.rendering.parser import MAX_NESTING, parse

Path: TypeAlias = "tuple[str | int, ...]"
"""The way to a text inside a value: field names and positions."""

Report: TypeAlias = Callable[[TemplateError], None]

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


def throw(error: TemplateError) -> None:
    """Report a mistake by raising it."""
    raise error


_NEVER: Final = Lone("", Literal(False, start=0, end=0))
"""What stands for a condition with a mistake."""


class Reader:
    """Reads values as templates.

    Each mistake goes to ``report``, with the path to the text at fault. Where that returns, reading goes on, so that
    all are found, and ``mistakes`` counts them; what is made of a value with a mistake means nothing.
    """

    def __init__(self, names: Names, sample: Mapping[str, Any] | None, report: Report = throw) -> None:
        self.mistakes = 0
        self._names = names
        self._sample = sample
        self._report = report

    def field(self, value: Any, path: Path) -> Template:
        """A field's value: a template, or a map with the one key ``cases``."""
        if isinstance(value, Mapping) and set(value) == {"cases"}:
            return self._cases(value["cases"], (*path, "cases"))
        return self.value(value, path)

    def value(self, value: Any, path: Path = ()) -> Template:
        """A value, with what it holds."""
        if len(path) > MAX_NESTING:
            self._tell(path, "too-deep", 0, "the value is nested too deep", f"at most {MAX_NESTING} levels")
            return Fixed(None)
        match value:
            case str():
                return self._text(value, path)
            case list() | tuple():
                return Elements(tuple(self.value(item, (*path, place)) for place, item in enumerate(value)))
            case Mapping():
                return Entries(tuple((str(name), self.value(item, (*path, str(name)))) for name, item in value.items()))
            case _:
                return Fixed(value)

    def expression(self, text: str) -> tuple[Lone, Kind]:
        """A bare expression, without braces, and the kind that its value is expected to have.

        Raises :class:`TemplateError`.
        """
        if "{{" in text[:64].lstrip()[:2]:
            raise TemplateError(
                "syntax", text.index("{{"), "an expression stands here without braces", "remove {{ and }}"
            )
        if not text.strip():
            raise TemplateError("empty", 0, "the expression is empty", "write one, such as detail.orderId")
        node, _ = parse(text)
        return Lone(text, node), self._check(node)

    def condition(self, text: Any, path: Path) -> Lone:
        """A bare expression that gives a bool."""
        if not isinstance(text, str):
            remedy = "such as \"detail.severity == 'high'\""
            self._tell(path, "cases", 0, "a condition is an expression in quotes", remedy)
            return _NEVER
        try:
            lone, kind = self.expression(text)
        except TemplateError as error:
            self._mistake(path, error)
            return _NEVER
        if kind not in {Kind.BOOL, Kind.DYN}:
            fault = f"the condition is of type {kind.value}"
            self._tell(path, "type", lone.node.start, fault, "compare it with something")
            return _NEVER
        return lone

    def _check(self, node: Node) -> Kind:
        return check(node, self._names, UNKNOWN if self._sample is None else self._sample)

    def _tell(self, path: Path, code: str, offset: int, message: str, remedy: str) -> None:
        self._mistake(path, TemplateError(code, offset, message, remedy))

    def _mistake(self, path: Path, error: TemplateError) -> None:
        error.path = path
        self.mistakes += 1
        self._report(error)

    def _cases(self, cases: Any, path: Path) -> Template:
        if not isinstance(cases, list) or not cases or len(cases) > MAX_CASES:
            remedy = "write - { when: …, use: … } for each"
            self._tell(path, "cases", 0, f"cases is a list of 1 to {MAX_CASES}", remedy)
            return Fixed(None)
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
                fault = "a case has when and use; the last may be the default"
                self._tell(here, "cases", 0, fault, "write - { when: …, use: … } or - { default: … }")
        return Cases(tuple(made), default)

    def _text(self, text: str, path: Path) -> Template:
        parts = list(self._parts(text, path))
        if not any(isinstance(part, Node) for part in parts):
            return Fixed(text)
        if len(parts) == 1 and isinstance(parts[0], Node):
            return Lone(text, parts[0])
        return Text(text, tuple(parts))

    def _parts(self, text: str, path: Path) -> Iterator[str | Node]:
        """Texts and expressions in turn; empty texts are left out."""
        position = count = 0
        while True:
            opening, closing = text.find("{{", position), text.find("}}", position)
            if closing >= 0 and (opening < 0 or closing < opening):
                remedy = "write {{ '}}' }} for these characters"
                self._tell(path, "unpaired-braces", closing, "'}}' closes nothing", remedy)
                position = closing + 2
                continue
            if opening < 0:
                if text[position:]:
                    yield text[position:]
                return
            count += 1
            if count > MAX_PLACEHOLDERS or opening > MAX_TEXT:
                remedy = f"at most {MAX_PLACEHOLDERS} placeholders in {MAX_TEXT} characters"
                self._tell(path, "too-long", opening, "the text is too long", remedy)
                return
            if opening > position:
                yield text[position:opening]
            try:
                node, position = self._placeholder(text, opening)
                self._check(node)
                yield node
            except TemplateError as error:
                self._mistake(path, error)
                if position <= opening:  # it could not be read to its end
                    closing = text.find("}}", max(opening + 2, error.offset))
                    position = closing + 2 if closing >= 0 else len(text)

    def _placeholder(self, text: str, opening: int) -> tuple[Node, int]:
        start = opening + 2
        closing = text.find("}}", start)
        if closing < 0:
            remedy = "close it with }}, or write {{ '{{' }} for these characters"
            raise TemplateError("unpaired-braces", opening, "'{{' is not closed", remedy)
        if not text[start:closing].strip():
            remedy = "write an expression, such as {{ detail.orderId }}"
            raise TemplateError("empty", opening, "the placeholder is empty", remedy)
        return parse(text, start, closed=True)
