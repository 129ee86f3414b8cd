"""Whatever a client sends, its connection ends, is reported once, and the server goes on."""

import asyncio
import os
from collections.abc import AsyncIterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kxmsg.gateway.app import GatewayServer
from kxmsg.gateway.limits import Limits
from tests.gateway.fakes import KEYS, FakeIntegration, Gateway, upgrade

LIMITS = Limits(message=400, frame=200, inbox_messages=2, closing=0.05, sweep=0.01)

frames = st.builds(
    lambda fin, rsv, opcode, masked, data, claimed: (
        bytes((fin << 7 | rsv << 4 | opcode, masked << 7 | min(claimed if claimed >= 0 else len(data), 127)))
        + (os.urandom(4) if masked else b"")
        + data
    ),
    st.booleans(),
    st.sampled_from([0, 0, 0, 1, 4]),
    st.sampled_from([0, 1, 1, 1, 2, 3, 8, 9, 10]),
    st.sampled_from([True, True, True, False]),
    st.binary(max_size=130),
    st.sampled_from([-1, -1, -1, 0, 5, 126, 127]),
)
streams = st.lists(frames | st.binary(max_size=40), max_size=8).map(b"".join)


@pytest.fixture
async def small() -> AsyncIterator[Gateway]:
    integration = FakeIntegration()
    server = GatewayServer(integration, [KEYS], limits=LIMITS)
    await server.start()
    yield Gateway(server, integration)
    await server.stop(budget=2)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(streams)
async def test_any_bytes_after_the_upgrade_end_in_one_report(small: Gateway, sent: bytes) -> None:
    reader, writer, name = await small.upgraded()
    writer.write(sent)
    writer.write_eof()
    try:
        async with asyncio.timeout(5):
            await reader.read()
    finally:
        writer.close()
    event = await small.integration.disconnects.get()
    assert event["requestContext"]["connectionId"] == name
    assert small.integration.disconnects.empty()
    assert small.server.connections == 0


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200) | st.binary(max_size=60).map(lambda junk: upgrade().replace(b"localhost", junk)))
async def test_any_bytes_instead_of_a_request_leave_the_port_healthy(small: Gateway, sent: bytes) -> None:
    reader, writer = await small.raw()
    writer.write(sent)
    writer.write_eof()
    async with asyncio.timeout(5):
        await reader.read()
    writer.close()
    assert (await small.request("GET", "/health", keys=None))[0] == 200
