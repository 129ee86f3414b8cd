"""EmbeddedTables: DynamoDB's useful half on SQLite, one file per table group."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby, islice
from operator import itemgetter
from sqlite3 import Connection
from typing import Final

from kxmsg.embedded.conditions import check_update, holds, reads_attributes, updated
from kxmsg.embedded.engine import Engine
from kxmsg.embedded.items import TRANSACTION_BYTES, TRANSACTION_ITEMS, check_key, decode
from kxmsg.embedded.mishaps import AwsLike, LaggingRelation
from kxmsg.embedded.relations import BODY, Relation, Row
from kxmsg.embedded.views import View
from kxmsg.errors import BackendError, CancelReason, ConditionFailed, Permanent, TransactionCancelled, Transient
from kxmsg.ports import Clock, Delete, Failure, Item, Key, Page, Put, Query, TransactItem, Update, Write
from kxmsg.topology import Topology

VOLATILE_GROUPS: Final = frozenset({"connections"})
"""Groups whose writes needn't reach the disk: reconnecting clients rebuild them."""

BATCH: Final = 500
"""Writes of a batch that share one transaction; more would keep the other writers waiting."""


@dataclass(slots=True)
class _Step:
    """One item of a transaction: what it finds (``standing``) and what it puts (``row``)."""

    relation: Relation
    item: TransactItem
    key: Key
    row: Row | None = None
    standing: bytes | None = None

    def decide(self, connection: Connection) -> bool:
        """Whether the condition holds. Reads only; an update's row is made here. The item is decoded if need be."""
        item, condition = self.item, self.item.condition
        if isinstance(item, Put) and condition is None:
            return True
        self.standing = self.relation.view.body(connection, self.key)
        update = item if isinstance(item, Update) else None
        found: Item | None = None
        if self.standing is not None:
            needed = update or (condition is not None and reads_attributes(condition))
            found = decode(self.standing) if needed else {}
        if condition is not None and not holds(condition, found):
            return False
        if update:
            self.row = self.relation.row(updated(update, found))
        return True

    def apply(self, connection: Connection) -> None:
        if self.row is not None:
            self.relation.put(connection, (self.row,))
        elif isinstance(self.item, Delete):
            self.relation.delete(connection, (self.key,))


