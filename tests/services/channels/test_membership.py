"""Joining and leaving."""

import asyncio
import contextlib
from collections.abc import Sequence

import pytest

from kxmsg.bootstrap import App
from kxmsg.errors import CancelReason, Conflict, Forbidden, NotFound, TransactionCancelled, Transient
from kxmsg.model.connection import Place
from kxmsg.model.target import Target
from kxmsg.ports import TransactItem
from kxmsg.services.sessions import ConnectRequest, Sessions
from tests.product import DESK, caller, connection, simulate
from tests.services.channels.furnishing import ADMIN, desk, frames, members, repeated, watched

INBOX = Place("acme", Target("user", "ana"))


async def subscribed(app: App) -> list[str]:
    found, _ = await app.connections.subscribers(Place("acme", DESK))
    return [one.connection for one in found]


@pytest.mark.parametrize("seed", range(6))
def test_joining_fifty_times_at_once_is_joining_once(seed: int) -> None:
    async def scenario(app: App) -> None:
        bus = watched(app)
        await desk(app)
        await asyncio.gather(*(app.membership.join(caller(f"u{n % 5}", "employee"), "desk") for n in range(50)))
        assert sorted(await members(app)) == [f"u{n}" for n in range(5)]
        joined = [event.detail["userId"] for event in bus.events if event.detail_type == "user.joined.channel"]
        assert sorted(joined) == [f"u{n}" for n in range(5)]

    simulate(scenario, seed=seed, conflict=0.2)


@pytest.mark.parametrize("seed", range(4))
def test_fifty_who_join_and_leave_at_once_end_with_the_right_hash(seed: int) -> None:
    async def scenario(app: App) -> None:
        watched(app)
        await repeated(lambda: desk(app, [f"u{n}" for n in range(20)]))

        async def move(n: int) -> None:
            who = caller(f"u{n}", "employee")
            act = app.membership.leave if n < 20 else app.membership.join
            await repeated(lambda: act(who, "desk"))

        await asyncio.gather(*(move(n) for n in range(10, 50)))
        assert sorted(await members(app)) == sorted(f"u{n}" for n in [*range(10), *range(20, 50)])

    simulate(scenario, seed=seed, conflict=0.1, lost_reply=0.1, throttle=0.05)


def test_leaving_is_told_to_those_who_stay_and_to_oneself() -> None:
    async def scenario(app: App) -> None:
        bus = watched(app)
        await app.connections.open(connection("c1"), [INBOX])
        await desk(app, ["ana", "bob"])
        assert await subscribed(app) == ["c1"]
        await frames(app)
        for _ in range(2):  # leaving twice is leaving once
            await app.membership.leave(caller("ana"), "desk")
        assert (await members(app), await subscribed(app)) == (["bob"], [])
        assert bus.kinds == ["channel.created", "user.left.channel"]
        told = {"type": "left", "channelId": "desk", "userId": "ana", "userName": None, "role": "member"}
        assert sorted(await frames(app), key=lambda frame: frame["targetKey"]) == [
            {"targetKey": "channel#desk", **told},
            {"targetKey": "user#ana", **told},
        ]
        await app.membership.join(caller("ana", "employee"), "desk")
        assert (await members(app), await subscribed(app)) == (["ana", "bob"], ["c1"])

    simulate(scenario)


def test_what_can_not_be_left_says_so_and_keeps_no_other() -> None:
    async def scenario(app: App) -> None:
        watched(app)
        await desk(app, ["ana"])
        outcomes = await app.membership.leave_many(caller("ana"), ["none", "desk", "a#b", "desk"])
        assert outcomes.done == ["desk"]
        assert [(ident, refusal.code) for ident, refusal in outcomes.failed] == [
            ("none", "channel_not_found"),
            ("a#b", "invalid_id"),
        ]
        for who in (caller("eve"), ADMIN):
            with pytest.raises(NotFound):
                await app.membership.leave(who, "desk")

    simulate(scenario)


@pytest.mark.parametrize("seed", range(30))
def test_in_every_interleaving_with_connecting_subscriptions_end_as_the_membership(seed: int) -> None:
    class Tokens:
        async def verify(self, token: str) -> object:
            return caller("ana", "employee")

    async def scenario(app: App) -> None:
        watched(app)
        ana = caller("ana", "employee")
        await desk(app, ["ana"] if seed % 2 else [])
        sessions = Sessions(
            Tokens(),  # type: ignore[arg-type] # half a verifier
            app.connections, app.channels, app.channel_service, app.directory, app.preferring, app.marks, app.clock,
        )  # fmt: skip
        query = {"token": "t", **({"chatId": "desk"} if seed % 4 == 3 else {})}
        moves = [app.membership.join, app.membership.leave] * 2

        async def move(n: int) -> None:
            with contextlib.suppress(NotFound):  # left before it had ever joined
                await moves[n](ana, "desk")

        async def connect() -> None:
            with contextlib.suppress(NotFound):  # is not in the chat that it names
                await sessions.connect(ConnectRequest("c1", "local", query))

        await asyncio.gather(*(move(n) for n in range(seed % 3 + 1)), connect())
        inside = "ana" in await members(app)
        if not query.get("chatId"):
            assert await subscribed(app) == (["c1"] if inside else [])
        elif not inside:
            assert await subscribed(app) == []

    simulate(scenario, seed=seed, conflict=0.2, unprocessed=0.2)


