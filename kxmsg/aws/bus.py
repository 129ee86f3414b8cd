"""EventBridgeBus: the EventBus port on Amazon EventBridge."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

import orjson

from kxmsg.aws.batches import BATCH_LIMIT, UNDONE, check_batch, in_parts, parts
from kxmsg.aws.errors import AwsError, kind_of_code, to_backend_error
from kxmsg.aws.names import Names
from kxmsg.aws.retrying import Retrying
from kxmsg.model.event import OWN_SOURCE, Event
from kxmsg.ports import Failure
from kxmsg.topology import Rule

LARGEST: Final = 256 * 1024 - 1
"""Bytes of all entries in one call: "less than 256KB" ("Calculating PutEvents event entry size")."""

TIME_SIZE: Final = 14
"""Bytes that a time counts for, by the same rule."""


class EventBridgeBus:
    """See :class:`~kxmsg.ports.EventBus`. What arrives on a queue is EventBridge's JSON of the event, as its body.

    EventBridge gives the id, and the time of the call where an event brings none, in whole seconds. ``rules`` are
    those that ``kxmsg provision`` has made. A put is repeated after an error that leaves unclear whether it was done
    only where each event says by an ``eventId`` what it is, as our own do: any other would get a second identity.
    """

    def __init__(self, calls: Retrying, names: Names, rules: Sequence[Rule]) -> None:
        self.batch_limit = BATCH_LIMIT
        self._calls = calls
        self._name = names.bus
        self._rules = rules

    def replace(self, rules: Sequence[Rule]) -> None:
        """Take these to be the rules from now on."""
        self._rules = rules

    def matches(self, source: str, detail_type: str) -> bool:
        """Whether any rule wants such events."""
        return any(rule.accepts(source, detail_type) for rule in self._rules)

    async def put(self, events: Sequence[Event]) -> list[Failure]:
        check_batch(events)
        failures: list[Failure] = []
        entries: dict[int, dict[str, Any]] = {}
        sizes: dict[int, int] = {}
        for position, event in enumerate(events):
            try:
                entry = self._entry(event)
                size = entry_size(entry)
            except (ValueError, orjson.JSONEncodeError) as error:
                failures.append(Failure(position, "malformed", str(error), retryable=False))
                continue
            if size > LARGEST:
                text = f"an event may have {LARGEST} bytes, not {size}"
                failures.append(Failure(position, "too_large", text, retryable=False))
            else:
                entries[position], sizes[position] = entry, size
        return failures + await in_parts(parts(sizes, LARGEST), partial(self._put, entries))

    def _entry(self, event: Event) -> dict[str, Any]:
        if not event.source or not event.detail_type or not isinstance(event.detail, dict):
            raise ValueError("an event needs source, detail-type and an object as detail")
        entry: dict[str, Any] = {
            "EventBusName": self._name,
            "Source": event.source,
            "DetailType": event.detail_type,
            "Detail": orjson.dumps(event.detail).decode(),
        }
        if event.resources:
            entry["Resources"] = list(event.resources)
        if event.time:
            entry["Time"] = _epoch_seconds(event.time)
        return entry

    async def _put(self, entries: Mapping[int, Mapping[str, Any]], part: Sequence[int]) -> list[Failure]:
        told = [entries[position] for position in part]
        safe = all(entry["Source"] == OWN_SOURCE for entry in told)
        try:
            answer = await self._calls.call("events", "PutEvents", {"Entries": told}, safe=safe)
        except AwsError as error:
            raise to_backend_error(error, f"event bus {self._name}") from error
        results = answer.get("Entries") or ()
        return [
            failure
            for index, position in enumerate(part)
            if (failure := _failure(position, results[index] if index < len(results) else {}))
        ]


def entry_size(entry: Mapping[str, Any]) -> int:
    """Bytes of an entry as EventBridge counts them."""
    texts = (entry["Source"], entry["DetailType"], entry["Detail"], *entry.get("Resources", ()))
    return sum(len(text.encode()) for text in texts) + (TIME_SIZE if "Time" in entry else 0)


def _epoch_seconds(time: str) -> int:
    moment = datetime.fromisoformat(time)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def _failure(position: int, result: Mapping[str, Any]) -> Failure | None:
    """What became of an entry: its result, which stands at its position, has an id or an error."""
    if result.get("EventId"):
        return None
    if "ErrorCode" not in result:
        return Failure(position, UNDONE, "the answer to PutEvents leaves it out")
    error = AwsError("events", "PutEvents", result["ErrorCode"], result.get("ErrorMessage") or "")
    return Failure(position, error.code, error.message, retryable=kind_of_code(error.code) != "permanent")
