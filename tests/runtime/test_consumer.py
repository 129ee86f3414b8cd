"""What a consumer does with messages, on a fake queue in virtual time."""

import asyncio
from collections import defaultdict
from contextlib import suppress
from contextvars import ContextVar
from random import Random
from typing import Any

import pytest

from kxmsg.errors import LeaseLost, Poison, Transient
from kxmsg.ports import Outgoing
from kxmsg.runtime.acks import LINGER
from kxmsg.runtime.context import Context
from kxmsg.telemetry import current_trace
from kxmsg.testing.virtual import run
from tests.runtime.fakes import Stored, bodies, consuming

Ctx = Context[Any]


mine: ContextVar[str] = ContextVar("mine", default="untouched")


class Log:
    """A handler that notes its calls, and fails as told: body → how often, or for ever."""

    def __init__(self, fails: dict[str, int] | None = None, error: BaseException | None = None) -> None:
        self.calls: list[list[str]] = []
        self._fails = dict(fails or {})
        self._error = error or ValueError("told to fail")

    @property
    def messages(self) -> list[str]:
        return [body for call in self.calls for body in call]

    async def __call__(self, context: Ctx) -> None:
        self.calls.append(bodies(context))
        for index, body in enumerate(bodies(context)):
            if self._fails.get(body, 0) and not context.blocked(index):
                self._fails[body] -= 1
                context.fail(index, self._error)


def test_what_was_handled_is_acknowledged_in_batches() -> None:
    """Ten messages handled one by one are deleted by one call."""

    async def scenario() -> None:
        log = Log()
        async with consuming(log) as rig:
            await rig.send(*map(str, range(10)))
            await rig.empty()
        assert sorted(log.messages) == [str(n) for n in range(10)]
        assert [len(call) for call in rig.queue.holding("delete")] == [10]

    run(scenario())


@pytest.mark.parametrize(("name", "lingers"), [("work", LINGER), ("work.fifo", 0.0)])
def test_an_acknowledgement_waits_a_moment_for_others_unless_its_group_waits_for_it(name: str, lingers: float) -> None:
    """A delete for each message would cost more than the message; a FIFO group stays locked until it is done."""

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        async with consuming(Log(), name=name) as rig, asyncio.timeout(60):
            await rig.send("only")
            while not rig.queue.deleted:  # noqa: ASYNC110 - as little time passes as the linger itself takes
                await asyncio.sleep(0 if lingers == 0 else lingers / 10)
            assert lingers <= loop.time() <= lingers * 1.2

    run(scenario())


def test_an_acknowledgement_does_not_wait_while_no_permit_is_left() -> None:
    """Nothing could join it: few messages in hand at once must not mean few in a second."""

    async def scenario() -> None:
        async with consuming(Log(), concurrency=2) as rig:
            await rig.send(*map(str, range(100)))
            await rig.empty()
            assert asyncio.get_running_loop().time() < 10 * LINGER

    run(scenario())


def test_a_batch_handler_gets_what_one_poll_returned() -> None:
    """Not a call, and not a task, for each message."""

    async def scenario() -> None:
        log = Log()
        async with consuming(log, batch=10) as rig:
            await rig.send(*map(str, range(10)))
            await rig.empty()
        assert log.calls == [[str(n) for n in range(10)]]

    run(scenario())


def test_waiting_messages_are_merged_into_one_call() -> None:
    """While as many calls as may are in work, what arrives shares the next."""

    async def scenario() -> None:
        gate = asyncio.Event()
        calls: list[int] = []

        async def slow(context: Ctx) -> None:
            calls.append(len(context.deliveries))
            await gate.wait()

        async with consuming(slow, batch=10, concurrency=10) as rig:
            for number in range(8):
                await rig.send(str(number))
                await asyncio.sleep(1)
            gate.set()
            await rig.empty()
        assert calls == [1, 1, 1, 1, 4]

    run(scenario())


def test_never_more_in_hand_than_permits() -> None:
    """Permits are taken before polling: nothing is received that would have to wait."""

    async def scenario() -> None:
        gate = asyncio.Event()
        active = 0

        async def hold(context: Ctx) -> None:
            nonlocal active
            active += 1
            await gate.wait()

        async with consuming(hold, concurrency=7) as rig:
            await rig.send(*map(str, range(30)))
            await rig.until(lambda: active == 7)
            await asyncio.sleep(5)
            assert active == 7
            assert (await rig.queue.depth()).in_flight == 7
            assert sum(rig.queue.holding("receive")) <= 7
            gate.set()
            await rig.empty()

    run(scenario())


