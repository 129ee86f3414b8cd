"""Every AWS call fails 30 % of the time, in every way there is: what was accepted is stored once, in its place.

A longer run, with figures: ``python -m tests.aws.chaos``.
"""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from tests.aws.chaos.load import Load
from tests.aws.chaos.promises import broken, most_calls
from tests.aws.chaos.proxy import between
from tests.aws.chaos.run import STOP_TIMEOUT, onlooker, provision, run
from tests.aws.emulator import Emulator


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """No log lines: there are thousands."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.configure(**before)


@pytest.mark.parametrize(
    ("seed", "messages", "fast_wire"),
    [
        pytest.param(2, 100, True, id="seed-2"),
        pytest.param(3, 20, False, id="seed-3-sdk"),
    ],
)
async def test_what_was_accepted_is_stored_once_and_in_order_although_calls_fail(
    aws_env: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, messages: int, fast_wire: bool
) -> None:
    settings = (await provision(tmp_path)).model_copy(update={"fast_wire": fast_wire})
    async with onlooker(settings) as looking, between(seed, aws_env.url) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        done = await run(settings, proxy, Load(messages, seed), looking)
    assert broken(done) == []
    assert proxy.total <= most_calls(done)
    assert done.drain_seconds <= STOP_TIMEOUT, "told to stop while calls hang, every worker has ended in time"
