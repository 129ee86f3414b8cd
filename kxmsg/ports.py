"""Ports: what the product asks of its surroundings, named by role. Adapters are in ``embedded`` and ``aws``.

Batch calls take any number up to the port's ``batch_limit``. They never raise for a part of a batch: what
failed is returned, by position, and the caller repeats that part alone. They raise
:class:`~kxmsg.errors.BackendError` where nothing is known to have been done.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

from kxmsg.model.connection import Post as Post
from kxmsg.model.event import Event
from kxmsg.topology import Rule
from kxmsg.types import Scalar

Item: TypeAlias = dict[str, Any]
"""A table item: JSON values, with ``pk`` and ``sk`` strings, and ``expiresAt`` in epoch seconds where it expires."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One entry of a batch that was not done. ``retryable`` is False where the entry itself is at fault."""

    index: int
    code: str
    message: str = ""
    retryable: bool = True


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to send. ``delay`` in seconds (not on FIFO queues); ``group`` and ``dedup`` ≤ 128 ASCII characters.

    ``group`` is required on a FIFO queue, and there orders; on a standard one it names the tenant, for fairness.
    """

    body: bytes
    group: str | None = None
    dedup: str | None = None
    delay: float = 0
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message in hand until its visibility ends. ``sent_at`` is epoch seconds; ``receives`` counts this one."""

    id: str
    body: bytes
    receipt: str
    receives: int
    sent_at: float
    group: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Depth:
    """How many messages a queue holds, about."""

    visible: int
    in_flight: int
    delayed: int


class Queue(Protocol):
    """SQS semantics: at least once, visibility, receive counts; FIFO groups locked while one of them is in flight."""

    @property
    def name(self) -> str: ...
    @property
    def fifo(self) -> bool: ...
    @property
    def batch_limit(self) -> int: ...

    async def send(self, messages: Sequence[Outgoing]) -> list[Failure]:
        """Put messages on the queue; when it returns, all but the failures are durable."""
        ...

    async def receive(self, limit: int, *, wait: float, visibility: float) -> list[Delivery]:
        """Take up to ``limit`` messages, waiting up to ``wait`` seconds for the first. Safe to cancel."""
        ...

    async def delete(self, receipts: Sequence[str]) -> list[Failure]:
        """Acknowledge. Deleting what is already deleted succeeds."""
        ...

    async def change_visibility(self, changes: Sequence[tuple[str, float]]) -> list[Failure]:
        """Set how many seconds from now each (receipt, seconds) becomes visible again; 0 releases it.

        A message whose lease was lost fails with code ``lease_lost``, not retryable.
        """
        ...

    async def depth(self) -> Depth: ...

    async def purge(self) -> None:
        """Delete everything."""
        ...


@runtime_checkable
class Peekable(Protocol):
    """A queue whose messages can be looked at where they are."""

    async def peek(self, limit: int, after: str | None = None) -> list[Delivery]:
        """Up to ``limit`` messages, those after the one with this id."""
        ...


class Topic(Protocol):
    """SNS semantics: one copy to each subscribed queue whose filter accepts the attributes."""

    @property
    def name(self) -> str: ...
    @property
    def batch_limit(self) -> int: ...

    async def publish(self, messages: Sequence[Outgoing]) -> list[Failure]:
        """When it returns, every subscribed queue has all but the failures durably."""
        ...


class EventBus(Protocol):
    """EventBridge semantics: each event goes once to every rule's target that its source and detail-type match."""

    @property
    def batch_limit(self) -> int: ...

    async def put(self, events: Sequence[Event]) -> list[Failure]:
        """Put events; id and time are given here, once. When it returns, all but the failures are durable."""
        ...

    def matches(self, source: str, detail_type: str) -> bool:
        """False only where no rule can take such an event, so that it need not even be made."""
        ...

    def replace(self, rules: Sequence[Rule]) -> None:
        """Go by these rules from now on; on AWS they hold once ``kxmsg provision`` has made them."""
        ...


# ---------------------------------------------------------------------------------------------------- tables


@dataclass(frozen=True, slots=True)
class Key:
    """The primary key of an item."""

    pk: str
    sk: str


@dataclass(frozen=True, slots=True)
class Condition:
    """All of these must hold on the item as it stands. ``equals`` with None means: absent.

    ``less`` and ``at_least`` compare an attribute that must be present.
    """

    exists: bool | None = None
    equals: Mapping[str, Scalar] = field(default_factory=dict)
    differs: Mapping[str, Scalar] = field(default_factory=dict)
    less: Mapping[str, int | float | str] = field(default_factory=dict)
    at_least: Mapping[str, int | float | str] = field(default_factory=dict)


