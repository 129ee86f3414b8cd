"""WireApi: :class:`~kxmsg.aws.api.AwsApi`, and API Gateway's Management API, over the fast wire."""

import asyncio
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from kxmsg.aws.api import Account, Service
from kxmsg.aws.errors import AwsError
from kxmsg.aws.wire.connection import NoAnswer
from kxmsg.aws.wire.dialer import Dialer
from kxmsg.aws.wire.endpoint import Endpoint
from kxmsg.aws.wire.http1 import Answer
from kxmsg.aws.wire.json_protocol import JsonProtocol
from kxmsg.aws.wire.pool import Pool
from kxmsg.aws.wire.query_protocol import QueryProtocol
from kxmsg.aws.wire.signer import Signer
from kxmsg.sigv4 import Credentials, canonical_path

TIMEOUT: Final = 10.0
CONNECT_TIMEOUT: Final = 3.0
CONNECTIONS: Final = 128
IDLE: Final = 15.0
"""Seconds. AWS closes idle connections itself, S3 the soonest, after 20 s; who comes first avoids a lost request."""

MANAGEMENT: Final = "apigatewaymanagementapi"

_PROTOCOLS: Final[Mapping[Service, JsonProtocol | QueryProtocol]] = {
    "sqs": JsonProtocol("AmazonSQS", "1.0"),
    "dynamodb": JsonProtocol("DynamoDB_20120810", "1.0"),
    "events": JsonProtocol("AWSEvents", "1.1"),
    "sns": QueryProtocol("2010-03-31"),
}
_SAFE: Final = frozenset(
    {
        "DeleteMessage",
        "DeleteMessageBatch",
        "ChangeMessageVisibility",
        "ChangeMessageVisibilityBatch",
        "GetQueueAttributes",
        "GetQueueUrl",
        "GetItem",
        "BatchGetItem",
        "TransactGetItems",
        "Query",
        "DescribeTable",
        "DescribeEventBus",
        "DeleteConnection",
    }
)
"""Operations that may be done twice, and so be sent again by the pool."""

_MAYBE_CREDENTIALS: Final = frozenset((400, 401, 403))
_PLAIN_ID: Final = re.compile(r"[A-Za-z0-9_-]+=*")


@dataclass(frozen=True, slots=True)
class _Route:
    """Where requests of one kind go, and how they are signed."""

    pool: Pool
    signer: Signer
    path: str
    canonical: str
    safe: bool


@dataclass(frozen=True, slots=True)
class _Gateway:
    """The Management API of one WebSocket API; paths lack the connection's id."""

    post: _Route
    delete: _Route


