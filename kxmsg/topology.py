"""Every queue, topic, table and worker type, declared once, as data.

The embedded broker, ``kxmsg provision``, the infrastructure code and the documentation's tables are made from it.
Names here are logical: an adapter puts the resource prefix before them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

if TYPE_CHECKING:
    from kxmsg.matching import Pattern
    from kxmsg.subscriptions import Catalogue

DLQ_SUFFIX: Final = "-dlq"


@dataclass(frozen=True, slots=True)
class QueueSpec:
    """A queue and, implied, its dead-letter queue. ``visibility`` in seconds; ``max_receives``: the broker's limit."""

    name: str
    visibility: float = 30
    max_receives: int = 10

    @property
    def fifo(self) -> bool:
        return self.name.endswith(".fifo")

    @property
    def dlq(self) -> str:
        """Name of its dead-letter queue; SQS wants a FIFO queue's to be FIFO too."""
        return f"{self.name.removesuffix('.fifo')}{DLQ_SUFFIX}{'.fifo' if self.fifo else ''}"


@dataclass(frozen=True, slots=True)
class TopicSpec:
    name: str

    @property
    def fifo(self) -> bool:
        return self.name.endswith(".fifo")


@dataclass(frozen=True, slots=True)
class SubscriptionSpec:
    """A queue that gets a topic's messages; ``filter`` maps an attribute to the values it may have."""

    topic: str
    queue: str
    filter: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rule:
    """Events of these sources and detail-types (none named: any) that the bus brings to ``queue``.

    With a ``pattern``, only those of them that it matches.
    """

    name: str
    sources: frozenset[str]
    detail_types: frozenset[str]
    queue: str
    pattern: "Pattern | None" = None

    def accepts(self, source: str, detail_type: str) -> bool:
        """Whether it may take such an event: without a pattern it does."""
        if not self._names(source, detail_type):
            return False
        return self.pattern is None or self.pattern.admits({"source": source, "detail-type": detail_type})

    def takes(self, event: dict[str, Any]) -> bool:
        """Whether it takes this very event, given in EventBridge's shape."""
        if not self._names(event["source"], event["detail-type"]):
            return False
        return self.pattern is None or self.pattern.matches(event)

    def _names(self, source: str, detail_type: str) -> bool:
        of_source = not self.sources or source in self.sources
        return of_source and (not self.detail_types or detail_type in self.detail_types)


def queue_of(arn: str, prefix: str) -> str | None:
    """The logical name of the queue that an ARN names; None where it names something else. ``prefix``: the resources'.

    >>> queue_of("arn:aws:sqs:eu-west-1:123456789012:kx-notifications-audit", "kx-notifications")
    'audit'
    """
    _, _, service, _, _, name = arn.split(":", 5)
    return name.removeprefix(f"{prefix}-") if service == "sqs" else None


@dataclass(frozen=True, slots=True)
class TableSpec:
    """A table keyed by ``pk`` and ``sk``, with secondary indexes ``{name}pk``/``{name}sk``, TTL on ``expiresAt``.

    Transactions stay within one ``group``: embedded, a group is one file.
    """

    name: str
    group: str
    indexes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WorkerSpec:
    """A worker type: one service, scaled alone. ``module`` holds its ``worker``."""

    name: str
    module: str
    queues: tuple[str, ...]


def bus_rules(catalogue: "Catalogue") -> list[Rule]:
    """The rules that bring to us what the subscriptions ask for: coarse and few, one for each source."""
    return [
        Rule(source or ANY, frozenset({source} if source else ()), kinds or frozenset(), EVENTS)
        for source, kinds in catalogue.wanted().items()
    ]


_Spec = TypeVar("_Spec", QueueSpec, TableSpec)


@dataclass(frozen=True, slots=True)
class Topology:
    """The whole of it."""

    queues: tuple[QueueSpec, ...]
    topics: tuple[TopicSpec, ...]
    subscriptions: tuple[SubscriptionSpec, ...]
    tables: tuple[TableSpec, ...]
    workers: tuple[WorkerSpec, ...]

    def queue(self, name: str) -> QueueSpec:
        """The queue of that name; raises KeyError."""
        return _named(self.queues, name)

    def table(self, name: str) -> TableSpec:
        """The table of that name; raises KeyError."""
        return _named(self.tables, name)

    def subscribers(self, topic: str) -> list[SubscriptionSpec]:
        """Who gets the topic's messages."""
        return [spec for spec in self.subscriptions if spec.topic == topic]

    def plus(self, queue: QueueSpec, subscriptions: tuple[SubscriptionSpec, ...] = ()) -> Self:
        """This topology with a user's own queue, subscribed to topics of the product."""
        kept = tuple(spec for spec in self.queues if spec.name != queue.name)
        others = tuple(spec for spec in self.subscriptions if spec.queue != queue.name)
        return replace(self, queues=(*kept, queue), subscriptions=(*others, *subscriptions))


def _named(specs: tuple[_Spec, ...], name: str) -> _Spec:
    for spec in specs:
        if spec.name == name:
            return spec
    raise KeyError(f"the topology has no {name!r}")


EVENTS: Final = "events"
RENDER: Final = "render"
SEQUENCE: Final = "sequence.fifo"
STORAGE: Final = "storage"
FANOUT: Final = "fanout"
FANOUT_FIFO: Final = "fanout.fifo"
FANOUT_CHUNK: Final = "fanout-chunk.fifo"
OUTBOUND: Final = "outbound"
OUTBOUND_FIFO: Final = "outbound.fifo"
ANY: Final = "*"
"""Name of the rule for events of whatever source; no source is called so."""

BUS: Final = "bus"
BLOBS: Final = "blobs"
CLAIMS: Final = "claims/"
"""Head of the blobs that hold what is too large for a message."""
CLAIM_DAYS: Final = 2 * 14 + 1
"""They are kept so long: a message may lie in its queue for 14 days and, sent on as a dead letter, for 14 more."""

LOGS: Final = "logs"
CHANNELS: Final = "channels"
CONNECTIONS: Final = "connections"
SCHEDULE: Final = "schedule"

TOPOLOGY: Final = Topology(
    queues=tuple(QueueSpec(name) for name in (EVENTS, RENDER, SEQUENCE, STORAGE, FANOUT, FANOUT_FIFO, FANOUT_CHUNK)),
    topics=(TopicSpec(OUTBOUND), TopicSpec(OUTBOUND_FIFO)),
    subscriptions=(
        SubscriptionSpec(OUTBOUND, FANOUT, {"targetChannel": ("WebSocket",)}),
        SubscriptionSpec(OUTBOUND_FIFO, FANOUT_FIFO, {"targetChannel": ("WebSocket",)}),
    ),
    tables=(
        TableSpec(LOGS, group="logs"),
        TableSpec(CHANNELS, group="channels", indexes=("by1",)),
        TableSpec(CONNECTIONS, group="connections"),
        TableSpec(SCHEDULE, group="schedule"),
    ),
    workers=(
        WorkerSpec("event-consumer", "workers.event_consumer", (EVENTS,)),
        WorkerSpec("template-renderer", "workers.template_renderer", (RENDER,)),
        WorkerSpec("sequence-processor", "workers.sequence_processor", (SEQUENCE,)),
        WorkerSpec("storage-writer", "workers.storage_writer", (STORAGE,)),
        WorkerSpec("fanout", "workers.fanout", (FANOUT, FANOUT_FIFO, FANOUT_CHUNK)),
        WorkerSpec("scheduler", "workers.scheduler", ()),
    ),
)
