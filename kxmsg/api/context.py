"""What a request can reach: the application behind it and its own correlation id."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from fastapi import Request

from kxmsg.services.identity import TokenVerifier
from kxmsg.settings import Settings
from kxmsg.storage.directory import Directory
from kxmsg.storage.idempotency import Idempotency

Check = Callable[[], Awaitable[None]]
"""Raises if what it checks is not ready."""


class App(Protocol):
    """What the API asks of the composition root."""

    @property
    def settings(self) -> Settings: ...

    @property
    def verifier(self) -> TokenVerifier: ...

    @property
    def directory(self) -> Directory: ...

    @property
    def idempotency(self) -> Idempotency: ...

    @property
    def gateway_secrets(self) -> Sequence[str]:
        """Secrets that the integration routes accept, at most two."""
        ...

    @property
    def checks(self) -> Mapping[str, Check]:
        """Readiness checks by name."""
        ...

    @property
    def jwks(self) -> Mapping[str, Any] | None:
        """The key set to publish where the signing key is this installation's own."""
        ...


def app_of(request: Request) -> App:
    """The application that serves this request."""
    app: App = request.app.state.app
    return app


def correlation_id(request: Request) -> str:
    """The id by which this request is found in logs and answers."""
    ident: str = request.state.correlation_id
    return ident
