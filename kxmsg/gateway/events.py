"""What the gateway tells the API: the proxy events of API Gateway WebSocket, as plain data.

Shape: API Gateway Developer Guide, "Set up a WebSocket API integration request" and "$context" variables. ``path``
is an addition, since this gateway takes upgrades at any path.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from secrets import token_urlsafe
from typing import Literal, TypeAlias
from urllib.parse import parse_qsl

import orjson

from kxmsg.types import JsonObject

EventType: TypeAlias = Literal["CONNECT", "MESSAGE", "DISCONNECT"]


@dataclass(frozen=True, slots=True)
class Peer:
    """One connection as the API sees it. ``connected_at`` is epoch seconds; ``gateway`` the gateway's name."""

    connection: str
    connected_at: float
    gateway: str
    path: str
    source_ip: str
    user_agent: str

    def connect(self, query: str, headers: Mapping[str, str]) -> JsonObject:
        """Sent before the upgrade is answered."""
        return {
            "requestContext": self._context("$connect", "CONNECT"),
            "headers": dict(headers),
            "queryStringParameters": dict(parse_qsl(query, keep_blank_values=True)),
            "isBase64Encoded": False,
        }

    def message(self, text: str, route: str) -> JsonObject:
        """Sent for each text message; ``route`` as :func:`select` gives it."""
        return {"requestContext": self._context(route, "MESSAGE"), "body": text, "isBase64Encoded": False}

    def disconnect(self, code: int, reason: str) -> JsonObject:
        """Sent when the connection is gone; ``code`` and ``reason`` as RFC 6455, section 7.1.5, defines them."""
        context = self._context("$disconnect", "DISCONNECT")
        context |= {"disconnectStatusCode": code, "disconnectReason": reason}
        return {"requestContext": context, "isBase64Encoded": False}

    def _context(self, route: str, event_type: EventType) -> JsonObject:
        return {
            "routeKey": route,
            "eventType": event_type,
            "connectionId": self.connection,
            "connectedAt": int(self.connected_at * 1000),
            "requestTimeEpoch": time.time_ns() // 1_000_000,
            "requestId": token_urlsafe(12),
            "domainName": self.gateway,
            "stage": "",
            "path": self.path,
            "identity": {"sourceIp": self.source_ip, "userAgent": self.user_agent},
        }


def select(text: str) -> tuple[str, str | int | None]:
    """The route that ``$request.body.action`` selects, and the client's own ``id`` of the message if it has one."""
    try:
        body = orjson.loads(text)
    except orjson.JSONDecodeError:
        return "$default", None
    if not isinstance(body, dict):
        return "$default", None
    action, own_id = body.get("action"), body.get("id")
    return (
        action if isinstance(action, str) and action else "$default",
        own_id if isinstance(own_id, str | int) else None,
    )
