"""SQS by second of CPU: single calls, and messages through the whole worker runtime, beside the SDKs."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from time import perf_counter
from typing import Any, Final

from aiobotocore.session import get_session  # type: ignore[import-untyped]  # aiobotocore has no stubs

from bench.processes import Spent, cpu_time, measure, node, python, rates, spend, tell
from bench.responder import MESSAGES
from kxmsg import Worker
from kxmsg.aws.account import Account
from kxmsg.aws.names import Names
from kxmsg.aws.queues import SqsQueue
from kxmsg.aws.retrying import Retrying
from kxmsg.aws.sdk import SdkApi
from kxmsg.aws.wire.client import WireApi
from kxmsg.ports import BlobStore, Outgoing, Queue, Topic
from kxmsg.runtime import logs, loop
from kxmsg.settings import Settings
from kxmsg.telemetry import SystemClock
from kxmsg.topology import TOPOLOGY, Topology

MESSAGES_IN_ALL: Final = 20_000
CONSUMERS: Final = 4
"""Polls at once, as many as the runtime makes under load."""

CALLS: Final = 8
"""Calls at once where single ones are measured."""
ROUND: Final = 40
SECONDS: Final = 0.6

_BODY: Final = MESSAGES[0]["Body"]
_RECEIPTS: Final = [message["ReceiptHandle"] for message in MESSAGES]
_OPERATIONS: Final[Mapping[str, Mapping[str, Any]]] = {
    "ReceiveMessage": {
        "MaxNumberOfMessages": 10,
        "MessageSystemAttributeNames": ["ApproximateReceiveCount", "SentTimestamp", "MessageGroupId"],
    },
    "DeleteMessageBatch": {
        "Entries": [{"Id": str(ident), "ReceiptHandle": receipt} for ident, receipt in enumerate(_RECEIPTS)]
    },
    "SendMessageBatch": {"Entries": [{"Id": str(ident), "MessageBody": _BODY} for ident in range(10)]},
}
"""The payloads, but for the queue."""

FAST: Final = "kxmsg, fast wire"
ONE: Final = ", a call for each"

CALLERS: Final = {
    FAST: python("bench.sqs", "calls", "wire"),
    "kxmsg, `SqsQueue` over it": python("bench.sqs", "calls", "port"),
    "kxmsg, over aiobotocore": python("bench.sqs", "calls", "sdk"),
    "aiobotocore by hand": python("bench.sqs", "calls", "aiobotocore"),
}
RUNTIMES: Final = {
    FAST: python("bench.sqs", "worker", "wire", "batch"),
    "kxmsg, over aiobotocore": python("bench.sqs", "worker", "sdk", "batch"),
    "Node, `sqs-consumer`": node("consumer.mjs", str(MESSAGES_IN_ALL), str(CONSUMERS)),
    FAST + ONE: python("bench.sqs", "worker", "wire", "one"),
    "Node, `sqs-consumer`" + ONE: node("consumer.mjs", str(MESSAGES_IN_ALL), str(CONSUMERS), "one"),
}


async def calls() -> list[str]:
    """A table in Markdown: CPU microseconds of a call with ten messages."""
    plain, tls = await measure(CALLERS)
    lines = [
        "| CPU µs | receive 10 | delete 10 | send 10 | TLS: receive 10 | delete 10 | send 10 |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in CALLERS:
        cells = [
            f"{theirs.microseconds:.0f} ({theirs.microseconds / ours.microseconds:.1f} ×)"
            for spent in (plain, tls)
            for ours, theirs in zip(spent[FAST], spent[name], strict=True)
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


async def messages() -> list[str]:
    """A table in Markdown: messages received, handled and deleted."""
    plain, tls = await measure(RUNTIMES)
    lines = [
        "| ten a call | messages/s of CPU | CPU µs | fast wire is | TLS: messages/s of CPU | CPU µs | fast wire is |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in RUNTIMES:
        than = FAST + ONE if name.endswith(ONE) else FAST
        lines.append(f"| {name} | {rates(plain, name, than)} | {rates(tls, name, than)} |")
    return lines


# ------------------------------------------------------------------------------------------------------ the clients


@dataclass(frozen=True, slots=True)
class _App:
    """What the runtime needs, on SQS."""

    settings: Settings
    topology: Topology
    clock: SystemClock
    calls: Retrying
    names: Names

    @property
    def blobs(self) -> BlobStore:
        raise LookupError("nothing here is too large for a message")

    def queue(self, name: str) -> Queue:
        return SqsQueue(self.calls, self.names, name)

    def topic(self, name: str) -> Topic:
        raise KeyError(name)


async def _consume(calls: Retrying, account: Account, number: int, handling: str) -> Spent:
    """A worker's life, from its start until what it had in hand is acknowledged and it has ended."""
    worker, stop = Worker("bench", queue=f"{os.getpid()}-{number}"), asyncio.Event()
    left = number

    def done(some: int) -> None:
        nonlocal left
        left -= some
        if left == 0:
            stop.set()

    async def handle_batch(bodies: list[bytes]) -> None:
        done(len(bodies))

    async def handle_one(_: bytes) -> None:
        done(1)

    worker.handler(handle_batch if handling == "batch" else handle_one)
    app = _App(
        Settings(), worker.topology(TOPOLOGY), SystemClock(), calls, Names("bench", "000000000000", account.region)
    )
    cpu, started = cpu_time(), perf_counter()
    await worker.run(app, stop)
    return Spent(number, cpu_time() - cpu, perf_counter() - started)


