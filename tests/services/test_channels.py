"""Making channels and becoming part of them."""

import asyncio
from collections.abc import Sequence

import pytest

from kxmsg.bootstrap import App
from kxmsg.errors import Conflict, Forbidden, NotFound, Transient
from kxmsg.model.channel import Channel
from kxmsg.model.connection import Place
from kxmsg.model.principal import Principal
from kxmsg.model.target import Target
from kxmsg.ports import TransactItem
from kxmsg.services.channels import ChannelService
from kxmsg.storage.outbox import GRACE, Outbox
from tests.product import DESK, RecordingBus, caller, connection, simulate

ADMIN = caller("root", "admin")


def service(app: App, bus: RecordingBus | None = None) -> ChannelService:
    outbox = Outbox(app.tables, bus or RecordingBus(), app.clock)
    return ChannelService(app.channels, app.logs, app.connections, outbox, app.clock)


async def members(app: App, ident: str = "desk") -> list[str]:
    """Who takes part, checked from both sides."""
    channel = await app.channels.get("acme", ident)
    users = [one.user for one in channel.participants] if channel else []
    for user in users:
        assert ident in await app.channels.of_user("acme", user)
    return users


@pytest.mark.parametrize("seed", range(6))
def test_of_many_who_create_one_channel_one_succeeds(seed: int) -> None:
    async def scenario(app: App) -> None:
        bus = RecordingBus()
        parts = service(app, bus)

        async def create(n: int) -> Channel | Conflict:
            who = caller(f"u{n}")
            try:
                return await parts.create(who, "group", [parts.person(who.user)], ident="desk")
            except Conflict as conflict:
                return conflict

        results = await asyncio.gather(*map(create, range(50)))
        (made,) = [one for one in results if isinstance(one, Channel)]
        assert await members(app) == [made.created_by]
        assert bus.kinds == ["channel.created"]

    simulate(scenario, seed=seed, conflict=0.2)


def test_a_channel_whose_commits_answer_was_lost_is_made_all_the_same() -> None:
    async def scenario(app: App) -> None:
        bus = RecordingBus()
        parts = service(app, bus)
        transact, lost = app.tables.transact, [True]

        async def losing(items: Sequence[TransactItem]) -> None:
            await transact(items)
            if lost:
                lost.clear()
                raise Transient("the reply was lost")

        app.backend.tables.transact = losing  # type: ignore[method-assign] # the network between us and the table
        await parts.create(ADMIN, "group", [parts.person("ana")], ident="desk")
        assert await members(app) == ["ana"]
        assert bus.kinds == ["channel.created"]
        with pytest.raises(Conflict):
            await parts.create(ADMIN, "group", [parts.person("ana")], ident="desk")

    simulate(scenario)


@pytest.mark.parametrize("seed", range(6))
def test_joining_fifty_times_at_once_is_joining_once(seed: int) -> None:
    async def scenario(app: App) -> None:
        bus = RecordingBus()
        parts = service(app, bus)
        await parts.create(ADMIN, "group", [], ident="desk")
        await asyncio.gather(*(parts.join(caller(f"u{n % 5}", "employee"), "desk") for n in range(50)))
        assert sorted(await members(app)) == [f"u{n}" for n in range(5)]
        joined = [event.detail["userId"] for event in bus.events if event.detail_type == "user.joined.channel"]
        assert sorted(joined) == [f"u{n}" for n in range(5)]

    simulate(scenario, seed=seed, conflict=0.2)


@pytest.mark.parametrize("seed", range(6))
def test_an_unknown_thread_is_made_once_for_all_devices_of_one_user(seed: int) -> None:
    async def scenario(app: App) -> None:
        parts, ana, bob = service(app), caller("ana"), caller("bob")

        async def enter(who: Principal) -> bool:
            try:
                await parts.enter_thread(who, "desk")
            except NotFound:
                return False
            return True

        inside = await asyncio.gather(*(enter(who) for who in [ana, bob] * 25))
        (owner,) = await members(app)
        assert inside == [who.user == owner for who in [ana, bob] * 25]

    simulate(scenario, seed=seed, conflict=0.2)


