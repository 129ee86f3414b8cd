"""Fixtures of the gateway's tests, which run on uvloop as the gateway does."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import pytest
import uvloop

from kxmsg.gateway.app import GatewayServer
from kxmsg.gateway.limits import Limits
from tests.gateway.fakes import KEYS, FakeIntegration, Gateway

Start = Callable[..., Awaitable[Gateway]]


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Start gateways, with some limits changed; they are stopped in the end."""
    servers: list[GatewayServer] = []

    async def start_one(**limits: Any) -> Gateway:
        integration = FakeIntegration()
        server = GatewayServer(integration, [KEYS], limits=Limits(**limits))
        await server.start()
        servers.append(server)
        return Gateway(server, integration)

    yield start_one
    for server in servers:
        await server.stop(budget=2)


@pytest.fixture
async def gateway(start: Start) -> Gateway:
    return await start()
