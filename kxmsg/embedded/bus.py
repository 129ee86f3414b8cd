"""EmbeddedBus: events to the queues of the rules that they match."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final
from uuid import uuid4

import orjson

from kxmsg.embedded.topics import distribute
from kxmsg.model.event import Event
from kxmsg.ports import Clock, Failure, Outgoing, Queue
from kxmsg.topology import Rule

LARGEST_EVENT: Final = 256 * 1024
"""Bytes of one entry (EventBridge: "Calculating PutEvents event entry size")."""


KINDS: Final = 1024
"""Kinds of events of which it is remembered whether any rule may want them."""

NO_TENANT: Final = "events"
"""Group of events that name no tenant, on FIFO queues."""


def random_id() -> str:
    return str(uuid4())


class EmbeddedBus:
    """EventBridge semantics; see :class:`~kxmsg.ports.EventBus`. ``queues`` by name: where rules may lead.

    ``find`` tells of others, each time a rule leads there, since a worker of a user's may bring its queue at any time;
    what is for a queue that nobody has is dropped. As on AWS every event gets a new id, whatever it had, and keeps the
    time that it brings.
    """

    def __init__(
        self,
        rules: Sequence[Rule],
        queues: Mapping[str, Queue],
        clock: Clock,
        *,
        find: Callable[[str], Queue | None] = lambda _: None,
        new_id: Callable[[], str] = random_id,
    ) -> None:
        self._queues = queues
        self._find = find
        self._clock = clock
        self._new_id = new_id
        self.batch_limit = min((queue.batch_limit for queue in queues.values()), default=100)
        self.replace(rules)

    def replace(self, rules: Sequence[Rule]) -> None:
        """Go by these rules from now on."""
        self._rules = rules
        self._matches = lru_cache(KINDS)(self._any_accepts)

    def matches(self, source: str, detail_type: str) -> bool:
        """Whether any rule may want such events; what none wants is dropped."""
        return self._matches(source, detail_type)

    async def put(self, events: Sequence[Event]) -> list[Failure]:
        failures: list[Failure] = []
        shares: dict[str, dict[int, Outgoing]] = {}
        for index, event in enumerate(events):
            stamped = self._stamped(event)
            message = _message(index, stamped)
            if isinstance(message, Failure):
                failures.append(message)
                continue
            for rule in self._rules:
                if rule.takes(stamped):
                    shares.setdefault(rule.queue, {})[index] = message
        queues = {name: self._queues.get(name) or self._find(name) for name in shares}
        failures += await distribute((queue, _grouped(shares[name], queue)) for name, queue in queues.items() if queue)
        return failures

    def _any_accepts(self, source: str, detail_type: str) -> bool:
        return any(rule.accepts(source, detail_type) for rule in self._rules)

    def _stamped(self, event: Event) -> dict[str, Any]:
        now = datetime.fromtimestamp(self._clock.now(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return replace(event, id=self._new_id(), time=event.time or now).as_dict()


def _message(index: int, event: dict[str, Any]) -> Outgoing | Failure:
    if not event["source"] or not event["detail-type"] or not isinstance(event["detail"], dict):
        return Failure(index, "malformed", "an event needs source, detail-type and an object as detail", False)
    try:
        body = orjson.dumps(event)
    except orjson.JSONEncodeError as error:
        return Failure(index, "malformed", f"the event is not JSON: {error}", False)
    if len(body) > LARGEST_EVENT:
        return Failure(index, "too_large", f"an event may have {LARGEST_EVENT} bytes, not {len(body)}", False)
    return Outgoing(body, group=_tenant(event["detail"]), dedup=event["id"])


def _grouped(share: Mapping[int, Outgoing], queue: Queue) -> Mapping[int, Outgoing]:
    """Each message with a group, where the queue wants one."""
    if not queue.fifo:
        return share
    return {index: replace(message, group=message.group or NO_TENANT) for index, message in share.items()}


def _tenant(detail: Mapping[str, object]) -> str | None:
    """The message's group, so that no tenant starves the others."""
    for name in ("tenantId", "clientId"):
        value = detail.get(name)
        if isinstance(value, str) and value:
            return value if len(value) <= 128 and value.isascii() else hashlib.sha256(value.encode()).hexdigest()
    return None
