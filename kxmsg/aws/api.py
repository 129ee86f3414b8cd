"""AwsApi: one call to an AWS service that speaks JSON. The adapters are written against this and know no HTTP."""

from collections.abc import Mapping
from typing import Any, Literal, Protocol

from kxmsg.sigv4 import Credentials

Service = Literal["sqs", "sns", "events", "dynamodb"]


class Account(Protocol):
    """Who calls, and where to."""

    region: str

    async def credentials(self) -> Credentials:
        """Those to sign with now: the same object until they change."""
        ...

    def endpoint(self, service: str) -> str:
        """The service's base URL."""
        ...


class AwsApi(Protocol):
    """Calls in the shapes of the AWS API reference; implemented by the fast wire and by the SDK."""

    async def call(
        self, service: Service, operation: str, payload: Mapping[str, Any], *, timeout: float | None = None
    ) -> dict[str, Any]:
        """Make one attempt; the caller decides about repeating it.

        ``operation`` as in the reference (``SendMessageBatch``), ``payload`` its request and the result its response as
        JSON objects. ``timeout`` in seconds covers the whole call (default: the setting). Safe to cancel. Raises
        :class:`~kxmsg.aws.errors.AwsError`.
        """
        ...

    async def close(self) -> None: ...
