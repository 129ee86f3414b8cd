"""Consumer: one queue's way from the poll to the acknowledgement."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any, Final

from kxmsg.errors import Transient
from kxmsg.ports import Delivery, Queue
from kxmsg.retry import Backoff, Jitter
from kxmsg.runtime.acks import Acks
from kxmsg.runtime.backlog import Backlog, Grouped, Unordered
from kxmsg.runtime.context import App, Context
from kxmsg.runtime.deadletter import DeadLetters
from kxmsg.runtime.drain import Budget, Scope
from kxmsg.runtime.held import Held, Permits, in_order
from kxmsg.runtime.leases import Leases
from kxmsg.runtime.pace import Circuit
from kxmsg.runtime.poller import Poller
from kxmsg.runtime.protection import Protection
from kxmsg.runtime.settlement import Settlement
from kxmsg.runtime.verdict import OnDead, Policy, Sentence
from kxmsg.runtime.watchdog import Watchdog
from kxmsg.telemetry import HANDLING, IN_HAND, RECEIVED, WAITED, bind_log, get_logger, set_trace

Handle = Callable[[Context[Any]], Awaitable[None]]
"""What is done with a call's messages: raises, or calls ``context.fail``, for what was not handled."""

GRACE: Final = 1.0
"""Seconds that each step of a drain beyond its budget may take: cancel, settle, release."""

PARALLEL: Final = 4
"""Calls at once that a batch handler gets at least, so that a slow batch does not hold up the next."""

LONGEST_PROBE: Final = 900.0
"""Seconds since its receipt for which a message is kept in hand to probe with."""

_CIRCUIT: Final = Backoff(base=1.0, cap=30.0)

_log = get_logger("kxmsg.runtime")


@dataclass(frozen=True, slots=True)
class Options:
    """How a queue is served.

    ``batch``: messages of one call at most. ``concurrency``: messages in hand at most. ``visibility``: seconds of a
    lease. ``max_receives``: the broker's own limit.
    """

    worker: str
    batch: int = 1
    concurrency: int = 100
    visibility: float = 30.0
    max_failures: int = 3
    max_receives: int = 10
    on_dead: OnDead = "skip"


