"""Report: what the inline tests of subscriptions came to, as text. Pure."""

from collections.abc import Iterator, Sequence
from difflib import unified_diff
from textwrap import wrap
from typing import Any, Final

from kxmsg.cli.values import in_lines, in_one_line
from kxmsg.subscriptions.inline_tests import Result
from kxmsg.subscriptions.template import Template
from kxmsg.wording import counted

WIDTH: Final = 88
"""Characters of a value that is shown in one line; longer ones are compared line by line."""

CONTEXT: Final = 2
"""Equal lines shown around those that differ."""


def failure(result: Result) -> Iterator[str]:
    """A test that failed: its place and name, then what differs."""
    yield f"{result.test.at}: {result.subscription} › {result.test.name}"
    for one in result.differences:
        yield f"  {one.place}"
        yield from (f"    {line}" for line in compared(one.expected, one.got))


def compared(expected: Any, got: Any) -> Iterator[str]:
    """Both values in a line each; of long ones that are alike, the lines in which they differ."""
    if type(expected) is not type(got) or not (_is_long(expected) or _is_long(got)):
        yield f"expected: {in_one_line(expected)}"
        yield f"got:      {in_one_line(got)}"
        return
    yield "- expected, + got"
    for number, line in enumerate(unified_diff(_lines(expected), _lines(got), n=CONTEXT, lineterm="")):
        if number > 2 and line.startswith("@@"):
            yield "  …"
        elif number > 2:  # what comes before names two files
            yield f"{line[0]} {line[1:]}"


def unreached(template: Template) -> str:
    """A mapping that no test reaches."""
    return f"{template.at['']}: {template.name}: no test reaches it"


def summary(results: Sequence[Result]) -> str:
    """How many tests passed and failed."""
    failed = sum(1 for result in results if result.differences)
    passed = len(results) - failed
    return f"{failed} failed, {passed} passed" if failed else f"{counted(passed, 'test')} passed"


def _is_long(value: Any) -> bool:
    return len(in_one_line(value)) > WIDTH or (isinstance(value, str) and value.count("\n") > 1)


def _lines(value: Any) -> list[str]:
    """A text as it is, in lines that are not too long; anything else as YAML."""
    if isinstance(value, str):
        return [part for line in value.split("\n") for part in wrap(line, WIDTH, **_AS_IT_IS) or [""]]
    return in_lines(value, sort=True)


_AS_IT_IS: Final[dict[str, Any]] = {"drop_whitespace": False, "replace_whitespace": False, "expand_tabs": False}
