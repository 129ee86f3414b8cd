"""Looking channels up: one, a user's, those with a set of participants."""

import asyncio
from collections.abc import Sequence

import pytest

from kxmsg.bootstrap import App
from kxmsg.errors import Forbidden, InvalidInput, NotFound
from kxmsg.model.channel import Channel
from kxmsg.model.principal import Principal
from kxmsg.model.target import Target
from kxmsg.services.channels.lookup import ChannelLookup, Shown
from kxmsg.testing.virtual import START
from tests.product import DESK, caller, envelope, simulate
from tests.services.channels.furnishing import ADMIN, desk, watched

MAX = caller("max", "employee")


def lookup(app: App) -> ChannelLookup:
    return ChannelLookup(app.channels, app.sets, app.logs, b"k" * 32)


async def make(app: App, ident: str, *users: str, kind: str = "group") -> Channel:
    people = [app.channel_service.person(user) for user in users]
    return await app.channel_service.create(ADMIN, kind, people, ident=ident)  # type: ignore[arg-type] # a type


async def say(app: App, channel: str, ident: str) -> None:
    target = Target("channel", channel)
    payload = {"content": f"text of {ident}", "senderId": "ana"}
    one = envelope(ident, target, payload=payload, created_at=int(app.clock.now() * 1000))
    await app.logs.append("acme", target, [one])


def names(shown: Sequence[Shown]) -> list[str]:
    return [one.channel.id for one in shown]


async def pages(app: App, who: Principal, limit: int, **query: object) -> list[list[str]]:
    found: list[list[str]] = []
    cursor: str | None = None
    while True:
        page = await lookup(app).page(who, limit=limit, cursor=cursor, **query)  # type: ignore[arg-type] # of the call
        found.append(names(page.channels))
        cursor = page.cursor
        if cursor is None:
            return found


def test_a_list_is_by_last_activity_with_the_newest_message_of_each() -> None:
    async def scenario(app: App) -> None:
        watched(app)
        for ident in "abc":
            await make(app, ident, "ana", "bob")
            await asyncio.sleep(1)
        await make(app, "others", "bob")
        await say(app, "a", "m1")
        await asyncio.sleep(1)
        await say(app, "a", "m2")
        page = await lookup(app).page(caller("ana"))
        assert (names(page.channels), page.cursor) == (["a", "c", "b"], None)
        first, second, _ = page.channels
        assert first.last is not None
        assert (first.last.envelope.id, second.last) == ("m2", None)
        assert first.activity > second.activity == second.channel.updated_at
        assert [one.user for one in first.channel.participants] == ["ana", "bob"]
        await app.channel_service.update(ADMIN, "b", {"title": "B"}, lambda _: None)
        assert names((await lookup(app).page(caller("ana"))).channels) == ["b", "a", "c"]
        await app.channel_service.update(ADMIN, "c", {"is_active": False}, lambda _: None)
        await app.membership.leave(caller("ana"), "a")
        assert names((await lookup(app).page(caller("ana"))).channels) == ["b"]

    simulate(scenario)


def test_pages_are_one_list_even_where_activities_are_equal() -> None:
    async def scenario(app: App) -> None:
        watched(app)
        idents = [f"c{n}" for n in range(7)]
        for ident in idents:
            await make(app, ident, "ana")
        assert await pages(app, caller("ana"), 3) == [["c6", "c5", "c4"], ["c3", "c2", "c1"], ["c0"]]
        assert await pages(app, caller("ana"), 7) == [idents[::-1]]
        assert await pages(app, caller("nobody"), 7) == [[]]

    simulate(scenario)


def test_what_becomes_active_while_paging_is_not_shown_twice() -> None:
    async def scenario(app: App) -> None:
        watched(app)
        for n in range(4):
            await make(app, f"c{n}", "ana")
            await asyncio.sleep(1)
        first = await lookup(app).page(caller("ana"), limit=2)
        await say(app, "c3", "m1")
        await say(app, "c1", "m2")
        second = await lookup(app).page(caller("ana"), limit=2, cursor=first.cursor)
        assert (names(first.channels), names(second.channels)) == (["c3", "c2"], ["c0"])

    simulate(scenario)


def test_a_cursor_is_for_its_user_and_query() -> None:
    async def scenario(app: App) -> None:
        watched(app)
        for ident in "ab":
            await make(app, ident, "ana", "max")
        cursor = (await lookup(app).page(MAX, limit=1)).cursor
        for who, query in ((caller("ana"), {}), (ADMIN, {"user": "max"}), (MAX, {"anonymous": False})):
            with pytest.raises(InvalidInput):
                await lookup(app).page(who, cursor=cursor, **query)
        for limit in (0, 101):
            with pytest.raises(InvalidInput):
                await lookup(app).page(MAX, limit=limit)

    simulate(scenario)


