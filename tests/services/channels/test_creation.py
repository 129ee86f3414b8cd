"""Making channels, and finding the one there is."""

import asyncio
from collections.abc import Sequence

import pytest

from kxmsg.bootstrap import App
from kxmsg.errors import Conflict, Forbidden, InvalidInput, NotFound, PreconditionFailed, Transient
from kxmsg.model.channel import Channel, Participant
from kxmsg.model.connection import Place
from kxmsg.model.principal import Principal
from kxmsg.model.target import Target
from kxmsg.ports import TransactItem
from kxmsg.storage.channels import MAX_CHANNELS
from kxmsg.storage.outbox import GRACE
from tests.product import DESK, caller, connection, simulate
from tests.services.channels.furnishing import ADMIN, desk, frames, members, repeated, watched


def people(app: App, *users: str) -> list[Participant]:
    return [app.channel_service.person(user) for user in users]


@pytest.mark.parametrize("seed", range(6))
def test_of_many_who_create_one_channel_one_succeeds(seed: int) -> None:
    async def scenario(app: App) -> None:
        bus = watched(app)

        async def create(n: int) -> Channel | Conflict:
            who = caller(f"u{n}")
            try:
                return await app.channel_service.create(who, "group", people(app, who.user), ident="desk")
            except Conflict as conflict:
                return conflict

        results = await asyncio.gather(*map(create, range(50)))
        (made,) = [one for one in results if isinstance(one, Channel)]
        assert await members(app) == [made.created_by]
        assert bus.kinds == ["channel.created"]

    simulate(scenario, seed=seed, conflict=0.2)


@pytest.mark.parametrize("seed", range(6))
def test_fifty_who_find_or_create_at_once_get_one_channel(seed: int) -> None:
    async def scenario(app: App) -> None:
        bus = watched(app)
        users = ["ana", "bob", "cleo"]

        async def ask(n: int) -> tuple[str, bool]:
            turned = [users[(n + i) % 3] for i in range(3)]
            who = caller(users[n % 3])
            channel, created = await app.channel_service.find_or_create(who, "group", people(app, *turned))
            return channel.id, created

        answers = await asyncio.gather(*map(ask, range(50)))
        assert len({ident for ident, _ in answers}) == 1
        assert sum(created for _, created in answers) == 1
        assert await members(app, answers[0][0]) == users
        assert bus.kinds == ["channel.created"]

    simulate(scenario, seed=seed, conflict=0.1)


def test_find_or_create_outlives_lost_answers() -> None:
    async def scenario(app: App) -> None:
        watched(app)

        async def ask() -> Channel:
            who = caller("ana")
            return (await app.channel_service.find_or_create(who, "group", people(app, "ana", "b")))[0]

        found = await asyncio.gather(*(repeated(ask) for _ in range(20)))
        assert len({channel.id for channel in found}) == 1
        assert len((await app.sets.get("acme", ["ana", "b"])).channels) == 1

    simulate(scenario, seed=3, conflict=0.1, lost_reply=0.2, throttle=0.1)


def test_two_have_one_direct_channel_until_one_leaves_it() -> None:
    async def scenario(app: App) -> None:
        watched(app)
        ana, bob = caller("ana", name="Ana"), caller("bob")
        first = await app.channel_service.create(ana, "direct", people(app, "bob"))
        again = await app.channel_service.create(bob, "direct", people(app, "bob", "ana"), ident="mine")
        assert (first.id, [one.user for one in first.participants]) == (again.id, ["ana", "bob"])
        group, _ = await app.channel_service.find_or_create(ana, "group", people(app, "ana", "bob"))
        assert group.id != first.id
        await app.membership.leave(bob, first.id)
        new = await app.channel_service.create(ana, "direct", people(app, "bob"))
        assert new.id != first.id
        with pytest.raises(Conflict):
            await app.membership.join(caller("bob", "employee"), first.id)

    simulate(scenario)


@pytest.mark.parametrize("users", [[], ["ana"], ["ana", "bob", "cleo"]])
def test_a_direct_channel_is_between_two(users: list[str]) -> None:
    async def scenario(app: App) -> None:
        with pytest.raises(InvalidInput):
            await app.channel_service.create(caller("ana"), "direct", people(app, *users))

    simulate(scenario)


