"""What one does with the notifications of an inbox: marks, changes, deletions, and who may."""

from typing import Any

import pytest

from kxmsg.bootstrap import App
from kxmsg.codecs.envelope import decode_bundle
from kxmsg.errors import Conflict, Forbidden, InvalidInput, NotFound, TooLarge
from kxmsg.model.envelope import Bundle
from kxmsg.model.target import BROADCAST, EVERYBODY, Target
from kxmsg.services.inbox import Found, InboxQuery
from kxmsg.services.notifications import MAX_IDS, Notifications
from kxmsg.topology import FANOUT, FANOUT_FIFO
from tests.product import USER, RecordingBus, caller, envelope, simulate

CLIENT = Target("client", "acme")
ANA, BOB, ADAM, SERVICE = caller(), caller("bob"), caller("adam", "admin"), caller("robot", "system")


@pytest.fixture(autouse=True)
def _secrets_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setenv("KXMSG_DATA", str(tmp_path_factory.mktemp("data")))


def of(app: App) -> tuple[Notifications, RecordingBus]:
    """The service, on a bus that wants everything."""
    bus = RecordingBus()
    app.__dict__["bus"] = bus
    return app.notifications, bus


async def fill(app: App, count: int = 1, **changes: Any) -> None:
    """Entries of ana's own (u0, u1 …), of her client's (c0 …) and everybody's (b0 …), all unread for her and bob."""
    for who in (ANA, BOB):
        await app.inbox.unread(who, who.user)
    for letter, tenant, target in (("u", "acme", USER), ("c", "acme", CLIENT), ("b", EVERYBODY, BROADCAST)):
        some = [envelope(f"{letter}{n}", target, tenant=tenant, **changes) for n in range(count)]
        await app.logs.append(tenant, target, some)


async def frames(app: App) -> list[Bundle]:
    bodies = [
        delivery.body
        for queue in (FANOUT, FANOUT_FIFO)
        for delivery in await app.queue(queue).receive(10, wait=0, visibility=30)
    ]
    return [decode_bundle(body) for body in bodies]


async def statuses(app: App, user: str = "ana") -> dict[str, str]:
    who = caller(user)
    found: dict[str, str] = {}
    for query in (InboxQuery(), InboxQuery(status="archived")):
        records = (await app.inbox.page(who, user, query)).notifications
        found |= {one.entry.envelope.id: one.status for one in records}
    return found


def anything(_: Found) -> None:
    """No precondition."""


def test_each_marks_shared_ones_for_themselves() -> None:
    async def scenario(app: App) -> None:
        service, bus = of(app)
        await fill(app)
        marked = await service.mark(ANA, "ana", ["u0", "c0", "b0", "c0", "x"], "read")
        assert (marked.done, marked.missing) == (["u0", "c0", "b0"], ["x"])
        assert await statuses(app) == {"u0": "read", "c0": "read", "b0": "read"}
        assert await statuses(app, "bob") == {"c0": "unread", "b0": "unread"}
        told = [(event.detail_type, event.detail["userId"], event.detail["notificationId"]) for event in bus.events]
        assert told == [("notification.read", "ana", ident) for ident in ("u0", "c0", "b0")]
        (signal,) = await frames(app)
        assert (signal.tenant, signal.target) == ("acme", USER)
        payload = signal.entries[0].envelope.payload
        assert payload == {"type": "notification.marked", "notificationIds": marked.done, "status": "read"}

    simulate(scenario)


def test_marking_again_is_done_and_told_to_the_bus_no_more() -> None:
    async def scenario(app: App) -> None:
        service, bus = of(app)
        await fill(app)
        await service.mark(ANA, "ana", ["u0"], "read")
        (before,) = [await app.inbox.get(ANA, "u0")]
        assert (await service.mark(ANA, "ana", ["u0"], "read")).done == ["u0"]
        assert (await service.mark(ANA, "ana", ["u0"], "archived")).done == ["u0"]
        assert len(bus.events) == 1
        archived = await app.inbox.get(ANA, "u0")
        assert (archived.status, archived.read_at) == ("archived", before.read_at)
        await service.mark(ANA, "ana", ["u0"], "unread")
        unread = await app.inbox.get(ANA, "u0")
        assert (unread.status, unread.read_at) == ("unread", None)

    simulate(scenario)


