"""Leads over the whole way: one wins, events and frames tell."""

import asyncio

import pytest

from kxmsg.bootstrap import App
from kxmsg.errors import Conflict, Forbidden, NotFound
from tests.product import caller, simulate
from tests.services.channels.furnishing import ADMIN, desk, frames, members, only_frames, repeated, watched

MAX, LEA = caller("max", "employee"), caller("lea", "agent")


async def won(app: App, user: str) -> bool:
    try:
        await repeated(lambda: app.lead_desk.claim(caller(user, "employee"), "desk"))
    except Conflict:
        return False
    return True


@pytest.mark.parametrize("seed", range(8))
def test_of_fifty_who_claim_a_lead_one_gets_it(seed: int) -> None:
    async def scenario(app: App) -> None:
        bus = watched(app)
        await repeated(lambda: desk(app, ["v"], "lead", bot="bot-7"))
        results = await asyncio.gather(*(won(app, f"e{n}") for n in range(50)))
        assert sum(results) == 1
        winner = f"e{results.index(True)}"
        assert await members(app) == sorted([winner, "v"])
        channel = await app.channels.get("acme", "desk")
        assert channel is not None
        assert (channel.lead_status, channel.claimed_by, channel.bot) == ("claimed", winner, "bot-7")
        if not seed % 2:
            kinds = ["channel.claimed", "user.joined.channel", "user.left.channel"]
            assert sorted(bus.kinds) == sorted(["channel.created", "lead.created", *kinds])

    simulate(scenario, seed=seed, conflict=0.1, lost_reply=0.1 * (seed % 2), throttle=0.1 * (seed % 2))


def test_a_claim_tells_who_and_what_was_before() -> None:
    async def scenario(app: App) -> None:
        bus = watched(app)
        await desk(app, ["v"], "lead", bot="bot-7")
        await frames(app)
        await app.lead_desk.claim(MAX, "desk", "Max M.")
        (claim,) = [event.detail for event in bus.events if event.detail_type == "channel.claimed"]
        assert (claim["channelId"], claim["claimedBy"], claim["previousStatus"]) == ("desk", "max", "unclaimed")
        told = await frames(app)
        assert sorted(frame["type"] for frame in told) == ["claimed", "joined", "left", "left"]
        (claimed,) = [frame for frame in told if frame["type"] == "claimed"]
        assert (claimed["claimedBy"], claimed["leadStatus"], claimed["userName"]) == ("max", "claimed", "Max M.")
        await app.lead_desk.claim(MAX, "desk")
        assert await frames(app) == [], "claiming one's own lead again changes nothing"

    simulate(scenario)


def test_a_released_lead_may_be_claimed_by_others() -> None:
    async def scenario(app: App) -> None:
        watched(app)
        await desk(app, ["v"], "lead", bot="bot-7")
        await app.lead_desk.claim(MAX, "desk")
        with pytest.raises(NotFound):
            await app.lead_desk.release(LEA, "desk")
        with pytest.raises(Forbidden):
            await app.lead_desk.release(caller("v", "lead"), "desk")
        await frames(app)
        await app.lead_desk.release(MAX, "desk")
        assert await members(app) == ["bot-7", "v"]
        (told,) = await only_frames(app, "claimed")
        assert (told["leadStatus"], told["claimedBy"]) == ("unclaimed", None)
        await app.lead_desk.claim(LEA, "desk")
        await app.lead_desk.release(ADMIN, "desk")
        with pytest.raises(Conflict):
            await app.lead_desk.release(ADMIN, "desk")

    simulate(scenario)


def test_the_directory_of_unclaimed_leads_follows_claims() -> None:
    async def scenario(app: App) -> None:
        watched(app)
        await desk(app, ["v"], "lead")

        async def listed() -> list[str]:
            return [one.id for one in await app.channels.unclaimed("acme", 10)]

        assert await listed() == ["desk"]
        await app.lead_desk.claim(MAX, "desk")
        assert await listed() == []
        await app.membership.leave(MAX, "desk")
        assert await listed() == ["desk"]
        await app.channel_service.update(ADMIN, "desk", {"is_active": False}, lambda _: None)
        assert await listed() == []

    simulate(scenario)


def test_a_bot_is_assigned_by_admins_and_services() -> None:
    async def scenario(app: App) -> None:
        bus = watched(app)
        await desk(app, ["v"], "lead", bot="bot-7")
        with pytest.raises(Forbidden):
            await app.lead_desk.assign_bot(MAX, "desk", "bot-8", None)
        for _ in range(2):
            await app.lead_desk.assign_bot(caller("svc", "system"), "desk", "bot-8", "Robo")
        assert await members(app) == ["bot-8", "v"]
        assert bus.kinds[2:] == ["user.joined.channel", "user.left.channel"]

    simulate(scenario)


def test_a_takeover_belongs_to_the_conversation_and_silences_the_bot() -> None:
    async def scenario(app: App) -> None:
        watched(app)
        await desk(app, ["v"], "lead", bot="bot-7")
        bot = caller("bot-7", "bot")
        await app.entrance.to_channel(bot, "desk", "hello")
        await frames(app)
        with pytest.raises(Forbidden):
            await app.lead_desk.take_over(MAX, "desk", True, "lea")
        with pytest.raises(Forbidden):
            await app.lead_desk.take_over(caller("v", "lead"), "desk", True, None)
        for _ in range(2):
            channel = await app.lead_desk.take_over(MAX, "desk", True, None)
        assert (channel.is_human_override, channel.agent) == (True, "max")
        (told,) = await frames(app)
        assert (told["type"], told["isHumanOverride"], told["agentId"]) == ("takeover", True, "max")
        for post in (
            app.entrance.to_channel(bot, "desk", "I am here"),
            app.entrance.to_channel(caller("bot-7"), "desk", "in disguise"),
        ):
            with pytest.raises(Conflict) as caught:
                await post
            assert caught.value.code == "human_override"
        await app.entrance.to_channel(caller("v", "lead"), "desk", "a person?")
        channel = await app.lead_desk.take_over(ADMIN, "desk", False, "lea")
        assert (channel.is_human_override, channel.agent) == (False, None)
        await app.entrance.to_channel(bot, "desk", "back again")

    simulate(scenario)


def test_who_may_not_claim_learns_nothing() -> None:
    async def scenario(app: App) -> None:
        watched(app)
        await desk(app, ["v"], "lead")
        for ident in ("desk", "none"):
            with pytest.raises(Forbidden):
                await app.lead_desk.claim(caller("eve"), ident)

    simulate(scenario)