def test_nobody_is_given_the_channel_of_others() -> None:
    async def scenario(app: App) -> None:
        watched(app)
        for who in (caller("eve"), caller("eve", "employee")):
            with pytest.raises(Forbidden):
                await app.channel_service.find_or_create(who, "group", people(app, "ana", "bob"))
            with pytest.raises(Forbidden):
                await app.channel_service.create(who, "direct", people(app, "ana", "bob"))
        await app.channel_service.create(ADMIN, "direct", people(app, "ana", "bob"))

    simulate(scenario)


def test_a_channel_whose_commits_answer_was_lost_is_made_all_the_same() -> None:
    async def scenario(app: App) -> None:
        bus = watched(app)
        transact, lost = app.tables.transact, [True]

        async def losing(items: Sequence[TransactItem]) -> None:
            await transact(items)
            if lost:
                lost.clear()
                raise Transient("the reply was lost")

        app.backend.tables.transact = losing  # type: ignore[method-assign] # the network between us and the table
        await desk(app, ["ana"])
        assert await members(app) == ["ana"]
        assert bus.kinds == ["channel.created"]
        with pytest.raises(Conflict):
            await app.channel_service.create(ADMIN, "group", [], ident="desk")

    simulate(scenario)


def test_a_repeated_request_gets_the_channel_that_its_first_try_made() -> None:
    async def scenario(app: App) -> None:
        watched(app)
        ana = caller("ana")
        first = await app.channel_service.create(ana, "group", [], fresh="F1", title="T")
        assert await app.channel_service.create(ana, "group", [], fresh="F1", title="T") == first
        with pytest.raises(Conflict):
            await app.channel_service.create(caller("bob"), "group", [], fresh="F1")

    simulate(scenario)


def test_a_lead_gets_the_bot_that_is_named_or_one_of_the_tenants_or_none() -> None:
    async def scenario(app: App) -> None:
        bus = watched(app)

        async def lead(bot: str | None = None) -> str | None:
            visitor = [app.channel_service.person("v", role="lead")]
            info = {"visitorInfo": {"page": "/"}}
            made = await app.channel_service.create(caller("v", "lead"), "lead", visitor, bot=bot, metadata=info)
            roles = {one.user: one.role for one in made.participants}
            assert roles == {"v": "lead", **({made.bot: "bot"} if made.bot else {})}
            assert made.lead_status == "unclaimed"
            assert bus.events[-2].detail["botEmployeeId" if made.bot else "channelId"] in (made.bot, made.id)
            assert (bus.kinds[-1], bus.events[-1].detail["visitorInfo"]) == ("lead.created", {"page": "/"})
            return made.bot

        assert await lead() is None
        await app.directory.touch(caller("bot-7", "bot"))
        await app.directory.touch(caller("bot-9", "bot", tenant="globex"))
        assert await lead("bot-3") == "bot-3"
        assert await lead() == "bot-7"
        await app.directory.remove("acme", "bot-7")
        assert await lead() is None

    simulate(scenario)


def test_who_creates_takes_part_only_if_named_and_as_what_they_are() -> None:
    async def scenario(app: App) -> None:
        watched(app)
        max_ = caller("max", "employee")
        made = await app.channel_service.create(max_, "group", people(app, "ana", "max"))
        assert {one.user: one.role for one in made.participants} == {"ana": "member", "max": "employee"}

    simulate(scenario)


def test_nobody_is_put_into_more_channels_than_are_read() -> None:
    async def scenario(app: App) -> None:
        watched(app)
        for n in range(MAX_CHANNELS):
            await app.channels.create(
                Channel(f"c{n}", "acme", "group", "", "root", participants=(*people(app, "ana"),))
            )
        bot = app.channel_service.person("ana", role="bot")
        for action in (
            desk(app, ["bob", "ana"]),
            app.channel_service.find_or_create(caller("ana"), "group", people(app, "ana", "bob")),
        ):
            with pytest.raises(Conflict) as caught:
                await action
            assert caught.value.code == "too_many_channels"
        await app.channel_service.create(ADMIN, "group", [bot])
        assert len(await app.channels.of_user("acme", "ana")) == MAX_CHANNELS

    simulate(scenario)