class EmbeddedTables:
    """The ``Tables`` port on an :class:`Engine`. With ``aws_like`` it does what DynamoDB may do and SQLite would not.

    Expired items are read as any other until they are swept, as on DynamoDB.
    """

    def __init__(self, engine: Engine, topology: Topology, clock: Clock, *, aws_like: AwsLike | None = None) -> None:
        self._engine = engine
        self._clock = clock
        self._aws_like = aws_like
        self._relations = {
            spec.name: LaggingRelation(spec, aws_like, clock) if aws_like else Relation(spec)
            for spec in topology.tables
        }
        schemas: dict[str, str] = defaultdict(str)
        for relation in self._relations.values():
            schemas[relation.group] += relation.schema
        for group, schema in schemas.items():
            engine.register(_file(group), schema)

    # -------------------------------------------------------------------------------------------------- reads

    async def get(self, table: str, key: Key, *, consistent: bool = False) -> Item | None:
        relation = self._relation(table)
        check_key(table, key)
        view = self._view(relation, consistent=consistent)
        return await self._engine.read(_file(relation.group), lambda connection: view.item(connection, key))

    async def get_many(self, table: str, keys: Sequence[Key], *, consistent: bool = False) -> list[Item | None]:
        relation = self._relation(table)
        for key in keys:
            check_key(table, key)
        views = [self._view(relation, consistent=consistent) for _ in keys]  # each key for itself may be stale
        wanted = [
            (view, [key for _, key in some]) for view, some in groupby(zip(views, keys, strict=True), itemgetter(0))
        ]
        return await self._engine.read(
            _file(relation.group),
            lambda connection: [item for view, some in wanted for item in view.items(connection, some)],
        )

    async def query(self, table: str, query: Query) -> Page:
        relation = self._relation(table)
        relation.view.check(query)
        view = self._view(relation, consistent=query.consistent)
        return await self._engine.read(_file(relation.group), lambda connection: view.page(connection, query))

    async def count(self, table: str, query: Query) -> int:
        relation = self._relation(table)
        relation.view.check(query)
        view = self._view(relation, consistent=query.consistent)
        return await self._engine.read(_file(relation.group), lambda connection: view.count(connection, query))

    # ------------------------------------------------------------------------------------------------- writes

    async def write(self, write: Write) -> Item | None:
        step = self._step(write)
        if self._aws_like:
            self._aws_like.before_write()
        (held,) = await self._run([step])
        if not held:
            raise ConditionFailed(_decoded(step.standing))
        if self._aws_like:
            self._aws_like.after_write()
        if isinstance(write, Put):
            return None
        return _decoded(step.standing if step.row is None else step.row[BODY])

    async def transact(self, items: Sequence[TransactItem]) -> None:
        steps = [self._step(item) for item in items]
        _check_transaction(steps)
        if self._aws_like:
            self._aws_like.before_transaction(len(steps))
        held = await self._run(steps)
        if not all(held):
            raise TransactionCancelled(
                [
                    CancelReason("none") if fine else CancelReason("condition", _decoded(step.standing))
                    for step, fine in zip(steps, held, strict=True)
                ]
            )
        if self._aws_like:
            self._aws_like.after_write()

    async def write_many(self, writes: Sequence[Put | Delete]) -> list[Failure]:
        if any(write.condition is not None for write in writes):
            raise Permanent("a batch takes no conditions")
        failures: list[Failure] = []
        last: dict[tuple[str, Key], tuple[int, _Step]] = {}
        for index, write in enumerate(writes):
            try:
                step = self._step(write)
            except Permanent as error:
                failures.append(Failure(index, "invalid", str(error), retryable=False))
            else:
                last[write.table, step.key] = index, step
        groups: dict[str, list[tuple[int, _Step]]] = defaultdict(list)
        for index, step in last.values():
            if self._aws_like and self._aws_like.unprocessed():
                failures.append(Failure(index, "unprocessed"))
            else:
                groups[step.relation.group].append((index, step))
        for group, entries in groups.items():
            remaining = iter(entries)
            while chunk := list(islice(remaining, BATCH)):
                failures += await self._store(group, chunk)
        return sorted(failures, key=lambda failure: failure.index)

    async def sweep(self, limit: int = 1000) -> int:
        """Delete up to ``limit`` expired items, of all tables together; returns how many."""
        now = self._clock.now()
        swept = 0
        for relation in self._relations.values():
            if swept == limit:
                break
            work = partial(relation.expire, now=now, limit=limit - swept)
            swept += await self._engine.write(_file(relation.group), work, durable=False)
        return swept

    # -------------------------------------------------------------------------------------------------- parts

    def _relation(self, table: str) -> Relation:
        try:
            return self._relations[table]
        except KeyError:
            raise Permanent(f"there is no table {table!r}") from None

    def _view(self, relation: Relation, *, consistent: bool) -> View:
        if consistent or not isinstance(relation, LaggingRelation):
            return relation.view
        return relation.eventual()

    def _step(self, item: TransactItem) -> _Step:
        """Prepare one item outside the writer. Raises Permanent where no state of the table could accept it."""
        relation = self._relation(item.table)
        if isinstance(item, Put):
            row = relation.row(item.item)
            return _Step(relation, item, Key(row[0], row[1]), row)
        check_key(item.table, item.key)
        if isinstance(item, Update):
            check_update(item)
        return _Step(relation, item, item.key)

    async def _run(self, steps: list[_Step]) -> list[bool]:
        group = steps[0].relation.group
        return await self._engine.write(_file(group), partial(_decide_and_apply, steps), durable=_durable(group))

    async def _store(self, group: str, entries: list[tuple[int, _Step]]) -> list[Failure]:
        work = partial(_apply_all, [step for _, step in entries])
        try:
            await self._engine.write(_file(group), work, durable=_durable(group))
        except BackendError as error:
            retryable = isinstance(error, Transient)
            return [Failure(index, "unavailable", str(error), retryable) for index, _ in entries]
        return []


def _file(group: str) -> str:
    return f"table-{group}"


def _durable(group: str) -> bool:
    return group not in VOLATILE_GROUPS


def _decoded(body: bytes | None) -> Item | None:
    return None if body is None else decode(body)


def _check_transaction(steps: list[_Step]) -> None:
    if not 1 <= len(steps) <= TRANSACTION_ITEMS:
        raise Permanent(f"a transaction has 1 to {TRANSACTION_ITEMS} items, not {len(steps)}")
    groups = {step.relation.name: step.relation.group for step in steps}
    if len(set(groups.values())) > 1:
        tables = ", ".join(f"{table} is in {group}" for table, group in groups.items())
        raise Permanent(f"a transaction stays in one table group: {tables}")
    if len({(step.relation.name, step.key) for step in steps}) < len(steps):
        raise Permanent("a transaction has each item once")


def _decide_and_apply(steps: list[_Step], connection: Connection) -> list[bool]:
    """Whether each condition holds. Writes only once all of them are known to."""
    held = [step.decide(connection) for step in steps]
    if all(held):
        if sum(len(step.row[BODY]) for step in steps if step.row is not None) > TRANSACTION_BYTES:
            raise Permanent(f"transaction too large: over {TRANSACTION_BYTES} bytes")
        for step in steps:
            step.apply(connection)
    return held


def _apply_all(steps: list[_Step], connection: Connection) -> None:
    """Unconditional writes of distinct items, so that their order is free."""
    rows: dict[Relation, list[Row]] = defaultdict(list)
    keys: dict[Relation, list[Key]] = defaultdict(list)
    for step in steps:
        if step.row is not None:
            rows[step.relation].append(step.row)
        else:
            keys[step.relation].append(step.key)
    for relation, put in rows.items():
        relation.put(connection, put)
    for relation, deleted in keys.items():
        relation.delete(connection, deleted)
