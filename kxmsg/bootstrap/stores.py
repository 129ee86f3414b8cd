"""Stores: the repositories, over the tables."""

from functools import cached_property

from kxmsg.bootstrap.base import Base
from kxmsg.storage.bots import Bots
from kxmsg.storage.channels import Channels
from kxmsg.storage.connections import Connections
from kxmsg.storage.directory import Directory
from kxmsg.storage.due import Due
from kxmsg.storage.idempotency import Idempotency
from kxmsg.storage.logs import Logs
from kxmsg.storage.marks import Marks
from kxmsg.storage.once import Once
from kxmsg.storage.outbox import Outbox
from kxmsg.storage.purge import Purge
from kxmsg.storage.read_cursors import ReadCursors
from kxmsg.storage.sets import Sets
from kxmsg.storage.windows import Digests, Throttles
from kxmsg.topology import LOGS


class Stores(Base):
    """What is kept, by kind."""

    @cached_property
    def logs(self) -> Logs:
        days = {"notification": self.settings.notification_ttl_days, "message": self.settings.message_ttl_days}
        return Logs(self.tables, self.clock, days)

    @cached_property
    def connections(self) -> Connections:
        return Connections(self.tables, self.clock)

    @cached_property
    def channels(self) -> Channels:
        return Channels(self.tables)

    @cached_property
    def directory(self) -> Directory:
        return Directory(self.tables, self.clock)

    @cached_property
    def bots(self) -> Bots:
        return Bots(self.tables)

    @cached_property
    def sets(self) -> Sets:
        return Sets(self.tables, self.channels)

    @cached_property
    def marks(self) -> Marks:
        return Marks(self.tables, self.logs, self.log_outbox, self.clock, self.settings.notification_ttl_days)

    @cached_property
    def read_cursors(self) -> ReadCursors:
        return ReadCursors(self.tables, self.clock)

    @cached_property
    def due(self) -> Due:
        return Due(self.tables, self.clock)

    @cached_property
    def throttles(self) -> Throttles:
        return Throttles(self.tables, self.clock)

    @cached_property
    def digests(self) -> Digests:
        return Digests(self.tables, self.clock)

    @cached_property
    def outbox(self) -> Outbox:
        return Outbox(self.tables, self.bus, self.clock)

    @cached_property
    def log_outbox(self) -> Outbox:
        """The outbox of what changes in logs."""
        return Outbox(self.tables, self.bus, self.clock, LOGS)

    @cached_property
    def idempotency(self) -> Idempotency:
        return Idempotency(self.tables, self.clock)

    @cached_property
    def purge(self) -> Purge:
        return Purge(self.tables)

    @cached_property
    def once(self) -> Once:
        return Once(self.tables, self.clock)
