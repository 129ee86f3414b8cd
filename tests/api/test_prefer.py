"""kxmsg.api.prefer: waiting for the commit."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from fastapi import APIRouter
from hypothesis import given
from hypothesis import strategies as st

from kxmsg.api.app import create_app
from kxmsg.api.deps import Answer, FreshId, Product
from kxmsg.api.prefer import MAX_WAIT, Accepted, wait_of
from kxmsg.api.server import ApiServer
from kxmsg.bootstrap import App, memory_app
from kxmsg.model.envelope import Envelope
from tests.product import USER, envelope


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("wait=5", 5),
        ("Wait=5", 5),
        ("wait = 5", 5),
        ('wait="5"', 5),
        ("wait=0", 0),
        ("respond-async, wait=5", 5),
        ("return=minimal; x=1, wait=5;why=not", 5),
        ('foo="a, wait=9", wait=5', 5),
        ("wait=5, wait=7", 5),
        ("wait=100000000000000000000", MAX_WAIT),
        ("", None),
        ("wait", None),
        ("wait=", None),
        ("wait=soon", None),
        ("wait=-1", None),
        ("wait=1.5", None),
        ("wait=²", None),
        ("waiting=5", None),
        ("foo;wait=5", None),
    ],
)
def test_the_preference_is_read(header: str, seconds: int | None) -> None:
    """One that is not understood is ignored (RFC 7240, section 2)."""
    assert wait_of(header) == seconds


@given(st.text(alphabet='wait=5,;" \\x\t', max_size=60))
def test_any_header_is_read(header: str) -> None:
    assert wait_of(header) in (None, *range(MAX_WAIT + 1))


sent: list[Envelope] = []

router = APIRouter()


@router.post("/notes", status_code=202)
async def note(ident: FreshId, app: Product, accepted: Accepted) -> Answer:
    sent.append(envelope(ident))
    return await accepted.answer("note", {"id": ident}, sent[-1])


@asynccontextmanager
async def serving() -> AsyncIterator[tuple[App, aiohttp.ClientSession]]:
    app = memory_app()
    server = ApiServer(create_app(app, [router]), host="127.0.0.1", port=0)
    await server.start()
    settings = app.settings
    token = app.secrets.mint("ana", "acme", ["member"], 60, settings.issuer, settings.audience)
    try:
        async with aiohttp.ClientSession(
            f"http://127.0.0.1:{server.port}", headers={"Authorization": f"Bearer {token}"}
        ) as session:
            yield app, session
    finally:
        await server.stop(1)
        await app.close()


@pytest.fixture(autouse=True)
def _nothing_sent(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    sent.clear()
    monkeypatch.setenv("KXMSG_DATA", str(tmp_path_factory.mktemp("data")))


async def test_it_answers_once_it_is_stored() -> None:
    """201, with the number."""
    async with serving() as (app, session):
        asking = asyncio.create_task(session.post("/notes", headers={"Prefer": "wait=20"}))
        while not sent:  # noqa: ASYNC110 - another task's list
            await asyncio.sleep(0)
        await app.logs.append("acme", USER, sent)
        async with await asking as answer:
            body = await answer.json()
        assert (answer.status, answer.headers["Preference-Applied"]) == (201, "wait=20")
        assert body == {"success": True, "note": {"id": sent[0].id, "sequenceNumber": 1}}


async def test_it_answers_as_accepted_when_the_time_is_over() -> None:
    """202: RFC 7240, section 4.3."""
    async with serving() as (_, session), session.post("/notes", headers={"Prefer": "wait=0"}) as answer:
        assert (answer.status, answer.headers["Preference-Applied"]) == (202, "wait=0")
        assert await answer.json() == {"success": True, "note": {"id": sent[0].id}}


async def test_who_does_not_ask_does_not_wait() -> None:
    async with serving() as (_, session), session.post("/notes") as answer:
        assert (answer.status, "Preference-Applied" in answer.headers) == (202, False)


async def test_the_document_tells_of_it() -> None:
    async with serving() as (_, session), session.get("/openapi.json") as answer:
        responses = (await answer.json())["paths"]["/notes"]["post"]["responses"]
    assert list(responses)[:2] == ["202", "201"]
    assert all("Preference-Applied" in responses[status]["headers"] for status in ("201", "202"))
