"""EmbeddedBus: events to the queues of the rules that they match."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final
from uuid import uuid4

import orjson

from kxmsg.embedded.topics import distribute
from kxmsg.model.event import Event
from kxmsg.ports import Clock, Failure, Outgoing, Queue
from kxmsg.topology import Rule

LARGEST_EVENT: Final = 256 * 1024
"""Bytes of one entry (EventBridge: "Calculating PutEvents event entry size")."""


def random_id() -> str:
    return str(uuid4())


class EmbeddedBus:
    """EventBridge semantics; see :class:`~kxmsg.ports.EventBus`. ``queues`` by name, one for each rule's ``queue``.

    As on AWS every event gets a new id, whatever it had, and keeps the time that it brings.
    """

    def __init__(
        self,
        rules: Sequence[Rule],
        queues: Mapping[str, Queue],
        clock: Clock,
        *,
        new_id: Callable[[], str] = random_id,
    ) -> None:
        self._rules = rules
        self._queues = {rule.queue: queues[rule.queue] for rule in rules}
        self._clock = clock
        self._new_id = new_id
        self.batch_limit = min((queue.batch_limit for queue in self._queues.values()), default=100)

    def matches(self, source: str, detail_type: str) -> bool:
        """Whether any rule wants such events; what none wants is dropped."""
        return any(rule.accepts(source, detail_type) for rule in self._rules)

    async def put(self, events: Sequence[Event]) -> list[Failure]:
        failures: list[Failure] = []
        shares: dict[str, dict[int, Outgoing]] = {}
        for index, event in enumerate(events):
            message = self._message(index, event)
            if isinstance(message, Failure):
                failures.append(message)
                continue
            for rule in self._rules:
                if rule.accepts(event.source, event.detail_type):
                    shares.setdefault(rule.queue, {})[index] = message
        failures += await distribute((self._queues[name], share) for name, share in shares.items())
        return failures

    def _message(self, index: int, event: Event) -> Outgoing | Failure:
        if not event.source or not event.detail_type or not isinstance(event.detail, dict):
            return Failure(index, "malformed", "an event needs source, detail-type and an object as detail", False)
        now = datetime.fromtimestamp(self._clock.now(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        stamped = replace(event, id=self._new_id(), time=event.time or now)
        try:
            body = orjson.dumps(stamped.as_dict())
        except orjson.JSONEncodeError as error:
            return Failure(index, "malformed", f"the event is not JSON: {error}", False)
        if len(body) > LARGEST_EVENT:
            return Failure(index, "too_large", f"an event may have {LARGEST_EVENT} bytes, not {len(body)}", False)
        return Outgoing(body, group=_tenant(event.detail), dedup=stamped.id)


def _tenant(detail: Mapping[str, object]) -> str | None:
    """The message's group, so that no tenant starves the others."""
    for name in ("tenantId", "clientId"):
        value = detail.get(name)
        if isinstance(value, str) and value:
            return value if len(value) <= 128 and value.isascii() else hashlib.sha256(value.encode()).hexdigest()
    return None
