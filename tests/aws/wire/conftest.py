"""Fixtures of the wire's tests, which run on asyncio's own event loop and on uvloop."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import uvloop

from kxmsg.aws.wire.client import WireApi
from tests.aws.wire.certificates import Authority
from tests.aws.wire.responder import FixedAccount, Responder, Step

Start = Callable[..., Awaitable[Responder]]
Connect = Callable[..., WireApi]


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"asyncio": asyncio.SelectorEventLoop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Start responders, each with its steps; they are stopped in the end."""
    responders: list[Responder] = []

    async def start_one(*steps: Step | bytes, **options: Any) -> Responder:
        responder = Responder(*steps)
        await responder.start(**options)
        responders.append(responder)
        return responder

    yield start_one
    for responder in responders:
        await responder.stop()


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Make clients of a responder; they are closed in the end."""
    clients: list[WireApi] = []

    def connect_one(responder: Responder, **options: Any) -> WireApi:
        client = WireApi(FixedAccount(responder.url), **options)
        clients.append(client)
        return client

    yield connect_one
    for client in clients:
        await client.close()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A certificate authority of the tests' own."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def trusted(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Path:
    """``AWS_CA_BUNDLE`` names that authority."""
    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.bundle))
    return authority.bundle
