"""AWS requests for 1,000 notifications, by stage: counted where they leave for AWS, at an emulator.

The stages run one after the other, so that every queue is full when its worker begins: batches are as large as under
load. Polls that find nothing are not counted, for under load there are none; nor is what a process asks for once, the
URLs of its queues.
"""

import asyncio
import os
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from functools import cached_property, partial
from importlib import import_module
from pathlib import Path
from typing import Any, Final, cast
from uuid import uuid4

import uvloop

from bench.path import TEXT
from bench.stack import SUBSCRIPTIONS, empty
from kxmsg.audience import inbox
from kxmsg.aws.account import Account
from kxmsg.aws.api import AwsApi, Service
from kxmsg.aws.backend import AwsBackend
from kxmsg.aws.connections import ApiGateways
from kxmsg.aws.control import Control
from kxmsg.aws.desired import desired
from kxmsg.aws.names import Names
from kxmsg.aws.provision import Provisioner
from kxmsg.aws.sdk import SdkApi
from kxmsg.aws.wire.client import WireApi
from kxmsg.bootstrap import App
from kxmsg.model.connection import Connection, Place
from kxmsg.model.event import Event
from kxmsg.model.principal import Principal
from kxmsg.model.target import Target
from kxmsg.runtime import logs
from kxmsg.settings import Settings
from kxmsg.telemetry import SystemClock
from kxmsg.testing.until import until
from kxmsg.topology import EVENTS, TOPOLOGY, Rule
from kxmsg.transport import put_all
from kxmsg.worker import Worker
from tests.aws import emulator

NOTIFICATIONS: Final = 1_000
USERS: Final = 100
TENANT: Final = "acme"
PATIENCE: Final = 300.0

STAGES: Final = [spec for spec in TOPOLOGY.workers if spec.queues]
PRODUCER: Final = "whoever emits"

SCENARIOS: Final[Mapping[str, str]] = {
    "user": f"one recipient of {USERS}",
    "client": f"a client, {USERS} users connected",
    "channel": f"one of {USERS} channels, {USERS} users connected to each",
}

Counts = dict[str, Counter[str]]
"""Requests by stage and operation."""


async def requests() -> list[str]:
    """A table in Markdown, by stage and operation. Takes two minutes."""
    if not emulator.installed():
        return ["Not counted: there is no emulator; run `make setup`."]
    logs.configure("ERROR")
    counted = [await count(kind) for kind in SCENARIOS]
    lines = [f"| stage | request | {' | '.join(SCENARIOS.values())} |", f"|---|---|{'---|' * len(counted)}"]
    for stage in [PRODUCER, *(spec.name for spec in STAGES)]:
        total = sum((counts[stage] for counts in counted), Counter[str]())
        for operation in sorted(total, key=lambda operation: -total[operation]):
            cells = " | ".join(f"{counts[stage][operation]:,}" for counts in counted)
            lines.append(f"| {stage} | {operation} | {cells} |")
    sums = " | ".join(f"**{sum(sum(some.values()) for some in counts.values()):,}**" for counts in counted)
    return [*lines, f"| all | | {sums} |"]


async def count(kind: str) -> Counts:
    """What 1,000 notifications to targets of one kind ask of AWS."""
    with tempfile.TemporaryDirectory(prefix="kxmsg-bench-") as folder:
        settings = Settings(config=Path(folder, "config"), prefix=f"bench-{uuid4().hex[:8]}")
        settings.config.mkdir()
        (settings.config / "bench.yaml").write_text(SUBSCRIPTIONS)
        with emulator.running(Path(folder)) as aws, _environment(aws.environment):
            async with _app(settings) as (driver, _):
                await _provision(driver)
                await _connect_all(driver)
                async with _app(settings) as (app, counts):
                    await put_all(app.bus, [_event(kind, number) for number in range(NOTIFICATIONS)])
                counted = {PRODUCER: counts}
                for spec in STAGES:
                    async with _app(settings) as (app, counts):
                        worker: Worker = import_module(spec.module).worker
                        stop = asyncio.Event()
                        async with asyncio.TaskGroup() as group:
                            group.create_task(worker.run(app, stop))
                            await until(partial(empty, driver, spec.queues), PATIENCE)
                            stop.set()
                    counted[spec.name] = counts
    return counted


