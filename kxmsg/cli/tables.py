"""Tables on the terminal."""

import sys
from collections.abc import Iterable, Sequence
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

WIDTH: Final = 1000
"""Columns where the output is no terminal, such as a pipe."""


def show_table(names: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table whose last column takes what room the others leave; the others are never broken."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in names:
        table.add_column(name, no_wrap=name != names[-1], overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))  # as it is: what looks like markup was not meant as such
    Console(width=None if sys.stdout.isatty() else WIDTH).print(table)
