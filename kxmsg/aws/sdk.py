"""SdkApi: calls through aiobotocore, one attempt each: slower than the fast wire, and for every service."""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any, Final, get_args

from aiobotocore.config import AioConfig  # type: ignore[import-untyped]  # aiobotocore has no stubs
from botocore import xform_name  # type: ignore[import-untyped]  # nor has botocore
from botocore.parsers import ResponseParserError  # type: ignore[import-untyped]  # as above

from kxmsg.aws.account import Account
from kxmsg.aws.api import Service
from kxmsg.aws.errors import AwsError
from kxmsg.aws.sdk_errors import SDK_ERRORS, from_sdk
from kxmsg.errors import StartError

TIMEOUT: Final = 10.0
CONNECT_TIMEOUT: Final = 3.0
READ_TIMEOUT: Final = 65.0
"""Seconds between two pieces of an answer, longer than any long poll; what bounds a call is its own time-out."""

MANAGEMENT: Final = "apigatewaymanagementapi"
ATTEMPTS: Final = 4

_CALLED_ONCE: Final = frozenset((*get_args(Service), MANAGEMENT))
"""Services whose calls are repeated by :class:`~kxmsg.aws.retrying.Retrying` or by nobody; the SDK repeats the rest."""

_MODELS: Final = ("service-2", "endpoint-rule-set-1")
_DATA: Final = ("endpoints", "partitions", "sdk-default-configuration")


class SdkApi:
    """:class:`~kxmsg.aws.api.AwsApi` over the account's session; a service's client is opened by the first call.

    ``timeout`` in seconds is for calls that name none; ``pool``: most connections to one service. Calls also raise
    :class:`~kxmsg.errors.StartError`, where there are no credentials or the endpoint is no URL.
    """

    def __init__(self, account: Account, *, timeout: float = TIMEOUT, pool: int = 100) -> None:
        self._session = account.session()
        self._session.register("before-parse", _check_body)
        self._timeout = timeout
        self._pool = pool
        self._clients: dict[tuple[str, str | None], Any] = {}
        self._opening = asyncio.Lock()
        self._stack = AsyncExitStack()

    async def call(
        self, service: Service, operation: str, payload: Mapping[str, Any], *, timeout: float | None = None
    ) -> dict[str, Any]:
        """See :meth:`kxmsg.aws.api.AwsApi.call`."""
        answer = await self._attempt(service, None, operation, payload, timeout)
        del answer["ResponseMetadata"]
        return answer

    async def post_to_connection(
        self, endpoint: str, connection_id: str, data: bytes, *, timeout: float | None = None
    ) -> int:
        """Push a frame through the WebSocket API at ``endpoint``; returns the answer's HTTP status, whatever it is.

        Raises :class:`~kxmsg.aws.errors.AwsError` where no answer came.
        """
        return await self._manage(endpoint, "PostToConnection", {"ConnectionId": connection_id, "Data": data}, timeout)

    async def delete_connection(self, endpoint: str, connection_id: str, *, timeout: float | None = None) -> int:
        """Close a connection; otherwise as :meth:`post_to_connection`."""
        return await self._manage(endpoint, "DeleteConnection", {"ConnectionId": connection_id}, timeout)

    async def client(self, service: str, endpoint: str | None = None) -> Any:
        """The open aiobotocore client of any service; this closes it.

        Its calls raise :data:`~kxmsg.aws.sdk_errors.SDK_ERRORS`, which :func:`~kxmsg.aws.sdk_errors.from_sdk` explains.
        """
        key = (service, endpoint)
        if key not in self._clients:
            async with self._opening:
                if key not in self._clients:
                    self._clients[key] = await self._open(service, endpoint)
        return self._clients[key]

    async def close(self) -> None:
        """Close the clients and their connections."""
        self._clients.clear()
        await self._stack.aclose()

    async def _open(self, service: str, endpoint: str | None) -> Any:
        # Reading the models takes tens of milliseconds; the session keeps them.
        await asyncio.to_thread(_load_models, self._session.get_component("data_loader"), service)
        config = AioConfig(
            user_agent="kxmsg",
            parameter_validation=False,
            connect_timeout=CONNECT_TIMEOUT,
            read_timeout=READ_TIMEOUT,
            max_pool_connections=self._pool,
            retries={"mode": "standard", "total_max_attempts": 1 if service in _CALLED_ONCE else ATTEMPTS},
        )
        opening = self._session.create_client(service, endpoint_url=endpoint, config=config)
        try:
            return await self._stack.enter_async_context(opening)
        except ValueError as error:  # it names the URL, in which there may be a password
            raise StartError(f"the endpoint of {service} is not a URL: see AWS_ENDPOINT_URL") from error

    async def _manage(self, endpoint: str, operation: str, payload: Mapping[str, Any], timeout: float | None) -> int:
        try:
            answer = await self._attempt(MANAGEMENT, endpoint, operation, payload, timeout)
        except AwsError as error:
            if not error.status:
                raise
            return error.status
        status: int = answer["ResponseMetadata"]["HTTPStatusCode"]
        return status

    async def _attempt(
        self, service: str, endpoint: str | None, operation: str, payload: Mapping[str, Any], timeout: float | None
    ) -> dict[str, Any]:
        try:
            async with asyncio.timeout(self._timeout if timeout is None else timeout):
                client = await self.client(service, endpoint)
                answer: dict[str, Any] = await getattr(client, xform_name(operation))(**payload)
                return answer
        except SDK_ERRORS as error:
            raise from_sdk(error, service, operation) from error


def _load_models(loader: Any, service: str) -> None:
    for model in _MODELS:
        loader.load_service_model(service, model)
    for name in _DATA:
        loader.load_data(name)


def _check_body(operation_model: Any, response_dict: dict[str, Any], **_: Any) -> None:
    """Refuse what a proxy or a broken server answers with 200, which botocore would take for an empty result."""
    shape, body = operation_model.output_shape, response_dict["body"]
    if response_dict["status_code"] >= 300 or shape is None or not shape.members:
        return
    match operation_model.service_model.resolved_protocol:
        case "json":
            # SQS leaves out the body of an empty result.
            good = not body or (body.startswith(b"{") and body.rstrip().endswith(b"}"))
        case "query":
            good = f"<{operation_model.name}Response".encode() in body
        case _:  # parts of the answer are in headers
            return
    if not good:
        raise ResponseParserError(f"{operation_model.name} was answered with {len(body)} bytes of something else")