# --------------------------------------------------------------------------------------------------------- the app


class _Counted:
    """Counts what is asked of ``api``. Pushes go no further: nobody is connected."""

    def __init__(self, api: AwsApi) -> None:
        self._api = api
        self.counts: Counter[str] = Counter()

    async def call(
        self, service: Service, operation: str, payload: Mapping[str, Any], *, timeout: float | None = None
    ) -> dict[str, Any]:
        if operation not in ("ReceiveMessage", "GetQueueUrl"):
            self.counts[f"{service} {operation}"] += 1
        answer = await self._api.call(service, operation, payload, timeout=timeout)
        if answer.get("Messages"):
            self.counts[f"{service} {operation}"] += 1
        return answer

    async def post_to_connection(
        self, endpoint: str, connection_id: str, data: bytes, *, timeout: float | None = None
    ) -> int:
        self.counts["execute-api PostToConnection"] += 1
        return 200

    async def delete_connection(self, endpoint: str, connection_id: str, *, timeout: float | None = None) -> int:
        self.counts["execute-api DeleteConnection"] += 1
        return 204

    async def close(self) -> None:
        await self._api.close()


class _AwsApp(App):
    """The app, on AWS."""

    def __init__(self, settings: Settings, backend: AwsBackend, api: _Counted) -> None:
        super().__init__(settings, backend, SystemClock())
        self._api = api

    @cached_property
    def gateway(self) -> ApiGateways:
        return ApiGateways(self._api, {"aws": "https://bench.execute-api.eu-central-1.amazonaws.com/bench"})


@asynccontextmanager
async def _app(settings: Settings) -> AsyncIterator[tuple[App, Counter[str]]]:
    """An app with connections of its own, as a process has it, and what it asks of AWS."""
    account = Account()
    api = _Counted(WireApi(account))
    names = Names(settings.prefix, emulator.ACCOUNT, account.region)
    app = _AwsApp(settings, AwsBackend(TOPOLOGY, names, account, SdkApi(account), cast("WireApi", api)), api)
    try:
        yield app, api.counts
    finally:
        await app.close()


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Have these variables of AWS's, and no others, while inside."""
    before = dict(os.environ)
    for name in [name for name in before if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


async def _provision(app: App) -> None:
    """Make every resource."""
    account = Account()
    control = Control(account)
    names = Names(app.settings.prefix, emulator.ACCOUNT, account.region)
    rule = Rule("bench", frozenset({"bench"}), frozenset(SCENARIOS), EVENTS)
    await Provisioner(control, names.prefix, desired(TOPOLOGY, names, [rule]), lambda _: None).apply()
    await control.close()


async def _connect_all(app: App) -> None:
    """Each user is connected once, and follows all channels."""
    now = app.clock.now()
    channels = tuple(Place(TENANT, Target("channel", f"channel-{number}")) for number in range(USERS))
    admin = Principal("admin", TENANT, frozenset(("admin",)), None, None, now + 3600, "bench")
    for place in channels:
        await app.channel_service.create(admin, "group", [], ident=place.target.id)
    for number in range(USERS):
        user = f"user-{number}"
        connection = Connection(f"connection-{number}=", "aws", TENANT, user, ("member",), now, now + 3600)
        await app.connections.open(connection, (*inbox(TENANT, user), *channels))


def _event(kind: str, number: int) -> Event:
    detail = {
        "tenantId": TENANT,
        "userId": f"user-{number % USERS}",
        "channelId": f"channel-{number % USERS}",
        "orderId": number,
        "text": TEXT,
        "at": 0,
    }
    return Event("bench", kind, detail)


if __name__ == "__main__":
    print("\n".join(uvloop.run(requests())))