def test_a_hundred_are_marked_and_each_is_told_of() -> None:
    async def scenario(app: App) -> None:
        service, bus = of(app)
        await fill(app, 40)
        idents = [f"{letter}{n}" for n in range(40) for letter in "ucb"][:MAX_IDS]
        assert (await service.mark(ANA, "ana", idents, "read")).done == idents
        assert [event.detail["notificationId"] for event in bus.events] == idents
        assert sum((await app.inbox.unread(ANA, "ana")).values()) == 20
        for some in ([], [str(n) for n in range(MAX_IDS + 1)]):
            with pytest.raises(InvalidInput, match="1 to 100"):
                await service.mark(ANA, "ana", some, "read")

    simulate(scenario)


def test_nothing_is_written_for_a_bus_on_which_nobody_listens() -> None:
    async def scenario(app: App) -> None:
        await fill(app)
        writes: list[int] = []
        transact = app.backend.tables.transact

        async def counting(items: Any) -> None:
            writes.append(len(items))
            await transact(items)

        app.backend.tables.transact = counting  # type: ignore[method-assign] # handed on
        await app.notifications.mark(ANA, "ana", ["u0", "c0"], "read")
        assert writes == [4]  # a mark and a page of times for each log

    simulate(scenario)


def test_all_are_marked_at_once_and_what_comes_later_is_unread() -> None:
    async def scenario(app: App) -> None:
        service, bus = of(app)
        await fill(app, 3)
        await service.mark(ANA, "ana", ["c1"], "archived")
        assert await service.mark_all_read(ANA, "ana") == 8
        assert await service.mark_all_read(ANA, "ana") == 0
        assert sum((await app.inbox.unread(ANA, "ana")).values()) == 0
        assert (await statuses(app))["c1"] == "archived"
        (event,) = [event for event in bus.events if "all" in event.detail]
        assert (event.detail["userId"], event.detail["count"]) == ("ana", 8)
        await app.logs.append("acme", CLIENT, [envelope("late", CLIENT)])
        assert (await app.inbox.unread(ANA, "ana"))["client"] == 1
        assert (await app.inbox.unread(BOB, "bob"))["client"] == 4
        assert (await app.inbox.get(ANA, "u0")).read_at is not None

    simulate(scenario)


def test_an_inbox_is_changed_by_its_user_and_administrators() -> None:
    async def scenario(app: App) -> None:
        service, _ = of(app)
        await fill(app)
        for call in (service.mark(BOB, "ana", ["c0"], "read"), service.mark_all_read(BOB, "ana")):
            with pytest.raises(Forbidden, match="not yours"):
                await call
        assert (await service.mark(BOB, "bob", ["u0"], "read")).missing == ["u0"]
        assert (await service.mark(ADAM, "ana", ["c0"], "read")).done == ["c0"]
        assert (await statuses(app))["c0"] == "read"
        assert (await service.mark(caller(tenant="globex"), "ana", ["u0", "c0"], "read")).done == []

    simulate(scenario)


def test_a_notification_of_ones_own_is_deleted_and_a_shared_one_leaves_ones_inbox_alone() -> None:
    async def scenario(app: App) -> None:
        service, _ = of(app)
        await fill(app)
        for ident in ("u0", "c0", "b0"):
            await service.delete(ANA, ident, None, for_all=False)
            with pytest.raises(NotFound):
                await service.delete(ANA, ident, None, for_all=False)
        assert (await statuses(app), await statuses(app, "bob")) == ({}, {"c0": "unread", "b0": "unread"})
        assert await app.logs.entry("acme", USER, "u0") is None
        told = [(one.change and one.change.kind, one.entries[0].envelope.payload) for one in await frames(app)]
        marked = [{"type": "notification.marked", "notificationIds": [i], "status": "deleted"} for i in ("c0", "b0")]
        assert told == [("deleted", {}), *((None, payload) for payload in marked)]

    simulate(scenario)


