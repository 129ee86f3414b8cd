"""Users and what they prefer: what their open connections make of it."""

import asyncio
from dataclasses import replace

import pytest

from kxmsg.audience import SHARDS, inbox
from kxmsg.bootstrap import App
from kxmsg.model.connection import Place
from kxmsg.model.preferences import Preferences, QuietHours
from kxmsg.services.sessions import ConnectRequest
from tests.product import DESK, caller, connection, simulate
from tests.services.channels.furnishing import desk, only_frames
from tests.services.sessions.test_connecting import sessions

ANA = caller("ana")
NIGHT = Preferences(quiet_hours=QuietHours(0, 60))
DAY = Preferences(quiet_hours=QuietHours(60, 120))
HOME = Place("acme", DESK)


async def preferred(app: App) -> Preferences | None:
    """What the rows of ana's inbox say, all of them."""
    rows = [row for place in inbox("acme", "ana") for row in (await app.connections.subscribers(place))[0]]
    said = [row.preferences for row in rows]
    assert len(said) >= 3
    assert said == [said[0]] * len(said)
    return said[0]


@pytest.fixture(autouse=True)
def one_shard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the rows of a broadcast stand in any of four."""
    monkeypatch.setitem(SHARDS, "broadcast", 1)


def test_open_connections_go_by_what_is_preferred_now_and_devices_are_told() -> None:
    async def scenario(app: App) -> None:
        await app.directory.touch(ANA)
        for ident in ("c1", "c2"):
            await app.connections.open(connection(ident), inbox("acme", "ana"))
        assert await preferred(app) is None
        await app.users.prefer(ANA, "me", NIGHT)
        assert await preferred(app) == NIGHT
        assert [frame["userId"] for frame in await only_frames(app, "preferences.updated")] == ["ana"]
        await app.users.prefer(ANA, "me", Preferences(locale="de"))
        assert await preferred(app) is None, "a language silences nothing"

    simulate(scenario)


def test_a_time_zone_that_an_administrator_enters_is_gone_by_too() -> None:
    async def scenario(app: App) -> None:
        await app.directory.touch(ANA)
        await app.connections.open(connection("c1"), inbox("acme", "ana"))
        await app.users.prefer(ANA, "me", NIGHT)
        await app.users.put(caller("root", "admin"), "ana", {"time_zone": "Europe/Berlin"})
        assert await preferred(app) == replace(NIGHT, time_zone="Europe/Berlin")

    simulate(scenario)


def test_a_row_that_was_deleted_meanwhile_does_not_come_back() -> None:
    async def scenario(app: App) -> None:
        await app.directory.touch(ANA)
        await app.connections.open(connection("c1"), inbox("acme", "ana"))
        await app.connections.unsubscribe("c1", inbox("acme", "ana")[1:])
        await app.users.prefer(ANA, "me", NIGHT)
        assert [place.target.key for place in await app.connections.places("c1")] == ["user#ana"]

    simulate(scenario)


def test_frames_of_channels_come_whatever_one_prefers() -> None:
    async def scenario(app: App) -> None:
        await desk(app, ["ana"])
        await app.connections.open(connection("c1"), [*inbox("acme", "ana"), HOME], NIGHT)
        assert await preferred(app) == NIGHT
        assert [row.preferences for row in (await app.connections.subscribers(HOME))[0]] == [None]

    simulate(scenario)


def test_who_connects_goes_by_what_they_prefer() -> None:
    async def scenario(app: App) -> None:
        await app.directory.touch(ANA)
        await app.users.prefer(ANA, "me", replace(NIGHT, locale="de"))
        opened = await sessions(app).connect(ConnectRequest("c1", "local", {"token": "ana:member"}))
        assert opened.locale == "de"
        named = {"token": "ana:member", "locale": "fr"}
        assert (await sessions(app).connect(ConnectRequest("c2", "local", named))).locale == "fr"
        assert await preferred(app) == replace(NIGHT, locale="de")

    simulate(scenario)


@pytest.mark.parametrize("seed", range(15))
def test_who_connects_while_they_change_what_they_prefer_goes_by_the_change(seed: int) -> None:
    async def scenario(app: App) -> None:
        await app.directory.touch(ANA)
        request = ConnectRequest("c1", "local", {"token": "ana:member"})
        changes = [app.users.prefer(ANA, "me", one) for one in (Preferences(), DAY, NIGHT)]
        await asyncio.gather(sessions(app).connect(request), *changes)
        last = await app.preferring.of("acme", "ana")
        assert await preferred(app) == (last if last.silences else None)

    simulate(scenario, seed=seed)
