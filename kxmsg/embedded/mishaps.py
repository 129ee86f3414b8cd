"""AwsLike: what DynamoDB may do to its callers and SQLite would not, from a seed."""

from collections.abc import Sequence
from random import Random
from sqlite3 import Connection

from kxmsg.embedded.relations import BODY, Relation, Row
from kxmsg.embedded.views import View
from kxmsg.errors import CancelReason, TransactionCancelled, Transient
from kxmsg.ports import Clock, Key
from kxmsg.topology import TableSpec


class AwsLike:
    """Draws the mishaps. Everything but ``lag`` is a probability.

    ``lag``: the seconds that an eventually consistent read is behind at most. ``stale``: such a read is behind.
    ``unprocessed``: a write of a batch is left undone. ``conflict``: a transaction is cancelled through no fault of
    its own. ``throttle``: a write is refused. ``lost_reply``: a write is done, but its answer lost.
    """

    def __init__(
        self,
        seed: int,
        *,
        lag: float = 1.0,
        stale: float = 0.5,
        unprocessed: float = 0.2,
        conflict: float = 0.1,
        throttle: float = 0.0,
        lost_reply: float = 0.0,
    ) -> None:
        self._random = Random(seed)
        self._lag = lag
        self._stale = stale
        self._unprocessed = unprocessed
        self._conflict = conflict
        self._throttle = throttle
        self._lost_reply = lost_reply

    def stale(self) -> bool:
        """Whether the next eventually consistent read is served from behind."""
        return self._happens(self._stale)

    def delay(self) -> float:
        """Seconds until a write is visible to all reads."""
        return self._random.uniform(0, self._lag)

    def unprocessed(self) -> bool:
        """Whether the next write of a batch is left undone."""
        return self._happens(self._unprocessed)

    def before_write(self) -> None:
        """Raises Transient where the write is throttled."""
        if self._happens(self._throttle):
            raise Transient("throttled")

    def after_write(self) -> None:
        """Raises Transient where the answer is lost."""
        if self._happens(self._lost_reply):
            raise Transient("the reply was lost")

    def before_transaction(self, size: int) -> None:
        """As :meth:`before_write`; raises TransactionCancelled where one of its items is in conflict."""
        self.before_write()
        if self._happens(self._conflict):
            reasons = [CancelReason("none")] * size
            reasons[self._random.randrange(size)] = CancelReason("conflict")
            raise TransactionCancelled(reasons)

    def _happens(self, probability: float) -> bool:
        return probability > 0 and self._random.random() < probability


class LaggingRelation(Relation):
    """A relation that remembers what each write replaced, for as long as some reads may not see the write."""

    def __init__(self, spec: TableSpec, aws_like: AwsLike, clock: Clock) -> None:
        super().__init__(spec)
        self._aws_like = aws_like
        self._clock = clock
        self._before = f'"{spec.name}-before"'
        columns = ", ".join(self.columns)
        # Names come from the topology, values are always bound.
        self._forget = f"DELETE FROM {self._before} WHERE until <= ?"  # noqa: S608
        self._remember = (
            f"INSERT INTO {self._before} (until, {columns}) SELECT ?, given.pk, given.sk, "  # noqa: S608
            + ", ".join(f"old.{column}" for column in self.columns[BODY:])
            + " FROM (SELECT ? AS pk, ? AS sk) AS given"
            + f' LEFT JOIN "{spec.name}" AS old ON old.pk = given.pk AND old.sk = given.sk'
        )
        # ?1 is the time of the read. An item stands as it was before the first write that is not yet visible.
        unseen = f"FROM {self._before} AS b WHERE b.until > ?1 AND b.pk = n.pk AND b.sk = n.sk"
        self._behind = (
            f'(SELECT {columns} FROM "{spec.name}" AS n WHERE NOT EXISTS (SELECT 1 {unseen})'  # noqa: S608
            f" UNION ALL SELECT {columns} FROM {self._before} AS n WHERE n.until > ?1 AND n.body IS NOT NULL"
            f" AND NOT EXISTS (SELECT 1 {unseen} AND b.number < n.number))"
        )

    @property
    def schema(self) -> str:
        columns = "".join(f", {column}" for column in self.columns[BODY:])
        return (
            f"{super().schema}CREATE TABLE IF NOT EXISTS {self._before}"
            f" (number INTEGER PRIMARY KEY, until REAL NOT NULL, pk TEXT NOT NULL, sk TEXT NOT NULL{columns});\n"
            f'CREATE INDEX IF NOT EXISTS "{self.name}-before-key" ON {self._before} (pk, sk, number);\n'
        )

    def eventual(self) -> View:
        """What one eventually consistent read finds: the table as it stands, or from behind."""
        if not self._aws_like.stale():
            return self.view
        return View(self.name, self._indexes, self._behind, (self._clock.now(),))

    def put(self, connection: Connection, rows: Sequence[Row]) -> None:
        self._keep(connection, [(row[0], row[1]) for row in rows])
        super().put(connection, rows)

    def delete(self, connection: Connection, keys: Sequence[Key]) -> None:
        self._keep(connection, [(key.pk, key.sk) for key in keys])
        super().delete(connection, keys)

    def _keep(self, connection: Connection, keys: Sequence[tuple[str, str]]) -> None:
        now = self._clock.now()
        connection.execute(self._forget, (now,))
        connection.executemany(self._remember, [(now + self._aws_like.delay(), *key) for key in keys])
