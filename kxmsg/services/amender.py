"""Amender: change or delete a stored entry, and tell its readers and the bus."""

from collections.abc import Callable, Mapping, Sequence

from kxmsg.errors import Permanent
from kxmsg.model.envelope import Change, Entry, Envelope, Ordering
from kxmsg.model.event import Event
from kxmsg.model.target import Target
from kxmsg.ports import Topic
from kxmsg.storage.logs import Amended, Logs
from kxmsg.storage.outbox import Outbox
from kxmsg.transport import bundle_messages, publish_all


class Amender:
    """Changes entries. ``topics`` are the outbound ones by ordering, ``outbox`` that of the table group ``logs``."""

    def __init__(self, logs: Logs, topics: Mapping[Ordering, Topic], outbox: Outbox) -> None:
        self._logs = logs
        self._topics = topics
        self._outbox = outbox

    async def amend(
        self,
        tenant: str,
        target: Target,
        where: int | str,
        change: Callable[[Entry], Envelope | None],
        about: Change,
        events: Sequence[Event] = (),
    ) -> Amended | None:
        """As :meth:`~kxmsg.storage.logs.Logs.amend`, with ``events`` (at most 90) in its transaction.

        Connected readers get a frame: ``message.updated``, ``message.deleted``, ``reaction``, or for a notification
        ``notification.updated``, ``notification.deleted``. A Transient after the commit is mended by a repeat.
        """
        puts, owed = self._outbox.owe(events)
        amended = await self._logs.amend(tenant, target, where, change, about, puts)
        if amended is None:
            return None
        topic = self._topics[amended.bundle.ordering]
        for failure in await publish_all(topic, bundle_messages(amended.bundle)):
            raise Permanent(f"topic {topic.name}: {failure.code}: {failure.message}")
        if amended.changed:
            await self._outbox.publish(owed)
        return amended
