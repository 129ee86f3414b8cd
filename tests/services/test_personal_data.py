"""What is kept of one user, told and erased."""

from typing import Any

import pytest

from kxmsg.audience import inbox
from kxmsg.bootstrap import App
from kxmsg.errors import BackendError, Forbidden, Unavailable
from kxmsg.model.connection import Place
from kxmsg.model.principal import Principal
from kxmsg.model.target import Target
from kxmsg.services import personal_data
from tests.product import DESK, caller, connection, envelope, simulate
from tests.services.channels.furnishing import ADMIN, desk, members, only_frames, watched

ANA = caller("ana")


async def talk(app: App, target: Target, *senders: str) -> None:
    said = [
        envelope(f"{target.id}-{number}", target, payload={"content": "x", "senderId": who})
        for number, who in enumerate(senders)
    ]
    await app.logs.append("acme", target, said)


async def everything(app: App, who: Principal = ANA, **options: Any) -> list[str]:
    """The ids of all that is exported, page by page."""
    found: list[str] = []
    cursor: str | None = None
    while True:
        page = await app.personal_data.export(who, "ana", options.get("limit", 200), cursor)
        found += [one.entry.envelope.id for one in page.notifications]
        found += [one.envelope.id for one in page.messages]
        cursor = page.cursor
        if cursor is None:
            return found


def test_pages_of_an_export_have_everything_once_also_of_channels_that_were_left() -> None:
    async def scenario(app: App) -> None:
        await desk(app, ["ana", "bob"])
        await app.channel_service.create(ADMIN, "group", [app.channel_service.person("ana")], fresh="past")
        await talk(app, DESK, "ana", "bob", "ana")
        await talk(app, Target("channel", "past"), "ana")
        await app.membership.leave(ANA, "past")
        await app.logs.append("acme", Target("user", "ana"), [envelope("n1"), envelope("n2")])
        expected = ["desk-0", "desk-2", "n1", "n2", "past-0"]
        for limit in (1, 2, 3, 200):
            assert sorted(await everything(app, limit=limit)) == expected, limit
        assert (await app.personal_data.export(ANA, "me", 1, None)).channels == ["desk", "past"]

    simulate(scenario)


def test_a_page_ends_where_it_has_looked_at_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(personal_data, "MAX_SEEN", 3)

    async def scenario(app: App) -> None:
        await desk(app, ["ana", "bob"])
        await talk(app, DESK, *["bob"] * 8, "ana")
        page = await app.personal_data.export(ANA, "ana", 200, None)
        assert (page.messages, page.cursor is None) == ([], False)
        assert await everything(app) == ["desk-8"]

    simulate(scenario)


def test_who_is_erased_is_gone_from_channels_connections_and_what_was_read() -> None:
    async def scenario(app: App) -> None:
        bus = watched(app)
        await app.directory.touch(ANA)
        await desk(app, ["ana", "bob"])
        await talk(app, DESK, "ana", "bob")
        await app.connections.open(connection("c1"), [*inbox("acme", "ana"), Place("acme", DESK)])
        await app.messages.react(ANA, "desk-1", "👍")
        bus.events.clear()
        erased = await app.personal_data.erase(ADMIN, "ana")
        assert (erased.messages, erased.reactions, erased.channels) == (1, 1, ["desk"])
        assert await app.connections.get("c1") is None
        assert await app.connections.subscribers(Place("acme", DESK)) == ([], None)
        assert await members(app) == ["bob"]
        channel = await app.channels.get("acme", "desk")
        assert channel is not None
        assert channel.former == ()
        assert bus.kinds == ["user.left.channel"]
        assert [frame["messageId"] for frame in await only_frames(app, "message.deleted")] == ["desk-0"]
        assert await app.directory.get("acme", "ana") is None
        assert await everything(app) == []

    simulate(scenario)


def test_a_channel_that_was_destroyed_meanwhile_keeps_nobody() -> None:
    async def scenario(app: App) -> None:
        await desk(app, ["ana", "bob"])
        await app.membership.leave(ANA, "desk")
        await app.channel_deletion.destroy(ADMIN, ["desk"])
        assert (await app.personal_data.erase(ADMIN, "ana")).channels == []

    simulate(scenario)


def test_more_than_one_request_deletes_is_gone_on_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(personal_data, "MAX_CHANGES", 3)

    async def scenario(app: App) -> None:
        await desk(app, ["ana", "bob"])
        await talk(app, DESK, *["ana"] * 7)
        for _ in range(2):
            with pytest.raises(Unavailable) as caught:
                await app.personal_data.erase(ADMIN, "ana")
            assert caught.value.code == "unfinished"
        assert (await app.personal_data.erase(ADMIN, "ana")).messages == 1
        assert await everything(app) == []

    simulate(scenario)


@pytest.mark.parametrize("seed", range(5))
def test_an_erasure_that_fails_half_way_is_finished_by_a_repeat(seed: int) -> None:
    async def scenario(app: App) -> None:
        while True:
            try:
                await desk(app, ["ana", "bob"])
                break
            except BackendError:
                continue
        await talk(app, DESK, "ana", "bob", "ana")
        await app.logs.append("acme", Target("user", "ana"), [envelope("n")])
        while True:
            try:
                await app.personal_data.erase(ADMIN, "ana")
                break
            except BackendError:
                continue
        assert await members(app) == ["bob"]
        assert await everything(app) == []

    simulate(scenario, seed=seed, conflict=0.1, throttle=0.1, lost_reply=0.1)


def test_erasing_is_for_administrators_and_exporting_for_oneself_too() -> None:
    async def scenario(app: App) -> None:
        with pytest.raises(Forbidden):
            await app.personal_data.erase(ANA, "ana")
        with pytest.raises(Forbidden):
            await app.personal_data.export(caller("bob", "employee"), "ana", 10, None)
        assert await everything(app, ADMIN) == []

    simulate(scenario)
