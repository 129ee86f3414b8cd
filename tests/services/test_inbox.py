"""The inbox: three logs, newest first, page by page; what is read, archived and deleted; how much is unread."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kxmsg.bootstrap import App
from kxmsg.errors import InvalidInput, NotFound
from kxmsg.marks import STATUSES, Marking
from kxmsg.model.target import BROADCAST, Target
from kxmsg.policy import Action
from kxmsg.services.inbox import MAX_LIMIT, SCANNED, Inbox, InboxQuery
from kxmsg.testing.virtual import START
from tests.port_calls import counting
from tests.product import USER, caller, envelope, simulate

CLIENT = Target("client", "acme")
HOMES = {"user": ("acme", USER), "client": ("acme", CLIENT), "broadcast": ("*", BROADCAST)}
KEY = b"k" * 32
ANA = caller()
ANY = InboxQuery()
HIGH = {"content": "?", "priority": "high"}


@pytest.fixture(autouse=True)
def _secrets_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setenv("KXMSG_DATA", str(tmp_path_factory.mktemp("data")))


async def store(app: App, where: str, ident: str, at: float = 0, **changes: Any) -> None:
    tenant, target = HOMES[where]
    one = envelope(ident, target, tenant=tenant, created_at=int((START + at) * 1000), **changes)
    await app.logs.append(tenant, target, [one])


def of(app: App, key: bytes = KEY) -> Inbox:
    return Inbox(app.logs, app.marks, key)


async def walk(
    inbox: Inbox, limit: int, between: Callable[[], Awaitable[None]] | None = None, query: InboxQuery = ANY
) -> list[str]:
    """Every id, page by page; ``between`` is awaited after each."""
    found: list[str] = []
    cursor: str | None = None
    for _ in range(500):
        page = await inbox.page(ANA, "ana", query, limit=limit, cursor=cursor)
        assert len(page.notifications) <= limit
        found += [one.entry.envelope.id for one in page.notifications]
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

        found = await walk(of(app), limit, arrive if arriving else None)
        live = [f"n{n:03}" for n, (_, kind, life) in enumerate(given_entries) if kind == "notification" and life > 60]
        assert found == live[::-1]

    simulate(scenario)


def test_a_record_shows_where_it_comes_from_and_how_it_stands() -> None:
    async def scenario(app: App) -> None:
        await of(app).unread(ANA, "ana")
        await store(app, "client", "N", payload={"title": "T", "targetKey": "forged", "status": "forged"})
        (found,) = (await of(app).page(ANA, "ana")).notifications
        assert found.record() == {
            "notificationId": "N",
            "tenantId": "acme",
            "targetKey": "client#acme",
            "targetType": "client",
            "title": "T",
            "status": "unread",
            "readAt": None,
            "sequenceNumber": 1,
            "expiresAt": "2025-09-13T15:00:00.000Z",
            "createdAt": "2025-06-15T15:06:40.000Z",
            "updatedAt": "2025-06-15T15:06:40.000Z",
            "dateReceived": "2025-06-15T15:06:40.000Z",
        }

    simulate(scenario)


def test_a_record_has_the_texts_of_its_readers_locale_and_no_variants() -> None:
    async def scenario(app: App) -> None:
        payload = {"title": "Hello", "content": "?", "variants": {"de": {"title": "Hallo"}}}
        await store(app, "user", "N", payload=payload)
        (found,) = (await of(app).page(ANA, "ana")).notifications
        for locale, title in ((None, "Hello"), ("fr", "Hello"), ("de-at", "Hallo")):
            record = found.record(locale)
            assert (record["title"], record["content"]) == (title, "?")
            assert "variants" not in record

    simulate(scenario)


def test_a_cursor_is_good_for_its_user_and_query_alone() -> None:
    async def scenario(app: App) -> None:
        inbox = of(app)
        for n in range(3):
            await store(app, "client", f"n{n}")
        cursor = (await inbox.page(ANA, "ana", limit=1)).cursor
        assert cursor is not None
        assert len((await inbox.page(ANA, "ana", limit=2, cursor=cursor)).notifications) == 2
        others = [
            (ANA, "bob", InboxQuery()),
            (caller(tenant="globex"), "ana", InboxQuery()),
            (ANA, "ana", InboxQuery(("client",))),
            (ANA, "ana", InboxQuery(status="unread")),
            (ANA, "ana", InboxQuery(priority="high")),
            (ANA, "ana", InboxQuery(category="high")),
        ]
        for who, user, query in others:
            with pytest.raises(InvalidInput, match="cursor"):
                await inbox.page(who, user, query, cursor=cursor)
        with pytest.raises(InvalidInput, match="cursor"):
            await of(app, b"x" * 32).page(ANA, "ana", cursor=cursor)

    simulate(scenario)


def test_types_narrow_the_inbox_and_other_peoples_stay_theirs() -> None:
    async def scenario(app: App) -> None:
        for where in HOMES:
            await store(app, where, where)

        async def ids(tenant: str, user: str, *types: str) -> set[str]:
            page = await of(app).page(caller(user, tenant=tenant), user, InboxQuery(types))
            return {one.entry.envelope.id for one in page.notifications}

        assert await ids("acme", "ana") == {"user", "client", "broadcast"}
        assert await ids("acme", "ana", "client") == {"client"}
        assert await ids("acme", "bob") == {"client", "broadcast"}
        assert await ids("globex", "ana") == {"broadcast"}

    simulate(scenario)


@pytest.mark.parametrize("limit", [0, -1, MAX_LIMIT + 1])
def test_limits_are_kept(limit: int) -> None:
    async def scenario(app: App) -> None:
        with pytest.raises(InvalidInput, match="limit must be between 1 and 200"):
            await of(app).page(ANA, "ana", limit=limit)

    simulate(scenario)


def test_shared_logs_are_unread_from_the_first_contact_on_and_ones_own_from_its_start() -> None:
    async def scenario(app: App) -> None:
        for where in HOMES:
            await store(app, where, f"{where}-1")
        assert await of(app).unread(ANA, "ana") == {"user": 1, "client": 0, "broadcast": 0}
        for where in HOMES:
            await store(app, where, f"{where}-2", at=1)
        assert await of(app).unread(ANA, "ana") == {"user": 2, "client": 1, "broadcast": 1}
        assert await of(app).unread(ANA, "ana", ["client"]) == {"client": 1}
        statuses = {one.entry.envelope.id: one.status for one in (await of(app).page(ANA, "ana")).notifications}
        assert statuses == {
            "user-1": "unread",
            "client-1": "read",
            "broadcast-1": "read",
            "user-2": "unread",
            "client-2": "unread",
            "broadcast-2": "unread",
        }

    simulate(scenario)


def test_who_looks_into_anothers_inbox_is_not_their_first_contact() -> None:
    async def scenario(app: App) -> None:
        admin = caller("adam", "admin")
        await store(app, "client", "before")
        await of(app).unread(admin, "ana")
        await store(app, "client", "after", at=1)
        assert (await of(app).unread(ANA, "ana"))["client"] == 0
        await store(app, "client", "later", at=2)
        assert (await of(app).unread(admin, "ana"))["client"] == 1

    simulate(scenario)


marks = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["unread", "read", "archived", "deleted"]), st.sets(st.integers(0, 30), max_size=6)),
        st.tuples(st.just("all"), st.none()),
        st.tuples(st.just("arrive"), st.integers(1, 4)),
        st.tuples(st.just("wait"), st.integers(1, 100)),
        st.tuples(st.just("destroy"), st.integers(0, 30)),
    ),
    max_size=12,
)


class Model:
    """What was done to an inbox, written down plainly."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.status: dict[str, str] = {}
        self.expiry: dict[str, float] = {}

    def there(self, ident: str) -> bool:
        return self.status.get(ident, "deleted") != "deleted" and self.expiry[ident] > self.app.clock.now()

    def standing(self, *statuses: str) -> list[str]:
        """Newest first."""
        return sorted((one for one in self.status if self.there(one) and self.status[one] in statuses), reverse=True)

    async def arrive(self, count: int) -> None:
        for n in range(len(self.status), len(self.status) + count):
            now, ident = self.app.clock.now(), f"n{n:03}"
            expires = int(now) + (40 if n % 3 else 1000)
            where = sorted(HOMES)[n % 3 if n % 2 else n % 4 % 3]
            await store(self.app, where, ident, at=now - START + n / 1000, expires_at=expires)
            self.status[ident], self.expiry[ident] = "unread", expires

    async def mark_all(self) -> None:
        assert await self.app.notifications.mark_all_read(ANA, "ana") == len(self.standing("unread"))
        self.status |= dict.fromkeys(self.standing("unread"), "read")

    async def mark(self, idents: Sequence[str], how: Marking) -> None:
        there = [ident for ident in idents if self.there(ident)]
        marked = await self.app.notifications.mark(ANA, "ana", idents, how)
        assert (sorted(marked.done), len(marked.missing)) == (sorted(there), len(idents) - len(there))
        self.status |= dict.fromkeys(there, how)

    async def destroy(self, ident: str) -> None:
        if self.there(ident):
            await self.app.notifications.delete(caller("ana", "system"), ident, None, for_all=True)
            self.status[ident] = "deleted"

    async def do(self, verb: str, what: Any) -> None:
        match verb:
            case "arrive":
                await self.arrive(what)
            case "wait":
                await asyncio.sleep(what)
            case "all":
                await self.mark_all()
            case "destroy":
                await self.destroy(f"n{what:03}")
            case "unread" | "read" | "archived" | "deleted" if what:
                await self.mark([f"n{n:03}" for n in sorted(what)], verb)


