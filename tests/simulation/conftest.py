"""What the simulation needs of its surroundings."""

import gc
import logging
import warnings
from collections.abc import Iterator

import pytest
import structlog


@pytest.fixture(autouse=True, scope="module")
def quiet() -> Iterator[None]:
    """No log lines: there are thousands, and their tracebacks cost more than all else."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
    structlog.configure(**before)


@pytest.fixture(autouse=True)
def buried() -> Iterator[None]:
    """What the dead had begun and never awaited is forgotten without a word."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="coroutine .* was never awaited", category=RuntimeWarning)
        yield
        gc.collect()
