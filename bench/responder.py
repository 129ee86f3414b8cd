"""Responder: a process that answers as API Gateway's ``@connections`` and SQS do, at next to no cost.

A queue whose name ends in ``-<number>`` hands out so many messages, the same ten again and again.
"""

import asyncio
import json
import os
import re
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from hashlib import md5
from pathlib import Path
from typing import Any, Final

import orjson
import uvloop

from tests.aws.wire.certificates import Authority

HOST: Final = "localhost"
LONG_POLL: Final = 0.5
"""Seconds that a queue without messages waits before it says so."""

_LENGTH: Final = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)
_TARGET: Final = re.compile(rb"\r\nx-amz-target: *AmazonSQS\.([A-Za-z]+)", re.IGNORECASE)


@asynccontextmanager
async def responding(*, tls: bool) -> AsyncIterator[Mapping[str, str]]:
    """A responder on a port of its own, while inside; with ``tls``, its certificate is made for it.

    Gives the environment that leads AWS's clients to it, Python's and Node's.
    """
    with tempfile.TemporaryDirectory(prefix="kxmsg-bench-") as folder:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bench.responder", *([folder] if tls else [])),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            port = int(await process.stdout.readline())
            url = f"{'https' if tls else 'http'}://{HOST}:{port}"
            yield _environment(url, Path(folder) / "authority.pem" if tls else None)
        finally:
            process.stdin.close()
            await process.wait()


def _environment(url: str, authority: Path | None) -> dict[str, str]:
    trusted = {} if authority is None else {"AWS_CA_BUNDLE": str(authority), "NODE_EXTRA_CA_CERTS": str(authority)}
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
        "AWS_ENDPOINT_URL": url,
        "AWS_REGION": "eu-central-1",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        **trusted,
    }


# ---------------------------------------------------------------------------------------------------- the process


class Server(asyncio.BufferedProtocol):
    """One connection of a client. ``left``: messages of each queue, by its name; ``space``: shared by connections.

    With asyncio.Protocol, TLS would make this the slower side: see :class:`kxmsg.aws.wire.connection.Connection`.
    """

    def __init__(self, left: dict[str, int], space: memoryview) -> None:
        self._left = left
        self._space = space
        self._buffer = b""
        self._transport: asyncio.WriteTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # uvloop's is none by inheritance

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._space

    def buffer_updated(self, nbytes: int) -> None:
        self._buffer += bytes(self._space[:nbytes])
        end = self._buffer.find(b"\r\n\r\n") + 4
        if end < 4:
            return
        length = _LENGTH.search(self._buffer, 0, end)
        whole = end + (int(length[1]) if length else 0)
        if len(self._buffer) < whole:
            return
        target = _TARGET.search(self._buffer, 0, end)
        body, self._buffer = self._buffer[end:whole], self._buffer[whole:]
        if target is None:
            self._transport.write(_PUSHED)
        else:
            self._answer_sqs(target[1].decode(), orjson.loads(body))

    def _answer_sqs(self, operation: str, request: Mapping[str, Any]) -> None:
        match operation:
            case "GetQueueUrl":
                url = f"{self._url()}/000000000000/{request['QueueName']}"
                self._write(orjson.dumps({"QueueUrl": url}))
            case "GetQueueAttributes":
                self._write(orjson.dumps({"Attributes": dict.fromkeys(request["AttributeNames"], "0")}))
            case "ReceiveMessage":
                self._hand_out(request["QueueUrl"].rpartition("/")[2], request.get("MaxNumberOfMessages", 1))
            case "DeleteMessage":
                self._write(b"{}")
            case "DeleteMessageBatch":
                self._write(orjson.dumps({"Successful": [{"Id": entry["Id"]} for entry in request["Entries"]]}))
            case "SendMessageBatch":
                done = [{"Id": entry["Id"], **_sent(entry["MessageBody"])} for entry in request["Entries"]]
                self._write(orjson.dumps({"Successful": done}))
            case _:
                raise NotImplementedError(operation)

    def _hand_out(self, queue: str, most: int) -> None:
        left = self._left.setdefault(queue, int(queue.rpartition("-")[2]))
        number = min(most, left)
        self._left[queue] = left - number
        if number:
            self._transport.write(_RECEIVED[number])
        else:
            asyncio.get_running_loop().call_later(LONG_POLL, self._write, b"{}")

    def _write(self, body: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(_json_answer(body))

    def _url(self) -> str:
        scheme = "https" if self._transport.get_extra_info("sslcontext") else "http"
        return f"{scheme}://{HOST}:{self._transport.get_extra_info('sockname')[1]}"


def _json_answer(body: bytes) -> bytes:
    head = (
        "HTTP/1.1 200 OK\r\nx-amzn-RequestId: 17793124-05d4-b198-2fde-7ededc63b103\r\n"
        "Date: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Type: application/x-amz-json-1.0\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _sent(body: str) -> dict[str, str]:
    return {"MessageId": "17793124-05d4-b198-2fde-7ededc63b103", "MD5OfMessageBody": _md5(body)}


def _md5(text: str) -> str:
    return md5(text.encode(), usedforsecurity=False).hexdigest()


def _message(number: int) -> dict[str, Any]:
    """As SQS has it: a notification on its way, and a receipt of some 200 characters."""
    detail = {"orderId": number, "text": "Trail lamp was handed to Northwind Post and arrives on Tuesday. " * 4}
    body = json.dumps({"id": f"01J0000000000000000000000{number}", "kind": "notification", "payload": detail})
    attributes = {"ApproximateReceiveCount": "1", "SentTimestamp": "1767225600000", "MessageGroupId": "acme"}
    return {
        "MessageId": f"5fea7756-0ea4-451a-a703-a558b933e27{number}",
        "ReceiptHandle": f"AQEB{number}" + "wJnKyrHigUMZj6rYigCgxlaS3SLy0a" * 6,
        "MD5OfBody": _md5(body),
        "Body": body,
        "Attributes": attributes,
    }


_PUSHED: Final = (
    b"HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Length: 0\r\nConnection: keep-alive\r\n"
    b"x-amzn-RequestId: 17793124-05d4-b198-2fde-7ededc63b103\r\nx-amz-apigw-id: bench\r\n\r\n"
)
MESSAGES: Final = [_message(number) for number in range(10)]
_RECEIVED: Final = [_json_answer(orjson.dumps({"Messages": MESSAGES[:number]})) for number in range(11)]


async def main(folder: str | None) -> None:
    """Serve until standard input ends; the port is told on standard output."""
    loop = asyncio.get_running_loop()
    tls = None if folder is None else Authority(Path(folder)).server_context(HOST)
    left: dict[str, int] = {}
    space = memoryview(bytearray(1 << 16))
    server = await loop.create_server(lambda: Server(left, space), "127.0.0.1", 0, ssl=tls)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1] if len(sys.argv) > 1 else None))