def test_joining_again_mends_what_a_dead_process_left() -> None:
    async def scenario(app: App) -> None:
        watched(app)
        await app.connections.open(connection("c1"), [INBOX])
        await desk(app, ["ana"])
        await app.connections.unsubscribe("c1", [Place("acme", DESK)])  # as if the process had died before it
        await app.membership.join(caller("ana", "employee"), "desk")
        assert await subscribed(app) == ["c1"]

    simulate(scenario)


def test_connections_that_named_their_channels_are_not_given_others() -> None:
    async def scenario(app: App) -> None:
        watched(app)
        await app.connections.open(connection("c1", follows_channels=False), [INBOX])
        await desk(app, ["ana"])
        assert await subscribed(app) == []

    simulate(scenario)


def test_who_need_not_take_part_keeps_the_channel_that_they_named() -> None:
    async def scenario(app: App) -> None:
        watched(app)
        await desk(app, ["ana"])
        for ident, roles in (("c1", ("admin",)), ("c2", ("member",))):
            one = connection(ident, follows_channels=False, roles=roles)
            await app.connections.open(one, [INBOX, Place("acme", DESK)])
        await app.membership.leave(caller("ana"), "desk")
        assert await subscribed(app) == ["c1"]

    simulate(scenario)


def test_a_foreign_channel_answers_as_a_missing_one_after_as_many_reads() -> None:
    async def scenario(app: App) -> None:
        watched(app)
        await desk(app, ["ana"], "lead")
        reads: list[str] = []
        for name in ("get", "get_many", "query", "count"):
            original = getattr(app.tables, name)

            async def counted(*args: object, original: object = original, **options: object) -> object:
                reads.append("read")
                return await original(*args, **options)  # type: ignore[operator] # handed on

            setattr(app.tables, name, counted)
        acts = (
            app.channel_lookup.get,
            app.membership.join,
            app.membership.leave,
            app.lead_desk.claim,
            app.lead_desk.release,
            lambda who, ident: app.lead_desk.assign_bot(who, ident, "bot-7", None),
            lambda who, ident: app.lead_desk.take_over(who, ident, True, None),
            lambda who, ident: app.channel_service.update(who, ident, {"title": "x"}, lambda _: None),
            lambda who, ident: app.permissions.revoke(who, ident, "ana"),
            lambda who, ident: app.permissions.of_channel(who, ident, 10, None),
        )
        for who in (caller("eve", "employee", tenant="globex"), caller("eve", "admin", tenant="globex"), caller("eve")):
            for act in acts:
                seen = []
                for ident in ("desk", "none"):
                    reads.clear()
                    with pytest.raises((NotFound, Forbidden)) as caught:
                        await act(who, ident)
                    seen.append((caught.value.code, caught.value.message.replace(ident, "?"), len(reads)))
                assert seen[0] == seen[1]

    simulate(scenario)


def test_who_may_not_join_at_all_learns_nothing() -> None:
    async def scenario(app: App) -> None:
        watched(app)
        await desk(app)
        for ident in ("desk", "none"):
            with pytest.raises(Forbidden):
                await app.membership.join(caller("eve"), ident)

    simulate(scenario)


def test_a_failing_topic_harms_no_change() -> None:
    async def scenario(app: App) -> None:
        watched(app)
        await desk(app)

        async def down(_: object) -> None:
            raise Transient("the topic is away")

        app.signals._topic.publish = down  # type: ignore[method-assign, assignment] # what is sent to is away
        await app.membership.join(caller("max", "employee"), "desk")
        assert await members(app) == ["max"]

    simulate(scenario)


def test_a_channel_that_nothing_can_be_done_to_is_busy() -> None:
    async def scenario(app: App) -> None:
        watched(app)
        await desk(app)

        async def conflicting(items: Sequence[TransactItem]) -> None:
            raise TransactionCancelled([CancelReason("conflict")] * len(items))

        app.backend.tables.transact = conflicting  # type: ignore[method-assign] # everybody is faster
        with pytest.raises(Transient, match="changes in a row"):
            await app.membership.join(caller("max", "employee"), "desk")

    simulate(scenario)


def test_a_closed_channel_is_left_but_not_joined() -> None:
    async def scenario(app: App) -> None:
        watched(app)
        await desk(app, ["ana"])
        await app.channel_service.update(ADMIN, "desk", {"is_active": False}, lambda _: None)
        with pytest.raises(Conflict):
            await app.membership.join(caller("max", "employee"), "desk")
        await app.membership.leave(caller("ana"), "desk")
        assert await members(app) == []

    simulate(scenario)
