"""Control: calls that make, read and change resources, through the SDK."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Protocol, cast, get_args

from botocore import xform_name  # type: ignore[import-untyped]  # botocore has no stubs

from kxmsg.aws.account import Account
from kxmsg.aws.api import Service
from kxmsg.aws.retrying import Retrying
from kxmsg.aws.sdk import SdkApi
from kxmsg.aws.sdk_errors import SDK_ERRORS, from_sdk

ATTEMPTS: Final = 8
"""More than a worker makes: nobody waits for a message here, and control planes throttle early."""

TIMEOUT: Final = 30.0
"""Seconds, for the services whose calls the SDK itself repeats."""


class Calls(Protocol):
    """What the modules of resources call; raises :class:`~kxmsg.aws.errors.AwsError`."""

    async def call(self, service: str, operation: str, payload: Mapping[str, Any]) -> dict[str, Any]: ...


class Control:
    """Calls to any service, repeated on throttles and outages. Made for one account; :meth:`close` ends it."""

    def __init__(self, account: Account, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._sdk = SdkApi(account)
        self._calls = Retrying(self._sdk, renew=account.renew, attempts=ATTEMPTS, sleep=sleep)

    async def call(self, service: str, operation: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        """One call in the shapes of the API reference; of S3, STS and IAM with ``ResponseMetadata``."""
        if service in get_args(Service):
            return await self._calls.call(cast("Service", service), operation, payload)
        try:
            async with asyncio.timeout(TIMEOUT):
                client = await self._sdk.client(service)
                answer: dict[str, Any] = await getattr(client, xform_name(operation))(**payload)
                return answer
        except SDK_ERRORS as error:
            raise from_sdk(error, service, operation) from error

    async def close(self) -> None:
        """End the connections."""
        await self._calls.close()
