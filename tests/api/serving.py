"""An application to serve, and a client of it, for the tests of the API."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from cryptography.hazmat.primitives.asymmetric import ec
from fastapi import APIRouter
from jwt import encode
from jwt.algorithms import ECAlgorithm
from multidict import CIMultiDictProxy

from kxmsg.api.app import create_app
from kxmsg.api.context import Check
from kxmsg.api.server import ApiServer
from kxmsg.bootstrap import memory_app
from kxmsg.services.identity import StaticKeys, TokenVerifier
from kxmsg.settings import Settings
from kxmsg.storage.directory import Directory
from kxmsg.storage.idempotency import Idempotency

NOW = 1_700_000_000.0
KEY = ec.generate_private_key(ec.SECP256R1())
JWKS: dict[str, Any] = {"keys": [{**json.loads(ECAlgorithm.to_jwk(KEY.public_key())), "kid": "k"}]}


class FixedClock:
    def now(self) -> float:
        return NOW


def token(**changes: Any) -> str:
    claims = {"iss": "i", "aud": "a", "sub": "u1", "tenantId": "t1", "roles": ["admin"], "exp": NOW + 60, **changes}
    return encode(claims, KEY, algorithm="ES256", headers={"kid": "k"})


@dataclass
class FakeApp:
    """What the API asks of the composition root."""

    verifier: TokenVerifier = field(
        default_factory=lambda: TokenVerifier(StaticKeys(JWKS), issuer="i", audience="a", clock=FixedClock())
    )
    settings: Settings = field(default_factory=Settings)
    idempotency: Idempotency = field(default_factory=lambda: memory_app().idempotency)
    directory: Directory = field(default_factory=lambda: memory_app().directory)
    gateway_secrets: list[str] = field(default_factory=lambda: ["current", "previous"])
    checks: dict[str, Check] = field(default_factory=dict)
    jwks: dict[str, Any] | None = field(default_factory=lambda: JWKS)


@dataclass
class Answer:
    status: int
    headers: CIMultiDictProxy[str]
    body: Any

    @property
    def code(self) -> Any:
        """The error's code, where the answer is an error in the one shape."""
        assert set(self.body) == {"success", "error", "correlationId"}
        assert set(self.body["error"]) == {"code", "message", "details"}
        assert self.body["success"] is False
        assert self.body["correlationId"] == self.headers["X-Correlation-Id"]
        return self.body["error"]["code"]


class Client:
    """JSON over HTTP."""

    def __init__(self, session: aiohttp.ClientSession, app: FakeApp, port: int) -> None:
        self._session = session
        self.app = app
        self.port = port

    async def call(self, method: str, path: str, **options: Any) -> Answer:
        async with self._session.request(method, path, **options) as response:
            text = await response.text()
            json_text = response.content_type == "application/json"
            return Answer(response.status, response.headers, json.loads(text) if json_text else text)

    async def get(self, path: str, **options: Any) -> Answer:
        return await self.call("GET", path, **options)

    async def post(self, path: str, **options: Any) -> Answer:
        return await self.call("POST", path, **options)


@asynccontextmanager
async def serving(*routers: APIRouter, app: FakeApp | None = None) -> AsyncIterator[Client]:
    app = app or FakeApp()
    server = ApiServer(create_app(app, routers), host="127.0.0.1", port=0)
    await server.start()
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as session:
            yield Client(session, app, server.port)
    finally:
        await server.stop(1)
