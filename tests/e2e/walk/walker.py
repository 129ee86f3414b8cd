"""Walker: calls the API, holds sockets open, and sees the product's own events as a subscriber of the bus does."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
import orjson
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from kxmsg.testing.stack import Stack
from kxmsg.testing.until import until
from tests.e2e.clients import socket, token

SECONDS: Final = 20.0

AUDIT: Final = '''
"""Writes down every event that it is given."""

import os
from pathlib import Path
from typing import Any

import orjson

from kxmsg import Context, Worker

worker = Worker("audit", queue="audit")


@worker.handler
async def keep(events: list[dict[str, Any]], context: Context) -> None:
    with Path(os.environ["AUDIT_FILE"]).open("ab") as file:
        file.write(b"".join(orjson.dumps(event) + b"\\n" for event in events))
'''

SUBSCRIPTIONS: Final = """\
eventSubscriptions:
  - name: audit
    eventPattern: {{ source: [kx-notifications-messaging] }}
    targets:
      - {{ id: audit, arn: "arn:aws:sqs:{region}:{account}:{prefix}-audit" }}
  - name: orders
    eventPattern: {{ source: [walk], detail-type: [order.shipped] }}
    notificationMapping:
      order.shipped:
        targetType: user
        userId: "{{{{ detail.customerId }}}}"
        title: {{ en: "Order {{{{ detail.orderId }}}}", de: "Bestellung {{{{ detail.orderId }}}}" }}
        content: "It is on its way"
        category: orders
"""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: its status, its JSON and its headers."""

    status: int
    body: dict[str, Any]
    headers: Mapping[str, str]

    def ok(self, status: int = 200) -> dict[str, Any]:
        """The body of a success."""
        assert self.status == status, self.body
        assert self.body["success"] is True
        return self.body

    def refused(self, status: int, code: str | None = None) -> dict[str, Any]:
        """The error of a refusal, in the one shape of all."""
        assert self.status == status, self.body
        assert set(self.body) == {"success", "error", "correlationId"}
        assert self.body["success"] is False
        assert self.body["correlationId"] == self.headers["X-Correlation-Id"]
        error: dict[str, Any] = self.body["error"]
        assert set(error) == {"code", "message", "details"}
        assert code in (None, error["code"]), error
        assert "Traceback" not in str(error)
        return error


class Person:
    """Somebody who calls, with a token of their own."""

    def __init__(self, walk: "Walk", user: str, tenant: str, roles: tuple[str, ...], bearer: str) -> None:
        self._walk = walk
        self.user, self.tenant, self.roles = user, tenant, roles
        self._headers = {"Authorization": f"Bearer {bearer}"}

    async def call(self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **options: Any) -> Reply:
        """One request."""
        return await self._walk.request(method, path, {**self._headers, **(headers or {})}, **options)

    async def get(self, path: str, **query: Any) -> Reply:
        return await self.call("GET", path, params=_query(query))

    async def post(self, path: str, body: Any = None, **headers: str) -> Reply:
        return await self.call("POST", path, json=body, headers=headers)

    async def put(self, path: str, body: Any, **headers: str) -> Reply:
        return await self.call("PUT", path, json=body, headers=headers)

    async def delete(self, path: str, **query: Any) -> Reply:
        return await self.call("DELETE", path, params=_query(query))

    @asynccontextmanager
    async def listening(self, query: str = "") -> AsyncIterator["Ears"]:
        """An open WebSocket."""
        async with socket(self._walk.stack, self.user, self.tenant, *self.roles, query=query) as connection:
            ears = Ears(connection)
            reading = asyncio.create_task(ears.read())
            try:
                yield ears
            finally:
                reading.cancel()
                await asyncio.wait([reading])


class Ears:
    """What came over one WebSocket."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.frames: list[dict[str, Any]] = []

    async def read(self) -> None:
        """Take what comes, until the connection ends."""
        try:
            while True:
                self.frames.append(orjson.loads(await self.connection.recv()))
        except ConnectionClosed:
            return

    async def hear(self, kind: str, **fields: Any) -> dict[str, Any]:
        """The frame of that type with these fields, once it has come."""
        return await _found(lambda: self.frames, {"type": kind, **fields})

    async def say(self, **frame: Any) -> None:
        await self.connection.send(orjson.dumps(frame).decode())

    def heard(self, kind: str, **fields: Any) -> bool:
        """Whether such a frame has come by now."""
        return any(_fits(frame, {"type": kind, **fields}) for frame in self.frames)


class Walk:
    """One walk through a running product."""

    def __init__(self, stack: Stack, audit: Path, session: aiohttp.ClientSession) -> None:
        self.stack = stack
        self.calls: set[tuple[str, str]] = set()
        self._audit = audit
        self._session = session

    async def person(self, user: str, tenant: str, *roles: str) -> Person:
        """Somebody of a tenant, a member unless roles are named."""
        roles = roles or ("member",)
        return Person(self, user, tenant, roles, await token(self.stack, user, tenant, *roles))

    async def request(self, method: str, path: str, headers: Mapping[str, str], **options: Any) -> Reply:
        """One request; of those that succeed the path is remembered."""
        url = f"http://127.0.0.1:{self.stack.settings.api_port}{path}"
        async with self._session.request(method, url, headers=headers, **options) as answer:
            if answer.status < 300:
                self.calls.add((method, path.partition("?")[0]))
            body = await answer.json() if answer.content_type == "application/json" else {}
            return Reply(answer.status, body, answer.headers)

    async def event(self, kind: str, **fields: Any) -> dict[str, Any]:
        """The detail of the product's own event of that type with these fields, once it was published."""

        detail = await _found(lambda: [one["detail"] for one in self.events() if one["detail-type"] == kind], fields)
        assert detail.keys() >= {"eventId", "eventType", "tenantId", "timestamp"}
        assert detail["eventType"] == kind
        return detail

    def events(self) -> list[dict[str, Any]]:
        """All that were published so far."""
        lines = self._audit.read_bytes().splitlines() if self._audit.exists() else []
        events: list[dict[str, Any]] = [orjson.loads(line) for line in lines]
        assert all(event["source"] == "kx-notifications-messaging" for event in events)
        return events

    def missed(self, document: Mapping[str, Any]) -> list[str]:
        """Operations of the API that no call of this walk succeeded with."""
        return [
            f"{method.upper()} {path}"
            for path, operations in document["paths"].items()
            for method in operations
            if not any(called == method.upper() and _is(path, where) for called, where in self.calls)
        ]


def _is(template: str, path: str) -> bool:
    pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(template))
    return re.fullmatch(pattern, path) is not None


async def _found(items: Callable[[], list[dict[str, Any]]], fields: Mapping[str, Any]) -> dict[str, Any]:
    """The item with these fields, once there is one."""

    async def there() -> list[dict[str, Any]]:
        return [item for item in items() if _fits(item, fields)]

    try:
        return (await until(there, SECONDS))[0]
    except TimeoutError:
        raise AssertionError(f"nothing with {dict(fields)} among {items()}") from None


def _fits(item: Mapping[str, Any], fields: Mapping[str, Any]) -> bool:
    return all(item.get(name) == value for name, value in fields.items())


def _query(query: Mapping[str, Any]) -> dict[str, str]:
    named = {name: value for name, value in query.items() if value is not None}
    return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in named.items()}