@settings(max_examples=60, deadline=None)
@given(marks, st.integers(1, 7))
def test_counts_and_lists_agree_with_what_was_done_whatever_it_was(script: list[tuple[str, Any]], limit: int) -> None:
    async def scenario(app: App) -> None:
        inbox, model = of(app), Model(app)
        await inbox.unread(ANA, "ana")
        await model.arrive(8)
        for verb, what in script:
            await model.do(verb, what)
        assert sum((await inbox.unread(ANA, "ana")).values()) == len(model.standing("unread"))
        assert await walk(inbox, limit) == model.standing("unread", "read")
        for status in STATUSES:
            assert await walk(inbox, limit, query=InboxQuery(status=status)) == model.standing(status)

    simulate(scenario)


def test_filters_look_at_a_bounded_part_and_go_on_from_there() -> None:
    async def scenario(app: App) -> None:
        wanted = {"content": "!", "priority": "urgent", "category": "billing"}
        some = [envelope("wanted", payload=wanted)] + [envelope(f"n{n}") for n in range(2 * SCANNED)]
        await app.logs.append("acme", USER, some)
        query = InboxQuery(priority="urgent", category="billing")
        first = await of(app).page(ANA, "ana", query)
        assert (first.notifications, first.cursor is None) == ([], False)
        assert await walk(of(app), 50, query=query) == ["wanted"]
        assert await walk(of(app), 50, query=InboxQuery(priority="urgent", category="other")) == []
        assert len(await walk(of(app), 50, query=InboxQuery(priority="medium"))) == 2 * SCANNED

    simulate(scenario)


