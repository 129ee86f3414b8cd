"""What the end-to-end tests share: the product as its users run it, on each backend."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from kxmsg.testing.stack import Stack
from tests.aws.conftest import aws_env, emulator
from tests.aws.emulator import Emulator

__all__ = ["aws_env", "emulator"]  # fixtures of the AWS adapters' tests

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "config"


@pytest.fixture
def aws(aws_env: Emulator, monkeypatch: pytest.MonkeyPatch) -> Emulator:
    """The environment of an installation at the emulator, under a prefix of its own, for which nothing is made yet."""
    monkeypatch.setenv("KXMSG_BACKEND", "aws")
    monkeypatch.setenv("KXMSG_PREFIX", f"e-{uuid4().hex[:12]}")
    return aws_env


@pytest.fixture(params=["embedded", "aws"])
def backend(request: pytest.FixtureRequest) -> str:
    """Where queues, tables and secrets live: the environment of this test says so."""
    name: str = request.param
    if name == "aws":
        request.getfixturevalue("aws")
    return name


@asynccontextmanager
async def installed(stack: Stack, *options: str) -> AsyncIterator[Stack]:
    """Its processes, running; on AWS what they need is made first, by ``kxmsg provision`` with ``options``."""
    if stack.settings.backend == "aws":
        status, _, err = await stack.run("provision", *options)
        assert (status, err) == (0, "")
    async with stack:
        yield stack


@pytest.fixture
async def stack(tmp_path: Path, backend: str) -> AsyncIterator[Stack]:
    """Every process of the Procfile, running."""
    async with installed(Stack(tmp_path / "data", CONFIG)) as running:
        yield running


@pytest.fixture
async def dev(tmp_path: Path, backend: str) -> AsyncIterator[Stack]:
    """``kxmsg dev``, running."""
    async with installed(Stack(tmp_path / "data", CONFIG, commands={"dev": ("dev",)})) as running:
        yield running
