"""The documentation's pages, and what is fenced in them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]

PAGES: Final = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])

_FENCE: Final = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Snippet:
    """One fenced text. ``language`` is empty where it is output, or a drawing."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{name(self.page)}:{self.line}"


def name(page: Path) -> str:
    """A page as a reader would call it."""
    return str(page.relative_to(ROOT))


def snippets(language: str, page: Path | None = None) -> Iterator[Snippet]:
    """What is fenced as ``language``, on all pages or one."""
    for one in [page] if page else PAGES:
        text = one.read_text()
        for found in _FENCE.finditer(text):
            if found[1] == language:
                yield Snippet(one, text.count("\n", 0, found.start()) + 1, language, found[2])


def prose(page: Path) -> str:
    """A page without what is fenced."""
    return _FENCE.sub("", page.read_text())