class Consumer:
    """Serves one queue, in ``group``, from :meth:`start` to :meth:`drain`.

    Three scopes that a drain ends one after the other: polls receive, calls handle, upkeep acknowledges, gives back and
    buries. The leases outlive them.
    """

    def __init__(
        self,
        group: asyncio.TaskGroup,
        app: App,
        queue: Queue,
        dlq: Queue,
        handle: Handle,
        options: Options,
        *,
        stop: asyncio.Event,
        watchdog: Watchdog,
        protection: Protection | None = None,
        rng: Jitter = random,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._group = group
        self._app = app
        self._queue = queue
        self._handle = handle
        self._options = options
        self._stop = stop
        self._rng = rng
        self._calls = Scope(group)
        self._upkeep = Scope(group)
        self._leases = Leases(queue, options.visibility)
        self._acks = Acks(queue, self._upkeep, self._let_go, rng)
        self._backlog: Backlog = Unordered()
        if queue.fifo:  # a group that halts at a failure must not have later messages in the same call
            self._backlog = Grouped(together=1 if options.on_dead == "halt" else options.batch)
        self._settlement = Settlement(
            queue,
            worker=options.worker,
            leases=self._leases,
            acks=self._acks,
            backlog=self._backlog,
            dead=DeadLetters(dlq, worker=options.worker, source=queue.name, clock=app.clock, rng=rng),
            policy=Policy(options.max_failures, options.max_receives, options.on_dead),
            let_go=self._let_go,
            park=self._park,
            rng=rng,
        )
        self._circuit = Circuit(_CIRCUIT)
        self.permits = Permits(options.concurrency)
        self._poller = Poller(
            queue,
            Scope(group),
            self.permits,
            self._circuit,
            self._deliver,
            visibility=options.visibility,
            watchdog=watchdog,
            rng=rng,
        )
        self._most_calls = max(min(PARALLEL, options.concurrency), options.concurrency // options.batch)
        self._protection = protection
        self._holding = 0
        self._running = 0
        self._arrived = 0
        self._parked: dict[Held, asyncio.TimerHandle] = {}
        self._stopping = False
        self._context = copy_context()
        labels = (options.worker, queue.name)
        self._received = RECEIVED.labels(*labels)
        self._waited = WAITED.labels(*labels)
        self._handling = HANDLING.labels(*labels)
        self._in_hand = IN_HAND.labels(*labels)

    def start(self) -> None:
        """Begin to receive."""
        self._context.run(bind_log, worker=self._options.worker, queue=self._queue.name)
        self._keeper = self._group.create_task(self._leases.run(), context=self._context)
        self._context.run(self._poller.start)

    async def drain(self, budget: Budget) -> None:
        """Receive no more; finish what is in work within the budget; give back the rest; acknowledge; end."""
        self._stopping = True
        await self._poller.stop(GRACE)
        waiting = self._backlog.clear()
        for held, timer in self._parked.items():
            timer.cancel()
            waiting.append(held)
        if waiting:
            self._upkeep.start(self._settlement.give_back([(held, 0.0) for held in in_order(waiting)]))
        if not await self._calls.finish(budget.left()):
            _log.warning("handlers did not end in time and are cancelled", calls=len(self._calls))
            await self._calls.end(GRACE)
        self._acks.flush()
        await self._upkeep.finish(max(GRACE, budget.left()))
        if left := in_order(self._leases):
            for held in left:
                held.lost = True  # should its handler, which resists being cancelled, still come to an end
            self._upkeep.start(self._settlement.give_back([(held, 0.0) for held in left]))
            await self._upkeep.finish(GRACE)
        await self._upkeep.end(GRACE)
        self._keeper.cancel()

    def _deliver(self, deliveries: Sequence[Delivery]) -> None:
        """These were received, and a permit is taken for each."""
        now, wall = self._loop.time(), self._app.clock.now()
        visibility, failures, fifo = self._options.visibility, self._settlement.failures, self._queue.fifo
        arrived = [
            Held(
                delivery,
                order=order,
                group=(delivery.group or delivery.id) if fifo else "",
                received=now,
                expires=now + visibility,
                renew_at=now + visibility / 2,
                alone=delivery.id in failures,
            )
            for order, delivery in enumerate(deliveries, start=self._arrived)
        ]
        self._arrived += len(arrived)
        self._count(len(arrived))
        self._received.inc(len(arrived))
        for delivery in deliveries:
            self._waited.observe(max(0.0, wall - delivery.sent_at))
        self._leases.add(arrived)
        self._backlog.add(arrived)
        self._dispatch()

    def _dispatch(self) -> None:
        """Hand over what may go. While a drain is on it stays in hand until that gives it back."""
        while (
            not self._stopping
            and self._running < self._most_calls
            and (batch := self._backlog.take(self._options.batch))
        ):
            if any(held.lost for held in batch):
                drop, back = Sentence("drop"), Sentence("retry")
                self._settle(batch, {held.order: drop if held.lost else back for held in batch})
            else:
                self._begin(batch)

    def _begin(self, batch: Sequence[Held]) -> None:
        self._running += 1
        self._calls.start(self._call(batch), context=self._context.copy())

    async def _call(self, batch: Sequence[Held]) -> None:
        context: Context[App] = Context(self._app, self._stop, self._queue, batch)
        set_trace(context.trace)
        if len(batch) == 1:
            bind_log(messageId=batch[0].delivery.id)
        started = self._loop.time()
        try:
            await self._handle(context)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():  # the drain's doing, which gives back what is in hand
                raise
            context.fail_rest(RuntimeError("the handler was cancelled from within"))
        except Exception as error:  # a handler may fail in any way
            context.fail_rest(error)
        self._handling.observe(self._loop.time() - started)
        self._running -= 1
        self._finish(batch, context)

    def _finish(self, batch: Sequence[Held], context: Context[Any]) -> None:
        errors = context.failures
        if not errors and not context.undecodable and not any(held.lost for held in batch):
            self._works()
            self._settlement.handled(batch)
            self._next()
            return
        sentences = self._settlement.sentences(batch, context, quiet=self._circuit.is_open)
        if len(errors) + len(context.undecodable) < len(batch):
            self._works()
        elif errors and all(isinstance(error, Transient) for error in errors.values()):
            self._fails(batch, sentences)
        self._settle(batch, sentences)

    def _settle(self, batch: Sequence[Held], sentences: Mapping[int, Sentence]) -> None:
        async def settle() -> None:
            await self._settlement.settle(batch, sentences)
            self._next()

        self._upkeep.start(settle())

    def _next(self) -> None:
        self._dispatch()
        # A FIFO queue's groups wait for the acknowledgement, and so do the next messages once no permit is left.
        urgent = self._queue.fifo or self._holding == self.permits.limit
        if self._stopping or (urgent and not self._running):
            self._acks.flush()

    def _let_go(self, messages: Sequence[Held]) -> None:
        """These are no longer in hand."""
        gone = [held for held in messages if not held.gone]
        for held in gone:
            held.gone = True
        self._leases.remove(gone)
        self._count(-len(gone))
        self.permits.release(len(gone))

    def _count(self, change: int) -> None:
        before, self._holding = self._holding, self._holding + change
        self._in_hand.inc(change)
        if self._protection is not None and bool(before) != bool(self._holding):
            (self._protection.enter if self._holding else self._protection.leave)()

    # ---------------------------------------------------------------- the circuit: when what the handler needs is down

    def _works(self) -> None:
        if self._circuit.succeeded():
            _log.info("handling again")
            self._poller.circuit_closed()
            for held in list(self._parked):
                self._unpark(held)

    def _fails(self, batch: Sequence[Held], sentences: dict[int, Sentence]) -> None:
        """A whole call failed for a transient cause. Once that is the rule, a few are kept to probe with."""
        if self._circuit.failed():
            _log.error("nothing can be handled; probing from now on")
            self._poller.circuit_opened()
            delay = self._circuit.delay(self._rng)
            if waiting := self._backlog.clear():
                self._upkeep.start(self._settlement.give_back([(held, delay) for held in waiting]))
        if self._circuit.wants_probe and not self._stopping:
            for held in batch:
                sentence = sentences.get(held.order)
                if sentence is not None and self._may_park(held, sentence):
                    sentences[held.order] = Sentence("park", delay=self._circuit.delay(self._rng))
                    break

    def _may_park(self, held: Held, sentence: Sentence) -> bool:
        """Not for ever: its fault may be its own after all, and another worker may have more luck."""
        return (
            sentence.kind in ("retry", "bury")
            and not sentence.unseen
            and self._loop.time() - held.received < LONGEST_PROBE
        )

    def _park(self, held: Held) -> None:
        """Keep it in hand, so that a long outage costs it no receives, and try it again after a while."""
        timer = self._loop.call_later(self._circuit.delay(self._rng), self._unpark, held)
        self._parked[held] = timer
        self._circuit.probes = len(self._parked)

    def _unpark(self, held: Held) -> None:
        if self._stopping:  # the drain gives it back
            return
        self._parked.pop(held).cancel()
        self._circuit.probes = len(self._parked)
        if held.lost:
            self._settle([held], {held.order: Sentence("drop")})
        else:
            self._begin([held])