def test_unclaimed_leads_are_added_for_those_who_may_claim_them() -> None:
    async def scenario(app: App) -> None:
        watched(app)
        await make(app, "mine", "max")
        await desk(app, ["v"], "lead")
        assert await pages(app, MAX, 10) == [["mine", "desk"]]
        assert await pages(app, MAX, 10, anonymous=False) == [["mine"]]
        assert await pages(app, caller("bob"), 10) == [[]]
        assert await pages(app, caller("max", "employee", tenant="globex"), 10) == [[]]
        await app.lead_desk.claim(caller("lea", "employee"), "desk")
        assert await pages(app, MAX, 10) == [["mine"]]
        assert await pages(app, caller("lea", "employee"), 10) == [["desk"]]

    simulate(scenario)


def test_a_claimed_lead_is_never_listed_as_unclaimed_though_the_index_is_behind() -> None:
    async def scenario(app: App) -> None:
        watched(app)
        for n in range(10):
            await make(app, f"l{n}", "v", kind="lead")
        await asyncio.sleep(2)
        for n in range(10):
            await app.lead_desk.claim(caller("lea", "employee"), f"l{n}")
            assert not {f"l{i}" for i in range(n + 1)} & set((await pages(app, MAX, 50))[0])

    simulate(scenario, seed=5, stale=1.0)


def test_another_users_channels_are_for_admins_and_services() -> None:
    async def scenario(app: App) -> None:
        watched(app)
        await make(app, "a", "ana")
        for who in (ADMIN, caller("svc", "system")):
            assert await pages(app, who, 10, user="ana") == [["a"]]
        for who in (MAX, caller("bob")):
            with pytest.raises(Forbidden):
                await lookup(app).page(who, "ana")

    simulate(scenario)


def test_a_list_takes_a_bounded_number_of_reads() -> None:
    async def scenario(app: App) -> None:
        watched(app)

        async def counted() -> int:
            reads = 0
            originals = {name: getattr(app.tables, name) for name in ("get", "get_many", "query")}

            for name, original in originals.items():

                async def counting(*args: object, original: object = original, **options: object) -> object:
                    nonlocal reads
                    reads += 1
                    return await original(*args, **options)  # type: ignore[operator] # handed on

                setattr(app.tables, name, counting)
            await lookup(app).page(caller("ana"), limit=5)
            for name, original in originals.items():
                setattr(app.tables, name, original)
            return reads

        for n in range(5):
            await make(app, f"c{n}", "ana")
        before = await counted()
        assert before == 4 + 5, "memberships, records, heads, newest messages; and the participants of each channel"
        for n in range(5):
            for m in range(30):
                await say(app, f"c{n}", f"m{n}-{m}")
        for n in range(5, 40):
            await make(app, f"c{n}", "ana")
        assert await counted() == before

    simulate(scenario)


def test_a_set_finds_the_active_channels_with_exactly_these_people() -> None:
    async def scenario(app: App) -> None:
        watched(app)
        await make(app, "ab", "ana", "bob")
        await make(app, "abc", "ana", "bob", "cleo")
        ana = caller("ana")

        async def found(*users: str, who: Principal = ana) -> list[str]:
            digest, channels = await lookup(app).find(who, users)
            assert len(digest) == 64
            return [one.id for one in channels]

        assert await found("bob", "ana") == ["ab"]
        assert await found("cleo", "ana", "bob", "ana") == ["abc"]
        await app.membership.leave(caller("cleo"), "abc")
        assert await found("ana", "bob") == ["ab", "abc"]
        await app.channel_service.update(ADMIN, "ab", {"is_active": False}, lambda _: None)
        assert await found("ana", "bob") == ["abc"]
        assert await found("ana", "bob", who=caller("ana", tenant="globex")) == []
        assert await found("ana", "bob", who=MAX) == [], "what others have among themselves is not told"
        assert await found("ana", "bob", who=ADMIN) == ["abc"]
        with pytest.raises(Forbidden):
            await found("ana", who=caller("ana", "lead"))

    simulate(scenario)


def test_an_unclaimed_lead_is_shown_to_employees_and_a_claimed_one_is_not() -> None:
    async def scenario(app: App) -> None:
        watched(app)
        await desk(app, ["v"], "lead")
        assert (await lookup(app).get(MAX, "desk")).id == "desk"
        with pytest.raises(NotFound):
            await lookup(app).get(caller("bob"), "desk")
        await app.lead_desk.claim(caller("lea", "employee"), "desk")
        with pytest.raises(NotFound):
            await lookup(app).get(MAX, "desk")
        assert (await lookup(app).get(caller("v", "lead"), "desk")).claimed_by == "lea"

    simulate(scenario)


def test_a_channel_comes_with_its_last_fifty_messages() -> None:
    async def scenario(app: App) -> None:
        watched(app)
        channel = await desk(app, ["ana"])
        assert await lookup(app).recent(channel) == ([], False)
        for n in range(55):
            await app.logs.append("acme", DESK, [envelope(f"m{n}", DESK, created_at=int(START * 1000) + n)])
        entries, more = await lookup(app).recent(channel)
        assert ([one.sequence for one in entries], more) == (list(range(6, 56)), True)

    simulate(scenario)
