"""Permissions: a view of who takes part."""

import asyncio

import pytest

from kxmsg.bootstrap import App
from kxmsg.errors import Conflict, Forbidden, InvalidInput, NotFound
from kxmsg.model.connection import Place
from kxmsg.model.target import Target
from tests.product import DESK, caller, connection, simulate
from tests.services.channels.furnishing import ADMIN, desk, members, only_frames, watched

INBOX = Place("acme", Target("user", "ana"))


def test_a_grant_by_admins_and_services_on_an_unknown_chat_makes_a_group() -> None:
    async def scenario(app: App) -> None:
        bus = watched(app)
        person = await app.permissions.grant(caller("svc", "system"), "desk", "ana", "member", "Ana")
        assert (person.user, person.role, person.name) == ("ana", "member", "Ana")
        channel = await app.channels.get("acme", "desk")
        assert channel is not None
        assert (channel.type, await members(app), bus.kinds) == ("group", ["ana"], ["channel.created"])
        for who in (caller("ana"), caller("ana", "employee")):
            with pytest.raises(NotFound):
                await app.permissions.grant(who, "elsewhere", "bob", "member")

    simulate(scenario)


@pytest.mark.parametrize("seed", range(4))
def test_fifty_grants_at_once_on_an_unknown_chat_make_one_group_with_all(seed: int) -> None:
    async def scenario(app: App) -> None:
        bus = watched(app)
        await asyncio.gather(*(app.permissions.grant(ADMIN, "desk", f"u{n % 25}", "member") for n in range(50)))
        assert sorted(await members(app)) == sorted(f"u{n}" for n in range(25))
        assert bus.kinds.count("channel.created") == 1
        assert bus.kinds.count("user.joined.channel") == 24

    simulate(scenario, seed=seed, conflict=0.1)


def test_who_administers_a_channel_grants_and_revokes() -> None:
    async def scenario(app: App) -> None:
        bus = watched(app)
        service, ana, bob = app.channel_service, caller("ana"), caller("bob")
        await service.create(ana, "group", [service.person("ana"), service.person("bob")], ident="desk")
        for who, error in ((bob, Forbidden), (caller("eve", "employee"), NotFound), (caller("eve"), NotFound)):
            with pytest.raises(error):
                await app.permissions.grant(who, "desk", "cleo", "member")
            with pytest.raises(error):
                await app.permissions.revoke(who, "desk", "ana")
            with pytest.raises(error):
                await app.permissions.of_channel(who, "desk", 10, None)
        joined = await app.permissions.grant(ana, "desk", "bob", "admin")
        assert joined.role == "admin"
        await app.permissions.grant(bob, "desk", "cleo", "member")
        assert bus.kinds == ["channel.created", "user.joined.channel"], "a new role is no joining"
        with pytest.raises(NotFound):
            await app.permissions.revoke(bob, "desk", "dan")
        await app.permissions.revoke(bob, "desk", "ana")
        with pytest.raises(NotFound):
            await app.permissions.grant(ana, "desk", "ana", "owner")
        assert await members(app) == ["bob", "cleo"]

    simulate(scenario)


def test_a_revoke_ends_what_open_connections_get_and_tells_them() -> None:
    async def scenario(app: App) -> None:
        watched(app)
        await desk(app, ["ana", "bob"])
        for ident, follows in (("c1", True), ("c2", False)):
            one = connection(ident, follows_channels=follows)
            await app.connections.open(one, [INBOX, Place("acme", DESK)])
        for _ in range(2):
            await app.permissions.revoke(ADMIN, "desk", "ana")
        assert await app.connections.subscribers(Place("acme", DESK)) == ([], None)
        assert {"user#ana", "channel#desk"} == {frame["targetKey"] for frame in await only_frames(app, "left")}

    simulate(scenario)


def test_a_direct_channel_takes_no_third() -> None:
    async def scenario(app: App) -> None:
        watched(app)
        service = app.channel_service
        made = await service.create(ADMIN, "direct", [service.person("ana"), service.person("bob")])
        with pytest.raises(Conflict):
            await app.permissions.grant(ADMIN, made.id, "cleo", "member")

    simulate(scenario)


def test_permissions_are_listed_in_pages_by_user_and_by_chat() -> None:
    async def scenario(app: App) -> None:
        watched(app)
        await desk(app, ["ana", "bob", "cleo"])
        for n in range(4):
            await app.permissions.grant(ADMIN, f"c{n}", "ana", "member")

        async def pages(ask: object, who: object, what: str) -> list[list[str]]:
            found, cursor = [], None
            while True:
                part, cursor = await ask(who, what, 2, cursor)  # type: ignore[operator] # one of the two lists
                found.append([f"{one.channel}:{one.person.user}" for one in part])
                if cursor is None:
                    return found

        ana = caller("ana")
        assert await pages(app.permissions.of_user, ana, "ana") == [
            ["c0:ana", "c1:ana"],
            ["c2:ana", "c3:ana"],
            ["desk:ana"],
        ]
        assert await pages(app.permissions.of_channel, ADMIN, "desk") == [["desk:ana", "desk:bob"], ["desk:cleo"]]
        with pytest.raises(Forbidden):
            await app.permissions.of_user(caller("bob", "employee"), "ana", 10, None)
        _, cursor = await app.permissions.of_user(ana, "ana", 2, None)
        with pytest.raises(InvalidInput):
            await app.permissions.of_user(ADMIN, "ana", 2, cursor)

    simulate(scenario)
