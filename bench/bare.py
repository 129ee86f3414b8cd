"""The bare framework: FastAPI on the server of the product's API, answering a constant. Tells its port."""

import asyncio
import sys
from typing import Any

import orjson
from fastapi import FastAPI, Request

from kxmsg.api.server import ApiServer
from kxmsg.runtime import loop


async def serve(answer: dict[str, Any], stop: asyncio.Event) -> None:
    """Answer so, until told to stop."""
    api = FastAPI()

    @api.get("/constant")
    async def constant() -> dict[str, Any]:
        return answer

    @api.post("/constant")
    async def taken(request: Request) -> dict[str, Any]:
        await request.json()
        return answer

    server = ApiServer(api, host="127.0.0.1", port=0)
    await server.start()
    print(server.port, flush=True)
    await stop.wait()
    await server.stop(1)


if __name__ == "__main__":
    loop.run(lambda stop: serve(orjson.loads(sys.argv[1]), stop))