class WireApi:
    """Calls over pooled connections; used on one event loop.

    Nothing is repeated here but a safe operation on whose connection AWS hung up as it was sent (:class:`Pool`).
    ``timeout`` in seconds is for calls that name none, ``connections`` the most to one service. Raises
    :class:`~kxmsg.errors.ConfigError` where ``AWS_CA_BUNDLE`` can't be read.
    """

    def __init__(
        self,
        account: Account,
        *,
        timeout: float = TIMEOUT,
        connect_timeout: float = CONNECT_TIMEOUT,
        connections: int = CONNECTIONS,
        idle: float = IDLE,
    ) -> None:
        self._account = account
        self._timeout = timeout
        self._connections = connections
        self._idle = idle
        self._dialer = Dialer(connect_timeout=connect_timeout)
        self._pools: dict[tuple[str, Endpoint], Pool] = {}
        self._routes: dict[tuple[str, str], _Route] = {}
        self._gateways: dict[str, _Gateway] = {}
        self._credentials: Credentials
        self._asked = -1

    async def call(
        self, service: Service, operation: str, payload: Mapping[str, Any], *, timeout: float | None = None
    ) -> dict[str, Any]:
        """See :meth:`kxmsg.aws.api.AwsApi.call`. Of SNS only ``PublishBatch``: other operations are refused."""
        protocol = _PROTOCOLS[service]
        body = protocol.encode(service, operation, payload)
        route = self._routes.get((service, operation)) or self._add_route(service, operation)
        try:
            answer = await self._exchange(route, route.path, route.canonical, body, timeout)
        except NoAnswer as error:
            raise _lost(service, operation, error) from error
        return protocol.decode(service, operation, answer)

    async def post_to_connection(
        self, endpoint: str, connection_id: str, data: bytes, *, timeout: float | None = None
    ) -> int:
        """Push a frame through the WebSocket API at ``endpoint``; returns the answer's HTTP status, whatever it is.

        Raises :class:`~kxmsg.aws.errors.AwsError` where no answer came.
        """
        gateway = self._gateways.get(endpoint) or self._add_gateway(endpoint)
        return await self._manage("PostToConnection", gateway.post, connection_id, data, timeout)

    async def delete_connection(self, endpoint: str, connection_id: str, *, timeout: float | None = None) -> int:
        """Close a connection; otherwise as :meth:`post_to_connection`."""
        gateway = self._gateways.get(endpoint) or self._add_gateway(endpoint)
        return await self._manage("DeleteConnection", gateway.delete, connection_id, b"", timeout)

    async def close(self) -> None:
        """End all connections; calls in progress fail, and so do later ones."""
        self._dialer.close()
        for pool in self._pools.values():
            await pool.close()

    async def _manage(
        self, operation: str, route: _Route, connection_id: str, body: bytes, timeout: float | None
    ) -> int:
        # An id is base64 text, most of the time; and canonical means escaped twice.
        if _PLAIN_ID.fullmatch(connection_id):
            escaped = connection_id.replace("=", "%3D")
        elif connection_id.strip("."):
            escaped = quote(connection_id, safe="")
        else:
            raise ValueError(f"{connection_id!r} is no id of a connection: as part of a path it would lead elsewhere")
        path = route.path + escaped
        canonical = route.canonical + escaped.replace("%", "%25")
        try:
            return (await self._exchange(route, path, canonical, body, timeout)).status
        except NoAnswer as error:
            raise _lost(MANAGEMENT, operation, error) from error

    async def _exchange(self, route: _Route, path: str, canonical: str, body: bytes, timeout: float | None) -> Answer:
        deadline = asyncio.get_running_loop().time() + (self._timeout if timeout is None else timeout)
        second = int(time.time())
        if second != self._asked:
            await self._ask_credentials(second, deadline)
        head = route.signer.head(path, canonical, body, self._credentials, second)
        answer = await route.pool.exchange(head + body, deadline, safe=route.safe)
        if answer.status in _MAYBE_CREDENTIALS:
            self._asked = -1
        return answer

    async def _ask_credentials(self, second: int, deadline: float) -> None:
        """Once a second, and after a refusal: a time-out for every call would cost more than signing."""
        try:
            async with asyncio.timeout_at(deadline):
                self._credentials = await self._account.credentials()
        except TimeoutError:
            raise NoAnswer("Timeout", "no credentials in time", sent=False) from None
        self._asked = second

    # ------------------------------------------------------------------------------------------------------- routes

    def _add_route(self, service: Service, operation: str) -> _Route:
        endpoint = Endpoint.parse(self._account.endpoint(service))
        headers = {"host": endpoint.authority, **_PROTOCOLS[service].headers(operation)}
        signer = Signer("POST", headers, region=self._account.region, service=service)
        path = endpoint.path + "/"
        route = _Route(self._pool(service, endpoint), signer, path, canonical_path(path), operation in _SAFE)
        self._routes[service, operation] = route
        return route

    def _add_gateway(self, url: str) -> _Gateway:
        endpoint = Endpoint.parse(url)
        path = f"{endpoint.path}/@connections/"

        def route(method: str, operation: str) -> _Route:
            headers = {"host": endpoint.authority}
            signer = Signer(method, headers, region=self._account.region, service="execute-api")
            return _Route(self._pool(MANAGEMENT, endpoint), signer, path, canonical_path(path), operation in _SAFE)

        gateway = _Gateway(route("POST", "PostToConnection"), route("DELETE", "DeleteConnection"))
        self._gateways[url] = gateway
        return gateway

    def _pool(self, service: str, endpoint: Endpoint) -> Pool:
        """One for each service, also where one host has them all: so no long poll stands in a write's way there."""
        key = service, endpoint
        if key not in self._pools:
            self._pools[key] = Pool(endpoint, self._dialer, limit=self._connections, idle=self._idle)
        return self._pools[key]


def _lost(service: str, operation: str, error: NoAnswer) -> AwsError:
    return AwsError(service, operation, error.code, error.message, unclear=error.sent)