def test_one_poll_when_idle_and_more_under_load() -> None:
    """The number of polls follows the load, up and down."""

    async def scenario() -> None:
        async def slow(context: Ctx) -> None:
            await asyncio.sleep(0.05)

        async with consuming(slow, concurrency=1000) as rig:
            await asyncio.sleep(100)
            assert rig.queue.most_polling == 1
            assert len(rig.queue.calls) <= 6  # one long poll each 20 s and nothing else
            await rig.send(*map(str, range(40)))
            await rig.empty()
            assert 1 < rig.queue.most_polling <= 4
            await asyncio.sleep(60)
            assert rig.queue.polling == 1

    run(scenario())


def test_a_failure_is_retried_after_a_back_off() -> None:
    """It goes back to the queue, and the second time succeeds."""

    async def scenario() -> None:
        log = Log({"a": 1})
        async with consuming(log) as rig:
            await rig.send("a", "b")
            await rig.empty()
        assert sorted(log.messages) == ["a", "a", "b"]
        ((change,),) = rig.queue.holding("change_visibility")
        assert 0 < change[1] <= 1
        assert not rig.dlq.messages

    run(scenario())


def test_three_failures_make_a_dead_letter() -> None:
    """With the reason, where it came from, and its own attributes; deleted only after it was sent."""

    async def scenario() -> None:
        log = Log({"a": 99})
        async with consuming(log) as rig:
            trace = f"00-{'a' * 32}-{'b' * 16}-01"
            await rig.queue.send([Outgoing(b"a", attributes={"tenantId": "acme", "traceparent": trace})])
            await rig.empty()
        assert log.messages == ["a"] * 3
        (letter,) = rig.dlq.messages
        attributes = dict(letter.outgoing.attributes)
        assert attributes.pop("failedAt").startswith("2025-06-15T15:06:4")
        assert letter.outgoing.body == b"a"
        assert attributes == {
            "reason": "ValueError: told to fail",
            "worker": "tester",
            "sourceQueue": "work",
            "sourceId": "work/1",
            "failures": "3",
            "receives": "3",
            "tenantId": "acme",
            "traceparent": trace,
        }

    run(scenario())


def test_poison_is_dead_lettered_at_once() -> None:
    """It would fail however often it is tried."""

    async def scenario() -> None:
        log = Log({"a": 99}, Poison("orderId: missing"))
        async with consuming(log) as rig:
            await rig.send("a")
            await rig.empty()
        assert log.messages == ["a"]
        assert rig.dlq.messages[0].outgoing.attributes["reason"] == "orderId: missing"

    run(scenario())


def test_what_cant_be_dead_lettered_stays_on_its_queue() -> None:
    """Nothing is deleted before the dead-letter queue has it."""

    async def scenario() -> None:
        log = Log({"a": 99}, Poison("bad"))
        async with consuming(log) as rig:
            rig.dlq.fault("send", *[Transient("down")] * 50)
            await rig.send("a")
            await rig.until(lambda: len(log.calls) == 2)
            assert not rig.queue.deleted
            rig.dlq.script.clear()
            await rig.empty()
        assert rig.dlq.bodies() == [b"a"]

    run(scenario())


def test_the_worker_buries_before_the_broker_would() -> None:
    """The broker gives no reason; successors and drains use receives up without any failure counted here."""

    async def scenario() -> None:
        log = Log({"a": 99})
        async with consuming(log, max_receives=3, max_failures=10) as rig:
            await rig.send("a")
            await rig.empty()
        assert rig.dlq.messages[0].outgoing.attributes["receives"] == "2"
        assert "reason" in rig.dlq.messages[0].outgoing.attributes

    run(scenario())


