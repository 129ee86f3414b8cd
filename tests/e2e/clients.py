"""Clients of a running stack, as a user's program would be one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson
from websockets.asyncio.client import ClientConnection, connect

from kxmsg.bootstrap import secrets_of
from kxmsg.testing.stack import Stack

SECONDS = 20.0


async def token(stack: Stack, user: str, tenant: str, *roles: str) -> str:
    """A token signed with the installation's own key, wherever that is kept."""
    settings = stack.settings
    secrets = await secrets_of(settings)
    return secrets.mint(
        user, tenant, roles or ("employee",), 600, settings.issuer, settings.audience, name=user.title()
    )


@asynccontextmanager
async def socket(stack: Stack, user: str, tenant: str, *roles: str, query: str = "") -> AsyncIterator[ClientConnection]:
    """An open WebSocket of ``user``."""
    address = f"ws://127.0.0.1:{stack.settings.gateway_port}/{query}"
    headers = {"Authorization": f"Bearer {await token(stack, user, tenant, *roles)}"}
    async with connect(address, additional_headers=headers, compression=None) as connection:
        yield connection


async def frame(connection: ClientConnection) -> dict[str, Any]:
    """The next frame, but for those that tell of channels being made and joined."""
    while True:
        parsed: dict[str, Any] = orjson.loads(await asyncio.wait_for(connection.recv(), SECONDS))
        if parsed["type"] not in ("channel.created", "joined"):
            return parsed


async def ask(connection: ClientConnection, **fields: Any) -> dict[str, Any]:
    """Send a frame and return the answer to it."""
    await connection.send(orjson.dumps(fields).decode())
    while True:
        answer = await frame(connection)
        if answer["type"] in ("ack", "error", "pong"):
            return answer


async def rest(
    stack: Stack, method: str, path: str, who: str | None = None, **options: Any
) -> tuple[int, dict[str, Any]]:
    """One request with the token ``who``: status and body."""
    headers = {"Authorization": f"Bearer {who}"} if who else {}
    url = f"http://127.0.0.1:{stack.settings.api_port}{path}"
    async with aiohttp.ClientSession() as session, session.request(method, url, headers=headers, **options) as answer:
        return answer.status, await answer.json()
