"""What can go wrong with a template: when it is compiled, and when an event fills it."""

from typing import Final

from kxmsg.errors import Poison

CODES: Final[dict[str, str]] = {
    "syntax": "The expression can't be parsed.",
    "empty": "An expression or a placeholder without anything in it.",
    "string": "A string literal that is not closed, or has an escape that there isn't.",
    "number": "A number literal that is none, or out of range.",
    "unpaired-braces": "`{{` that is not closed, or `}}` that closes nothing.",
    "unsupported": "A part of CEL that kxmsg leaves out.",
    "unknown-name": "A name that is neither a field of the event nor a variable of a loop.",
    "unknown-field": "A field that the sample event does not have.",
    "unknown-function": "A function that there isn't.",
    "arity": "Too many or too few arguments.",
    "call-style": "A function called as a method, or the other way round.",
    "argument": "An argument that the function can never take.",
    "type": "An operation that there isn't for values of these types.",
    "cases": "`cases` that are not a list of `when` and `use`, or a condition that is no expression.",
    "too-long": "More text, or more placeholders, than one field may have.",
    "too-deep": "More nesting than an expression or a value may have.",
}
"""The codes of :class:`TemplateError`."""


class TemplateError(ValueError):
    """A template that can't be compiled.

    ``code`` is a stable slug, ``offset`` counts characters from the start of the text at fault, ``path`` leads to
    that text inside the value that was compiled (field names and list positions), ``message`` says what is wrong
    and ``remedy`` what would be right.
    """

    def __init__(self, code: str, offset: int, message: str, remedy: str, *, path: tuple[str | int, ...] = ()) -> None:
        super().__init__(f"{message}; {remedy}" if remedy else message)
        self.code = code
        self.offset = offset
        self.message = message
        self.remedy = remedy
        self.path = path


class RenderError(Poison):
    """An event that a template can't be filled from.

    ``field`` is the field at fault (None where a lone value was compiled), ``expression`` its source text.
    """

    def __init__(self, fault: str, *, field: str | None = None, expression: str = "") -> None:
        super().__init__(f"{field}: {fault}" if field else fault)
        self.field = field
        self.expression = expression


class Fault(Exception):
    """An operation has no result for these operands. Never leaves this package."""


class Absent(Fault):
    """What was asked for is not there."""


class Exhausted(Exception):
    """The work or the size that one event may cost is spent. No operator absorbs it; never leaves this package."""
