"""kxmsg.api.idempotency: a POST with a key is done once."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi import APIRouter
from structlog.testing import capture_logs

from kxmsg.api.deps import FreshId
from kxmsg.api.security import Caller
from kxmsg.errors import Forbidden, Transient
from kxmsg.storage.idempotency import MAX_BODY
from tests.api.conftest import Api
from tests.api.serving import Answer, Client, FakeApp, serving, token

BEARER = {"Authorization": f"Bearer {token()}"}


class Things:
    """A route that counts what it does, and does what its body says."""

    def __init__(self) -> None:
        self.done = 0
        self.gate: asyncio.Event | None = None
        self.entered = asyncio.Event()
        self.router = APIRouter()
        self.router.add_api_route("/things", self.make, methods=["POST"], status_code=201)
        self.router.add_api_route("/others", self.make, methods=["POST"], status_code=201)
        self.router.add_api_route("/things", self.replace, methods=["PUT"])

    async def make(self, body: dict[str, Any], who: Caller) -> dict[str, Any]:
        self.done += 1
        self.entered.set()
        if self.gate is not None:
            await self.gate.wait()
        match body.get("how"):
            case "refused":
                raise Forbidden("not you")
            case "transient":
                raise Transient("away")
            case "crash":
                raise RuntimeError("bug")
            case "huge":
                return {"text": "x" * MAX_BODY}
        return {"success": True, "number": self.done}

    async def replace(self, who: Caller) -> dict[str, Any]:
        self.done += 1
        return {"success": True, "number": self.done}


@pytest.fixture
def things() -> Things:
    return Things()


@pytest.fixture
async def client(things: Things) -> AsyncIterator[Client]:
    async with serving(things.router, app=FakeApp()) as running:
        yield running


async def post(client: Client, key: str = "k", path: str = "/things", **body: Any) -> Answer:
    return await client.post(path, json=body, headers={**BEARER, "Idempotency-Key": key})


async def test_a_repeat_is_answered_and_not_done(client: Client, things: Things) -> None:
    """With the same status and body, under a correlation id of its own."""
    first, second = await post(client, a=1), await post(client, a=1)
    assert (first.status, first.body) == (second.status, second.body) == (201, {"success": True, "number": 1})
    assert things.done == 1
    assert second.headers["Content-Type"] == "application/json"
    assert [answer.headers.get("Idempotency-Replayed") for answer in (first, second)] == [None, "true"]
    assert first.headers["X-Correlation-Id"] != second.headers["X-Correlation-Id"]


async def test_another_body_or_query_is_a_conflict(client: Client, things: Things) -> None:
    await post(client, a=1)
    for other in (await post(client, a=2), await post(client, path="/things?x=1", a=1)):
        assert (other.status, other.code) == (409, "idempotency_key_reused")
    assert things.done == 1


async def test_other_keys_routes_users_and_tenants_are_other_requests(client: Client, things: Things) -> None:
    await post(client)
    await post(client, "k2")
    await post(client, path="/others")
    for who in (token(sub="u2"), token(tenantId="t2")):
        headers = {"Authorization": f"Bearer {who}", "Idempotency-Key": "k"}
        assert (await client.post("/things", json={}, headers=headers)).status == 201
    assert things.done == 5


async def test_without_a_key_each_is_done(client: Client, things: Things) -> None:
    for _ in range(2):
        await client.post("/things", json={}, headers=BEARER)
    assert things.done == 2


async def test_only_posts_are_kept(client: Client, things: Things) -> None:
    """A PUT is idempotent by itself."""
    for _ in range(2):
        await client.call("PUT", "/things", headers={**BEARER, "Idempotency-Key": "k"})
    assert things.done == 2


async def test_a_simultaneous_repeat_is_told_to_come_again(client: Client, things: Things) -> None:
    things.gate = asyncio.Event()
    first = asyncio.create_task(post(client))
    await things.entered.wait()
    second = await post(client)
    assert (second.status, second.code, second.headers["Retry-After"]) == (409, "request_in_progress", "1")
    things.gate.set()
    assert (await first).status == 201
    assert (await post(client)).body == (await first).body
    assert things.done == 1


@pytest.mark.parametrize(("how", "status"), [("refused", 403), ("transient", 503), ("crash", 500)])
async def test_what_was_not_done_may_be_tried_again(client: Client, things: Things, how: str, status: int) -> None:
    with capture_logs():
        assert [(await post(client, how=how)).status for _ in range(2)] == [status] * 2
    assert things.done == 2


async def test_a_refused_request_may_be_corrected_under_its_key(client: Client) -> None:
    assert (await post(client, how="refused")).status == 403
    assert (await post(client, how="well")).status == 201


async def test_a_huge_answer_is_given_but_not_kept(client: Client) -> None:
    """A repeat is told that it is under way, until the lease ends."""
    with capture_logs() as logs:
        assert (await post(client, how="huge")).status == 201
    assert [line["event"] for line in logs if line["log_level"] == "warning"] == ["answer not kept"]


async def test_an_answer_that_can_not_be_kept_now_is_given(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """The request is done, whatever the table does after it."""

    async def away(*_: Any) -> bool:
        raise Transient("away")

    monkeypatch.setattr(client.app.idempotency, "keep", away)
    with capture_logs() as logs:
        assert (await post(client)).status == 201
    assert "answer not kept" in [line["event"] for line in logs]


@pytest.mark.parametrize("key", ["", "x" * 256, "a b", "é"])
async def test_an_odd_key_is_refused(client: Client, things: Things, key: str) -> None:
    answer = await post(client, key)
    assert (answer.status, answer.code, things.done) == (400, "invalid_idempotency_key", 0)


async def test_a_stranger_claims_nothing(client: Client, things: Things) -> None:
    """Who has no token is refused first, and the key is still free."""
    assert (await client.post("/things", json={}, headers={"Idempotency-Key": "k"})).status == 401
    assert (await post(client)).status == 201


async def test_every_try_has_the_same_fresh_id() -> None:
    """So that what a try left half-done is gone on with."""
    idents: list[str] = []
    router = APIRouter()

    @router.post("/things")
    async def make(ident: FreshId) -> dict[str, str]:
        idents.append(ident)
        if len(idents) == 1:
            raise Transient("half-way")
        return {"id": ident}

    async with serving(router) as client:
        assert (await post(client)).status == 503
        assert (await post(client)).body == {"id": idents[0]}
        assert (await post(client, "k2")).status == 200
    assert idents[0] == idents[1] != idents[2]


async def test_a_channel_is_made_once(api: Api) -> None:
    """On a route of the product, with an id that is made for it."""
    body = {"channelType": "group", "participants": [{"userId": "ana"}]}
    first, second = [
        await api.call("POST", "/channels", "ana", json=body, headers={"Idempotency-Key": "k"}) for _ in range(2)
    ]
    assert (first.status, first.body) == (second.status, second.body)
    assert len(await api.app.channels.of_user("acme", "ana")) == 1