def test_a_call_that_raises_is_repeated_message_by_message() -> None:
    """Whoever is innocent must not be dead-lettered with the one that makes the batch fail."""

    async def scenario() -> None:
        calls: list[list[str]] = []

        async def handle(context: Ctx) -> None:
            calls.append(bodies(context))
            if "bad" in bodies(context):
                raise RuntimeError("the batch failed")

        async with consuming(handle, batch=10) as rig:
            await rig.send("1", "2", "bad", "3")
            await rig.empty()
        assert rig.dlq.bodies() == [b"bad"]
        assert calls[0] == ["1", "2", "bad", "3"]
        assert all(len(call) == 1 for call in calls[1:])

    run(scenario())


def test_a_handler_that_is_cancelled_from_within_has_failed() -> None:
    """It must neither end the worker nor lose the message."""

    async def scenario() -> None:
        calls = 0

        async def handle(context: Ctx) -> None:
            nonlocal calls
            calls += 1
            if calls == 1:
                raise asyncio.CancelledError

        async with consuming(handle) as rig:
            await rig.send("a")
            await rig.empty()
        assert calls == 2

    run(scenario())


def test_each_call_has_its_own_trace_and_context() -> None:
    """The trace is the message's; nothing of one call is seen by the next."""

    async def scenario() -> None:
        seen: list[str | None] = []
        leaks: list[str] = []

        async def handle(context: Ctx) -> None:
            leaks.append(mine.get())
            mine.set("changed")
            seen.append(current_trace())
            leaks.append("untouched" if current_trace() == context.trace else "another trace")

        first, second = (f"00-{letter * 32}-{letter * 16}-01" for letter in "ab")
        async with consuming(handle, name="work.fifo") as rig:
            await rig.queue.send([Outgoing(b"1", "g", attributes={"traceparent": trace}) for trace in (first, second)])
            await rig.send("without")
            await rig.empty()
        assert seen[:2] == [first, second]
        assert seen[2] not in (None, first, second)
        assert set(leaks) == {"untouched"}

    run(scenario())


# ------------------------------------------------------------------------------------------------------- outages


def test_an_outage_dead_letters_nothing_and_costs_few_receives() -> None:
    """While what the handler needs is down for an hour, it is probed for, not hammered; then all goes on."""

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        calls = 0

        async def handle(context: Ctx) -> None:
            nonlocal calls
            calls += 1
            if loop.time() < 3600:
                raise Transient("the store is down")

        async with consuming(handle, batch=5, concurrency=20) as rig:
            await rig.send(*map(str, range(40)))
            await asyncio.sleep(3599)
            assert len(rig.queue.messages) == 40
            assert calls < 1500  # five probes, each four times a minute
            assert max(stored.receives for stored in rig.queue.messages) < 9
            await rig.empty()
            assert loop.time() < 3600 + 120
        assert not rig.dlq.messages

    run(scenario())


def test_a_fifo_head_survives_an_outage_of_an_hour() -> None:
    """One group: the same message is probed with over and over, in hand, so that its receives are not used up."""

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        done: list[str] = []

        async def handle(context: Ctx) -> None:
            if loop.time() < 3600:
                raise Transient("the store is down")
            done.extend(bodies(context))

        async with consuming(handle, name="work.fifo") as rig:
            await rig.send("1", "2", "3")
            await rig.empty()
        assert done == ["1", "2", "3"]
        assert not rig.dlq.messages

    run(scenario())


def test_one_message_that_always_meets_a_transient_fault_does_not_stop_the_others() -> None:
    """While others succeed it is that message's fault, which ends as a dead letter before the broker's limit."""

    async def scenario() -> None:
        async def handle(context: Ctx) -> None:
            if bodies(context) == ["bad"]:
                raise Transient("throttled")

        async with consuming(handle) as rig:
            await rig.send("bad")
            for number in range(400):
                await rig.send(str(number))
                await asyncio.sleep(1)
            await rig.empty()
        assert rig.dlq.bodies() == [b"bad"]
        assert rig.dlq.messages[0].outgoing.attributes["reason"] == "Transient: throttled"

    run(scenario())


def test_a_bad_message_kept_for_probing_does_not_block_new_ones() -> None:
    """Each probe takes a fresh message as well."""

    async def scenario() -> None:
        async def handle(context: Ctx) -> None:
            if bodies(context) == ["bad"]:
                raise Transient("for ever")

        async with consuming(handle) as rig:
            await rig.send("bad")
            await asyncio.sleep(300)  # alone it has opened the circuit
            await rig.send("good")
            await rig.until(lambda: rig.queue.bodies() == [b"bad"] or not rig.queue.messages, within=60)

    run(scenario())


