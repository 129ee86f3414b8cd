"""Base: what all parts of a process rest on: settings, backend, subscriptions, secrets, gateways, tokens."""

import re
from collections.abc import Iterable, Mapping
from functools import cached_property
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from kxmsg.claims import CheckedQueue, CheckedTopic
from kxmsg.embedded.backend import EmbeddedBackend
from kxmsg.errors import StartError
from kxmsg.model.envelope import Ordering
from kxmsg.ports import BlobStore, Clock, ConnectionGateway, EventBus, Queue, Tables, Topic
from kxmsg.services.gateways import Gateways
from kxmsg.settings import Settings
from kxmsg.sigv4 import Credentials
from kxmsg.subscriptions import Catalogue, Defaults, load
from kxmsg.topology import SEQUENCE, STORAGE, Rule, Topology, bus_rules

if TYPE_CHECKING:
    from kxmsg.aws.backend import AwsBackend
    from kxmsg.embedded.connections import GatewayClient
    from kxmsg.services.identity import CachedKeys, TokenVerifier
    from kxmsg.services.secrets import Secrets

    Backend: TypeAlias = EmbeddedBackend | AwsBackend

_API_GATEWAY: Final = re.compile(r"^https://[^/]+\.execute-api\.[^/]+\.amazonaws\.com")
"""The callback URL of a WebSocket API."""


class Base:
    """The surroundings of a process. Each part is made when it is first asked for.

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
    def entrances(self) -> dict[Ordering, Queue]:
        """Where envelopes enter to be numbered."""
        return {"fifo": self.queue(SEQUENCE), "standard": self.queue(STORAGE)}

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

    @cached_property
    def owner(self) -> str:
        """This process's name on the leases that it holds."""
        return token_hex(8)

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

    def _gateways(self) -> dict[str, str]:
        settings = self.settings
        if not settings.gateways:
            return {settings.gateway_name: f"http://{settings.host}:{settings.gateway_port}"}
        pairs = [entry.partition("=") for entry in settings.gateways]
        for name, _, url in pairs:
            if not name or not url:
                raise StartError("KXMSG_GATEWAYS: write each gateway as name=url, separated by commas")
        return {name: url for name, _, url in pairs}

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

    @property
    def jwks(self) -> Mapping[str, Any] | None:
        """The key set of local tokens; None where tokens come from elsewhere."""
        return None if self.settings.jwks else self.secrets.jwks()

    async def close(self) -> None:
        """Finish what was begun."""
        for client in self._open:
            await client.close()
        keys: CachedKeys | None = self.__dict__.get("_issuer_keys")
        if keys is not None:
            await keys.close()
        await self.backend.close()
