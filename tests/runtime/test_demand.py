"""Demand: what waits for a worker type."""

import asyncio
import json
from typing import Any

from kxmsg import Worker
from kxmsg.errors import Transient
from kxmsg.ports import Outgoing
from kxmsg.runtime.demand import LOOK, watch
from kxmsg.runtime.metrics import Emf
from kxmsg.telemetry import BACKLOG
from kxmsg.testing.virtual import run
from tests.runtime.fakes import FakeApp, FakeQueue


def told() -> dict[str, float]:
    """What an EMF line would tell by worker type now."""
    lines: list[dict[str, Any]] = [json.loads(line) for line in Emf().lines(0)]
    return {line["worker"]: line["kxmsg_backlog"] for line in lines if "kxmsg_backlog" in line}


def test_the_messages_of_all_queues_are_counted_but_not_those_in_hand() -> None:
    async def scenario() -> None:
        queues = [FakeQueue("one"), FakeQueue("two.fifo")]
        await queues[0].send([Outgoing(b"x")] * 5)
        await queues[1].send([Outgoing(b"x", "g")] * 3)
        await queues[0].receive(2, wait=0, visibility=1000)
        task = asyncio.create_task(watch("kx", "fanout", queues))
        await asyncio.sleep(1)
        assert told() == {"fanout": 6}
        assert BACKLOG.labels("kx", "fanout")._value.get() == 6, "installations in one account are told apart"
        await queues[0].send([Outgoing(b"x")])
        await asyncio.sleep(LOOK)
        assert told() == {"fanout": 7}
        task.cancel()
        await asyncio.wait([task])
        assert told() == {}, "a process that has ended counts no more"

    run(scenario())


def test_what_can_not_be_known_is_not_told() -> None:
    """An old number would keep the service at the wrong size; a missing one leaves it as it is."""

    async def scenario() -> None:
        queue = FakeQueue("one")
        task = asyncio.create_task(watch("kx", "audit", [queue]))
        await asyncio.sleep(1)
        assert told() == {"audit": 0}
        queue.fault("depth", Transient("throttled"))
        await asyncio.sleep(LOOK)
        assert told() == {}
        await asyncio.sleep(LOOK)
        assert told() == {"audit": 0}
        task.cancel()
        await asyncio.wait([task])

    run(scenario())


def test_a_worker_tells_its_demand_while_it_runs() -> None:
    async def scenario() -> None:
        worker = Worker("audit", queue="render", concurrency=1)
        stop = asyncio.Event()

        @worker.handler
        async def handle(body: bytes) -> None:
            await stop.wait()

        queue = FakeQueue("render")
        await queue.send([Outgoing(b"x")] * 5)
        running = asyncio.create_task(worker.run(FakeApp(queue, FakeQueue("render-dlq")), stop))
        await asyncio.sleep(LOOK + 1)
        assert told() == {"audit": 4}
        stop.set()
        await running
        assert told() == {}

    run(scenario())
