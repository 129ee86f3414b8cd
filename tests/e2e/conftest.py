"""What the end-to-end tests share."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kxmsg.testing.stack import Stack

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "config"


@pytest.fixture
async def stack(tmp_path: Path) -> AsyncIterator[Stack]:
    """Every process of the Procfile, running."""
    async with Stack(tmp_path / "data", CONFIG) as running:
        yield running


@pytest.fixture
async def dev(tmp_path: Path) -> AsyncIterator[Stack]:
    """``kxmsg dev``, running."""
    async with Stack(tmp_path / "data", CONFIG, commands={"dev": ("dev",)}) as running:
        yield running