@pytest.mark.parametrize("seed", range(6))
def test_an_unknown_thread_is_made_once_for_all_devices_of_one_user(seed: int) -> None:
    async def scenario(app: App) -> None:
        watched(app)
        ana, bob = caller("ana"), caller("bob")

        async def enter(who: Principal) -> bool:
            try:
                await app.channel_service.enter_thread(who, "desk")
            except NotFound:
                return False
            return True

        inside = await asyncio.gather(*(enter(who) for who in [ana, bob] * 25))
        (owner,) = await members(app)
        assert inside == [who.user == owner for who in [ana, bob] * 25]

    simulate(scenario, seed=seed, conflict=0.2)


def test_the_event_of_a_change_survives_the_death_of_its_process() -> None:
    async def scenario(app: App) -> None:
        bus = watched(app)
        publish = app.outbox.publish

        async def dying(_: object) -> int:
            raise asyncio.CancelledError

        app.outbox.publish = dying  # type: ignore[method-assign, assignment] # the process ends here
        with pytest.raises(asyncio.CancelledError):
            await desk(app, ["v"], "lead")
        assert await members(app) == ["v"]
        app.outbox.publish = publish  # type: ignore[method-assign] # another process
        assert await app.outbox.sweep() == 0
        await asyncio.sleep(GRACE)
        await app.outbox.sweep()
        assert sorted(bus.kinds) == ["channel.created", "lead.created"]

    simulate(scenario)


def test_open_connections_follow_a_new_channel_and_are_told_of_it() -> None:
    async def scenario(app: App) -> None:
        watched(app)
        for ident, follows in (("c1", True), ("c2", False)):
            one = connection(ident, follows_channels=follows)
            await app.connections.open(one, [Place("acme", Target("user", "ana"))])
        await desk(app, ["ana"], title="Desk")
        subscribers, _ = await app.connections.subscribers(Place("acme", DESK))
        assert [one.connection for one in subscribers] == ["c1"]
        (told,) = await frames(app)
        assert told == {
            "type": "channel.created",
            "targetKey": "channel#desk",
            "channelId": "desk",
            "channelType": "group",
            "title": "Desk",
            "createdBy": "root",
            "participants": ["ana"],
        }

    simulate(scenario)


def test_roles_decide_who_creates() -> None:
    async def scenario(app: App) -> None:
        watched(app)
        with pytest.raises(Forbidden):
            await app.channel_service.create(caller("robo", "bot"), "group", [])
        assert (await app.channel_service.create(caller("v", "lead"), "lead", [])).type == "lead"

    simulate(scenario)


# -------------------------------------------------------------------------------------------------------- update


def test_who_administers_a_channel_changes_what_is_given_of_it() -> None:
    async def scenario(app: App) -> None:
        watched(app)
        ana = caller("ana")
        made = await app.channel_service.create(ana, "group", people(app, "ana", "bob"), ident="desk", title="Old")
        for who, error in (
            (caller("bob"), Forbidden),
            (caller("eve"), NotFound),
            (caller("eve", tenant="g"), NotFound),
        ):
            with pytest.raises(error):
                await app.channel_service.update(who, "desk", {"title": "No"}, lambda _: None)
        done = await app.channel_service.update(ana, "desk", {"title": "New"}, lambda _: None)
        assert (done.title, done.metadata, done.revision) == ("New", {}, made.revision + 1)
        same = await app.channel_service.update(ana, "desk", {"title": "New"}, lambda _: None)
        assert same.revision == done.revision
        assert (await frames(app))[-1]["title"] == "New"

    simulate(scenario)


@pytest.mark.parametrize("seed", range(4))
def test_of_many_who_change_what_they_saw_one_succeeds(seed: int) -> None:
    async def scenario(app: App) -> None:
        watched(app)
        made = await desk(app, ["ana"])

        def check(channel: Channel) -> None:
            if channel.revision != made.revision:
                raise PreconditionFailed("moved")

        async def change(n: int) -> bool:
            try:
                await app.channel_service.update(ADMIN, "desk", {"title": f"T{n}"}, check)
            except PreconditionFailed:
                return False
            return True

        assert sum(await asyncio.gather(*map(change, range(50)))) == 1

    simulate(scenario, seed=seed, conflict=0.1)


def test_a_closed_channel_is_in_no_set_until_it_is_opened_again() -> None:
    async def scenario(app: App) -> None:
        watched(app)
        await desk(app, ["ana"])
        for active in (False, True, False):
            await app.channel_service.update(ADMIN, "desk", {"is_active": active}, lambda _: None)
            assert await members(app) == ["ana"]
        with pytest.raises(Conflict):
            await app.membership.join(caller("max", "employee"), "desk")

    simulate(scenario)