def test_all_goes_on_at_once_when_an_outage_ends() -> None:
    """The first probe that succeeds brings the others back, too."""

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        ends: list[float] = []

        async def handle(context: Ctx) -> None:
            if loop.time() < 1000:
                raise Transient("the store is down")
            ends.append(loop.time())

        async with consuming(handle) as rig:
            await rig.send(*map(str, range(5)))
            await rig.empty()
        assert len(ends) == 5
        assert ends[0] < 1060
        assert ends[-1] - ends[0] < 0.1

    run(scenario())


def test_bad_messages_kept_for_probing_are_let_go_in_the_end() -> None:
    """Five that always meet a transient fault take up all probes, but not for ever."""

    async def scenario() -> None:
        done: list[str] = []

        async def handle(context: Ctx) -> None:
            if bodies(context)[0].startswith("bad"):
                raise Transient("for ever")
            done.extend(bodies(context))

        async with consuming(handle) as rig:
            await rig.send(*(f"bad{number}" for number in range(5)))
            await asyncio.sleep(300)
            await rig.send("good")
            await rig.until(lambda: done, within=1000)

    run(scenario())


def test_a_probe_whose_lease_was_lost_is_dropped() -> None:
    """Its group goes on with what the queue has, in order."""

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        done: list[str] = []

        async def handle(context: Ctx) -> None:
            if loop.time() < 600:
                raise Transient("the store is down")
            done.extend(bodies(context))

        async with consuming(handle, name="work.fifo") as rig:
            await rig.send("1", "2", "3")
            await asyncio.sleep(300)
            rig.queue.steal("work.fifo/1")
            await rig.empty()
        assert done == ["1", "2", "3"]

    run(scenario())


# -------------------------------------------------------------------------------------------------------- polling


def test_a_failing_receive_backs_off_and_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    """Not one line, and not one call, for each failure."""

    async def scenario() -> None:
        async with consuming(Log()) as rig:
            rig.queue.fault("receive", *[Transient("unreachable")] * 12)
            await rig.send("a")
            await rig.empty()
            assert len(rig.queue.holding("receive")) <= 15

    run(scenario())
    out = capsys.readouterr().out
    assert out.count("can't receive") == 1
    assert out.count("receiving again") == 1


def test_a_hung_poll_is_cut_and_repeated() -> None:
    """A socket that died without a word costs half a minute, not the worker."""

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        async with consuming(Log()) as rig:
            rig.queue.fault("receive", asyncio.Event().wait)
            await rig.send("a")
            await rig.empty()
            assert 30 <= loop.time() < 35

    run(scenario())


def test_an_adapter_that_answers_empty_at_once_makes_no_busy_loop() -> None:
    """A broker without long polling is polled now and then."""

    async def scenario() -> None:
        polls: list[int] = []

        async def nothing(limit: int, *, wait: float, visibility: float) -> list[Any]:
            polls.append(limit)
            return []

        async with consuming(Log()) as rig:
            rig.queue.receive = nothing  # type: ignore[method-assign] # the adapter at fault
            await asyncio.sleep(100)
        assert len(polls) <= 205

    run(scenario())


# ------------------------------------------------------------------------------------------------- acknowledgements


def test_acknowledgements_that_fail_in_part_are_repeated_alone() -> None:
    """The second call holds only what the first left undone."""

    async def scenario() -> None:
        async with consuming(Log(), batch=10) as rig:
            rig.queue.fault("delete", [2, 5])
            await rig.send(*map(str, range(8)))
            await rig.empty()
        assert [len(call) for call in rig.queue.holding("delete")] == [8, 2]

    run(scenario())


def test_acknowledging_ends_with_the_lease() -> None:
    """What can't be deleted in time comes again."""

    async def scenario() -> None:
        log = Log()
        async with consuming(log, visibility=30, concurrency=1) as rig:
            rig.queue.fault("delete", *[Transient("down")] * 30)
            await rig.send("a")
            await rig.until(lambda: len(log.calls) == 2, within=35)  # the only permit is back
            await rig.empty()

    run(scenario())


# ---------------------------------------------------------------------------------------------------------- leases


