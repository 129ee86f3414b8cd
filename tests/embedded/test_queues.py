"""Embedded queues: the port's contract in three modes, and what is theirs alone."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kxmsg.embedded.engine import Engine
from kxmsg.embedded.messages import BURIAL_LEASE, RETENTION
from kxmsg.embedded.queues import EmbeddedQueue
from kxmsg.embedded.wake import Wake
from kxmsg.errors import StorageFull
from kxmsg.ports import Outgoing, Queue
from kxmsg.testing.virtual import VirtualClock, run
from kxmsg.topology import QueueSpec
from tests.contracts.queue import FifoQueueContract, StandardQueueContract
from tests.contracts.queue_suite import MakeQueue as MakeContractQueue
from tests.contracts.queue_suite import QueueSuite, bodies, cancel
from tests.embedded.conftest import MakeQueue, ManualClock


class Embedded(QueueSuite):
    """Hooks for the contract."""

    @pytest.fixture(autouse=True)
    def _clock(self, clock: ManualClock) -> None:
        self.clock = clock

    async def tick(self, seconds: float) -> None:
        self.clock.time += seconds

    async def making(self, engine: Engine, wake: Wake, *, aws_like: bool = False) -> AsyncIterator[MakeContractQueue]:
        async def make(name: str) -> tuple[Queue, Queue]:
            spec = QueueSpec(name, max_receives=self.max_receives)
            queue = EmbeddedQueue(engine, spec, self.clock, wake, aws_like=aws_like, seed=7)
            assert queue.dead_letters
            return queue, queue.dead_letters

        yield make
        await wake.close()
        await engine.close()


class OnFiles(Embedded):
    @pytest.fixture
    async def make(self, tmp_path: Path) -> AsyncIterator[MakeContractQueue]:
        async for make in self.making(Engine(tmp_path, durability="normal"), Wake(tmp_path)):
            yield make


class InMemory(Embedded):
    @pytest.fixture
    async def make(self) -> AsyncIterator[MakeContractQueue]:
        async for make in self.making(Engine(None, inline=True), Wake(None)):
            yield make


class AwsLike(Embedded):
    @pytest.fixture
    async def make(self) -> AsyncIterator[MakeContractQueue]:
        async for make in self.making(Engine(None, inline=True), Wake(None), aws_like=True):
            yield make


class TestStandardOnFiles(OnFiles, StandardQueueContract):
    pass


class TestStandardInMemory(InMemory, StandardQueueContract):
    pass


class TestStandardAwsLike(AwsLike, StandardQueueContract):
    pass


class TestFifoOnFiles(OnFiles, FifoQueueContract):
    pass


class TestFifoInMemory(InMemory, FifoQueueContract):
    pass


class TestFifoAwsLike(AwsLike, FifoQueueContract):
    pass


# ------------------------------------------------------------------------------------------------- both kinds


async def send(queue: EmbeddedQueue, *texts: str, group: str | None = None) -> None:
    assert await queue.send([Outgoing(text.encode(), group=group) for text in texts]) == []


async def receive(queue: EmbeddedQueue, limit: int = 100, visibility: float = 30) -> list[str]:
    return [body.decode() for body in bodies(await queue.receive(limit, wait=0, visibility=visibility))]


@given(st.lists(st.tuples(st.binary(min_size=1), st.dictionaries(st.text(), st.text(), max_size=10)), max_size=20))
@settings(max_examples=25, deadline=None)
def test_any_bytes_and_attributes_arrive_as_they_were(contents: list[tuple[bytes, dict[str, str]]]) -> None:
    async def main() -> None:
        engine = Engine(None, inline=True)
        queue = EmbeddedQueue(engine, QueueSpec("queue"), ManualClock(), Wake(None))
        assert await queue.send([Outgoing(body, attributes=attributes) for body, attributes in contents]) == []
        taken = await queue.receive(100, wait=0, visibility=30)
        assert [(delivery.body, delivery.attributes) for delivery in taken] == contents
        await engine.close()

    run(main())


async def test_a_stale_receipt_leaves_the_message_to_its_new_holder(make_queue: MakeQueue, clock: ManualClock) -> None:
    queue = make_queue()
    await send(queue, "m")
    (old,) = await queue.receive(1, wait=0, visibility=1)
    clock.time += 2
    assert await receive(queue, visibility=1) == ["m"]
    assert await queue.delete([old.receipt]) == []
    (failure,) = await queue.change_visibility([(old.receipt, 60)])
    assert (failure.code, failure.retryable) == ("lease_lost", False)
    clock.time += 2
    assert await receive(queue) == ["m"]


async def test_a_receipt_that_is_none_fails_alone(make_queue: MakeQueue) -> None:
    queue = make_queue()
    await send(queue, "m")
    (delivery,) = await queue.receive(1, wait=0, visibility=30)
    (failure,) = await queue.delete(["nonsense", delivery.receipt])
    assert (failure.index, failure.code, failure.retryable) == (0, "invalid_receipt", False)
    assert (await queue.depth()).in_flight == 0


@pytest.mark.parametrize("call", ["send", "delete", "change_visibility"])
async def test_a_batch_beyond_the_limit_is_a_mistake(make_queue: MakeQueue, call: str) -> None:
    with pytest.raises(ValueError, match="at most 100, not 101"):
        await getattr(make_queue(), call)([None] * 101)


async def test_a_receive_takes_up_to_the_limit_of_batches(make_queue: MakeQueue) -> None:
    queue = make_queue()
    for _ in range(2):
        await send(queue, *["m"] * 100)
    assert len(await queue.receive(1_000, wait=0, visibility=30)) == 100
    with pytest.raises(ValueError, match="at least one message"):
        await queue.receive(0, wait=0, visibility=30)


@pytest.mark.parametrize(
    "message",
    [
        Outgoing(b"", group="g"),
        Outgoing(b"m", group="ü"),
        Outgoing(b"m", group="g" * 129),
        Outgoing(b"m", group=""),
        Outgoing(b"m", group="g", dedup=""),
        Outgoing(b"m", group="g", delay=901),
        Outgoing(b"m", group="g", delay=-1),
        Outgoing(b"m", group="g", attributes={str(number): "" for number in range(11)}),
    ],
)
async def test_what_sqs_would_refuse_is_refused(make_queue: MakeQueue, message: Outgoing) -> None:
    queue = make_queue()
    (failure,) = await queue.send([message])
    assert (failure.code, failure.retryable) == ("invalid", False)
    assert await receive(queue) == []


async def test_attributes_count_towards_the_size(make_queue: MakeQueue) -> None:
    queue = make_queue()
    (failure,) = await queue.send([Outgoing(b"x" * (1 << 20), attributes={"a": "b"})])
    assert failure.code == "too_large"


@pytest.mark.parametrize("name", ["queue", "queue.fifo"])
async def test_after_fourteen_days_a_message_is_gone(make_queue: MakeQueue, clock: ManualClock, name: str) -> None:
    queue = make_queue(name)
    await send(queue, "old", group="g")
    clock.time += RETENTION - 1
    await send(queue, "young", group="g")
    clock.time += 100
    assert await receive(queue) == ["young"]


async def test_a_dead_letter_tells_reason_source_and_first_sending(make_queue: MakeQueue, clock: ManualClock) -> None:
    queue = make_queue(max_receives=1)
    await queue.send([Outgoing(b"m", attributes={"kind": "message"})])
    sent_at = clock.time
    (delivery,) = await queue.receive(1, wait=0, visibility=1)
    clock.time += 5
    assert await receive(queue) == []
    assert queue.dead_letters
    (dead,) = await queue.dead_letters.receive(1, wait=0, visibility=1)
    assert (dead.id, dead.sent_at) == (delivery.id, sent_at)
    assert dead.attributes == {
        "kind": "message",
        "reason": "received 1 times without being acknowledged",
        "sourceQueue": "queue",
    }


async def test_a_dead_letter_queue_has_none_itself(make_queue: MakeQueue, clock: ManualClock) -> None:
    queue = make_queue("queue-dlq", max_receives=1)
    await send(queue, "m")
    for _ in range(5):
        assert await receive(queue, visibility=1) == ["m"]
        clock.time += 2
    assert queue.dead_letters is None


async def test_dead_lettering_cut_short_is_repeated_without_a_duplicate(
    make_queue: MakeQueue, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = make_queue(max_receives=1)
    await send(queue, "m")
    await receive(queue, visibility=1)
    clock.time += 2
    bury = EmbeddedQueue.bury

    async def bury_and_die(self: EmbeddedQueue, entries: list[object]) -> None:
        await bury(self, entries)  # type: ignore[arg-type] # passed on as it came
        raise StorageFull("after the dead letter was stored")

    with monkeypatch.context() as patch:
        patch.setattr(EmbeddedQueue, "bury", bury_and_die)
        assert await receive(queue) == []
    dead_letters = make_queue("queue-dlq")
    (dead,) = await dead_letters.receive(10, wait=0, visibility=30)
    await dead_letters.delete([dead.receipt])
    clock.time += BURIAL_LEASE + 1
    assert await receive(queue) == []
    assert (await queue.depth()).in_flight == 0
    assert (await dead_letters.depth()).visible == 0


async def test_peek_shows_pages_and_changes_nothing(make_queue: MakeQueue) -> None:
    queue = make_queue()
    await send(queue, "0", "1", "2")
    await receive(queue, limit=1)
    first = await queue.peek(2)
    rest = await queue.peek(2, after=first[-1].receipt)
    assert bodies([*first, *rest]) == [b"0", b"1", b"2"]
    assert [delivery.receives for delivery in [*first, *rest]] == [1, 0, 0]
    assert await queue.delete([rest[0].receipt]) == []
    assert await receive(queue) == ["1"]


async def test_ids_are_unique_and_survive_a_purge(make_queue: MakeQueue) -> None:
    queue = make_queue()
    ids = []
    for _ in range(3):
        await send(queue, "a", "b")
        ids += [delivery.id for delivery in await queue.peek(10)]
        await queue.purge()
    assert len(set(ids)) == 6


# ---------------------------------------------------------------------------------------------------- waiting


def test_a_waiting_receive_sees_a_message_the_moment_that_it_comes_back() -> None:
    async def main() -> None:
        clock = VirtualClock(asyncio.get_running_loop())
        engine = Engine(None, inline=True)
        queue = EmbeddedQueue(engine, QueueSpec("queue"), clock, Wake(None))
        await queue.send([Outgoing(b"delayed", delay=3.5)])
        start = clock.now()
        assert bodies(await queue.receive(1, wait=20, visibility=7.25)) == [b"delayed"]
        assert clock.now() - start == pytest.approx(3.5, abs=0.002)
        assert bodies(await queue.receive(1, wait=20, visibility=30)) == [b"delayed"]
        assert clock.now() - start == pytest.approx(10.75, abs=0.004)
        assert await queue.receive(1, wait=20, visibility=30) == []
        assert clock.now() - start == pytest.approx(30.75, abs=0.004)
        await engine.close()

    run(main())


async def test_a_lease_that_is_shortened_wakes_the_waiting(make_queue: MakeQueue) -> None:
    queue = make_queue()
    await send(queue, "m")
    (delivery,) = await queue.receive(1, wait=0, visibility=30)
    waiting = asyncio.create_task(queue.receive(1, wait=20, visibility=30))
    await asyncio.sleep(0)
    await queue.change_visibility([(delivery.receipt, 0)])
    async with asyncio.timeout(5):
        assert bodies(await waiting) == [b"m"]


async def test_a_group_that_comes_free_wakes_the_waiting(make_queue: MakeQueue) -> None:
    queue = make_queue("queue.fifo")
    await send(queue, "0", "1", group="g")
    (delivery,) = await queue.receive(1, wait=0, visibility=30)
    waiting = asyncio.create_task(queue.receive(1, wait=20, visibility=30))
    await asyncio.sleep(0)
    await queue.delete([delivery.receipt])
    async with asyncio.timeout(5):
        assert bodies(await waiting) == [b"1"]


async def test_a_receive_cancelled_at_any_moment_leaves_the_message_untouched(make_queue: MakeQueue) -> None:
    queue = make_queue("queue.fifo")
    await send(queue, "m", group="g")
    turns = 0
    while True:
        receiving = asyncio.create_task(queue.receive(1, wait=0, visibility=30))
        for _ in range(turns):
            await asyncio.sleep(0)
        if receiving.done():
            break
        await cancel(receiving)
        turns += 1
    (delivery,) = receiving.result()
    assert delivery.receives == 1
    assert turns >= 3


async def test_a_receive_cancelled_while_the_writer_works_leaves_the_message(
    tmp_path: Path, files: Engine, clock: ManualClock
) -> None:
    wake = Wake(tmp_path)
    queue = EmbeddedQueue(files, QueueSpec("queue"), clock, wake)
    await send(queue, *"abcdefgh")
    for _ in range(20):
        receiving = asyncio.create_task(queue.receive(8, wait=0, visibility=30))
        await asyncio.sleep(0)
        await cancel(receiving)
    assert sorted(await receive(queue)) == list("abcdefgh")
    await wake.close()


async def test_concurrent_receives_never_share_a_message(tmp_path: Path, files: Engine, clock: ManualClock) -> None:
    wake = Wake(tmp_path)
    queue = EmbeddedQueue(files, QueueSpec("queue"), clock, wake)
    await send(queue, *(str(number) for number in range(100)))
    batches = await asyncio.gather(*(receive(queue, limit=7) for _ in range(20)))
    assert sorted(chain.from_iterable(batches), key=int) == [str(number) for number in range(100)]
    await wake.close()


# --------------------------------------------------------------------------------------------- standard queues


async def test_a_noisy_group_does_not_starve_the_others(make_queue: MakeQueue) -> None:
    queue = make_queue()
    for _ in range(10):
        await send(queue, *["noisy"] * 100, group="noisy")
    assert await receive(queue) == ["noisy"] * 100
    await send(queue, *["quiet"] * 40, group="quiet")
    await send(queue, *["other"] * 10, group="other")
    counts = Counter(await receive(queue))
    assert counts == {"noisy": 50, "quiet": 40, "other": 10}


async def test_a_group_that_was_served_gets_no_credit_for_its_silence(make_queue: MakeQueue) -> None:
    queue = make_queue()
    for _ in range(5):
        await send(queue, *["a"] * 100, group="a")
        assert len(await receive(queue)) == 100
    await send(queue, *["a"] * 100, group="a")
    await send(queue, *["b"] * 100, group="b")
    assert Counter(await receive(queue)) == {"a": 50, "b": 50}


# ------------------------------------------------------------------------------------------------- FIFO queues


async def test_groups_share_a_receive(make_queue: MakeQueue) -> None:
    queue = make_queue("queue.fifo")
    for number in range(20):
        await send(queue, f"hot {number}", group="hot")
    await send(queue, "x 0", "x 1", group="x")
    await send(queue, "y 0", group="y")
    taken = await receive(queue, limit=9)
    assert [text for text in taken if text.startswith("hot")] == ["hot 0", "hot 1", "hot 2"]
    assert {text for text in taken if not text.startswith("hot")} == {"x 0", "x 1", "y 0"}


async def test_a_hot_group_does_not_starve_the_others(make_queue: MakeQueue) -> None:
    queue = make_queue("queue.fifo")
    await send(queue, *(f"hot {number}" for number in range(50)), group="hot")
    await send(queue, "cold", group="cold")
    seen = []
    for _ in range(2):
        (delivery,) = await queue.receive(1, wait=0, visibility=30)
        seen.append(delivery.group)
        await queue.delete([delivery.receipt])
    assert seen == ["hot", "cold"]


class Workers:
    """Send to a FIFO queue, and handle what it gives, with every mishap that may befall a worker."""

    def __init__(self, queue: EmbeddedQueue, clock: ManualClock, chance: random.Random) -> None:
        self.queue = queue
        self.clock = clock
        self.chance = chance
        self.sent = Counter[str]()
        self.handled: dict[str, list[int]] = {}
        self.held: dict[str, list[tuple[str, int]]] = {}

    async def send(self, group: str) -> None:
        await send(self.queue, f"{group}:{self.sent[group]}", group=group)
        self.sent[group] += 1

    async def receive(self, _: str) -> None:
        for delivery in await self.queue.receive(self.chance.randint(1, 6), wait=0, visibility=10):
            group, number = delivery.body.decode().split(":")
            self.held.setdefault(group, []).append((delivery.receipt, int(number)))

    async def handle(self, group: str) -> None:
        if held := self.held.get(group):
            receipt, number = held.pop(0)
            self.handled.setdefault(group, []).append(number)
            assert await self.queue.delete([receipt]) == []

    async def fail(self, group: str) -> None:
        assert await self.queue.change_visibility([(receipt, 0) for receipt, _ in self.held.pop(group, [])]) == []

    async def die(self, _: str) -> None:
        self.held.clear()
        self.clock.time += 11

    async def finish(self) -> None:
        await self.die("")
        await self.receive("")
        while any(self.held.values()):
            for group in self.held:
                await self.handle(group)
            await self.receive("")


@given(seed=st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_whatever_happens_a_group_is_handled_in_order_and_whole(seed: int) -> None:
    async def main() -> None:
        clock, chance = ManualClock(), random.Random(seed)
        engine = Engine(None, inline=True)
        queue = EmbeddedQueue(engine, QueueSpec("queue.fifo", max_receives=1_000), clock, Wake(None))
        workers = Workers(queue, clock, chance)
        acts = [workers.send, workers.send, workers.receive, workers.handle, workers.handle, workers.fail, workers.die]
        for _ in range(120):
            await chance.choice(acts)(chance.choice("abc"))
        await workers.finish()
        assert workers.handled == {group: list(range(count)) for group, count in workers.sent.items()}
        assert await engine.read("queue-queue.fifo", lambda c: c.execute("SELECT * FROM lane").fetchall()) == []
        await engine.close()

    run(main())


# -------------------------------------------------------------------------------------------------- as on AWS


async def test_as_on_aws_a_seed_repeats_every_whim(clock: ManualClock) -> None:
    async def story(seed: int) -> list[object]:
        engine = Engine(None, inline=True)
        queue = EmbeddedQueue(engine, QueueSpec("queue"), clock, Wake(None), aws_like=True, seed=seed)
        events: list[object] = []
        for _ in range(20):
            events.append(await queue.send([Outgoing(b"%d" % number) for number in range(10)]))
            taken = await queue.receive(10, wait=0, visibility=30)
            events += [bodies(taken), await queue.delete([delivery.receipt for delivery in taken])]
        await engine.close()
        return events

    assert await story(1) == await story(1)
    assert await story(1) != await story(2)


async def test_as_on_aws_batches_fail_in_part_and_messages_come_twice_out_of_order(make_queue: MakeQueue) -> None:
    queue = make_queue(aws_like=True, seed=3)
    assert queue.batch_limit == 10
    sent: list[bytes] = []
    for start in range(0, 500, 10):
        batch = [Outgoing(b"%d" % number) for number in range(start, start + 10)]
        failed = {failure.index for failure in await queue.send(batch)}
        sent += [message.body for index, message in enumerate(batch) if index not in failed]
    assert len(sent) < 500
    sizes = []
    found: list[bytes] = []
    while batch_of := await queue.receive(10, wait=0, visibility=30):
        sizes.append(len(batch_of))
        found += bodies(batch_of)
    assert set(found) == set(sent)
    assert len(found) > len(sent)
    assert found != sorted(found, key=int)
    assert min(sizes) < 10
