"""What the tests of the stages share."""

from pathlib import Path

import pytest

from kxmsg.settings import Settings
from tests.workers import config


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings whose subscriptions are those of :mod:`tests.workers.config`."""
    return Settings(config=config.write(tmp_path / "config"), data=tmp_path)
