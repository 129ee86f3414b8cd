"""Lambda functions: API Gateway's events, as recorded in its Developer Guide, lead to what the routes do."""

import subprocess
import sys
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from kxmsg.api import lambdas
from kxmsg.api.lambdas import Sandbox, authorize, connect, default, disconnect
from kxmsg.bootstrap import App, memory_app
from kxmsg.errors import StartError, Transient
from kxmsg.model.connection import Connection
from kxmsg.settings import Settings
from tests.product import CONFIG

DOMAIN = "abcd1234.execute-api.us-east-1.amazonaws.com"
ARN = "arn:aws:execute-api:us-east-1:123456789012:abcd1234/prod/$connect"


def event(route: str, kind: str, **more: Any) -> dict[str, Any]:
    """What all of them have."""
    context = {
        "routeKey": route,
        "eventType": kind,
        "extendedRequestId": "ABCD1234=",
        "requestTime": "09/Feb/2024:18:11:43 +0000",
        "messageDirection": "IN",
        "stage": "prod",
        "connectedAt": 1_707_502_303_419,
        "requestTimeEpoch": 1_707_502_303_420,
        "identity": {"sourceIp": "192.0.2.1"},
        "requestId": "ABCD1234=",
        "domainName": DOMAIN,
        "connectionId": "AAAA1234=",
        "apiId": "abcd1234",
    }
    return {"requestContext": context, "isBase64Encoded": False, **more}


def connecting(**query: str) -> dict[str, Any]:
    """Without a query string API Gateway leaves the parameters out."""
    headers = {
        "Host": DOMAIN,
        "Origin": "https://example.com",
        "Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits",
        "Sec-WebSocket-Key": "ABCD1234==",
        "Sec-WebSocket-Version": "13",
        "X-Forwarded-For": "192.0.2.1",
    }
    several = {name: [value] for name, value in headers.items()}
    made = event("$connect", "CONNECT", headers=headers, multiValueHeaders=several)
    if query:
        made["queryStringParameters"] = query
        made["multiValueQueryStringParameters"] = {name: [value] for name, value in query.items()}
    return made


def authorizing(**query: str) -> dict[str, Any]:
    made = connecting(**query)
    del made["isBase64Encoded"]
    return {**made, "type": "REQUEST", "methodArn": ARN, "stageVariables": {}}


def saying(body: str | None, **more: Any) -> dict[str, Any]:
    """A message has no headers."""
    made = event("$default", "MESSAGE", **more)
    made["requestContext"]["messageId"] = "ABCD1234="
    return made if body is None else {**made, "body": body}


def leaving() -> dict[str, Any]:
    made = event("$disconnect", "DISCONNECT", headers={"Host": DOMAIN, "x-api-key": "", "x-restapi": ""})
    made["requestContext"] |= {
        "disconnectStatusCode": 1005,
        "disconnectReason": "Client-side close frame status not set",
    }
    return made


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    """The app behind the functions."""
    made = memory_app(settings=Settings(config=CONFIG, data=tmp_path, origins=["https://example.com"]))

    @asynccontextmanager
    async def opening() -> AsyncIterator[App]:
        yield made
        await made.close()

    sandbox = Sandbox(opening)
    monkeypatch.setattr(lambdas, "sandbox", sandbox)
    yield made
    sandbox.close()


def token(app: App, user: str = "ana") -> str:
    return app.secrets.mint(user, "acme", ["member"], 60, app.settings.issuer, app.settings.audience)


def stored(app: App) -> Connection | None:
    """The connection's row."""

    async def look(app: App, _: Any) -> Connection | None:
        return await app.connections.get("AAAA1234=")

    return lambdas.sandbox.run(look, {})


def body(answer: dict[str, Any]) -> Any:
    return orjson.loads(answer["body"])


def test_a_connection_is_known_from_connect_to_disconnect(app: App) -> None:
    """By the gateway's domain name, which the allow-list of gateways leads to its callback URL."""
    assert connect(connecting(token=token(app)), None) == {"statusCode": 200}
    row = stored(app)
    assert row is not None
    assert (row.user, row.tenant, row.gateway) == ("ana", "acme", DOMAIN)
    answer = default(saying('{"action": "ping", "id": 5}'), None)
    assert answer["statusCode"] == 200
    assert (body(answer)["type"], body(answer)["id"]) == ("pong", 5)
    assert disconnect(leaving(), None) == {"statusCode": 200}
    assert stored(app) is None


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ({}, 401, "unauthenticated"),
        ({"token": "nonsense"}, 401, "invalid_token"),
        ({"userId": "bo"}, 403, "foreign_user"),
    ],
)
def test_who_may_not_connect_is_told_why(app: App, query: dict[str, str], status: int, code: str) -> None:
    query = {"token": token(app), **query} if "userId" in query else query
    answer = connect(connecting(**query), None)
    assert (answer["statusCode"], body(answer)["error"]["code"]) == (status, code)
    assert stored(app) is None


def test_an_outage_is_told_as_such(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    async def down(*_: Any) -> None:
        raise Transient("tables are away")

    monkeypatch.setattr(app.connections, "open", down)
    assert connect(connecting(token=token(app)), None)["statusCode"] == 503


@pytest.mark.parametrize("said", [None, "", "{", "[]"])
def test_a_malformed_frame_is_answered_with_an_error_frame(app: App, said: str | None) -> None:
    answer = default(saying(said), None)
    assert (answer["statusCode"], body(answer)["type"]) == (200, "error")


def test_a_binary_message_is_read_as_text(app: App) -> None:
    connect(connecting(token=token(app)), None)
    said = saying(b64encode(b'{"action": "ping"}').decode(), isBase64Encoded=True)
    assert body(default(said, None))["type"] == "pong"


def test_the_authorizer_allows_this_connection_and_no_more(app: App) -> None:
    answer = authorize(authorizing(token=token(app)), None)
    assert answer["principalId"] == "ana"
    assert answer["policyDocument"] == {
        "Version": "2012-10-17",
        "Statement": [{"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": ARN}],
    }
    assert stored(app) is None, "only connect writes"


def test_the_authorizer_tells_no_token_from_the_wrong_ones(app: App) -> None:
    """API Gateway answers 401 to an error of exactly this text, 403 to a policy that denies."""
    with pytest.raises(RuntimeError, match=r"^Unauthorized$"):
        authorize(authorizing(), None)
    answer = authorize(authorizing(token=token(app), userId="bo"), None)
    (statement,) = answer["policyDocument"]["Statement"]
    assert statement["Effect"] == "Deny"


def test_a_start_that_failed_is_tried_again() -> None:
    tries: list[int] = []

    @asynccontextmanager
    async def opening() -> AsyncIterator[App]:
        tries.append(1)
        if len(tries) == 1:
            raise StartError("no table")
        app = memory_app()
        yield app
        await app.close()

    async def nothing(app: App, _: Any) -> str:
        return "done"

    sandbox = Sandbox(opening)
    with pytest.raises(StartError):
        sandbox.run(nothing, {})
    assert [sandbox.run(nothing, {}) for _ in range(3)] == ["done"] * 3
    assert len(tries) == 2, "one app for all calls"
    sandbox.close()


def test_the_module_costs_little_to_import() -> None:
    """What it needs is imported where the app is opened."""
    code = "import sys, kxmsg.api.lambdas; print({'pydantic', 'fastapi', 'orjson'} & sys.modules.keys())"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603 - ours
    assert result.stdout.strip() == "set()"