async def _work(kind: str, handling: str, _: asyncio.Event) -> None:
    logs.configure("ERROR")
    account = Account()
    api = Retrying(WireApi(account) if kind == "wire" else SdkApi(account))
    await _consume(api, account, MESSAGES_IN_ALL // 10, handling)
    tell(await _consume(api, account, MESSAGES_IN_ALL, handling))
    await api.close()


async def _call(kind: str, _: asyncio.Event) -> None:
    account = Account()
    url = f"{account.endpoint('sqs')}/000000000000/bench-1000000000"
    match kind:
        case "aiobotocore":
            async with get_session().create_client("sqs") as client:
                methods = (client.receive_message, client.delete_message_batch, client.send_message_batch)
                doing = zip(methods, _OPERATIONS.values(), strict=True)
                tell(*[await _spend(partial(method, QueueUrl=url, **given)) for method, given in doing])
        case "port":
            api = Retrying(WireApi(account))
            queue = SqsQueue(api, Names("bench", "000000000000", account.region), "1000000000")
            outgoing = [Outgoing(_BODY.encode()) for _ in range(10)]
            tell(
                await _spend(partial(queue.receive, 10, wait=20, visibility=30)),
                await _spend(partial(queue.delete, _RECEIPTS)),
                await _spend(partial(queue.send, outgoing)),
            )
            await api.close()
        case _:
            calls: WireApi | SdkApi = WireApi(account) if kind == "wire" else SdkApi(account)
            given = [(name, {"QueueUrl": url, **payload}) for name, payload in _OPERATIONS.items()]
            tell(*[await _spend(partial(calls.call, "sqs", name, payload)) for name, payload in given])
            await calls.close()


async def _spend(call: Callable[[], Awaitable[Any]]) -> Spent:
    async def some(left: Any) -> None:
        for _ in left:
            await call()

    async def work() -> int:
        left = repeat(None, ROUND * CALLS)
        await asyncio.gather(*(some(left) for _ in range(CALLS)))
        return ROUND * CALLS

    return await spend(work, SECONDS)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["calls", kind]:
            loop.run(partial(_call, kind))
        case ["worker", kind, handling]:
            loop.run(partial(_work, kind, handling))
        case _:
            print("\n".join([*asyncio.run(calls()), "", *asyncio.run(messages())]))