def test_a_shared_one_is_destroyed_by_those_who_may_write_to_its_readers() -> None:
    async def scenario(app: App) -> None:
        service, _ = of(app)
        await fill(app)
        for who, ident in ((ANA, "c0"), (ANA, "u0"), (BOB, "b0"), (ADAM, "b0")):
            with pytest.raises(Forbidden):
                await service.delete(who, ident, None, for_all=True)
        await service.delete(ADAM, "c0", None, for_all=True)
        await service.delete(SERVICE, "b0", None, for_all=True)
        assert await statuses(app, "bob") == {}
        assert await app.inbox.unread(BOB, "bob") == {"user": 0, "client": 0, "broadcast": 0}
        with pytest.raises(NotFound):
            await service.delete(ADAM, "c0", None, for_all=True)

    simulate(scenario)


def test_content_is_changed_for_all_readers_and_variants_of_what_is_replaced_go() -> None:
    async def scenario(app: App) -> None:
        service, _ = of(app)
        texts = {"title": "Hi", "content": "Old", "icon": "x", "variants": {"de": {"title": "Hallo", "content": "Alt"}}}
        await fill(app, payload=texts)
        changes = {"content": {"en": "New", "fr": "Neuf"}, "icon": None, "priority": "high"}
        found = await service.update(ADAM, "c0", None, changes, None, anything)
        assert found.entry.envelope.payload == {
            "title": "Hi",
            "content": "New",
            "priority": "high",
            "variants": {"de": {"title": "Hallo"}, "fr": {"content": "Neuf"}},
        }
        assert (await app.inbox.get(BOB, "c0")).record("fr")["content"] == "Neuf"
        (told,) = await frames(app)
        assert (told.change and told.change.kind, told.change and told.change.by) == ("updated", "adam")

    simulate(scenario)


@pytest.mark.parametrize(
    ("content", "refusal"),
    [
        ({"content": None}, InvalidInput),
        ({"content": ""}, InvalidInput),
        ({"priority": "huge"}, InvalidInput),
        ({"title": {}}, InvalidInput),
        ({"metadata": {"x": "y" * 100_000}}, TooLarge),
        ({"metadata": {"x": 1 << 70}}, InvalidInput),
    ],
)
def test_content_that_can_not_be_is_refused(content: dict[str, Any], refusal: type[Exception]) -> None:
    async def scenario(app: App) -> None:
        service, _ = of(app)
        await fill(app)
        with pytest.raises(refusal):
            await service.update(ADAM, "c0", None, content, None, anything)

    simulate(scenario)


def test_content_is_for_administrators_everybodys_for_services_and_the_status_for_each() -> None:
    async def scenario(app: App) -> None:
        service, _ = of(app)
        await fill(app)
        for who, ident in ((ANA, "u0"), (ANA, "c0"), (ADAM, "b0")):
            with pytest.raises(Forbidden):
                await service.update(who, ident, None, {"title": "x"}, None, anything)
        with pytest.raises(NotFound):
            await service.update(BOB, "u0", None, {"title": "x"}, None, anything)
        await service.update(SERVICE, "b0", None, {"title": "x"}, None, anything)
        for status in ("archived", "unread", "read"):
            found = await service.update(ANA, "b0", None, {}, status, anything)
            assert (found.status, found.entry.envelope.payload["title"]) == (status, "x")
        both = await service.update(ADAM, "u0", "ana", {"title": "y"}, "read", anything)
        assert (both.status, both.entry.envelope.payload["title"]) == ("read", "y")
        assert await statuses(app, "bob") == {"c0": "unread", "b0": "unread"}

    simulate(scenario)


def test_a_change_to_what_is_not_as_it_was_seen_is_refused() -> None:
    async def scenario(app: App) -> None:
        service, _ = of(app)
        await fill(app)
        seen = (await app.inbox.get(ADAM, "c0")).version

        def unchanged(found: Found) -> None:
            if found.version != seen:
                raise Conflict("changed")

        await service.update(ADAM, "c0", None, {"title": "first"}, None, unchanged)
        with pytest.raises(Conflict):
            await service.update(ADAM, "c0", None, {"title": "second"}, None, unchanged)
        assert (await app.inbox.get(ADAM, "c0")).entry.envelope.payload["title"] == "first"

    simulate(scenario)
