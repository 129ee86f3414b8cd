"""What belongs to another tenant answers as what there is not: the same status and words, after the same reads."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from kxmsg.api.app import create_app
from kxmsg.api.examples import BODIES
from kxmsg.api.routes import ROUTERS
from kxmsg.bootstrap import App, memory_app
from kxmsg.embedded.backend import EmbeddedBackend
from kxmsg.model.target import Target
from tests.api.conftest import Api, Reply
from tests.product import envelope

IDS = {"notification_id": "note-1", "message_id": "said-1", "channel_id": "desk-1", "user_id": "user-1"}
"""What there is in tenant acme."""

ABSENT = re.compile(r"(note|said|desk|user)-1")

NAMED: list[tuple[str, str, Any]] = [
    ("GET", "/messages?channelId=desk-1", None),
    ("GET", "/permissions?chatId=desk-1", None),
    ("DELETE", "/permissions?chatId=desk-1&userId=user-1", None),
    ("DELETE", "/channels?channelIds=desk-1", None),
    ("DELETE", "/channels?channelIds=desk-1&forceDelete=true", None),
    ("DELETE", "/channels/desk-1?forceDelete=true", None),
    ("POST", "/publish", {"payload": {"chatId": "desk-1", "content": "x"}}),
    ("POST", "/messages", {"channelId": "desk-1", "content": "x"}),
    ("POST", "/post-to-connection", {"userId": "user-1", "threadId": "desk-1", "message": "x"}),
    ("POST", "/channels/find", {"userIds": ["user-1"]}),
    ("POST", "/notifications/mark-read", {"notificationIds": ["note-1"]}),
]
"""Routes that name a thing elsewhere than in their path."""


def operations() -> Iterator[tuple[str, str, Any]]:
    paths: dict[str, Any] = create_app(memory_app(), ROUTERS).openapi()["paths"]
    for path, item in paths.items():
        for method in item:
            if "{" in path:
                yield method.upper(), path.format(**IDS), BODIES.get(f"{method.upper()} {path}")


class Meter:
    """The tables, and what was asked of them."""

    def __init__(self, app: App) -> None:
        assert isinstance(app.backend, EmbeddedBackend)
        self._tables = app.backend.tables
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._tables, name)

        def counted(*arguments: Any, **options: Any) -> Any:
            sizes = [len(one) for one in arguments if isinstance(one, list)]
            self.calls.append(f"{name}{sizes or ''}")
            return method(*arguments, **options)

        return counted


@pytest.fixture
async def furnished(api: Api) -> Api:
    """One thing of each kind in tenant acme, and nothing in globex but its people."""
    now = int(api.app.clock.now() * 1000)
    body = {"channelType": "lead", "channelId": "desk-1", "participants": [{"userId": "user-1"}]}
    await api.call("POST", "/channels", "user-1", "lead", json=body)
    for ident, target in (("note-1", Target("client", "acme")), ("said-1", Target("channel", "desk-1"))):
        await api.app.logs.append("acme", target, [envelope(ident, target, created_at=now)])
    for role in ("admin", "employee", "member"):
        await api.call("GET", "/notifications", role, role, tenant="globex")
    return api


def shown(reply: Reply) -> Any:
    """An answer but for what names this very request, or the time."""
    body = {name: value for name, value in reply.body.items() if name != "correlationId"}
    text = re.sub(r"20\d\d-\d\d-\d\dT[\d:.]+Z", "TIME", str(body))
    return reply.status, re.sub(r"[0-9a-f]{64}", "HASH", text)


@pytest.mark.parametrize("role", ["admin", "employee", "member"])
async def test_foreign_things_answer_as_missing_ones_after_the_same_reads(furnished: Api, role: str) -> None:
    """Whatever the role, and on every route that names a thing."""
    meter = Meter(furnished.app)
    furnished.app.backend.tables = meter  # type: ignore[assignment] # the tables, seen through
    for part in list(vars(furnished.app)):  # what holds the tables is made anew
        if part not in ("settings", "clock", "backend", "_open", "_queues", "secrets", "verifier", "directory"):
            del furnished.app.__dict__[part]
    read = 0
    for method, path, body in [*operations(), *NAMED]:
        found = []
        for ident in ("1", "2"):
            meter.calls.clear()
            options: dict[str, Any] = {} if body is None else {"json": _renamed(body, ident)}
            reply = await furnished.call(method, _renamed(path, ident), role, role, tenant="globex", **options)
            found.append((shown(reply), list(meter.calls)))
        (foreign, there), (missing, nowhere) = found
        assert foreign[0] == missing[0], (method, path)
        assert foreign[1].replace("-1", "-2") == missing[1].replace("-1", "-2"), (method, path)
        assert there == nowhere, (method, path)
        read += len(there)
    assert read > 20, "the tables were seen through"


def _renamed(value: Any, ident: str) -> Any:
    """With another number for each thing."""
    match value:
        case str():
            return ABSENT.sub(rf"\1-{ident}", value)
        case dict():
            return {name: _renamed(one, ident) for name, one in value.items()}
        case list():
            return [_renamed(one, ident) for one in value]
        case _:
            return value