def test_marking_while_paging_through_what_is_unread_leaves_nothing_out() -> None:
    async def scenario(app: App) -> None:
        await app.logs.append("acme", USER, [envelope(f"n{n:02}") for n in range(20)])
        seen: list[str] = []
        cursor: str | None = None
        while True:
            page = await of(app).page(ANA, "ana", InboxQuery(status="unread"), limit=3, cursor=cursor)
            idents = [one.entry.envelope.id for one in page.notifications]
            await app.notifications.mark(ANA, "ana", idents, "read")
            seen += idents
            cursor = page.cursor
            if cursor is None:
                break
        assert seen == [f"n{n:02}" for n in reversed(range(20))]

    simulate(scenario)


def test_one_is_found_by_its_id_in_the_inbox_that_it_is_in() -> None:
    async def scenario(app: App) -> None:
        inbox = of(app)
        for where in HOMES:
            await store(app, where, where)
        await store(app, "user", "message", kind="message")
        await store(app, "user", "short", expires_at=int(START) + 5)
        for where in HOMES:
            found = await inbox.get(ANA, where)
            assert (found.user, found.entry.envelope.id, found.place.target) == ("ana", where, HOMES[where][1])
        assert (await inbox.get(caller("adam", "admin"), "user")).user == "ana"
        assert (await inbox.get(caller("adam", "admin"), "client", "ana")).user == "ana"
        await asyncio.sleep(6)
        bob, foreigner = caller("bob"), caller("ana", tenant="globex")
        lost = [(ANA, "message"), (ANA, "short"), (ANA, "x"), (bob, "user"), (foreigner, "user"), (foreigner, "client")]
        for who, ident in lost:
            with pytest.raises(NotFound, match="no notification") as refused:
                await inbox.get(who, ident)
            assert refused.value.code == "notification_not_found"
        with pytest.raises(NotFound):
            await inbox.get(bob, "client", "ana", Action.CHANGE_INBOX)

    simulate(scenario)


@pytest.mark.parametrize("spread", [False, True], ids=["alike", "each expires at a time of its own"])
@pytest.mark.parametrize("query", [ANY, InboxQuery(status="read"), InboxQuery(priority="high")], ids=str)
def test_reads_do_not_grow_with_the_size_of_the_inbox(query: InboxQuery, spread: bool) -> None:
    async def scenario(app: App) -> None:
        inbox = of(app)
        await inbox.unread(ANA, "ana")
        reads: dict[int, list[int]] = {}
        for target in (10, 10_000):
            there = (await app.logs.head("acme", USER)).seq
            idents = [f"n{n}" for n in range(there, target)]
            some = [
                envelope(ident, payload=HIGH, expires_at=int(START) + 9_000 + n if spread else None)
                for n, ident in enumerate(idents)
            ]
            await app.logs.append("acme", USER, some)
            await app.notifications.mark(ANA, "ana", idents[-9:], "read")
            reads[target] = []
            with counting(app) as calls:
                unread = (await inbox.unread(ANA, "ana"))["user"]
                reads[target].append(calls.reads)
                assert unread == {10: 1, 10_000: 9_981}[target]
                page = await inbox.page(ANA, "ana", query, limit=5)
                reads[target].append(calls.reads)
                assert len(page.notifications) == 5
                assert (await inbox.get(ANA, f"n{target - 1}")).status == "read"
                reads[target].append(calls.reads)
                await app.notifications.mark_all_read(ANA, "ana")
                await app.notifications.mark(ANA, "ana", [f"n{target - 10}"], "unread")
                await app.notifications.mark(ANA, "ana", idents[:9], "unread")
                await app.notifications.mark(ANA, "ana", idents[:9], "read")
                reads[target].append(calls.reads)
        more = 1 if spread else 0  # the read of pages of lifetimes, in each look at heads and marks
        assert reads[10] == [1, 4, 8, 15]
        assert [after - before for before, after in zip(reads[10], reads[10_000], strict=True)] == [
            looks * more for looks in (1, 2, 3, 7)
        ]

    simulate(scenario)
