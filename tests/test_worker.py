"""The public worker API."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

import kxmsg
from kxmsg import Context, Worker
from kxmsg.errors import ConfigError
from kxmsg.ports import Outgoing
from kxmsg.settings import Settings
from kxmsg.testing.virtual import run
from kxmsg.topology import TOPOLOGY, QueueSpec, SubscriptionSpec
from kxmsg.worker import CallNext
from tests.runtime.fakes import FakeApp, FakeQueue


class Order(BaseModel):
    orderId: str  # noqa: N815 - as in the JSON


def make(name: str = "audit", **options: Any) -> Worker:
    worker = Worker(name, queue="audit", **options)

    @worker.handler
    async def handle(order: Order) -> None: ...

    return worker


def app_of(worker: Worker, **settings: Any) -> FakeApp:
    """An app whose queues are those that the worker serves, with their dead-letter queues."""
    topology = worker.topology(TOPOLOGY)
    specs = [topology.queue(name) for name in worker.queues]
    queues = [FakeQueue(name) for spec in specs for name in (spec.name, spec.dlq)]
    return FakeApp(*queues, topology=topology, settings=Settings(_env_file=None, **settings))


async def worked(worker: Worker, app: FakeApp, seconds: float, **options: Any) -> None:
    """Run ``worker`` for ``seconds``."""
    stop = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, stop.set)
    await worker.run(app, stop, **options)


def test_the_worker_api_costs_nothing_until_it_is_used() -> None:
    """``import kxmsg`` alone loads none of it."""
    code = "import sys, kxmsg; print('pydantic' in sys.modules); kxmsg.Worker; print('kxmsg.worker' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603 - ours
    assert result.stdout.split() == ["False", "True"]
    with pytest.raises(AttributeError, match="no attribute 'Wroker'"):
        kxmsg.Wroker  # noqa: B018 - what is refused


def test_messages_are_handled_acknowledged_and_dead_lettered() -> None:
    """A handler as a user writes it, from the typed message to the reason of its dead letter."""

    async def scenario() -> None:
        worker = Worker("audit", queue="audit")
        seen: list[str] = []

        @worker.handler
        async def handle(order: Order, context: Context) -> None:
            seen.append(order.orderId)
            assert context.app is app
            assert context.queue is queue
            assert context.deliveries[0].body == order.model_dump_json().encode()

        app = app_of(worker)
        queue, dlq = app.queue("audit"), app.queue("audit-dlq")
        assert isinstance(queue, FakeQueue)
        assert isinstance(dlq, FakeQueue)
        await queue.send([Outgoing(b'{"orderId":"7"}'), Outgoing(b'{"order":"8"}')])
        await worked(worker, app, 10)
        assert seen == ["7"]
        assert not queue.messages
        (letter,) = dlq.messages
        assert letter.outgoing.attributes["reason"] == "not a Order: orderId: Field required"
        assert letter.outgoing.attributes["worker"] == "audit"

    run(scenario())


def test_one_worker_may_serve_several_queues_with_one_function() -> None:
    """Each queue with its own options."""

    async def scenario() -> None:
        worker = Worker("fanout")
        sizes: dict[str, int] = {}

        @worker.handler(queue="fanout", batch=3)
        @worker.handler(queue="fanout.fifo")
        async def push(bodies: list[bytes], context: Context) -> None:
            sizes[context.queue.name] = max(len(bodies), sizes.get(context.queue.name, 0))

        app = app_of(worker)
        for name in worker.queues:
            await app.queue(name).send([Outgoing(b"x", group="g") for _ in range(6)])
        await worked(worker, app, 10)
        assert sizes == {"fanout": 3, "fanout.fifo": 6}

    run(scenario())


def test_hooks_tasks_and_middleware_surround_the_work() -> None:
    """What is opened first is closed last; tasks run from the start."""

    async def scenario() -> None:
        worker = make()
        told: list[str] = []

        @worker.on_start
        async def begin(app: Any) -> None:
            told.append("start")

        @worker.on_stop
        async def end(app: Any) -> None:
            told.append("stop")

        @worker.on_stop
        async def end_first(app: Any) -> None:
            told.append("stop first")

        @worker.every(4)
        async def tick(context: Context) -> None:
            with pytest.raises(LookupError):
                _ = context.queue
            told.append("tick")

        @worker.middleware
        async def around(context: Context, call_next: CallNext) -> None:
            told.append("before")
            await call_next()
            told.append("after")

        app = app_of(worker)
        await app.queue("audit").send([Outgoing(b'{"orderId":"7"}')])
        await worked(worker, app, 6)
        assert told[0] == "start"
        assert told[-2:] == ["stop first", "stop"]
        assert told.count("tick") == 2
        assert told[told.index("before") + 1] == "after"

    run(scenario())


def test_a_start_that_fails_is_told_and_closed() -> None:
    """Nothing was received."""

    async def scenario() -> None:
        worker = make()
        closed: list[bool] = []

        @worker.on_start
        async def begin(app: Any) -> None:
            raise OSError("no such table")

        @worker.on_stop
        async def end(app: Any) -> None:
            closed.append(True)

        app = app_of(worker)
        with pytest.raises(OSError, match="no such table"):
            await worked(worker, app, 5)
        queue = app.queue("audit")
        assert isinstance(queue, FakeQueue)
        assert (closed, queue.calls) == ([True], [])

    run(scenario())


def test_the_drain_ends_before_the_stop_time_out() -> None:
    """Five seconds of it are the process's own; what is not done goes back."""

    async def scenario() -> None:
        worker = Worker("slow", queue="audit")

        @worker.handler
        async def handle(body: bytes) -> None:
            await asyncio.sleep(1000)

        @worker.every(1000)
        async def task(context: Context) -> None:
            await asyncio.sleep(1000)

        app = app_of(worker, stop_timeout=20)
        await app.queue("audit").send([Outgoing(b"x")])
        await worked(worker, app, 5)
        assert 20 <= asyncio.get_running_loop().time() <= 24
        assert (await app.queue("audit").depth()).visible == 1

    run(scenario())


