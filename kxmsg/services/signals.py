"""Signals: what connected clients are told and nobody stores. They enter the path at its outbound topics."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kxmsg.errors import BackendError
from kxmsg.keys import new_id
from kxmsg.model.connection import Place
from kxmsg.model.envelope import Bundle, Entry, Envelope, Ordering
from kxmsg.ports import Clock, Topic
from kxmsg.telemetry import current_trace, get_logger
from kxmsg.transport import bundle_messages, publish_all

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Signal:
    """A frame of ``type`` with ``fields`` for the connections subscribed to ``place``; JSON values."""

    place: Place
    type: str
    fields: Mapping[str, Any]


class Signals:
    """Sends signals. Those of one target arrive in the order in which they were sent."""

    def __init__(self, topic: Topic, clock: Clock, ordering: Ordering = "fifo") -> None:
        self._topic = topic
        self._clock = clock
        self._ordering = ordering

    async def send(self, signals: Sequence[Signal], origin: str | None = None) -> None:
        """Put signals on their way; the connection ``origin`` gets none of them.

        What can't be sent is lost and no fault of the change it tells of, which is made: clients that were not
        connected get none either, and read the state anew.
        """
        messages = [message for signal in signals for message in bundle_messages(self._bundle(signal, origin))]
        try:
            lost = [failure.code for failure in await publish_all(self._topic, messages)]
        except BackendError as error:
            lost = [str(error)]
        if lost:
            log.warning("signals not sent", count=len(messages), error=lost[0])

    def _bundle(self, signal: Signal, origin: str | None) -> Bundle:
        """A bundle outside of the log's numbers. Its epoch is its id, which tells it from all others of the target."""
        now = self._clock.now()
        envelope = Envelope(
            id=new_id(now),
            tenant=signal.place.tenant,
            target=signal.place.target,
            kind="signal",
            ordering=self._ordering,
            payload={"type": signal.type, **signal.fields},
            created_at=int(now * 1000),
            origin=origin,
            trace=current_trace(),
        )
        return Bundle(envelope.tenant, envelope.target, self._ordering, envelope.id, (Entry(0, envelope),))
