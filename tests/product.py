"""What tests of the product's parts are made of: envelopes, callers, and an app in memory and virtual time."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from kxmsg.bootstrap import App, memory_app
from kxmsg.embedded.backend import EmbeddedBackend
from kxmsg.embedded.mishaps import AwsLike
from kxmsg.embedded.tables import EmbeddedTables
from kxmsg.model.connection import Connection
from kxmsg.model.envelope import Bundle, Entry, Envelope
from kxmsg.model.event import Event
from kxmsg.model.principal import Principal
from kxmsg.model.target import Target
from kxmsg.ports import Failure
from kxmsg.settings import Settings
from kxmsg.testing.virtual import START, VirtualClock, run
from kxmsg.topology import Rule

T = TypeVar("T")

CONFIG = Path(__file__).parents[1] / "config"
USER = Target("user", "ana")
DESK = Target("channel", "desk")


def envelope(ident: str, target: Target = USER, **changes: Any) -> Envelope:
    """A notification, or in a channel a message, of tenant ``acme``."""
    channel = target.type == "channel"
    fields: dict[str, Any] = {
        "id": ident,
        "tenant": "acme",
        "target": target,
        "kind": "message" if channel else "notification",
        "ordering": "fifo" if channel else "standard",
        "payload": {"content": f"text of {ident}"},
        "created_at": int(START * 1000),
    }
    return Envelope(**{**fields, **changes})


def bundle(target: Target, entries: Sequence[Envelope], first: int = 1, **changes: Any) -> Bundle:
    """A committed bundle of tenant ``acme``, numbered from ``first``."""
    numbered = tuple(Entry(number, one) for number, one in enumerate(entries, start=first))
    fields: dict[str, Any] = {"tenant": "acme", "ordering": "fifo", "epoch": "EPOCH"}
    return Bundle(target=target, entries=numbered, **{**fields, **changes})


def caller(user: str = "ana", *roles: str, tenant: str = "acme", name: str | None = None) -> Principal:
    """A caller, a member unless roles are named."""
    return Principal(user, tenant, frozenset(roles or ("member",)), name, f"{user}@example.com", START + 3600, "token")


def connection(ident: str, user: str = "ana", *, tenant: str = "acme", **changes: Any) -> Connection:
    """An open connection."""
    fields: dict[str, Any] = {"roles": ("member",), "connected_at": START, "token_expires_at": START + 3600}
    return Connection(id=ident, gateway="local", tenant=tenant, user=user, **{**fields, **changes})


def simulate(scenario: Callable[[App], Awaitable[T]], *, seed: int | None = None, **mishaps: float) -> T:
    """Run ``scenario`` with an app in memory and virtual time.

    With a ``seed``, in an order of its choosing, on tables that do what DynamoDB may do as often as ``mishaps`` say.
    """

    async def main() -> T:
        clock = VirtualClock(asyncio.get_running_loop())
        app = memory_app(clock=clock, aws_like=seed, settings=Settings(config=CONFIG))
        if seed is not None:
            assert isinstance(app.backend, EmbeddedBackend)
            tables = EmbeddedTables(app.backend._engine, app.topology, clock, aws_like=AwsLike(seed, **mishaps))
            app.backend.tables = tables
        try:
            return await scenario(app)
        finally:
            await app.close()

    return run(main(), seed=seed)


class RecordingBus:
    """An ``EventBus`` that wants everything. ``refuse`` says which events fail now, and how."""

    batch_limit = 10

    def __init__(self, refuse: Callable[[Event], Failure | None] = lambda _: None) -> None:
        self.events: list[Event] = []
        self.refuse = refuse

    def matches(self, source: str, detail_type: str) -> bool:
        return True

    def replace(self, rules: Sequence[Rule]) -> None:
        """It wants everything whatever the rules."""

    async def put(self, events: Sequence[Event]) -> list[Failure]:
        failures: list[Failure] = []
        for index, event in enumerate(events):
            refusal = self.refuse(event)
            if refusal is None:
                self.events.append(event)
            else:
                failures.append(Failure(index, refusal.code, retryable=refusal.retryable))
        return failures

    @property
    def kinds(self) -> list[str]:
        return [event.detail_type for event in self.events]