def test_a_long_handler_keeps_its_lease() -> None:
    """Nobody else gets the message while it is in work, however long that takes."""

    async def scenario() -> None:
        calls = 0

        async def slow(context: Ctx) -> None:
            nonlocal calls
            calls += 1
            await asyncio.sleep(500)
            context.check_lease()

        async with consuming(slow, visibility=30) as rig:
            await rig.send(*map(str, range(20)))
            await rig.empty()
        assert calls == 20
        extensions = rig.queue.holding("change_visibility")
        assert 33 * 2 <= len(extensions) <= 34 * 2  # each 15 s, ten at once

    run(scenario())


def test_a_lost_lease_is_told_and_its_work_discarded() -> None:
    """The handler may not commit, and nothing of it is acknowledged."""

    async def scenario() -> None:
        told: list[bool] = []

        async def handle(context: Ctx) -> None:
            if not told:
                told.append(True)
                rig.queue.steal("work/1")
                await asyncio.sleep(20)
                with pytest.raises(LeaseLost):
                    context.check_lease()

        async with consuming(handle, visibility=30) as rig:
            await rig.send("a")
            await asyncio.sleep(25)
            assert not rig.queue.deleted
            await rig.empty()  # what somebody else did not finish comes again
        assert told

    run(scenario())


def test_a_lease_that_cant_be_extended_in_time_is_lost() -> None:
    """When the queue can't be reached for longer than the visibility, somebody else may have the message."""

    async def scenario() -> None:
        outcome: list[str] = []

        async def handle(context: Ctx) -> None:
            if outcome:
                return
            await asyncio.sleep(40)
            try:
                context.check_lease(0)
            except LeaseLost:
                outcome.append("lost")

        async with consuming(handle, visibility=30, concurrency=1) as rig:
            rig.queue.fault("change_visibility", *[Transient("down")] * 20)
            await rig.send("a")
            await rig.empty()
        assert outcome == ["lost"]

    run(scenario())


def test_extensions_that_fail_for_a_moment_are_repeated_in_time() -> None:
    """Half of the lease is left for that."""

    async def scenario() -> None:
        kept: list[bool] = []

        async def handle(context: Ctx) -> None:
            await asyncio.sleep(100)
            context.check_lease()
            kept.append(True)

        async with consuming(handle, visibility=30) as rig:
            rig.queue.fault("change_visibility", Transient("down"), [0], Transient("down"))
            await rig.send("a")
            await rig.empty()
        assert kept == [True]

    run(scenario())


def test_a_message_that_is_lost_while_it_waits_is_not_handed_over() -> None:
    """Somebody else has it by then."""

    async def scenario() -> None:
        calls: list[tuple[str, int]] = []

        async def slow(context: Ctx) -> None:
            calls.extend((delivery.body.decode(), delivery.receives) for delivery in context.deliveries)
            await asyncio.sleep(40)

        async with consuming(slow, batch=2, concurrency=10, visibility=30) as rig:
            for number in range(10):
                await rig.send(str(number))
                await asyncio.sleep(0.1)
            assert calls == [(str(number), 1) for number in range(5)]  # as many calls as may be at once
            rig.queue.steal("work/9")
            await rig.empty()
        assert ("8", 1) not in calls
        assert ("8", 2) in calls

    run(scenario())


# ----------------------------------------------------------------------------------------------------------- drain


def test_a_drain_finishes_what_is_in_work() -> None:
    """Nothing more is received; what was begun is finished and acknowledged."""

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        done: list[str] = []

        async def slow(context: Ctx) -> None:
            await asyncio.sleep(10)
            assert context.stopping
            done.extend(bodies(context))

        async with consuming(slow, concurrency=5) as rig:
            await rig.send(*map(str, range(8)))
            await asyncio.sleep(1)
            await rig.drain()
            assert loop.time() < 11
        assert len(done) == 5
        assert len(rig.queue.messages) == 3
        assert (await rig.queue.depth()).visible == 3

    run(scenario())


