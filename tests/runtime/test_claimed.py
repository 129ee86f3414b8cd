"""Claims at a worker: their bodies are fetched before the handler sees them."""

import asyncio
from dataclasses import dataclass, field

import pytest

from kxmsg import Context, Worker
from kxmsg.bootstrap import App, memory_app
from kxmsg.claims import CLAIM, MAX_BODY
from kxmsg.embedded.blobs import EmbeddedBlobs
from kxmsg.errors import BackendError, Permanent, Transient
from kxmsg.ports import Outgoing
from kxmsg.runtime.deadletter import look, redrive
from kxmsg.settings import Settings
from kxmsg.testing.virtual import VirtualClock, run
from kxmsg.topology import TOPOLOGY


@dataclass
class Bench:
    """A worker of a user's on the queue ``audit.fifo`` or ``audit``, and what its handler was called with."""

    app: App
    worker: Worker
    calls: list[list[bytes]] = field(default_factory=list)
    attributes: list[dict[str, str]] = field(default_factory=list)

    async def work(self, seconds: float) -> None:
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(seconds, stop.set)
        await self.worker.run(self.app, stop)

    @property
    def bodies(self) -> list[bytes]:
        return [body for call in self.calls for body in call]

    @property
    def queue(self) -> str:
        (name,) = self.worker.queues
        return name

    @property
    def dlq(self) -> str:
        return self.app.topology.queue(self.queue).dlq


def bench(queue: str) -> Bench:
    worker = Worker("audit", queue=queue)
    clock = VirtualClock(asyncio.get_running_loop())
    made = Bench(memory_app(topology=worker.topology(TOPOLOGY), clock=clock, settings=Settings()), worker)

    @worker.handler
    async def handle(bodies: list[bytes], context: Context[App]) -> None:
        made.calls.append(bodies)
        made.attributes += [dict(delivery.attributes) for delivery in context.deliveries]

    return made


def large(letter: str) -> bytes:
    return letter.encode() * (MAX_BODY + 1)


class Failing(EmbeddedBlobs):
    """Gets fail as often as told."""

    def __init__(self, app: App, *errors: BackendError) -> None:
        super().__init__(None, app.clock)
        self.errors = list(errors)

    async def get(self, key: str) -> bytes | None:
        if self.errors:
            raise self.errors.pop()
        return await super().get(key)


def test_a_handler_of_a_users_gets_what_was_sent() -> None:
    """Body and attributes, large ones beside small ones."""

    async def scenario() -> None:
        it = bench("audit")
        sent = [large("a"), b"b", large("c")]
        await it.app.queue("audit").send([Outgoing(body, attributes={"kind": "k"}) for body in sent])
        await it.work(10)
        assert sorted(it.bodies) == sorted(sent)
        assert it.attributes == [{"kind": "k"}] * 3
        await it.app.close()

    run(scenario())


@pytest.mark.parametrize("queue", ["audit", "audit.fifo"])
def test_a_lost_body_is_dead_lettered_with_the_reason_and_can_be_redriven(queue: str) -> None:
    """The others of its batch, even of its group, are handled at once."""

    async def scenario() -> None:
        it = bench(queue)
        messages = [Outgoing(body, "g") for body in (b"1", large("2"), b"3")]
        blobs = EmbeddedBlobs(None, it.app.clock)
        it.app.backend.blobs, kept = blobs, it.app.backend.blobs
        assert isinstance(kept, EmbeddedBlobs)
        await it.app.queue(queue).send(messages)
        it.app.backend.blobs = kept
        await it.work(10)
        assert it.bodies == [b"1", b"3"]
        (letter,) = await look(it.app.queue(it.dlq), 10)
        assert letter.about["reason"].startswith("its body is lost: the blob store has no claims/")
        kept._memory.update(blobs._memory)
        await redrive(it.app.queue(it.dlq), it.app.queue(queue))
        await it.work(10)
        assert it.bodies == [b"1", b"3", large("2")]
        await it.app.close()

    run(scenario())


def test_while_the_store_is_down_a_group_waits_in_order_and_others_go_on() -> None:
    """Nothing of it counts as a failure of the message."""

    async def scenario() -> None:
        it = bench("audit.fifo")
        blobs = it.app.backend.blobs = Failing(it.app, *[Transient("down")] * 5)
        queue = it.app.queue("audit.fifo")
        await queue.send([Outgoing(b"1", "g"), Outgoing(large("2"), "g"), Outgoing(b"3", "g"), Outgoing(b"other", "h")])
        await it.work(300)
        assert [body for body in it.bodies if body != b"other"] == [b"1", large("2"), b"3"]
        assert b"other" in it.calls[0]
        assert not blobs.errors
        assert await look(it.app.queue(it.dlq), 10) == []
        await it.app.close()

    run(scenario())


def test_a_store_that_refuses_is_named_in_the_dead_letter() -> None:
    async def scenario() -> None:
        it = bench("audit")
        it.app.backend.blobs = Failing(it.app, *[Permanent("bucket kx: AccessDenied")] * 9)
        await it.app.queue("audit").send([Outgoing(large("1"))])
        await it.work(300)
        (letter,) = await look(it.app.queue(it.dlq), 10)
        assert letter.about["reason"] == "Permanent: bucket kx: AccessDenied"
        assert letter.about["failures"] == "3"
        assert CLAIM in letter.attributes, "a redrive finds the body once the store gives it"
        assert it.calls == []
        await it.app.close()

    run(scenario())
