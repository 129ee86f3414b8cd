"""/_gateway: what a gateway tells of its connections, closed to all else."""

from typing import Any

import orjson
import pytest

from kxmsg.api.security import GATEWAY_HEADER
from tests.api.conftest import Api, Reply


async def tell(api: Api, route: str, body: Any = None, *, secret: str | None = None, **query: str) -> Reply:
    """What the gateway posts about its connection ``c1``; with its secret unless another is given."""
    event = {
        "requestContext": {"connectionId": "c1", "domainName": "local", "routeKey": f"${route}"},
        "headers": {"Origin": "https://example.com"},
        "queryStringParameters": query or None,
        "body": body,
    }
    headers = {GATEWAY_HEADER: api.app.gateway_secrets[0] if secret is None else secret}
    return await api.raw("POST", f"/_gateway/{route}", headers=headers, json=event)


def token(api: Api, user: str = "ana", ttl: float = 60) -> str:
    settings = api.app.settings
    return api.app.secrets.mint(user, "acme", ["member"], ttl, settings.issuer, settings.audience)


@pytest.mark.parametrize("secret", ["", "wrong"])
@pytest.mark.parametrize("route", ["connect", "default", "disconnect"])
async def test_without_the_gateways_secret_nothing_is_told(api: Api, route: str, secret: str) -> None:
    answer = await tell(api, route, token=token(api), secret=secret)
    assert (answer.status, answer.code) == (403, "forbidden")


async def test_the_routes_are_not_documented(api: Api) -> None:
    assert not [path for path in (await api.raw("GET", "/openapi.json")).body["paths"] if "_gateway" in path]


async def test_a_connection_is_known_from_connect_to_disconnect(api: Api) -> None:
    assert (await tell(api, "connect", token=token(api))).status == 200
    stored = await api.app.connections.get("c1")
    assert stored is not None
    assert (stored.user, stored.tenant, stored.gateway) == ("ana", "acme", "local")
    assert (await tell(api, "disconnect")).status == 200
    assert await api.app.connections.get("c1") is None
    assert (await tell(api, "disconnect")).status == 200


async def test_a_frame_is_answered_with_a_frame(api: Api) -> None:
    await tell(api, "connect", token=token(api))
    answer = await tell(api, "default", orjson.dumps({"action": "ping", "id": 5}).decode())
    assert answer.status == 200
    assert (answer.body["type"], answer.body["id"]) == ("pong", 5)
    assert set(answer.body["heads"]) == {"user#ana", "client#acme", "broadcast"}


@pytest.mark.parametrize("body", ["{", "", None, "[]", "7"])
async def test_a_malformed_frame_is_answered_with_an_error_frame(api: Api, body: str | None) -> None:
    await tell(api, "connect", token=token(api))
    answer = await tell(api, "default", body)
    assert (answer.status, answer.body["type"], answer.body["code"]) == (200, "error", "malformed")


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({}, 401),
        ({"token": "nonsense"}, 401),
        ({"token": "EXPIRED"}, 401),
        ({"token": "GOOD", "userId": "bo"}, 403),
        ({"token": "GOOD", "chatId": "nowhere"}, 404),
        ({"token": "GOOD", "chatId": "a#b"}, 400),
    ],
    ids=str,
)
async def test_who_is_refused_is_told_why_and_leaves_nothing(api: Api, query: dict[str, str], status: int) -> None:
    tokens = {"EXPIRED": token(api, ttl=-3600), "GOOD": token(api)}
    given = {name: tokens.get(value, value) for name, value in query.items()}
    assert (await tell(api, "connect", **given)).status == status
    assert await api.app.connections.get("c1") is None


@pytest.mark.parametrize("context", [{}, {"connectionId": "c1"}, {"domainName": "local"}, None], ids=str)
async def test_an_event_that_names_no_connection_is_malformed(api: Api, context: Any) -> None:
    headers = {GATEWAY_HEADER: api.app.gateway_secrets[0]}
    for route in ("connect", "default", "disconnect"):
        answer = await api.raw("POST", f"/_gateway/{route}", headers=headers, json={"requestContext": context})
        assert (answer.status, answer.code) == (400, "invalid_input")
