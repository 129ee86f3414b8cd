"""Load: mixed messages, put in as business systems and people do, and what is known to have been accepted."""

import asyncio
import random
import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, Final

from kxmsg.bootstrap import App
from kxmsg.errors import BackendError
from kxmsg.model.envelope import Ordering
from kxmsg.model.event import Event
from kxmsg.model.target import BROADCAST, EVERYBODY, Target
from kxmsg.transport import put_all
from tests.product import caller

TENANT: Final = "acme"
CHANNELS: Final = tuple(f"room-{number}" for number in range(4))
PEOPLE: Final = ("ana", "ben", "cem")
CUSTOMERS: Final = tuple(f"customer-{number}" for number in range(8))
SYSTEMS: Final = 8
"""Business systems that put events at once."""

AUDITOR: Final = Target("user", "auditor")
LOGS: Final = {
    **{name: (TENANT, Target("user", name)) for name in CUSTOMERS},
    **{name: (TENANT, Target("channel", name)) for name in CHANNELS},
    "client": (TENANT, Target("client", TENANT)),
    "broadcast": (EVERYBODY, BROADCAST),
    "auditor": (TENANT, AUDITOR),
}
"""Every log that there may be."""

_MARK: Final = re.compile(r"\bm-\d+-\d+\b")


def mark_in(text: str) -> str:
    """The mark by which a message is known from its entrance to its entry."""
    found = _MARK.search(text)
    assert found is not None, text
    return found[0]


@dataclass(slots=True)
class Load:
    """``messages`` to be accepted, half of them events, a tenth of the lines unordered.

    ``accepted`` has the marks by log; ``unclear`` those of events whose put may have been executed: EventBridge knows
    no repeats, so kxmsg makes none, and their senders made another event instead. ``spoken`` has the ordered lines of
    each sender in each channel, in their order.
    """

    messages: int
    seed: int
    accepted: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    unclear: set[str] = field(default_factory=set)
    spoken: dict[tuple[str, str], list[str]] = field(default_factory=lambda: defaultdict(list))
    count: int = 0
    half: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, app: App) -> None:
        """Put everything in; returns when it was accepted."""
        events = self.messages // 2
        speakers = [(channel, user) for channel in CHANNELS for user in PEOPLE]
        async with asyncio.TaskGroup() as group:
            for system in range(SYSTEMS):
                group.create_task(self._emit(app, range(system, events, SYSTEMS)))
            for number, (channel, user) in enumerate(speakers):
                group.create_task(self._speak(app, channel, user, range(events + number, self.messages, len(speakers))))

    async def _emit(self, app: App, numbers: range) -> None:
        for number in numbers:
            rng = random.Random(f"{self.seed}/{number}")
            kind = rng.choice((_order, _incident, _lead, _maintenance))
            attempt = 0
            while True:
                attempt += 1
                mark = f"m-{number}-{attempt}"
                log, event = kind(rng, mark)
                try:
                    failures = await put_all(app.bus, [event])
                except BackendError:
                    self.unclear.add(mark)
                    continue
                assert not failures, failures
                self._accept(log, mark)
                break

    async def _speak(self, app: App, channel: str, user: str, numbers: range) -> None:
        """One line after the other, each again until it was accepted: the same, by the sender's own id for it."""
        for number in numbers:
            rng = random.Random(f"{self.seed}/{number}")
            ordering: Ordering = "standard" if rng.random() < 0.1 else "fifo"
            mark = f"m-{number}-0"
            while True:
                try:
                    await app.entrance.to_channel(
                        caller(user), channel, f"line {mark}", ordering=ordering, client_id=mark
                    )
                except BackendError:
                    continue
                break
            if ordering == "fifo":
                self.spoken[channel, user].append(mark)
            self._accept(channel, mark)

    def _accept(self, log: str, mark: str) -> None:
        self.accepted[log].add(mark)
        self.count += 1
        if self.count * 2 >= self.messages:
            self.half.set()


def _order(rng: random.Random, mark: str) -> tuple[str, Event]:
    customer = rng.choice(CUSTOMERS)
    detail = {"customerId": customer, "orderId": mark, "productName": "Trail lamp"}
    return customer, _event("com.acme.orders", "order.delivered", detail)


def _incident(rng: random.Random, mark: str) -> tuple[str, Event]:
    detail = {
        "incidentId": mark,
        "service": "Checkout",
        "status": "degraded",
        "region": "eu-west-1",
        "severity": rng.choice(("critical", "minor")),
        "durationMin": 12,
    }
    return "client", _event("com.acme.incidents", "IncidentOpened", detail)


def _lead(rng: random.Random, mark: str) -> tuple[str, Event]:
    channel = rng.choice(CHANNELS)
    detail = {
        "channelId": channel,
        "leadId": mark,
        "leadName": "John Doe",
        "interest": "the annual plan",
        "visitor": {"page": "/pricing"},
    }
    return channel, _event("com.acme.crm", "lead.created", detail)


def _maintenance(rng: random.Random, mark: str) -> tuple[str, Event]:
    return "broadcast", _event("com.acme.platform", "maintenance.scheduled", {"from": mark, "until": "noon"})


def _event(source: str, kind: str, detail: dict[str, Any]) -> Event:
    return Event(source, kind, {"tenantId": TENANT, **detail})
