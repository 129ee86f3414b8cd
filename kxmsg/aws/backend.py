"""The AWS backend as a whole: every port, in one account and region."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Self

from kxmsg.aws.account import Account
from kxmsg.aws.blobs import S3Blobs
from kxmsg.aws.bus import EventBridgeBus
from kxmsg.aws.connections import ApiGateways
from kxmsg.aws.errors import AwsError, start_error
from kxmsg.aws.names import Names
from kxmsg.aws.queues import SqsQueue
from kxmsg.aws.retrying import Retrying
from kxmsg.aws.sdk import SdkApi
from kxmsg.aws.secrets import AwsSecrets
from kxmsg.aws.tables import DynamoTables
from kxmsg.aws.topics import SnsTopic
from kxmsg.aws.wire.client import TIMEOUT, WireApi
from kxmsg.errors import BackendError, StartError
from kxmsg.ports import ConnectionGateway, Key
from kxmsg.subscriptions import Subscription
from kxmsg.topology import BLOBS, Rule, Topology

_PROBE: Final = Key("ready", "ready")
"""An item that nobody has: asking for it shows that the table is there, and may be read."""


class AwsBackend:
    """Queues, topics, tables and files of one prefix. ``api`` makes the hot calls, ``sdk`` all others.

    Made by :meth:`open`.
    """

    def __init__(self, topology: Topology, names: Names, account: Account, sdk: SdkApi, api: WireApi | SdkApi) -> None:
        self.topology = topology
        self.names = names
        self.account = account
        self.sdk = sdk
        self.api = api
        self._calls = Retrying(api, renew=account.renew)
        self._queues: dict[str, SqsQueue] = {}
        self._known = {name for spec in topology.queues for name in (spec.name, spec.dlq)}
        self.tables = DynamoTables(self._calls, topology, names.table)
        self.blobs = S3Blobs(sdk, names.bucket(BLOBS))

    @classmethod
    async def open(cls, topology: Topology, prefix: str, *, fast_wire: bool = True, timeout: float = TIMEOUT) -> Self:
        """Find out who we are and where. Raises :class:`~kxmsg.errors.StartError`, one line with the remedy."""
        account = Account()
        names = Names(prefix, await account.account_id(), account.region)
        sdk = SdkApi(account, timeout=timeout)
        return cls(topology, names, account, sdk, WireApi(account, timeout=timeout) if fast_wire else sdk)

    def queue(self, name: str) -> SqsQueue:
        """The queue of that name, or dead-letter queue of one; raises KeyError."""
        if name not in self._known:
            raise KeyError(f"the topology has no queue {name!r}")
        if name not in self._queues:
            self._queues[name] = SqsQueue(self._calls, self.names, name)
        return self._queues[name]

    def topic(self, name: str) -> SnsTopic:
        """The topic of that name; raises KeyError."""
        if all(spec.name != name for spec in self.topology.topics):
            raise KeyError(f"the topology has no topic {name!r}")
        return SnsTopic(self._calls, self.names, name)

    def bus(self, rules: Sequence[Rule]) -> EventBridgeBus:
        """The event bus, taken to have these rules."""
        return EventBridgeBus(self._calls, self.names, rules)

    def routes(self, subscriptions: Sequence[Subscription], prefix: str) -> list[Rule]:
        """The rules of subscriptions' own targets, which EventBridge serves."""
        return [Rule(one.name, frozenset(), frozenset(), "", one.pattern) for one in subscriptions]

    def gateways(self, urls: Mapping[str, str]) -> ConnectionGateway:
        """WebSocket APIs, by their callback URLs."""
        return ApiGateways(self.api, urls)

    async def load_secrets(self) -> AwsSecrets:
        """The secrets that ``kxmsg provision`` made. Raises :class:`~kxmsg.errors.StartError`."""
        return await AwsSecrets.load(self.sdk, self.names.secret)

    async def check(self, queues: Iterable[str]) -> None:
        """Whether these queues, all tables and the event bus are there and may be used.

        Raises :class:`~kxmsg.errors.StartError` for the first that isn't, naming it and the remedy.
        """
        probes = [self.queue(name).depth() for name in queues]
        reads = [self.tables.get(spec.name, _PROBE) for spec in self.topology.tables]
        for outcome in await asyncio.gather(*probes, *reads, self.check_bus(), return_exceptions=True):
            if isinstance(outcome, BackendError):
                raise StartError(str(outcome)) from outcome
            if isinstance(outcome, BaseException):
                raise outcome

    async def check_bus(self) -> None:
        """Whether the event bus is there. Raises :class:`~kxmsg.errors.StartError`.

        PutEvents to a bus that isn't there succeeds, and drops the events (EventBridge User Guide, "Sending events with
        PutEvents").
        """
        try:
            await self._calls.call("events", "DescribeEventBus", {"Name": self.names.bus})
        except AwsError as error:
            raise start_error(error, f"event bus {self.names.bus}") from error

    async def sweep(self) -> int:
        """Nothing: DynamoDB deletes what has expired by itself."""
        return 0

    async def close(self) -> None:
        """Release what polls may still bring, and end the connections."""
        await asyncio.gather(*(queue.close() for queue in self._queues.values()))
        await self._calls.close()
        if self.api is not self.sdk:
            await self.sdk.close()
