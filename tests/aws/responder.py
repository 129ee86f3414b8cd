"""Responder: an HTTP server of the tests that answers as told, or doesn't."""

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Request:
    """``headers`` by their names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer; with ``cut`` the connection is closed before the last byte of its body."""

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False


Mishap = Literal["reset", "close", "hang"]
"""Instead of an answer: a TCP reset, an orderly close, nothing at all."""


@dataclass(slots=True)
class Responder:
    """Gives the ``replies`` in turn, and the last of them from then on; ``asked`` is set by the first request."""

    url: str
    replies: Sequence[Reply | Mishap]
    requests: list[Request] = field(default_factory=list)
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    def next_reply(self) -> Reply | Mishap:
        return self.replies[min(len(self.requests), len(self.replies)) - 1]


def json_reply(status: int, value: Mapping[str, Any], **headers: str) -> Reply:
    names = {name.replace("_", "-"): text for name, text in headers.items()}
    return Reply(status, json.dumps(value).encode(), {"content-type": "application/x-amz-json-1.0", **names})


@asynccontextmanager
async def responding(*replies: Reply | Mishap) -> AsyncIterator[Responder]:
    """A responder on a port of its own, while inside."""
    responder = Responder("", replies)
    talks: set[asyncio.Task[Any]] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        talks.add(task)
        try:
            await _serve(responder, reader, writer)
        finally:
            talks.discard(task)
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    responder.url = "http://127.0.0.1:{1}".format(*server.sockets[0].getsockname())
    try:
        yield responder
    finally:
        server.close()
        for task in list(talks):
            task.cancel()
        if talks:
            await asyncio.wait(talks)
        await server.wait_closed()


async def _serve(responder: Responder, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while (request := await _read(reader)) is not None:
        responder.requests.append(request)
        responder.asked.set()
        match responder.next_reply():
            case "hang":
                await reader.read()  # until the caller gives up
                return
            case "close":
                return
            case "reset":
                connection = writer.get_extra_info("socket")
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
                return
            case Reply() as reply:
                headers = {"content-length": str(len(reply.body)), **reply.headers}
                lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
                writer.write(f"HTTP/1.1 {reply.status} -\r\n{lines}\r\n".encode())
                writer.write(reply.body[:-1] if reply.cut else reply.body)
                await writer.drain()
                if reply.cut:
                    return


async def _read(reader: asyncio.StreamReader) -> Request | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    line, *rest = head.splitlines()
    method, path, _ = line.split(" ")
    pairs = (text.partition(":") for text in rest if text)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Request(method, path, headers, body)
