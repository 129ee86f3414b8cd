"""Lists of messages."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kxmsg.bootstrap import App
from kxmsg.errors import Forbidden, InvalidInput, NotFound
from kxmsg.model.channel import Channel, Participant
from kxmsg.model.principal import Principal
from kxmsg.model.target import BROADCAST, EVERYBODY, Target, TargetType
from kxmsg.services.history import MAX_SEEN, Filter
from kxmsg.storage.logs import Logs
from kxmsg.testing.virtual import START
from tests.product import DESK, USER, caller, envelope, simulate
from tests.services.test_entrance import furnish

ANA, BOB = caller("ana"), caller("bob", "bot")
ADMIN = caller("root", "admin")
CLIENT = Target("client", "acme")
T0 = int(START * 1000)


async def say(app: App, ident: str, target: Target = DESK, at: int = 0, kind: str = "message", **payload: Any) -> None:
    tenant = EVERYBODY if target == BROADCAST else "acme"
    await app.logs.create(tenant, target)
    fields = {"content": ident, "senderId": "bob", "messageType": "chat", **payload}
    one = envelope(ident, target, kind=kind, tenant=tenant, payload=fields, created_at=T0 + at)
    await app.logs.append(tenant, target, [one])


async def pages(app: App, who: Principal = ANA, *about: Any, limit: int = 50, most: int = 100) -> list[list[str]]:
    """The ids of each page, to the end."""
    found: list[list[str]] = []
    cursor = None
    for _ in range(most):
        page = await app.history.page(who, *about, limit=limit, cursor=cursor)
        found.append([one.entry.envelope.id for one in page.messages])
        cursor = page.cursor
        if cursor is None:
            return found
    raise AssertionError("it does not end")


async def idents(app: App, *about: Any, limit: int = 50) -> str:
    return "".join(ident for page in await pages(app, ANA, *about, limit=limit) for ident in page)


def test_pages_go_from_the_newest_to_the_oldest_and_do_not_see_what_comes_meanwhile() -> None:
    async def scenario(app: App) -> None:
        await furnish(app)
        for at, ident in enumerate("abcde"):
            await say(app, ident, at=at)
        first = await app.history.page(ANA, "desk", limit=2)
        await say(app, "f", at=9)
        second = await app.history.page(ANA, "desk", limit=3, cursor=first.cursor)
        seen = [one.entry.envelope.id for one in (*first.messages, *second.messages)]
        assert ("".join(seen), second.cursor) == ("edcba", None)
        assert await pages(app, ANA, "desk", limit=3) == [["f", "e", "d"], ["c", "b", "a"]]

    simulate(scenario)


def test_numbers_bound_a_list_which_after_one_goes_forward() -> None:
    async def scenario(app: App) -> None:
        await furnish(app)
        for at, ident in enumerate("abcdef"):
            await say(app, ident, at=at)
        await app.messages.delete(BOB, "d")
        lists = {
            (2, None): "cef",
            (2, 6): "ce",
            (None, 4): "cba",
            (0, None): "abcef",
            (9, None): "",
            (None, 0): "",
            (3, 4): "",
        }
        for (after, before), found in lists.items():
            for limit in (1, 50):
                wanted = Filter(after=after, before=before)
                assert await idents(app, "desk", None, (), wanted, limit=limit) == found

    simulate(scenario)


def test_each_filter_lets_pass_what_it_names() -> None:
    async def scenario(app: App) -> None:
        await furnish(app)
        await say(app, "a", priority="high")
        await say(app, "b", messageType="text")
        await say(app, "c", senderId="ana")
        await say(app, "d")
        await app.messages.mark_read(ANA, "a")
        lists = {
            Filter(): "dcba",
            Filter(message_type="text"): "b",
            Filter(priority="high"): "a",
            Filter(priority="medium"): "dcb",
            Filter(status="read"): "ca",
            Filter(status="unread"): "db",
            Filter(message_type="email"): "",
        }
        for wanted, found in lists.items():
            assert await idents(app, "desk", None, (), wanted) == found

    simulate(scenario)


def test_without_a_channel_it_is_the_inbox_and_with_a_user_their_own_log() -> None:
    async def scenario(app: App) -> None:
        await furnish(app)
        for at, (ident, target) in enumerate([("u", USER), ("k", CLIENT), ("c", DESK), ("b", BROADCAST), ("v", USER)]):
            await say(app, ident, target, at=at)
        await say(app, "note", USER, at=9, kind="notification")
        assert await idents(app) == "vbku"
        assert await idents(app, limit=1) == "vbku"
        assert await idents(app, None, "ana") == "vu"
        assert await idents(app, None, None, ("client", "broadcast")) == "bk"
        assert await idents(app, None, None, ("channel",)) == "c"
        assert await idents(app, None, None, ("channel", "user"), limit=1) == "vcu"
        assert await pages(app, ADMIN, None, "ana") == [["v", "u"]]
        with pytest.raises(Forbidden):
            await pages(app, BOB, None, "ana")
        with pytest.raises(InvalidInput, match="of one log"):
            await pages(app, ANA, None, None, (), Filter(after=1))

    simulate(scenario)


def test_a_channel_is_for_those_who_take_part_and_missing_for_all_others() -> None:
    async def scenario(app: App) -> None:
        await furnish(app)
        await say(app, "a")
        assert await pages(app, ADMIN, "desk") == [["a"]]
        assert await pages(app, ADMIN, "desk", "bob") == [["a"]]
        foreign = caller("ana", "admin", tenant="globex")
        for who, channel in ((caller("eve"), "desk"), (foreign, "desk"), (ADMIN, "none"), (ANA, "none")):
            with pytest.raises(NotFound, match=f"no channel '{channel}'"):
                await app.history.page(who, channel)

    simulate(scenario)


def test_a_cursor_is_good_for_its_user_and_question_alone() -> None:
    async def scenario(app: App) -> None:
        await furnish(app)
        for ident in "abc":
            await say(app, ident)
        cursor = (await app.history.page(ANA, "desk", limit=1)).cursor
        for who, wanted in ((BOB, Filter()), (ANA, Filter(priority="high"))):
            with pytest.raises(InvalidInput, match="cursor"):
                await app.history.page(who, "desk", None, (), wanted, cursor=cursor)
        assert (await app.history.page(ANA, "desk", limit=9, cursor=cursor)).cursor is None

    simulate(scenario)


def test_a_time_in_the_middle_of_a_long_log_is_found_in_few_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(app: App) -> None:
        await furnish(app)
        await app.logs.create("acme", DESK)
        many = [envelope(str(at), DESK, kind="message", created_at=T0 + at * 60_000) for at in range(2000)]
        await app.logs.append("acme", DESK, many)
        reads = 0
        read = Logs.read

        async def counted(*args: Any, **options: Any) -> Any:
            nonlocal reads
            reads += 1
            return await read(*args, **options)

        monkeypatch.setattr(Logs, "read", counted)
        wanted = Filter(start=T0 + 498 * 60_000, end=T0 + 500 * 60_000)
        assert await pages(app, ANA, "desk", None, (), wanted) == [["500", "499", "498"]]
        assert reads < 15

    simulate(scenario)


def test_what_one_page_looks_at_is_limited_however_little_passes() -> None:
    async def scenario(app: App) -> None:
        await furnish(app)
        await say(app, "rare", messageType="email")
        many = [envelope(str(at), DESK, kind="message") for at in range(MAX_SEEN + 10)]
        await app.logs.append("acme", DESK, many)
        assert await pages(app, ANA, "desk", None, (), Filter(message_type="email")) == [[], ["rare"]]

    simulate(scenario)


said = st.lists(
    st.tuples(st.sampled_from([0, 1, 2]), st.integers(0, 300_000), st.sampled_from(["chat", "text"])), max_size=40
)


@settings(max_examples=60, deadline=None)
@given(said, st.integers(1, 7), st.none() | st.integers(0, 300_000), st.none() | st.integers(0, 300_000))
def test_all_pages_together_hold_each_message_once_by_time(
    entries: Sequence[tuple[int, int, str]], limit: int, start: int | None, end: int | None
) -> None:
    """Over several channels, in each of which time goes on, whatever the times and the size of a page."""

    async def scenario(app: App) -> None:
        people = (Participant("ana", "member", ""),)
        for number in range(3):
            await app.channels.create(Channel(f"c{number}", "acme", "group", "", "ana", participants=people))
        expected = []
        for number, (channel, at, kind) in enumerate(sorted(entries, key=lambda one: one[1])):
            await say(app, f"m{number:03}", Target("channel", f"c{channel}"), at=at, messageType=kind)
            if kind == "chat" and (start is None or at >= start) and (end is None or at <= end):
                expected.append((at, f"m{number:03}"))
        wanted = Filter("chat", start=None if start is None else T0 + start, end=None if end is None else T0 + end)
        types: tuple[TargetType, ...] = ("channel",)
        found = await pages(app, ANA, None, None, types, wanted, limit=limit)
        assert [ident for page in found for ident in page] == [ident for _, ident in sorted(expected, reverse=True)]

    simulate(scenario)
