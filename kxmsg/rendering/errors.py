"""What can go wrong with a template: when it is compiled, and when an event fills it."""

from kxmsg.errors import Poison


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
