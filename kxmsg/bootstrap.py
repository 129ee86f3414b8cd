"""Composition root: the one place that chooses adapters and puts the parts together."""

import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from functools import cached_property
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from kxmsg.claims import CheckedQueue, CheckedTopic
from kxmsg.embedded.backend import EmbeddedBackend
from kxmsg.errors import StartError
from kxmsg.model.envelope import Ordering
from kxmsg.ports import BlobStore, Clock, ConnectionGateway, EventBus, Key, Queue, Tables, Topic
from kxmsg.services.amender import Amender
from kxmsg.services.announcer import Announcer
from kxmsg.services.channels import (
    ChannelDeletion,
    ChannelLookup,
    ChannelService,
    LeadDesk,
    Membership,
    Permissions,
)
from kxmsg.services.channels.changes import Changes
from kxmsg.services.channels.following import Following
from kxmsg.services.delivery import Delivery
from kxmsg.services.entrance import Entrance
from kxmsg.services.gateways import Gateways
from kxmsg.services.history import History
from kxmsg.services.inbox import Inbox
from kxmsg.services.messages import Messages
from kxmsg.services.missed import MissedReader
from kxmsg.services.notifications import Notifications
from kxmsg.services.notifier import Notifier
from kxmsg.services.personal_data import PersonalData
from kxmsg.services.readers import Readers
from kxmsg.services.recorder import Recorder
from kxmsg.services.signals import Signals
from kxmsg.services.users import Users
from kxmsg.settings import Settings
from kxmsg.sigv4 import Credentials
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
from kxmsg.subscriptions import Catalogue, Defaults, load
from kxmsg.telemetry import SystemClock
from kxmsg.topology import LOGS, OUTBOUND, OUTBOUND_FIFO, SEQUENCE, STORAGE, TOPOLOGY, Rule, Topology, bus_rules

if TYPE_CHECKING:
    from kxmsg.aws.backend import AwsBackend
    from kxmsg.embedded.connections import GatewayClient
    from kxmsg.services.identity import CachedKeys, TokenVerifier
    from kxmsg.services.secrets import Secrets
    from kxmsg.services.sessions import Frames, Sessions

    Backend: TypeAlias = EmbeddedBackend | AwsBackend

_API_GATEWAY: Final = re.compile(r"^https://[^/]+\.execute-api\.[^/]+\.amazonaws\.com")
"""The callback URL of a WebSocket API."""