@pytest.mark.parametrize("seed", range(20))
def test_joining_while_connecting_ends_subscribed_in_every_interleaving(seed: int) -> None:
    async def scenario(app: App) -> None:
        parts, ana = service(app), caller("ana", "employee")
        await parts.create(ADMIN, "group", [], ident="desk")

        async def connect() -> None:
            """As Sessions.connect does, after the token."""
            mine = connection("c1")
            await app.connections.open(mine, [Place("acme", Target("user", "ana"))])
            channels = await app.channels.of_user("acme", "ana")
            await app.connections.subscribe(mine, [Place("acme", Target("channel", one)) for one in channels])

        await asyncio.gather(connect(), parts.join(ana, "desk"))
        subscribers, _ = await app.connections.subscribers(Place("acme", DESK))
        assert [one.connection for one in subscribers] == ["c1"]

    simulate(scenario, seed=seed, conflict=0.2, unprocessed=0.4)


def test_joining_again_mends_what_a_dead_process_left() -> None:
    async def scenario(app: App) -> None:
        parts, ana = service(app), caller("ana", "employee")
        await parts.create(ADMIN, "group", [], ident="desk")
        await app.connections.open(connection("c1"), [Place("acme", Target("user", "ana"))])
        await app.channels.join("acme", "desk", parts.person("ana"))  # the commit, and nothing after it
        await parts.join(ana, "desk")
        subscribers, _ = await app.connections.subscribers(Place("acme", DESK))
        assert [one.connection for one in subscribers] == ["c1"]

    simulate(scenario)


def test_connections_that_named_their_channels_are_not_given_others() -> None:
    async def scenario(app: App) -> None:
        parts = service(app)
        await app.connections.open(connection("c1", follows_channels=False), [Place("acme", Target("user", "ana"))])
        await parts.create(ADMIN, "group", [parts.person("ana")], ident="desk")
        assert await app.connections.subscribers(Place("acme", DESK)) == ([], None)

    simulate(scenario)


def test_the_event_of_a_change_survives_the_death_of_its_process() -> None:
    async def scenario(app: App) -> None:
        bus = RecordingBus()
        parts = service(app, bus)

        async def dying(_: object) -> int:
            raise asyncio.CancelledError

        parts._outbox.publish = dying  # type: ignore[method-assign, assignment] # the process ends here
        with pytest.raises(asyncio.CancelledError):
            await parts.create(ADMIN, "lead", [parts.person("v", role="lead")], ident="desk")
        assert await members(app) == ["v"]
        outbox = Outbox(app.tables, bus, app.clock)
        assert await outbox.sweep() == 0
        await asyncio.sleep(GRACE)
        await outbox.sweep()
        assert sorted(bus.kinds) == ["channel.created", "lead.created"]

    simulate(scenario)


def test_a_foreign_channel_answers_as_a_missing_one_after_as_many_reads() -> None:
    async def scenario(app: App) -> None:
        parts = service(app)
        await parts.create(ADMIN, "group", [parts.person("ana")], ident="desk")
        reads: list[str] = []
        for name in ("get", "query"):
            original = getattr(app.tables, name)

            async def counted(*args: object, original: object = original, **options: object) -> object:
                reads.append("read")
                return await original(*args, **options)  # type: ignore[operator] # handed on

            setattr(app.tables, name, counted)
        for who in (caller("eve", "employee", tenant="globex"), caller("eve", "admin", tenant="globex")):
            for ask in (parts.get, parts.join):
                seen = []
                for ident in ("desk", "none"):
                    reads.clear()
                    with pytest.raises(NotFound) as caught:
                        await ask(who, ident)
                    seen.append((caught.value.code, caught.value.message.replace(ident, "?"), len(reads)))
                assert seen[0] == seen[1]
        for ident in ("desk", "none"):  # who may not join at all learns nothing either
            with pytest.raises(Forbidden):
                await parts.join(caller("eve"), ident)
        with pytest.raises(NotFound):
            await parts.get(caller("eve"), "desk")
        assert (await parts.get(ADMIN, "desk")).id == "desk"

    simulate(scenario)


def test_roles_decide_who_creates() -> None:
    async def scenario(app: App) -> None:
        parts = service(app)
        with pytest.raises(Forbidden):
            await parts.create(caller("robo", "bot"), "group", [])
        assert (await parts.create(caller("v", "lead"), "lead", [])).type == "lead"

    simulate(scenario)