def test_a_crash_of_the_runtime_is_not_survived_in_silence() -> None:
    """The process is to be restarted rather than to hang."""

    async def scenario() -> None:
        worker = make()
        app = app_of(worker)
        app.clock.now = lambda: 1 / 0  # type: ignore[method-assign] # a fault where none is expected
        await app.queue("audit").send([Outgoing(b'{"orderId":"7"}')])
        await worked(worker, app, 100)

    with pytest.raises(ExceptionGroup) as raised:
        run(scenario())
    assert raised.value.subgroup(ZeroDivisionError) is not None


def test_the_heartbeat_is_there_while_it_works(tmp_path: Path) -> None:
    """Named for the worker and the process."""

    async def scenario() -> None:
        worker = make()
        names: list[str] = []

        @worker.every(3)
        async def look(context: Context) -> None:
            names.extend(beats())

        await worked(worker, app_of(worker), 10, heartbeats=tmp_path)
        assert set(names) == {f"audit-{os.getpid()}"}

    def beats() -> list[str]:
        return [beat.name for beat in tmp_path.iterdir()]

    run(scenario())
    assert beats() == []


def test_long_work_is_protected_from_scale_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """On ECS, while something is in hand."""
    asked: list[tuple[str, bool]] = []

    async def agent(uri: str, body: dict[str, Any]) -> None:
        asked.append((uri, body["ProtectionEnabled"]))

    monkeypatch.setattr("kxmsg.worker.ask_agent", agent)
    monkeypatch.setenv("ECS_AGENT_URI", "http://agent")

    async def scenario() -> None:
        for long in (False, True):
            worker = make(long=long)
            app = app_of(worker)
            await app.queue("audit").send([Outgoing(b'{"orderId":"7"}')])
            await worked(worker, app, 60)

    run(scenario())
    assert asked == [("http://agent", True), ("http://agent", False)]


# -------------------------------------------------------------------------------------------------------- topology


def test_a_worker_brings_its_queue_and_subscriptions() -> None:
    """A queue of kxmsg's own stays as it is."""
    worker = make(subscribes={"outbound": {"kind": "message", "priority": ["high", "urgent"]}, "outbound.fifo": {}})
    topology = worker.topology(TOPOLOGY)
    assert topology.queue("audit") == QueueSpec("audit")
    assert [spec for spec in topology.subscriptions if spec.queue == "audit"] == [
        SubscriptionSpec("outbound", "audit", {"kind": ("message",), "priority": ("high", "urgent")}),
        SubscriptionSpec("outbound.fifo", "audit", {}),
    ]
    assert Worker("renderer", queue="render").topology(TOPOLOGY) is TOPOLOGY


async def without_queues(worker: Worker) -> None:
    await worked(worker, FakeApp(), 1)


def no_queue() -> None:
    @Worker("x").handler
    async def handle(body: bytes) -> None: ...


def twice() -> None:
    worker = make()

    @worker.handler
    async def handle(body: bytes) -> None: ...


def batch_of_one() -> None:
    @Worker("x", queue="audit").handler(batch=5)
    async def handle(body: bytes) -> None: ...


@pytest.mark.parametrize(
    ("declare", "problem"),
    [
        (no_queue, "name the handler's queue"),
        (twice, "has a handler already"),
        (batch_of_one, "batch is for handlers of list"),
        (lambda: Worker("x", subscribes={"outbound": {}}), "name the queue"),
        (
            lambda: make(subscribes={"inbound": {}}).topology(TOPOLOGY),
            "there is no topic 'inbound'; there are outbound",
        ),
        (lambda: Worker("x", queue="a.fifo", subscribes={"outbound": {}}).topology(TOPOLOGY), "FIFO queue can't be"),
        (lambda: Worker("x", queue="render", subscribes={"outbound": {}}).topology(TOPOLOGY), "kxmsg's own"),
        (lambda: run(without_queues(Worker("x"))), "neither a handler nor a periodic task"),
        (lambda: run(without_queues(make())), "there is no queue 'audit'"),
    ],
)
def test_a_mistake_in_the_declaration_is_told(declare: Callable[[], Any], problem: str) -> None:
    """With the worker's name and what would be right."""
    with pytest.raises(ConfigError, match=problem):
        declare()