class App:
    """What a process works with. Each part is made when it is first asked for.

    What only some processes need, an HTTP client or cryptography, is also imported only then: that is a third of the
    time that the others would take to start.
    """

    def __init__(self, settings: Settings, backend: "Backend", clock: Clock) -> None:
        self.settings = settings
        self.clock = clock
        self.backend = backend
        self._open: list[GatewayClient] = []
        self._queues: dict[str, Queue] = {}

    async def check(self, queues: Iterable[str]) -> None:
        """Whether these queues, the event bus and all tables are there.

        Raises :class:`~kxmsg.errors.StartError` with the remedy.
        """
        await self.backend.check(queues)

    async def check_bus(self) -> None:
        """Whether the event bus is there, for what needs nothing else. Raises :class:`~kxmsg.errors.StartError`."""
        await self.backend.check_bus()

    async def prepare(self) -> None:
        """What stages need before their first message: a mistake in the subscriptions stops the start.

        Raises :class:`~kxmsg.errors.ConfigError` with all mistakes.
        """
        self.bus  # noqa: B018 - makes it, of the catalogue, which is made of files

    async def prepare_to_push(self) -> None:
        """As :meth:`prepare`, for what calls gateways. Raises :class:`~kxmsg.errors.StartError`."""
        await self.prepare()
        await self.load_secrets()
        self.gateway  # noqa: B018 - makes it, of secrets

    async def prepare_to_serve(self) -> None:
        """As :meth:`prepare`, for the API: its keys are read too. Raises :class:`~kxmsg.errors.StartError`."""
        await self.prepare()
        await self.load_secrets()
        self.gateway_secrets, self.sessions, self.inbox  # noqa: B018 - makes them, of files

    @property
    def topology(self) -> Topology:
        return self.backend.topology

    @property
    def tables(self) -> Tables:
        return self.backend.tables

    @property
    def blobs(self) -> BlobStore:
        return self.backend.blobs

    def queue(self, name: str) -> Queue:
        """The queue of that name, or dead-letter queue of one; raises KeyError."""
        if name not in self._queues:
            self._queues[name] = CheckedQueue(self.backend.queue(name), self.blobs)
        return self._queues[name]

    def topic(self, name: str) -> Topic:
        """The topic of that name; raises KeyError."""
        return CheckedTopic(self.backend.topic(name), self.blobs)

    @cached_property
    def catalogue(self) -> Catalogue:
        """The compiled subscriptions; raises :class:`~kxmsg.errors.ConfigError` with all mistakes."""
        return load(self.settings.config)

    @cached_property
    def defaults(self) -> Defaults:
        return Defaults(self.settings.default_tenant, self.settings.locale)

    @cached_property
    def bus(self) -> EventBus:
        return self.backend.bus(self._rules(self.catalogue))

    def reload(self, catalogue: Catalogue) -> None:
        """Go by these subscriptions from now on, everywhere in this process: parts ask for the catalogue each time."""
        self.catalogue = catalogue
        self.bus.replace(self._rules(catalogue))

    def _rules(self, catalogue: Catalogue) -> list[Rule]:
        return [*bus_rules(catalogue), *self.backend.routes(catalogue.destinations(), self.settings.prefix)]

    async def load_secrets(self) -> None:
        """Read the installation's secrets, where that takes a call. Raises :class:`~kxmsg.errors.StartError`."""
        self.secrets = await self.backend.load_secrets() or self.secrets

    @cached_property
    def secrets(self) -> "Secrets":
        from kxmsg.embedded.secrets import LocalSecrets

        return LocalSecrets(self.settings.data)

    @cached_property
    def gateway_secrets(self) -> list[str]:
        """The secrets that integration routes accept, the first of which a gateway sends."""
        given = [secret.get_secret_value() for secret in self.settings.gateway_secrets]
        return given or self.secrets.gateway_secrets()

    @cached_property
    def management_credentials(self) -> Credentials:
        return Credentials(*self.secrets.management_credentials())

    @cached_property
    def gateway(self) -> ConnectionGateway:
        """Every gateway of the allow-list: kxmsg's own, and those of API Gateway."""
        urls = self._gateways()
        hosted = {name: url for name, url in urls.items() if _API_GATEWAY.search(url)}
        own = {name: url for name, url in urls.items() if name not in hosted}
        if not hosted:
            return self._gateway_client(own)
        pushing = self.backend.gateways(hosted)
        return Gateways({**dict.fromkeys(hosted, pushing), **dict.fromkeys(own, self._gateway_client(own))})

    def _gateway_client(self, urls: Mapping[str, str]) -> "GatewayClient":
        from kxmsg.embedded.connections import GatewayClient

        client = GatewayClient(urls, self.management_credentials)
        self._open.append(client)
        return client

    @cached_property
    def _issuer_keys(self) -> "CachedKeys | None":
        from kxmsg.services.identity import key_source

        return key_source(self.settings.jwks) if self.settings.jwks else None

    @cached_property
    def verifier(self) -> "TokenVerifier":
        from kxmsg.services.identity import StaticKeys, TokenVerifier

        settings = self.settings
        return TokenVerifier(
            self._issuer_keys or StaticKeys(self.secrets.jwks()),
            issuer=settings.issuer,
            audience=settings.audience,
            clock=self.clock,
            tenant_claims=settings.tenant_claims,
            role_claims=settings.role_claims,
        )

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
    def due(self) -> Due:
        return Due(self.tables, self.clock)

    @cached_property
    def throttles(self) -> Throttles:
        return Throttles(self.tables, self.clock)

    @cached_property
    def digests(self) -> Digests:
        return Digests(self.tables, self.clock)

    @cached_property
    def owner(self) -> str:
        """This process's name on the leases that it holds."""
        return token_hex(8)

    @cached_property
    def outbox(self) -> Outbox:
        return Outbox(self.tables, self.bus, self.clock)

    @cached_property
    def log_outbox(self) -> Outbox:
        """The outbox of what changes in logs."""
        return Outbox(self.tables, self.bus, self.clock, LOGS)

    @cached_property
    def amender(self) -> Amender:
        topics: dict[Ordering, Topic] = {"fifo": self.topic(OUTBOUND_FIFO), "standard": self.topic(OUTBOUND)}
        return Amender(self.logs, topics, self.log_outbox)

    @cached_property
    def entrances(self) -> dict[Ordering, Queue]:
        """Where envelopes enter to be numbered."""
        return {"fifo": self.queue(SEQUENCE), "standard": self.queue(STORAGE)}

    @cached_property
    def idempotency(self) -> Idempotency:
        return Idempotency(self.tables, self.clock)

    @cached_property
    def entrance(self) -> Entrance:
        return Entrance(self.channels, Once(self.tables, self.clock), self.entrances, self.clock)

    @cached_property
    def read_cursors(self) -> ReadCursors:
        return ReadCursors(self.tables, self.clock)

    @cached_property
    def messages(self) -> Messages:
        return Messages(
            self.logs, self.channels, self.read_cursors, self.amender, self.outbox, self.signals, self.clock
        )

    @cached_property
    def history(self) -> History:
        return History(self.logs, self.channels, self.read_cursors, self.secrets.cursor_key())

    @cached_property
    def ordered(self) -> Recorder:
        """Stores what has an order."""
        return Recorder(self.logs, self.topic(OUTBOUND_FIFO), self.announcer)

    @cached_property
    def unordered(self) -> Recorder:
        """Stores what has none."""
        return Recorder(self.logs, self.topic(OUTBOUND), self.announcer)

    @cached_property
    def announcer(self) -> Announcer:
        mode = self.settings.available_events
        return Announcer(self.bus, self.directory, self.channels, self.readers, mode)

    @cached_property
    def delivery(self) -> Delivery:
        return Delivery(self.connections, self.gateway, self.readers, self.clock)

    @cached_property
    def readers(self) -> Readers:
        return Readers(self.marks, self.read_cursors)

    @cached_property
    def users(self) -> Users:
        return Users(self.directory, self.connections, self.signals, self.secrets.cursor_key())

    @cached_property
    def personal_data(self) -> PersonalData:
        return PersonalData(
            self.directory,
            self.logs,
            self.channels,
            self.connections,
            self._changes,
            self.amender,
            Purge(self.tables),
            self.marks,
            self.clock,
            self.secrets.cursor_key(),
        )

    @cached_property
    def bots(self) -> Bots:
        return Bots(self.tables)

    @cached_property
    def signals(self) -> Signals:
        return Signals(self.topic(OUTBOUND_FIFO), self.clock)

    @cached_property
    def sets(self) -> Sets:
        return Sets(self.tables, self.channels)

    @cached_property
    def _following(self) -> Following:
        return Following(self.channels, self.connections)

    @cached_property
    def _changes(self) -> Changes:
        return Changes(self.channels, self._following, self.signals, self.outbox, self.clock)

    @cached_property
    def channel_service(self) -> ChannelService:
        return ChannelService(
            self.channels,
            self.sets,
            self.logs,
            self._changes,
            self._following,
            self.signals,
            self.outbox,
            self.bots.random,
            self.clock,
        )

    @cached_property
    def membership(self) -> Membership:
        return Membership(self.channels, self._changes, self._following, self.clock)

    @cached_property
    def permissions(self) -> Permissions:
        key = self.secrets.cursor_key()
        return Permissions(self.channels, self.channel_service, self._changes, self._following, self.clock, key)

    @cached_property
    def lead_desk(self) -> LeadDesk:
        return LeadDesk(self._changes, self.clock)

    @cached_property
    def channel_lookup(self) -> ChannelLookup:
        return ChannelLookup(self.channels, self.sets, self.logs, self.secrets.cursor_key())

    @cached_property
    def channel_deletion(self) -> ChannelDeletion:
        purge = Purge(self.tables)
        return ChannelDeletion(self.channels, purge, self._following, self.signals, self.outbox, self.clock)

    @cached_property
    def sessions(self) -> "Sessions":
        from kxmsg.services.sessions import Sessions

        return Sessions(
            self.verifier,
            self.connections,
            self.channels,
            self.channel_service,
            self.directory,
            self.marks,
            self.clock,
            self.settings.origins,
        )

    @cached_property
    def frames(self) -> "Frames":
        from kxmsg.services.sessions import Frames, Subscribing

        missed = MissedReader(self.logs, self.directory, self.due, self.clock)
        subscribing = Subscribing(self.connections, self.channels, missed)
        return Frames(self.connections, self.logs, self.entrance, self.messages, subscribing, self.clock)

    @cached_property
    def inbox(self) -> Inbox:
        return Inbox(self.logs, self.marks, self.secrets.cursor_key())

    @cached_property
    def marks(self) -> Marks:
        return Marks(self.tables, self.logs, self.log_outbox, self.clock, self.settings.notification_ttl_days)

    @cached_property
    def notifications(self) -> Notifications:
        return Notifications(
            self.inbox, self.marks, self.amender, self.signals, self.bus, self.clock, self.settings.locale
        )

    @cached_property
    def notifier(self) -> Notifier:
        return Notifier(self.entrances["standard"], self.due, self.clock, self.settings.locale)

    @property
    def jwks(self) -> Mapping[str, Any] | None:
        """The key set of local tokens; None where tokens come from elsewhere."""
        return None if self.settings.jwks else self.secrets.jwks()

    @property
    def checks(self) -> Mapping[str, Callable[[], Awaitable[None]]]:
        """What must answer before the API can serve, by name."""
        keys = {"keys": self._issuer_keys.ready} if self._issuer_keys else {}
        return {"tables": self._tables_answer, "queues": self._queues_answer, **keys}

    async def _tables_answer(self) -> None:
        for spec in self.topology.tables:
            await self.tables.get(spec.name, Key("ready", "ready"))

    async def _queues_answer(self) -> None:
        for queue in self.entrances.values():
            await queue.depth()

    async def close(self) -> None:
        """Finish what was begun."""
        for client in self._open:
            await client.close()
        keys: CachedKeys | None = self.__dict__.get("_issuer_keys")
        if keys is not None:
            await keys.close()
        await self.backend.close()

    def _gateways(self) -> dict[str, str]:
        settings = self.settings
        if not settings.gateways:
            return {settings.gateway_name: f"http://{settings.host}:{settings.gateway_port}"}
        pairs = [entry.partition("=") for entry in settings.gateways]
        for name, _, url in pairs:
            if not name or not url:
                raise StartError("KXMSG_GATEWAYS: write each gateway as name=url, separated by commas")
        return {name: url for name, _, url in pairs}


