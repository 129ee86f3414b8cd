"""Changing and deleting what a log holds, on tables that do what DynamoDB may do."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial

import pytest

from kxmsg.bootstrap import App
from kxmsg.errors import Forbidden, Transient
from kxmsg.keys import HEAD, change_key, log_key
from kxmsg.lifetimes import MAX_RUNS
from kxmsg.marks import Mark, View
from kxmsg.model.envelope import Change, Entry, Envelope
from kxmsg.model.target import Target
from kxmsg.ports import Item, Key, Put, Query, Update
from kxmsg.storage.logs import Amended, Located, Logs
from kxmsg.testing.virtual import START
from kxmsg.topology import LOGS
from tests.product import DESK, USER, envelope, simulate

MISHAPS = {"conflict": 0.3, "throttle": 0.1, "lost_reply": 0.2}
DAYS = {"notification": 90, "message": 90}
EDIT = Change("updated", int(START * 1000) + 5, "ana")


async def persist(call: Callable[[], Awaitable[object]]) -> None:
    """Repeat ``call`` as whoever got a Transient would."""
    while True:
        try:
            await call()
        except Transient:
            continue
        return


def saying(text: str) -> object:
    def change(entry: Entry) -> Envelope:
        return replace(entry.envelope, payload={**entry.envelope.payload, "content": text})

    return change


def adding(word: str) -> object:
    def change(entry: Entry) -> Envelope:
        said = entry.envelope.payload.get("said", [])
        payload = {**entry.envelope.payload, "said": [*said, word] if word not in said else said}
        return replace(entry.envelope, payload=payload)

    return change


async def amend(
    app: App, where: int | str, change: object, target: Target = USER, about: Change = EDIT, logs: Logs | None = None
) -> Amended | None:
    return await (logs or app.logs).amend("acme", target, where, change, about)  # type: ignore[arg-type] # as above


async def changes(app: App, target: Target = USER) -> list[Item]:
    query = Query(log_key("acme", target), first=change_key(1), last="C#~", consistent=True)
    return (await app.tables.query(LOGS, query)).items


async def unread(app: App, target: Target = USER) -> int:
    head = await app.logs.head("acme", target)
    pages = await app.logs.pages([("acme", target, page) for page in head.lives.pages])
    return View.of(head.seq, head.lives, pages, Mark(), app.clock.now()).unread


def test_a_change_keeps_number_and_expiry_and_raises_the_revision() -> None:
    async def scenario(app: App) -> None:
        await app.logs.append("acme", USER, [envelope("a"), envelope("b")])
        before = await app.logs.entry("acme", USER, 2)
        assert before is not None
        amended = await amend(app, "b", saying("new"))
        assert amended is not None
        entry = await app.logs.entry("acme", USER, "b")
        assert entry == amended.entry
        assert (entry.sequence, entry.revision, entry.changed_at) == (2, 1, EDIT.at)
        assert entry.envelope == replace(before.envelope, payload={"content": "new"})
        head = await app.logs.head("acme", USER)
        assert (head.seq, head.rev) == (2, 1)
        assert amended.bundle.change == EDIT
        assert (amended.bundle.entries, amended.bundle.epoch, amended.changed) == ((entry,), head.epoch, True)
        (record,) = await changes(app)
        assert (record["sk"], record["seq"], record["kind"], record["by"]) == (change_key(1), 2, "updated", "ana")
        assert record["expiresAt"] == entry.envelope.expires_at

    simulate(scenario)


def test_a_deletion_leaves_the_number_and_its_id_and_nothing_of_the_content() -> None:
    async def scenario(app: App) -> None:
        await app.logs.append("acme", USER, [envelope("a"), envelope("b"), envelope("c")])
        amended = await amend(app, 2, lambda _: None)
        assert amended is not None
        assert (amended.entry.envelope.payload, amended.entry.deleted_at) == ({}, EDIT.at)
        assert amended.bundle.change == replace(EDIT, kind="deleted")
        assert [entry.sequence for entry in await app.logs.read("acme", USER)] == [1, 3]
        assert await app.logs.entry("acme", USER, "b") is None
        assert await app.logs.find([("acme", "b"), ("acme", "x")]) == [Located("acme", USER, 2), None]
        again = await app.logs.append("acme", USER, [envelope("b"), envelope("d")])
        assert [(entry.sequence, entry.envelope.id) for entry in again.entries] == [(4, "d")]
        assert await amend(app, 2, saying("back")) is None

    simulate(scenario)


def test_what_is_not_there_or_has_expired_or_is_somebody_elses_is_not_changed() -> None:
    async def scenario(app: App) -> None:
        await app.logs.append("acme", USER, [envelope("a", expires_at=int(START) + 5), envelope("b")])
        assert await amend(app, "nothing", saying("x")) is None
        assert await amend(app, 3, saying("x")) is None
        assert await amend(app, "b", saying("x"), Target("user", "bob")) is None
        assert await app.logs.amend("globex", USER, "b", lambda _: None, EDIT) is None
        await asyncio.sleep(6)
        assert await amend(app, "a", saying("x")) is None
        await app.tables.write(Update(LOGS, Key(log_key("acme", USER), HEAD), set={"deleted": True}))
        assert await amend(app, "b", saying("x")) is None
        assert await changes(app) == []

    simulate(scenario)


def test_a_change_to_what_stands_there_already_is_told_and_not_written() -> None:
    async def scenario(app: App) -> None:
        await app.logs.append("acme", USER, [envelope("a")])
        await amend(app, "a", saying("new"))
        again = await amend(app, "a", saying("new"))
        assert again is not None
        assert (again.changed, again.entry.revision, len(await changes(app))) == (False, 1, 1)
        assert again.bundle.unique != (await app.logs.append("acme", USER, [envelope("a")])).unique

    simulate(scenario)


def test_what_the_change_raises_is_raised_and_nothing_is_written() -> None:
    async def scenario(app: App) -> None:
        await app.logs.append("acme", USER, [envelope("a")])

        def refuse(_: Entry) -> Envelope:
            raise Forbidden("not yours")

        with pytest.raises(Forbidden):
            await amend(app, "a", refuse)
        assert (await app.logs.head("acme", USER)).rev == 0

    simulate(scenario)


def test_what_belongs_to_the_change_is_written_with_it() -> None:
    async def scenario(app: App) -> None:
        await app.logs.append("acme", USER, [envelope("a")])
        put = Put(LOGS, {"pk": "acme#X", "sk": "1"})
        assert await app.logs.amend("acme", USER, "a", lambda _: None, EDIT, [put]) is not None
        assert await app.tables.get(LOGS, Key("acme#X", "1"), consistent=True) is not None

    simulate(scenario)


@pytest.mark.parametrize("target", [USER, DESK], ids=["inbox", "channel"])
@pytest.mark.parametrize("seed", range(8))
def test_fifty_changes_and_appends_at_once_are_each_made_once(seed: int, target: Target) -> None:
    """Changes to few entries while others are appended: none is lost, revisions are 1, 2, 3 … in the order made."""

    async def scenario(app: App) -> None:
        processes = [Logs(app.tables, app.clock, DAYS) for _ in range(3)]
        first = [envelope(f"{n}", target) for n in range(4)]
        await persist(lambda: app.logs.create("acme", target))
        await persist(lambda: processes[0].append("acme", target, first))

        def work(n: int) -> Awaitable[object]:
            logs = processes[n % 3]
            if n % 5 == 0:
                return logs.append("acme", target, [envelope(f"new{n}", target)])
            return amend(app, f"{n % 4}", adding(f"w{n}"), target, logs=logs)

        await asyncio.gather(*(persist(partial(work, n)) for n in range(50)))
        words: list[str] = []
        for n in range(4):
            entry = await app.logs.entry("acme", target, f"{n}")
            assert entry is not None
            words += entry.envelope.payload["said"]
        assert sorted(words) == sorted(f"w{n}" for n in range(50) if n % 5)
        head = await app.logs.head("acme", target)
        assert (head.seq, head.rev) == (14, 40)
        assert [item["sk"] for item in await changes(app, target)] == [change_key(n) for n in range(1, 41)]

    simulate(scenario, seed=seed, **MISHAPS)


@pytest.mark.parametrize("seed", range(8))
def test_deletions_and_appends_at_once_leave_the_true_count(seed: int) -> None:
    """Each entry expires at a time of its own, so that lifetimes are spread over pages; kinds are mixed."""

    async def scenario(app: App) -> None:
        count = 2 * MAX_RUNS
        for start in range(0, count, 50):
            some = [
                envelope(f"{n}", expires_at=int(START) + 1000 + n, kind="message" if n % 10 == 0 else "notification")
                for n in range(start, start + 50)
            ]
            await persist(partial(app.logs.append, "acme", USER, some))
        assert await unread(app) == count * 9 // 10
        deleted = [n for n in range(count) if n % 7 == 1]

        def delete(n: int) -> Awaitable[object]:
            return amend(app, f"{n}", lambda _: None)

        def append(n: int) -> Awaitable[object]:
            return app.logs.append("acme", USER, [envelope(f"late{n}", expires_at=int(START) + 9000 + n)])

        await asyncio.gather(
            *(persist(partial(delete, n)) for n in deleted), *(persist(partial(append, n)) for n in range(10))
        )
        left = {n for n in range(count) if n % 10 and n not in deleted}
        assert await unread(app) == len(left) + 10
        await asyncio.sleep(START + 1200 - app.clock.now())
        assert await unread(app) == len({n for n in left if 1000 + n > 1200}) + 10

    simulate(scenario, seed=seed, conflict=0.1, lost_reply=0.1)


def test_changes_are_read_by_revision_with_the_entries_as_they_stand() -> None:
    """Those of the entries that one has; of what has expired nothing; and how far one has looked is told."""

    async def scenario(app: App) -> None:
        first = [envelope("a"), envelope("b", expires_at=int(START) + 5), envelope("c")]
        await app.logs.append("acme", USER, first)
        for ident, change in (("a", saying("1")), ("b", saying("2")), ("c", saying("3")), ("a", lambda _: None)):
            await amend(app, ident, change)
        read = partial(app.logs.changes, "acme", USER, numbers=3)
        found, looked = await read(after=0, up_to=4)
        assert [(one.revision, one.entry.sequence, one.change.kind) for one in found] == [
            (1, 1, "updated"),
            (2, 2, "updated"),
            (3, 3, "updated"),
            (4, 1, "deleted"),
        ]
        assert [one.entry.deleted_at is not None for one in found] == [True, False, False, True]
        assert (found[2].entry.envelope.payload, looked) == ({"content": "3"}, 4)
        parts = [await read(after=after, up_to=4, limit=2) for after in (0, 2, 4)]
        assert [([one.revision for one in part], up_to) for part, up_to in parts] == [([1, 2], 2), ([3, 4], 4), ([], 4)]
        assert [one.revision for one in (await app.logs.changes("acme", USER, after=1, up_to=3, numbers=2))[0]] == [2]
        await asyncio.sleep(6)
        assert [one.revision for one in (await read(after=0, up_to=4))[0]] == [1, 3, 4]

    simulate(scenario)


def test_who_waits_for_a_commit_gets_its_number_when_it_is_there_and_not_for_ever() -> None:
    async def scenario(app: App) -> None:
        waiting = asyncio.create_task(app.logs.committed("acme", USER, "a", 5))
        await asyncio.sleep(1)
        await app.logs.append("acme", USER, [envelope("a")])
        assert await waiting == 1
        began = app.clock.now()
        assert await app.logs.committed("acme", USER, "never", 5) is None
        assert app.clock.now() - began == pytest.approx(5)

    simulate(scenario)
