"""The inbox: three logs, newest first, page by page."""

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kxmsg.bootstrap import App
from kxmsg.errors import InvalidInput
from kxmsg.model.target import BROADCAST, Target
from kxmsg.services.inbox import MAX_LIMIT, Inbox
from kxmsg.testing.virtual import START
from tests.product import USER, envelope, simulate

CLIENT = Target("client", "acme")
HOMES = {"user": ("acme", USER), "client": ("acme", CLIENT), "broadcast": ("*", BROADCAST)}
KEY = b"k" * 32


async def store(app: App, where: str, ident: str, at: float = 0, **changes: Any) -> None:
    tenant, target = HOMES[where]
    one = envelope(ident, target, tenant=tenant, created_at=int((START + at) * 1000), **changes)
    await app.logs.append(tenant, target, [one])


async def walk(inbox: Inbox, limit: int, between: Any = None) -> list[str]:
    """Every id, page by page; ``between`` is awaited after each."""
    found: list[str] = []
    cursor: str | None = None
    for _ in range(500):
        page = await inbox.page("acme", "ana", limit=limit, cursor=cursor)
        assert len(page.notifications) <= limit
        found += [record["notificationId"] for record in page.notifications]
        cursor = page.cursor
        if cursor is None:
            return found
        if between is not None:
            await between()
    raise AssertionError("the pages never end")


entries = st.lists(
    st.tuples(
        st.sampled_from(sorted(HOMES)),
        st.sampled_from(["notification", "notification", "message"]),
        st.sampled_from([5, 10_000, 10_000]),
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(entries, st.integers(1, 7), st.booleans())
def test_paging_finds_every_live_notification_once_newest_first(
    given_entries: list[tuple[str, str, int]], limit: int, arriving: bool
) -> None:
    async def scenario(app: App) -> None:
        for n, (where, kind, life) in enumerate(given_entries):
            await store(app, where, f"n{n:03}", at=n / 1000, kind=kind, expires_at=int(START) + life)
        await asyncio.sleep(60)
        count = 0

        async def arrive() -> None:
            nonlocal count
            count += 1
            await store(
                app, ("user", "client", "broadcast")[count % 3], f"x{count}", at=60, expires_at=int(START) + 9_000
            )

        found = await walk(Inbox(app.logs, KEY), limit, arrive if arriving else None)
        live = [f"n{n:03}" for n, (_, kind, life) in enumerate(given_entries) if kind == "notification" and life > 60]
        assert found == live[::-1]

    simulate(scenario)


def test_a_record_shows_where_it_comes_from() -> None:
    async def scenario(app: App) -> None:
        await store(app, "client", "N", payload={"title": "T", "targetKey": "forged"})
        (record,) = (await Inbox(app.logs, KEY).page("acme", "ana")).notifications
        assert record == {
            "notificationId": "N",
            "tenantId": "acme",
            "targetKey": "client#acme",
            "targetType": "client",
            "title": "T",
            "sequenceNumber": 1,
            "createdAt": "2025-06-15T15:06:40.000Z",
            "dateReceived": "2025-06-15T15:06:40.000Z",
        }

    simulate(scenario)


def test_a_record_has_the_texts_of_its_readers_locale_and_no_variants() -> None:
    async def scenario(app: App) -> None:
        payload = {"title": "Hello", "content": "?", "variants": {"de": {"title": "Hallo"}}}
        await store(app, "user", "N", payload=payload)
        inbox = Inbox(app.logs, KEY)
        for locale, title in ((None, "Hello"), ("fr", "Hello"), ("de-at", "Hallo")):
            (record,) = (await inbox.page("acme", "ana", locale=locale)).notifications
            assert (record["title"], record["content"]) == (title, "?")
            assert "variants" not in record

    simulate(scenario)


def test_a_cursor_is_good_for_its_user_and_query_alone() -> None:
    async def scenario(app: App) -> None:
        inbox = Inbox(app.logs, KEY)
        for n in range(3):
            await store(app, "client", f"n{n}")
        cursor = (await inbox.page("acme", "ana", limit=1)).cursor
        assert cursor is not None
        assert len((await inbox.page("acme", "ana", limit=2, cursor=cursor)).notifications) == 2
        for who, types in [(("acme", "bob"), []), (("globex", "ana"), []), (("acme", "ana"), ["client"])]:
            with pytest.raises(InvalidInput, match="cursor"):
                await inbox.page(*who, target_types=types, cursor=cursor)
        with pytest.raises(InvalidInput, match="cursor"):
            await Inbox(app.logs, b"x" * 32).page("acme", "ana", cursor=cursor)

    simulate(scenario)


def test_types_narrow_the_inbox_and_other_peoples_stay_theirs() -> None:
    async def scenario(app: App) -> None:
        inbox = Inbox(app.logs, KEY)
        for where in HOMES:
            await store(app, where, where)

        async def ids(tenant: str, user: str, *types: str) -> set[str]:
            page = await inbox.page(tenant, user, target_types=types)
            return {record["notificationId"] for record in page.notifications}

        assert await ids("acme", "ana") == {"user", "client", "broadcast"}
        assert await ids("acme", "ana", "client") == {"client"}
        assert await ids("acme", "bob") == {"client", "broadcast"}
        assert await ids("globex", "ana") == {"broadcast"}

    simulate(scenario)


@pytest.mark.parametrize("limit", [0, -1, MAX_LIMIT + 1])
def test_limits_are_kept(limit: int) -> None:
    async def scenario(app: App) -> None:
        with pytest.raises(InvalidInput, match="limit must be between 1 and 200"):
            await Inbox(app.logs, KEY).page("acme", "ana", limit=limit)

    simulate(scenario)