@asynccontextmanager
async def open_app(settings: Settings, topology: Topology = TOPOLOGY) -> AsyncIterator[App]:
    """The app that the settings describe, closed at the end. Raises :class:`~kxmsg.errors.StartError`."""
    _make_folder(settings.data)
    clock = SystemClock()
    app = App(settings, await _backend(settings, topology, clock), clock)
    try:
        yield app
    finally:
        await app.close()


async def _backend(settings: Settings, topology: Topology, clock: Clock) -> "Backend":
    if settings.backend == "embedded":
        return EmbeddedBackend(settings.data, topology, clock, durability=settings.durability)
    from kxmsg.aws.backend import AwsBackend  # imports the SDK, which takes a second

    return await AwsBackend.open(topology, settings.prefix, fast_wire=settings.fast_wire, timeout=settings.aws_timeout)


async def secrets_of(settings: Settings) -> "Secrets":
    """The installation's secrets, for a command. Raises :class:`~kxmsg.errors.StartError`."""
    async with open_app(settings) as app:
        await app.load_secrets()
        return app.secrets


def memory_app(
    *,
    topology: Topology = TOPOLOGY,
    clock: Clock | None = None,
    aws_like: int | None = None,
    settings: Settings | None = None,
) -> App:
    """An app in memory, all on the event loop's thread: for tests and, with a virtual clock, for simulation."""
    clock = clock or SystemClock()
    backend = EmbeddedBackend(None, topology, clock, inline=True, aws_like=aws_like)
    return App(settings or Settings(), backend, clock)


def _make_folder(data: Path) -> None:
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StartError(
            f"{data} can't be made ({error.strerror}): point KXMSG_DATA to a folder of your own"
        ) from error
    if not os.access(data, os.R_OK | os.W_OK | os.X_OK):
        raise StartError(f"{data} can't be written: give this user the right to, or point KXMSG_DATA elsewhere")
