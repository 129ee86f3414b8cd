"""What the documentation tells to type exists."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import typer

from kxmsg.cli.main import app
from kxmsg.settings import Settings
from tests.docs.pages import PAGES, ROOT, Snippet, name, prose, snippets

_KXMSG: Final = re.compile(r"(?:\.venv/bin/)?kxmsg")
_SUBSTITUTED: Final = re.compile(r"\$\(([^()]*)\)")
_INLINE: Final = re.compile(r"`([^`\n]+)`")

SHELL: Final = list(snippets("sh"))

VARIABLES: Final = {
    *(str(field.validation_alias or f"KXMSG_{setting.upper()}") for setting, field in Settings.model_fields.items()),
    "KXMSG_TOKEN",
}


def commands(text: str) -> Iterator[list[str]]:
    """The arguments of each ``kxmsg`` in a line of shell, those of substitutions too."""
    for inner in _SUBSTITUTED.findall(text):
        yield from commands(inner)
    words = shlex.split(_SUBSTITUTED.sub("substituted", text), comments=True)
    while words and re.fullmatch(r"\w+=.*", words[0]):
        words.pop(0)
    if ">" in words:
        words = words[: words.index(">")]
    if words and _KXMSG.fullmatch(words[0]):
        yield words[1:]


def resolve(arguments: list[str]) -> tuple[Any, list[str]]:
    """The command that these arguments name, and what is left of them."""
    command: Any = typer.main.get_command(app)
    left = list(arguments)
    while hasattr(command, "commands") and left and not left[0].startswith("-"):
        assert left[0] in command.commands, f"no command {left[0]!r}"
        command = command.commands[left.pop(0)]
    return command, left


@pytest.mark.parametrize("snippet", SHELL, ids=str)
def test_shell_lines_are_commands_as_they_are(snippet: Snippet) -> None:
    """Names, arguments and options of ``kxmsg`` parse; targets of ``make`` are in the Makefile."""
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for line in snippet.text.replace("\\\n", "").splitlines():
        for arguments in commands(line):
            command, left = resolve(arguments)
            command.make_context("kxmsg", left)  # raises for what it does not take
        if making := re.match(r"make ([\w-]+)", line):
            assert making[1] in targets


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_and_variables_in_the_text_exist(page: Path) -> None:
    """Also where they are only mentioned."""
    for inline in _INLINE.findall(prose(page)):
        for arguments in commands(inline) if "kxmsg" in inline else ():
            command, left = resolve(arguments)
            options = {option for parameter in command.params for option in parameter.opts}
            assert {word for word in left if word.startswith("--")} <= options | {"--help"}
    mentioned = set(re.findall(r"KXMSG_[A-Z_]*[A-Z]", page.read_text()))
    assert mentioned <= VARIABLES


@pytest.mark.parametrize("arguments", [["emit"], ["emit", "a.json", "--often"], ["dlq", "list", "a", "b"]])
def test_what_is_wrong_would_be_noticed(arguments: list[str]) -> None:
    """A missing argument, an unknown option, one argument too many."""
    command, left = resolve(arguments)
    with pytest.raises(Exception, match=r"Missing|No such option|unexpected"):
        command.make_context("kxmsg", left)
