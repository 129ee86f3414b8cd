"""The bare framework: FastAPI on the API's server, where every route answers a constant, as one writes it by hand."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import orjson
from fastapi import FastAPI
from pydantic import BaseModel

from kxmsg.api.server import ApiServer
from kxmsg.runtime import loop


class MessageIn(BaseModel):
    """A message to send."""

    channelId: str  # noqa: N815 - as it is called in JSON
    content: str


def bare(answers: Mapping[str, Any]) -> FastAPI:
    """Routes that answer a GET of these paths so, and ``POST /messages``, whose body is read."""
    api = FastAPI(openapi_url=None)
    for path, answer in answers.items():
        if path == "/messages":
            api.post(path, status_code=202)(_posted(answer))
        else:
            api.get(path)(_constant(answer))
    return api


def _constant(answer: dict[str, Any]) -> Callable[[], Awaitable[dict[str, Any]]]:
    async def constant() -> dict[str, Any]:
        return answer

    return constant


def _posted(answer: dict[str, Any]) -> Callable[[MessageIn], Awaitable[dict[str, Any]]]:
    async def posted(body: MessageIn) -> dict[str, Any]:
        return answer

    return posted


@asynccontextmanager
async def serving(answers: Mapping[str, Any]) -> AsyncIterator[tuple[int, int]]:
    """The bare framework in a process of its own: its port and its process id."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.bare"), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(orjson.dumps(answers))
        process.stdin.close()
        yield int(await process.stdout.readline()), process.pid
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _serve(answers: Mapping[str, Any], stop: asyncio.Event) -> None:
    server = ApiServer(bare(answers), host="127.0.0.1", port=0)
    await server.start()
    print(server.port, flush=True)
    await stop.wait()
    await server.stop(1)


if __name__ == "__main__":
    loop.run(partial(_serve, orjson.loads(sys.stdin.buffer.read())))
