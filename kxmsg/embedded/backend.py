"""The embedded backend as a whole: every port, on one folder or in memory."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from kxmsg.embedded.blobs import EmbeddedBlobs
from kxmsg.embedded.bus import EmbeddedBus
from kxmsg.embedded.declared import Declared
from kxmsg.embedded.engine import Engine
from kxmsg.embedded.mishaps import AwsLike
from kxmsg.embedded.queues import EmbeddedQueue
from kxmsg.embedded.tables import EmbeddedTables
from kxmsg.embedded.topics import EmbeddedTopic
from kxmsg.embedded.wake import Wake
from kxmsg.errors import StartError
from kxmsg.ports import Clock, ConnectionGateway
from kxmsg.subscriptions import Subscription
from kxmsg.telemetry import get_logger
from kxmsg.topology import TOPOLOGY, QueueSpec, Rule, Topology, queue_of

_log = get_logger(__name__)


class EmbeddedBackend:
    """Queues, topics, tables and files of ``folder``; of memory where that is None.

    ``inline`` does all work on the event loop's thread, for virtual time. ``aws_like`` is a seed: everything is then
    as unkind as AWS may be.
    """

    def __init__(
        self,
        folder: Path | None,
        topology: Topology,
        clock: Clock,
        *,
        durability: Literal["full", "normal"] = "full",
        inline: bool = False,
        aws_like: int | None = None,
    ) -> None:
        self.topology = topology
        self._clock = clock
        self._seed = aws_like
        self._engine = Engine(folder, durability=durability, inline=inline)
        self._wake = Wake(folder)
        self._queues: dict[str, EmbeddedQueue] = {}
        self.tables = EmbeddedTables(
            self._engine, topology, clock, aws_like=None if aws_like is None else AwsLike(aws_like)
        )
        self.blobs = EmbeddedBlobs(folder, clock)
        self._declared = Declared(folder) if folder else None
        if self._declared is not None:
            for spec in topology.queues:
                if spec not in TOPOLOGY.queues:
                    own = [one for one in topology.subscriptions if one.queue == spec.name]
                    self._declared.declare(spec, own)

    def queue(self, name: str) -> EmbeddedQueue:
        """The queue of that name, or dead-letter queue of one; raises KeyError."""
        queue = self._queues.get(name)
        if queue is None:
            queue = EmbeddedQueue(
                self._engine,
                self._spec(name),
                self._clock,
                self._wake,
                aws_like=self._seed is not None,
                seed=self._seed or 0,
            )
            self._queues[name] = queue
        return queue

    def find(self, name: str) -> EmbeddedQueue | None:
        """The queue of that name, None where there is none (yet: a user's worker may bring it)."""
        try:
            return self.queue(name)
        except KeyError:
            return None

    def topic(self, name: str) -> EmbeddedTopic:
        """The topic of that name; raises KeyError."""
        spec = next((spec for spec in self.topology.topics if spec.name == name), None)
        if spec is None:
            raise KeyError(f"the topology has no topic {name!r}")
        return EmbeddedTopic(spec, lambda: self._subscribed(name))

    def bus(self, rules: Sequence[Rule]) -> EmbeddedBus:
        """An event bus with these rules, which may be replaced by others."""
        queues = {spec.name: self.queue(spec.name) for spec in self.topology.queues}
        return EmbeddedBus(rules, queues, self._clock, find=self.find)

    def routes(self, subscriptions: Sequence[Subscription], prefix: str) -> list[Rule]:
        """The rules of subscriptions' own targets. Logs which of them can't be served here."""
        rules = []
        for one in subscriptions:
            for target in one.targets:
                queue = queue_of(target.arn, prefix)
                if queue is None or self.find(queue) is None:
                    reason = "there is no such queue yet" if queue else "only queues can be served here"
                    names = {"subscription": one.name, "target": target.id, "arn": target.arn}
                    _log.warning("a target gets no events", reason=reason, **names)
                if queue is not None:
                    rules.append(Rule(f"{one.name}: {target.id}", frozenset(), frozenset(), queue, one.pattern))
        return rules

    def gateways(self, urls: Mapping[str, str]) -> ConnectionGateway:
        """None of API Gateway's: raises :class:`~kxmsg.errors.StartError`."""
        names = ", ".join(urls)
        raise StartError(
            f"KXMSG_GATEWAYS: {names}: API Gateway is called with KXMSG_BACKEND=aws; set that, or remove it"
        )

    async def load_secrets(self) -> None:
        """Nothing to load: they are files, read when they are needed."""

    async def check(self, queues: Iterable[str]) -> None:
        """Nothing to check: what is missing is made."""

    async def check_bus(self) -> None:
        """As :meth:`check`."""

    async def sweep(self) -> int:
        """Delete what has expired; returns how many items and blobs that were."""
        return await self.tables.sweep() + await self.blobs.sweep()

    async def close(self) -> None:
        """Finish what was begun and close the files."""
        await self._wake.close()
        await self._engine.close()

    def _subscribed(self, topic: str) -> list[tuple[EmbeddedQueue, Mapping[str, tuple[str, ...]]]]:
        """The queues of the topology and those that workers of other processes brought along, with their filters."""
        known = self.topology.subscribers(topic)
        others = self._declared.subscriptions(topic) if self._declared else []
        return [(self.queue(one.queue), one.filter) for one in (*known, *(one for one in others if one not in known))]

    def _spec(self, name: str) -> QueueSpec:
        for spec in self.topology.queues:
            if name == spec.name:
                return spec
            if name == spec.dlq:
                return QueueSpec(name, visibility=spec.visibility)
        if self._declared is not None and self._declared.knows(name):
            return QueueSpec(name)
        raise KeyError(f"the topology has no queue {name!r}")
