"""Problem: a mistake in a file, with its place, a stable code and what would be right."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from kxmsg.rendering import CODES as EXPRESSION_CODES

CODES: Final[dict[str, str]] = {
    "folder": "There is no folder of subscriptions.",
    "file": "A file can't be read as UTF-8 text, or is too large.",
    "yaml": "The file is not YAML.",
    "yaml-braces": "`{{` without quotes, which YAML takes for a map.",
    "yaml-comment": "Text behind ` #` in a template without quotes, which YAML takes for a comment.",
    "yaml-bool": "`no`, `yes`, `on` or `off` without quotes, which YAML takes for a bool.",
    "yaml-number": "A number that YAML reads as another one, such as `012` or `12:30`.",
    "yaml-date": "A date without quotes: JSON has no dates.",
    "yaml-key": "A key that is no text.",
    "yaml-duplicate": "A key that stands twice in one map.",
    "yaml-alias": "More values or more nesting than a file may have once its aliases are followed.",
    "shape": "A map stands where a list is needed, or another such mismatch.",
    "unknown-key": "A key that the language does not have.",
    "missing-key": "A key that has to be there.",
    "duplicate-name": "Two subscriptions, or two tests of one, have the same name.",
    "pattern": "The event pattern is one that EventBridge refuses.",
    "unreachable": "A mapping for a detail-type that no event which passes the pattern can have.",
    "loop": "A mapping that would answer what it makes itself.",
    "target-type": "A targetType that there isn't.",
    "misplaced-key": "A field that is without effect for this targetType, or beside another field.",
    "value": "A value that the field can't have.",
    "json": "A value that JSON has not, such as binary data.",
    "locale": "A text's variants by locale name one that there isn't.",
    "sample": "The sample can't be read, is neither an event nor a JSON Schema of one, or none that the pattern wants.",
    "target": "An entry of `targets` without a proper id or ARN.",
    "test": "An inline test expects what can't be.",
    **EXPRESSION_CODES,
}
"""Every code, and what it stands for."""


@dataclass(frozen=True, slots=True, order=True)
class At:
    """A place in a file, counted from 1; line 0 stands for the file as a whole."""

    file: Path
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else str(self.file)


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake; as text ``file:line:column: error[code]: what; what would be right``."""

    at: At
    code: str
    text: str

    def __str__(self) -> str:
        return f"{self.at}: error[{self.code}]: {_one_line(self.text)}"


def _one_line(text: str) -> str:
    """Names and values are the user's, so they may hold line ends."""
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)


@dataclass(slots=True)
class Problems:
    """All mistakes, as they are found."""

    found: list[Problem] = field(default_factory=list)

    def add(self, at: At, code: str, text: str) -> None:
        """``text`` says what is wrong and, after a semicolon, what would be right."""
        self.found.append(Problem(at, code, text))

    def lines(self) -> list[str]:
        """By file and place."""
        return [str(problem) for problem in sorted(self.found)]