ABSENT = Condition(exists=False)
PRESENT = Condition(exists=True)


@dataclass(frozen=True, slots=True)
class Put:
    """Write the whole item."""

    table: str
    item: Item
    condition: Condition | None = None


@dataclass(frozen=True, slots=True)
class Update:
    """Change attributes, making the item if there is none. ``add`` starts from 0. Top-level attributes only."""

    table: str
    key: Key
    set: Mapping[str, Any] = field(default_factory=dict)
    add: Mapping[str, int | float] = field(default_factory=dict)
    remove: Sequence[str] = ()
    condition: Condition | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove the item; removing none is fine unless the condition says otherwise."""

    table: str
    key: Key
    condition: Condition | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """A condition on an item that the transaction does not write."""

    table: str
    key: Key
    condition: Condition


Write: TypeAlias = Put | Update | Delete
TransactItem: TypeAlias = Put | Update | Delete | Check


@dataclass(frozen=True, slots=True)
class Query:
    """Items of one partition in sort-key order.

    ``begins``, or ``first`` and ``last`` (inclusive), narrow the sort key.
    ``index`` names a secondary index, whose key attributes are ``{index}pk`` and ``{index}sk``.
    ``limit`` counts items read; a page also ends at about 1 MB. ``cursor`` continues a page's.
    ``fields`` keeps only these attributes (pk and sk always). ``consistent`` is refused on an index.
    """

    pk: str
    index: str | None = None
    begins: str | None = None
    first: str | None = None
    last: str | None = None
    reverse: bool = False
    limit: int | None = None
    cursor: str | None = None
    fields: Sequence[str] | None = None
    consistent: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a query; ``cursor`` is None at the end."""

    items: list[Item]
    cursor: str | None = None


class Tables(Protocol):
    """DynamoDB's useful half. Item ≤ 400 KB, transaction ≤ 100 distinct items of one table group, no scan."""

    async def get(self, table: str, key: Key, *, consistent: bool = False) -> Item | None: ...

    async def get_many(self, table: str, keys: Sequence[Key], *, consistent: bool = False) -> list[Item | None]:
        """In the order of the keys, None where there is none. Any number of keys; unprocessed ones are repeated."""
        ...

    async def query(self, table: str, query: Query) -> Page: ...

    async def count(self, table: str, query: Query) -> int:
        """How many items the whole query has, over all its pages."""
        ...

    async def write(self, write: Write) -> Item | None:
        """One write. An :class:`Update` returns the new item, a :class:`Delete` the old one, a :class:`Put` None.

        Raises :class:`~kxmsg.errors.ConditionFailed` with the item that stands there.
        """
        ...

    async def write_many(self, writes: Sequence[Put | Delete]) -> list[Failure]:
        """Unconditional puts and deletes in any number, not atomic; returns those left unprocessed."""
        ...

    async def transact(self, items: Sequence[TransactItem]) -> None:
        """All or nothing. Raises :class:`~kxmsg.errors.TransactionCancelled` with a reason per item."""
        ...


# ------------------------------------------------------------------------------------------- blobs, connections


class BlobStore(Protocol):
    """S3's useful half."""

    async def put(self, key: str, data: bytes, *, content_type: str = "application/octet-stream") -> None: ...

    async def get(self, key: str) -> bytes | None:
        """The bytes, or None where there is no such key."""
        ...

    async def delete(self, key: str) -> None: ...


Outcome = Literal["ok", "gone", "busy", "failed"]
"""``gone``: 410. ``busy``: 429, its buffer is full. ``failed``: anything else, cut or timed out."""


@runtime_checkable
class ConnectionGateway(Protocol):
    """The API Gateway Management API, by role. ``gateway`` names an entry of the allow-list, never a URL."""

    async def post(self, posts: Sequence[Post]) -> list[list[Outcome]]:
        """Push frames; ``result[i][j]`` is the outcome for ``posts[i].connections[j]``.

        Frames for one connection arrive in the order given. Never raises for a connection.
        """
        ...

    async def disconnect(self, gateway: str, connection: str) -> Outcome: ...


class Clock(Protocol):
    """Wall-clock time. What waits uses the event loop, which the virtual clock drives as well."""

    def now(self) -> float:
        """Epoch seconds."""
        ...
