"""Pushes to WebSocket connections by second of CPU: the fast wire, beside the SDKs of Python and Node."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import orjson
from aiobotocore.config import AioConfig  # type: ignore[import-untyped]  # aiobotocore has no stubs
from aiobotocore.session import get_session  # type: ignore[import-untyped]  # as above

from bench.processes import Spent, measure, node, python, rates, spend, tell
from kxmsg.aws.account import Account
from kxmsg.aws.connections import CALLS, ApiGateways
from kxmsg.aws.sdk import SdkApi
from kxmsg.aws.wire.client import WireApi
from kxmsg.ports import Post
from kxmsg.runtime import loop

AUDIENCE: Final = 1_000
"""Connections that get each frame: as many as fan-out pushes to at once."""

SECONDS: Final = 1.5

FRAME: Final = orjson.dumps({"type": "notification", "title": "Incident 1", "content": "x" * 150})
CONNECTIONS: Final = [f"L0SM9cOFvHcCI{number:03}=" for number in range(AUDIENCE)]

FAST: Final = "kxmsg, fast wire"
COMMANDS: Final[Mapping[str, Sequence[str] | None]] = {
    FAST: python("bench.pushes", "wire"),
    "kxmsg, over aiobotocore": python("bench.pushes", "sdk"),
    "aiobotocore by hand": python("bench.pushes", "aiobotocore"),
    "Node, `@aws-sdk/client-apigatewaymanagementapi`": node("pushes.mjs", str(CALLS), str(AUDIENCE), str(SECONDS)),
}


async def pushes() -> list[str]:
    """A table in Markdown. Takes two minutes."""
    plain, tls = await measure(COMMANDS)
    return [
        f"| {CALLS} at once | pushes/s of CPU | CPU µs | fast wire is | TLS: pushes/s of CPU | CPU µs | fast wire is |",
        "|---|---|---|---|---|---|---|",
        *(f"| {name} | {rates(plain, name, FAST)} | {rates(tls, name, FAST)} |" for name in COMMANDS),
    ]


# ------------------------------------------------------------------------------------------------------ the clients


async def _through_port(api: WireApi | SdkApi, url: str) -> Spent:
    """The whole way that fan-out's frames take."""
    gateways = ApiGateways(api, {"bench": url}, push_timeout=10.0)
    posts = [Post("bench", CONNECTIONS, FRAME)]

    async def push() -> int:
        outcomes = await gateways.post(posts)
        assert outcomes == [["ok"] * AUDIENCE]
        return AUDIENCE

    spent = await spend(push, SECONDS)
    await api.close()
    return spent


async def _by_hand(url: str) -> Spent:
    """As one writes it who has aiobotocore alone."""
    config = AioConfig(max_pool_connections=CALLS)
    async with get_session().create_client("apigatewaymanagementapi", endpoint_url=url, config=config) as client:

        async def push() -> int:
            left = iter(CONNECTIONS)
            await asyncio.gather(*(_post(client, left) for _ in range(CALLS)))
            return AUDIENCE

        return await spend(push, SECONDS)


async def _post(client: Any, connections: Any) -> None:
    for connection in connections:
        await client.post_to_connection(ConnectionId=connection, Data=FRAME)


async def _client(kind: str, _: asyncio.Event) -> None:
    account = Account()
    url = f"{account.endpoint('execute-api')}/bench"
    clients: Mapping[str, Callable[[], Awaitable[Spent]]] = {
        "wire": lambda: _through_port(WireApi(account), url),
        "sdk": lambda: _through_port(SdkApi(account), url),
        "aiobotocore": lambda: _by_hand(url),
    }
    tell(await clients[kind]())


if __name__ == "__main__":
    if len(sys.argv) > 1:
        loop.run(partial(_client, sys.argv[1]))
    else:
        print("\n".join(asyncio.run(pushes())))
