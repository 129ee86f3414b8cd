"""No token gets into a log, whichever way it came, with uvicorn's access lines off, as served, and on."""

import contextlib
import io
import logging
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
import structlog
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from kxmsg.runtime.logs import configure
from kxmsg.telemetry import set_trace
from tests.client.serving import Doors, doors


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """All logs, down to the least, and everything as it was afterwards."""
    root, access = logging.getLogger(), logging.getLogger("uvicorn.access")
    handlers, level = list(root.handlers), root.level
    told = access.propagate, access.level
    stream = io.StringIO()
    configure("DEBUG", "json", stream)
    yield stream
    logging.captureWarnings(capture=False)
    root.handlers[:] = handlers
    root.setLevel(level)
    access.propagate, access.level = told
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    set_trace(None)


async def everywhere(product: Doors, good: str) -> None:
    """Send a token, and one that is spoilt, in all places where somebody may put one."""
    bad = f"{good[:-4]}AAAA"
    async with aiohttp.ClientSession(product.api) as session:
        for token in (good, bad):
            bearer = {"Authorization": f"Bearer {token}"}
            for path in ("/notifications", "/nowhere", "/ready"):
                await (await session.get(path, headers=bearer)).read()
                await (await session.get(path, params={"token": token, "access_token": token})).read()
            body = {"token": token, "channelType": token}
            keyed = {**bearer, "Idempotency-Key": "k"}
            await (await session.post("/channels", json=body, headers=keyed)).read()
            await (await session.post("/channels", data=token, headers=bearer)).read()
    for token in (good, bad):
        for query, headers in (("", {"Authorization": f"Bearer {token}"}), (f"?token={token}", {})):
            with contextlib.suppress(InvalidStatus):  # the spoilt one is refused
                async with connect(f"{product.gateway}{query}", additional_headers=headers) as socket:
                    await socket.send(f'{{"action": "ping", "token": "{token}"}}')
                    await socket.recv()
                    await socket.send(f'{{"action": "{token}"}}')
                    await socket.recv()


@pytest.mark.parametrize("access_lines", [False, True])
async def test_no_log_has_a_token(tmp_path: Path, stream: io.StringIO, access_lines: bool) -> None:
    async with doors(tmp_path) as product:
        logging.getLogger("websockets").setLevel("INFO")  # the test's own client tells of its handshakes below that
        access = logging.getLogger("uvicorn.access")
        access.propagate, access.level = access_lines, logging.INFO
        good = product.token("ana")
        await everywhere(product, good)
    logged = stream.getvalue()
    assert ("GET /notifications?token=***&access_token=*** HTTP/1.1" in logged) == access_lines
    assert '"event":"request"' in logged
    for part in good.split("."):
        assert part not in logged