def test_a_drain_gives_back_what_does_not_end_in_time() -> None:
    """Handlers are cancelled when the budget is used up, and their messages visible at once."""

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        ended: list[str] = []

        async def endless(context: Ctx) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                ended.extend(bodies(context))

        async with consuming(endless, budget=25) as rig:
            await rig.send("a", "b")
            await asyncio.sleep(1)
            await rig.drain()
            assert 26 <= loop.time() < 27
        assert sorted(ended) == ["a", "b"]
        assert (await rig.queue.depth()).visible == 2
        assert all(call[0][1] in (0.0, 30.0) for call in rig.queue.holding("change_visibility"))

    run(scenario())


def test_leases_live_through_the_drain() -> None:
    """A handler that still has time left keeps its message meanwhile."""

    async def scenario() -> None:
        calls = 0

        async def slow(context: Ctx) -> None:
            nonlocal calls
            calls += 1
            await asyncio.sleep(90)
            context.check_lease()

        async with consuming(slow, budget=115, visibility=30) as rig:
            await rig.send("a")
            await asyncio.sleep(1)
            await rig.drain()
        assert calls == 1
        assert not rig.queue.messages

    run(scenario())


def test_a_drain_stands_a_handler_that_resists_and_a_queue_that_hangs() -> None:
    """What could be done is done; the permits come back only once."""

    async def scenario() -> None:
        async def stubborn(context: Ctx) -> None:
            while asyncio.get_running_loop().time() < 100:
                with suppress(asyncio.CancelledError):
                    await asyncio.sleep(100)

        async with consuming(stubborn, budget=10) as rig:
            await rig.send("a")
            await asyncio.sleep(1)
            rig.queue.fault("change_visibility", *[asyncio.Event().wait] * 3)
            await rig.drain()
            assert asyncio.get_running_loop().time() < 16
        assert rig.queue.bodies() == [b"a"]  # not acknowledged by the handler that ended too late

    run(scenario())


def test_an_idle_consumer_drains_at_once() -> None:
    """The poll in progress is cut, not waited for."""

    async def scenario() -> None:
        async with consuming(Log()) as rig:
            await asyncio.sleep(1)
            await rig.drain()
            assert asyncio.get_running_loop().time() == 1

    run(scenario())


# ------------------------------------------------------------------------------------------------------------ FIFO


def test_groups_run_in_parallel_and_one_group_in_order() -> None:
    """A slow group holds nobody else up."""

    async def scenario() -> None:
        gate = asyncio.Event()
        done: list[str] = []

        async def handle(context: Ctx) -> None:
            if bodies(context) == ["a1"]:
                await gate.wait()
            done.extend(bodies(context))

        async with consuming(handle, name="work.fifo") as rig:
            await rig.send("a1", "a2", "a3", group="a")
            await rig.send("b1", "b2", "b3", group="b")
            await rig.until(lambda: len(done) == 3)
            assert done == ["b1", "b2", "b3"]
            gate.set()
            await rig.empty()
        assert done[3:] == ["a1", "a2", "a3"]

    run(scenario())


def test_a_failed_fifo_message_goes_back_with_its_successors() -> None:
    """In order and with the same back-off; none of the successors counts as failed, and other groups go on."""

    async def scenario() -> None:
        log = Log({"a2": 1})
        async with consuming(log, name="work.fifo", batch=10) as rig:
            await rig.queue.send([Outgoing(body.encode(), group=body[0]) for body in ("a1", "a2", "b1", "a3", "b2")])
            await rig.empty()
        assert log.calls == [["a1", "a2", "a3", "b1", "b2"], ["a2"], ["a3"]]
        ((first, second),) = rig.queue.holding("change_visibility")
        assert (first[0], second[0]) == ("work.fifo/2#1", "work.fifo/4#1")
        assert first[1] == second[1]
        assert not rig.dlq.messages

    run(scenario())


def test_a_fifo_group_goes_on_without_its_dead_letter() -> None:
    """Policy ``skip``, the default."""

    async def scenario() -> None:
        log = Log({"2": 99})
        async with consuming(log, name="work.fifo") as rig:
            await rig.send("1", "2", "3")
            await rig.empty()
        assert log.messages == ["1", "2", "2", "2", "3"]
        (letter,) = rig.dlq.messages
        assert letter.outgoing.group == "g"
        assert letter.outgoing.dedup == "work.fifo/2"

    run(scenario())


