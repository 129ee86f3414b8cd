"""Lambda functions for the routes of an API Gateway WebSocket API, instead of an HTTP integration to ``/_gateway``.

::

    $connect      kxmsg.api.lambdas.connect        authorizer, if wanted: kxmsg.api.lambdas.authorize
    $default      kxmsg.api.lambdas.default        with a route response, by which the client gets its answer
    $disconnect   kxmsg.api.lambdas.disconnect

They are called with API Gateway's proxy events (API Gateway Developer Guide, "Set up a WebSocket API integration
request", and "Control access to WebSocket APIs with AWS Lambda REQUEST authorizers") and do what the routes do. A
sandbox opens one app, at its first call, on an event loop that it keeps. What the app is made of is imported then.
"""

import asyncio
from base64 import b64decode
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from kxmsg.bootstrap import App
    from kxmsg.services.sessions import ConnectRequest

T = TypeVar("T")

Event: TypeAlias = Mapping[str, Any]
Answer: TypeAlias = dict[str, Any]

UNAUTHORIZED: Final = "Unauthorized"
"""The text of an authorizer's error that API Gateway answers with 401; any other is a 500."""


class Sandbox:
    """One app on one event loop, from the first call on. What opening it raises is raised anew at each call."""

    def __init__(self, opening: "Callable[[], AbstractAsyncContextManager[App]]") -> None:
        self._opening = opening
        self._runner = asyncio.Runner()
        self._ending = AsyncExitStack()
        self._app: App | None = None

    def run(self, call: "Callable[[App, Event], Awaitable[T]]", event: Event) -> T:
        """What ``call`` makes of the event."""
        return self._runner.run(self._run(call, event))

    async def _run(self, call: "Callable[[App, Event], Awaitable[T]]", event: Event) -> T:
        if self._app is None:
            self._app = await self._ending.enter_async_context(self._opening())
        return await call(self._app, event)

    def close(self) -> None:
        """End the app and the loop."""
        self._runner.run(self._ending.aclose())
        self._runner.close()


@asynccontextmanager
async def _open() -> "AsyncIterator[App]":
    from kxmsg.bootstrap import open_app
    from kxmsg.runtime import logs
    from kxmsg.settings import Settings

    settings = Settings()
    logs.configure(settings.log_level, "json")
    async with open_app(settings) as app:
        await app.prepare_to_serve()
        yield app


sandbox = Sandbox(_open)


def authorize(event: Event, context: object) -> Answer:
    """Lets the owner of a good token open the connection. ``connect`` checks the same: an API needs no authorizer."""
    return sandbox.run(_authorize, event)


def connect(event: Event, context: object) -> Answer:
    """200 lets the connection in; anything else is told the client instead."""
    return sandbox.run(_connect, event)


def default(event: Event, context: object) -> Answer:
    """The body of the answer is the frame to send back."""
    return sandbox.run(_default, event)


def disconnect(event: Event, context: object) -> Answer:
    """The connection is closed already; this only forgets it."""
    return sandbox.run(_disconnect, event)


async def _authorize(app: "App", event: Event) -> Answer:
    from kxmsg.errors import Refusal, Unauthenticated

    try:
        principal, effect = (await app.sessions.authorize(_request(event))).user, "Allow"
    except Unauthenticated:
        raise RuntimeError(UNAUTHORIZED) from None
    except Refusal:
        principal, effect = "refused", "Deny"
    statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": event["methodArn"]}
    return {"principalId": principal, "policyDocument": {"Version": "2012-10-17", "Statement": [statement]}}


async def _connect(app: "App", event: Event) -> Answer:
    from kxmsg.errors import Refusal, Transient, Unavailable
    from kxmsg.telemetry import get_logger

    try:
        await app.sessions.connect(_request(event))
    except Refusal as refusal:
        return _refused(refusal)
    except Transient as error:
        get_logger(__name__).warning("connection not let in", error=str(error))
        return _refused(Unavailable("a part of the system is not available; try again"))
    return {"statusCode": 200}


async def _default(app: "App", event: Event) -> Answer:
    body = event.get("body") or ""
    text = b64decode(body).decode(errors="replace") if event.get("isBase64Encoded") else body
    return {"statusCode": 200, "body": (await app.frames.answer(_connection(event), text)).decode()}


async def _disconnect(app: "App", event: Event) -> Answer:
    await app.sessions.disconnect(_connection(event))
    return {"statusCode": 200}


def _request(event: Event) -> "ConnectRequest":
    from kxmsg.services.sessions import ConnectRequest

    return ConnectRequest(
        connection=_connection(event),
        gateway=event["requestContext"]["domainName"],
        query=event.get("queryStringParameters") or {},
        headers={name.lower(): value for name, value in (event.get("headers") or {}).items()},
    )


def _connection(event: Event) -> str:
    ident: str = event["requestContext"]["connectionId"]
    return ident


def _refused(refusal: Any) -> Answer:
    import orjson

    error = {"code": refusal.code, "message": refusal.message, "details": refusal.details}
    return {"statusCode": refusal.status, "body": orjson.dumps({"success": False, "error": error}).decode()}
