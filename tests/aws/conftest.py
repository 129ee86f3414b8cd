"""The emulator, one for each process of the test run, and calls to it."""

import os
from collections.abc import AsyncIterator, Callable, Iterator
from uuid import uuid4

import pytest

from kxmsg.aws.account import Account
from kxmsg.aws.names import Names
from kxmsg.aws.retrying import Retrying
from kxmsg.aws.sdk import SdkApi
from tests.aws import emulator as ministack
from tests.aws.emulator import Emulator


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """An emulator that the tests of this process share; names of their own keep them apart."""
    if not ministack.installed():
        pytest.skip("no .venv-ministack: run make setup")
    with ministack.running(tmp_path_factory.mktemp("ministack")) as running:
        yield running


@pytest.fixture
def aws_env(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Emulator:
    """The environment leads to the emulator, and to nothing of the user's own."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in emulator.environment.items():
        monkeypatch.setenv(name, value)
    return emulator


@pytest.fixture
async def api(aws_env: Emulator) -> AsyncIterator[Retrying]:
    """Calls to the emulator."""
    account = Account()
    calls = Retrying(SdkApi(account), renew=account.renew)
    yield calls
    await calls.close()


@pytest.fixture
def forward(emulator: Emulator) -> Iterator[Callable[[float], None]]:
    """Puts the emulator's clock forward by so many seconds, until the test ends."""
    ahead = 0.0

    def forward(seconds: float) -> None:
        nonlocal ahead
        ahead += seconds
        emulator.set_ahead(ahead)

    yield forward
    emulator.set_ahead(0)


@pytest.fixture
def names(emulator: Emulator) -> Names:
    """Names under a prefix of this test's own."""
    return Names(f"t-{uuid4().hex[:12]}", emulator.account, emulator.region)