def test_a_fifo_group_can_halt_at_a_message_that_is_given_up() -> None:
    """Policy ``halt``: nothing of the group passes until it was handled or the broker's limit forces it out."""

    async def scenario() -> None:
        log = Log({"2": 5})
        async with consuming(log, name="work.fifo", batch=10, on_dead="halt") as rig:
            await rig.send("1", "2", "3")
            await asyncio.sleep(1000)
            assert "3" not in log.messages
            await rig.empty()
        assert log.messages == ["1", "2", "2", "2", "2", "2", "2", "3"]
        assert not rig.dlq.messages

    run(scenario())


def test_the_group_waits_while_its_dead_letter_is_sent() -> None:
    """If that fails, the message goes back, and nothing may have passed it."""

    async def scenario() -> None:
        log = Log({"1": 1}, Poison("bad"))
        async with consuming(log, name="work.fifo") as rig:
            rig.dlq.fault("send", *[Transient("down")] * 40)
            await rig.send("1", "2")
            await rig.empty()
        assert log.messages == ["1", "1", "2"]

    run(scenario())


def test_successors_of_a_lost_fifo_message_go_back() -> None:
    """Its new holder comes first."""

    async def scenario() -> None:
        order: list[str] = []

        async def handle(context: Ctx) -> None:
            if not order:
                order.append("lost")
                rig.queue.steal("work.fifo/1")
                await asyncio.sleep(20)
            else:
                order.extend(bodies(context))

        async with consuming(handle, name="work.fifo", visibility=30) as rig:
            await rig.send("1", "2", "3")
            await rig.empty()
        assert order == ["lost", "1", "2", "3"]

    run(scenario())


# ------------------------------------------------------------------------------------------- seeded interleavings


class Chaos:
    """A handler that dawdles and fails at random, and notes what it has done."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self.done: list[tuple[str, int]] = []

    async def __call__(self, context: Ctx) -> None:
        await asyncio.sleep(self._rng.choice([0, 0.01, 0.5, 40]))
        if self._rng.random() < 0.1:
            raise self._rng.choice([ValueError("no"), Transient("down")])
        for index, body in enumerate(bodies(context)):
            if context.blocked(index):
                continue
            if self._rng.random() < 0.1:
                context.fail(index, ValueError("no"))
            else:
                self.done.append(parse(body))


def parse(body: str) -> tuple[str, int]:
    group, number = body.split(":")
    return group, int(number)


def in_order(done: list[tuple[str, int]]) -> bool:
    """In each group the first time that each number was done comes after those of all smaller ones."""
    firsts: dict[str, dict[int, None]] = defaultdict(dict)
    for group, number in done:
        firsts[group].setdefault(number)
    return all(list(numbers) == sorted(numbers) for numbers in firsts.values())


async def live_through(chaos: Chaos, name: str, rng: Random) -> set[tuple[str, int]]:
    """Processes that come and go until the queue is empty; returns what was dead-lettered."""
    sent = [Outgoing(f"{group}:{number}".encode(), group=group) for number in range(12) for group in "abc"]
    options: dict[str, Any] = {"batch": rng.choice([1, 3, 10]), "concurrency": rng.choice([1, 5, 30])}
    stored: list[Stored] = []
    dead: list[Stored] = []
    for life in range(60):
        async with consuming(chaos, name=name, **options) as rig:
            rig.queue.messages, rig.dlq.messages = stored, dead
            if life == 0:
                for start in range(0, len(sent), 10):
                    await rig.queue.send(sent[start : start + 10])
                for operation in ("receive", "delete", "change_visibility"):
                    rig.queue.fault(operation, *(rng.choice([[], [0], Transient("fault"), []]) for _ in range(30)))
            await asyncio.sleep(rng.choice([0, 0.02, 1, 30, 400]))
        if not stored:
            break
    assert not stored
    return {parse(letter.outgoing.body.decode()) for letter in dead}


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("name", ["work.fifo", "work"])
def test_nothing_is_lost_and_order_is_kept_whatever_happens(seed: int, name: str) -> None:
    """Random failures, partial faults of every batch call, and drains in the middle, in random interleavings."""

    async def scenario() -> None:
        rng = Random(seed)
        chaos = Chaos(rng)
        dead = await live_through(chaos, name, rng)
        assert set(chaos.done) | dead == {(group, number) for group in "abc" for number in range(12)}
        assert name == "work" or in_order(chaos.done)

    run(scenario(), seed=seed)
