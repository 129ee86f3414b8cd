"""Settlement: carries out the verdict over a call's messages."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from kxmsg.errors import Poison, Transient
from kxmsg.ports import Queue
from kxmsg.retry import Jitter
from kxmsg.runtime.acks import Acks
from kxmsg.runtime.backlog import Backlog
from kxmsg.runtime.batches import repeat
from kxmsg.runtime.context import Context
from kxmsg.runtime.deadletter import DeadLetters
from kxmsg.runtime.faults import describe, trail
from kxmsg.runtime.held import Held
from kxmsg.runtime.leases import Leases
from kxmsg.runtime.verdict import Failures, Policy, Sentence, first_failures, runs
from kxmsg.telemetry import HANDLED, get_logger

PATIENCE: Final = 5.0
"""Seconds that giving a message back is tried; after that its lease runs out by itself."""

_log = get_logger("kxmsg.runtime")


class Settlement:
    """Acknowledges, gives back, buries, parks. ``let_go`` is told what is no longer in hand, ``park`` what stays."""

    def __init__(
        self,
        queue: Queue,
        *,
        worker: str,
        leases: Leases,
        acks: Acks,
        backlog: Backlog,
        dead: DeadLetters,
        policy: Policy,
        let_go: Callable[[Sequence[Held]], None],
        park: Callable[[Held], None],
        rng: Jitter,
    ) -> None:
        self._queue = queue
        self._leases = leases
        self._acks = acks
        self._backlog = backlog
        self._dead = dead
        self._policy = policy
        self._let_go = let_go
        self._park = park
        self._rng = rng
        self.failures = Failures()
        self._ok, self._retried, self._buried, self._lost = (
            HANDLED.labels(worker, queue.name, outcome) for outcome in ("ok", "retried", "dead", "lost")
        )

    def sentences(self, batch: Sequence[Held], context: Context[Any], *, quiet: bool) -> dict[int, Sentence]:
        """What becomes of those that were not handled, by ``Held.order``.

        ``quiet``: during an outage, which was told already, transient causes are not.
        """
        errors = context.failures
        self._tell(batch, {at: error for at, error in errors.items() if not (quiet and isinstance(error, Transient))})
        found = {
            batch[position].order: replace(self._sentence(batch[position], error), unseen=True)
            for position, error in context.undecodable.items()
        }
        for position in first_failures(batch, errors):
            found[batch[position].order] = self._sentence(batch[position], errors[position])
        return found | {held.order: Sentence("drop") for held in batch if held.lost}

    def _sentence(self, held: Held, error: BaseException) -> Sentence:
        return self._policy.sentence(held, error, self.failures, self._rng)

    def handled(self, batch: Sequence[Held]) -> None:
        """All of these were handled, and are still ours."""
        self._ok.inc(len(batch))
        self._acknowledge(batch)
        self._backlog.done({held.group for held in batch})

    async def settle(self, batch: Sequence[Held], sentences: Mapping[int, Sentence]) -> None:
        """Bring a call's messages to their end. Its groups stay locked until then."""
        parts = runs(batch, sentences)
        deciding = parts
        while wave := [(run, dead) for run in deciding if (dead := run.next_dead()) is not None]:
            failed = await self._dead.bury([dead for _, dead in wave])
            for position, (run, (held, sentence)) in enumerate(wave):
                if position in failed:
                    run.refuse(self._policy.backoff.delay(max(0, sentence.failures - 1), self._rng))
                else:
                    self._buried.inc()
                    self._acknowledge([held])
            deciding = [run for run, _ in wave]
        back: list[tuple[Held, float]] = []
        for run in parts:
            if run.broken and run.group:
                run.give_back(self._backlog.recall(run.group))
            self._finish(run.handled)
            self._drop(run.dropped)
            back += [(held, run.delay) for held in run.back]
            if run.parked is not None:
                self._park(run.parked)
        if back:
            self._retried.inc(len(back))
            await self.give_back(back)
        self._backlog.done(run.group for run in parts if run.parked is None)

    async def give_back(self, messages: Sequence[tuple[Held, float]]) -> None:
        """Make each visible again after its delay, in this order."""
        self._leases.remove(held for held, _ in messages)
        try:
            failed = await repeat(
                self._queue.change_visibility,
                [(held.delivery.receipt, delay) for held, delay in messages],
                limit=self._queue.batch_limit,
                until=asyncio.get_running_loop().time() + PATIENCE,
                rng=self._rng,
            )
        finally:
            self._let_go([held for held, _ in messages])
        if failed:
            failure = next(iter(failed.values()))
            _log.warning("not given back; their leases run out", messages=len(failed), error=failure.message)

    def _finish(self, messages: Sequence[Held]) -> None:
        """Handled, but while others were being buried a lease may have gone."""
        kept = [held for held in messages if not held.lost]
        self._ok.inc(len(kept))
        self._acknowledge(kept)
        self._drop([held for held in messages if held.lost])

    def _acknowledge(self, messages: Sequence[Held]) -> None:
        if self.failures:
            self.failures.forget(held.delivery.id for held in messages)
        self._leases.remove(messages)
        self._acks.add(messages)

    def _drop(self, messages: Sequence[Held]) -> None:
        self._lost.inc(len(messages))
        self._let_go(messages)

    def _tell(self, batch: Sequence[Held], errors: Mapping[int, BaseException]) -> None:
        """One line for each fault, not one for each message that it hit."""
        hit: dict[int, list[int]] = {}
        for position, error in errors.items():
            hit.setdefault(id(error), []).append(position)
        for positions in hit.values():
            error, first = errors[positions[0]], batch[positions[0]].delivery
            if not isinstance(error, Poison):  # which is told when it is buried
                _log.warning(
                    "not handled",
                    messageId=first.id,
                    messages=len(positions),
                    receives=first.receives,
                    error=describe(error),
                    origin=trail(error),
                )
