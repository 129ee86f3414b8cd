"""Who may open a connection, and what it gets."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kxmsg.audience import SHARDS
from kxmsg.bootstrap import App
from kxmsg.errors import Forbidden, NotFound, Refusal, Unauthenticated
from kxmsg.model.connection import Place
from kxmsg.model.principal import Principal
from kxmsg.model.target import Target
from kxmsg.services.sessions import ConnectRequest, Sessions
from kxmsg.services.sessions.connecting import principal
from tests.product import caller, envelope, simulate
from tests.services.test_entrance import furnish


class Tokens:
    """A verifier for which ``user:role`` is a token, and ``user:role:locale`` too."""

    async def verify(self, token: str) -> Principal:
        user, *said = token.split(":")
        if not said:
            raise Unauthenticated("no such token")
        return replace(caller(user, said[0]), locale=said[1] if said[1:] else None)


def sessions(app: App, *origins: str) -> Sessions:
    return Sessions(
        Tokens(),  # type: ignore[arg-type] # half a verifier
        app.connections, app.channels, app.channel_service, app.directory, app.preferring, app.marks, app.clock,
        origins,
    )  # fmt: skip


def request(ident: str = "c1", *, origin: str | None = None, **query: str) -> ConnectRequest:
    return ConnectRequest(ident, "local", query, {} if origin is None else {"origin": origin})


async def places(app: App, ident: str = "c1") -> set[str]:
    return {place.target.key for place in await app.connections.places(ident)}


INBOX = {"user#ana", "client#acme", "broadcast"}


def test_who_names_no_channel_gets_the_inbox_and_all_of_theirs() -> None:
    async def scenario(app: App) -> None:
        await furnish(app)
        opened = await sessions(app).connect(request(token="ana:member"))
        assert opened == await app.connections.get("c1")
        assert opened.follows_channels
        assert await places(app) == {*INBOX, "channel#desk"}
        assert [user async for user, _ in app.directory.everyone("acme")] == ["ana"]
        await sessions(app).disconnect("c1")
        assert await places(app) == set()

    simulate(scenario)


def test_who_names_channels_gets_those() -> None:
    async def scenario(app: App) -> None:
        await furnish(app)
        await sessions(app).connect(request(token="ana:member", threadId="new"))
        assert await places(app) == {*INBOX, "channel#new"}
        await sessions(app).connect(request("c2", token="ana:member", chatId="desk", threadId="desk"))
        assert await places(app, "c2") == {*INBOX, "channel#desk"}

    simulate(scenario)


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ({}, Unauthenticated),
        ({"token": "bad"}, Unauthenticated),
        ({"token": "ana:member", "userId": "bob"}, Forbidden),
        ({"token": "eve:member", "chatId": "desk"}, NotFound),
        ({"token": "eve:member", "chatId": "none"}, NotFound),
        ({"token": "root:admin", "chatId": "none"}, NotFound),
        ({"token": "eve:member", "threadId": "desk"}, NotFound),
        ({"token": "ana:member", "threadId": "a#b"}, Refusal),
    ],
    ids=str,
)
def test_who_may_not_is_refused_and_leaves_no_connection(query: dict[str, str], error: type[Refusal]) -> None:
    async def scenario(app: App) -> None:
        await furnish(app)
        with pytest.raises(error):
            await sessions(app).connect(request(**query))
        assert await app.connections.get("c1") is None
        assert await places(app) == set()

    simulate(scenario)


def test_browsers_connect_from_allowed_origins_only() -> None:
    async def scenario(app: App) -> None:
        await furnish(app)
        strict = sessions(app, "https://good.example")
        for origin in ("https://good.example", None):
            await strict.connect(request(token="ana:member", origin=origin))
        for origin in ("https://evil.example", "null", "https://good.example.evil.example", ""):
            with pytest.raises(Forbidden):
                await strict.connect(request(token="ana:member", origin=origin))

    simulate(scenario)


def test_a_header_carries_the_token_too() -> None:
    async def scenario(app: App) -> None:
        headers = {"authorization": "bearer ana:member"}
        assert (await sessions(app).connect(ConnectRequest("c1", "local", {}, headers))).user == "ana"
        with pytest.raises(Unauthenticated):
            await sessions(app).connect(ConnectRequest("c2", "local", {}, {"authorization": "Basic ana:member"}))

    simulate(scenario)


@pytest.mark.parametrize(
    ("query", "accepted", "locale"),
    [
        ({"token": "ana:member:it", "locale": "de-AT"}, "fr", "de-at"),
        ({"token": "ana:member:it", "locale": "german"}, "fr", "fr"),
        ({"token": "ana:member:it"}, "fr, de;q=0.5", "fr"),
        ({"token": "ana:member:it"}, "*", "it"),
        ({"token": "ana:member"}, "", None),
    ],
    ids=str,
)
def test_a_connection_and_its_subscriptions_keep_its_readers_locale(
    query: dict[str, str], accepted: str, locale: str | None
) -> None:
    """One that makes no sense refuses nobody."""

    async def scenario(app: App) -> None:
        opened = await sessions(app).connect(ConnectRequest("c1", "local", query, {"accept-language": accepted}))
        assert opened == await app.connections.get("c1")
        assert (opened.locale, principal(opened).locale) == (locale, locale)
        rows = [
            one.locale
            for place in await app.connections.places("c1")
            for shard in range(SHARDS[place.target.type])
            for one in (await app.connections.subscribers(place, shard))[0]
        ]
        assert rows == [locale] * 3

    simulate(scenario)


fields = st.sampled_from(["userId", "threadId", "chatId", "type", "locale", "x"])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.dictionaries(fields, st.text(max_size=8) | st.sampled_from(["desk", "ana"])), max_size=6))
def test_any_handshake_is_let_in_or_refused(queries: list[dict[str, Any]]) -> None:
    async def scenario(app: App) -> None:
        await furnish(app)
        for n, query in enumerate(queries):
            try:
                opened = await sessions(app).connect(request(f"c{n}", token="ana:member", **query))
            except Refusal:
                continue
            assert opened == await app.connections.get(f"c{n}")

    simulate(scenario)


def test_what_comes_after_the_first_connection_is_unread() -> None:
    async def scenario(app: App) -> None:
        client = Target("client", "acme")
        await app.logs.append("acme", client, [envelope("before", client)])
        await sessions(app).connect(request(token="ana:member"))
        await app.logs.append("acme", client, [envelope("after", client)])
        (box,) = await app.marks.look("acme", "ana", [Place("acme", client)])
        assert box.view.unread == 1

    simulate(scenario)
