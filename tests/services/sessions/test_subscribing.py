"""A client that comes back gets exactly what it missed."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import orjson
import pytest

from kxmsg.audience import inbox
from kxmsg.bootstrap import App
from kxmsg.errors import Transient
from kxmsg.keys import HEAD, log_key
from kxmsg.model.connection import Connection, Place
from kxmsg.model.envelope import Change, Entry, Envelope
from kxmsg.model.notification import VARIANTS
from kxmsg.model.preferences import Preferences, QuietHours
from kxmsg.model.target import BROADCAST, Target
from kxmsg.model.user import User
from kxmsg.ports import Key, Update
from kxmsg.services import missed
from kxmsg.storage.due import SHARDS, DueWait
from kxmsg.testing.virtual import START
from kxmsg.topology import LOGS
from tests.product import DESK, USER, caller, connection, envelope, simulate

EDIT = Change("updated", int(START * 1000), "ana")


async def ask(app: App, connection: str = "c1", **fields: Any) -> dict[str, Any]:
    """The answer to ``subscribe``."""
    text = orjson.dumps({"action": "subscribe", "id": 1, **fields}).decode()
    answer: dict[str, Any] = orjson.loads(await app.frames.answer(connection, text))
    return answer


async def desk(app: App, *people: str) -> None:
    service = app.channel_service
    await service.create(caller("adam", "admin"), "group", [service.person(one) for one in people], ident="desk")


async def open_connection(app: App, ident: str = "c1", user: str = "ana", **changes: Any) -> Connection:
    opened = connection(ident, user, **changes)
    await app.connections.open(opened, inbox("acme", opened.user))
    return opened


async def places(app: App, ident: str = "c1") -> set[str]:
    return {place.target.key for place in await app.connections.places(ident)}


def say(ident: str, text: str = "hi", **changes: Any) -> Envelope:
    return envelope(ident, DESK, payload={"content": text, "senderId": "bob", "metadata": {}}, **changes)


async def edit(app: App, where: int | str, text: str, target: Target = DESK) -> None:
    def change(entry: Entry) -> Envelope:
        return replace(entry.envelope, payload={**entry.envelope.payload, "content": text})

    await app.logs.amend("acme", target, where, change, EDIT)


async def react(app: App, where: int | str, emoji: str) -> None:
    def change(entry: Entry) -> Envelope:
        reactions = {**entry.envelope.payload.get("reactions", {}), emoji: ["eve"]}
        return replace(entry.envelope, payload={**entry.envelope.payload, "reactions": reactions})

    detail = {"emoji": emoji, "userId": "eve", "action": "added"}
    await app.logs.amend("acme", DESK, where, change, replace(EDIT, kind="reaction", detail=detail))


async def delete(app: App, where: int | str, target: Target = DESK) -> None:
    await app.logs.amend("acme", target, where, lambda _: None, EDIT)


# -------------------------------------------------------------------------------------------------- who may


def test_who_takes_part_gets_the_channels_frames_and_where_it_stands() -> None:
    async def scenario(app: App) -> None:
        await desk(app, "ana")
        epoch = (await app.logs.append("acme", DESK, [say("a"), say("b")])).epoch
        await edit(app, "a", "ho")
        await open_connection(app)
        assert await ask(app, channelId="desk") == {
            "type": "history",
            "id": 1,
            "targetKey": "channel#desk",
            "recovered": True,
            "epoch": epoch,
            "sequenceNumber": 2,
            "revision": 1,
            "entries": [],
            "changes": [],
            "gone": [],
            "withheld": [],
            "more": False,
        }
        assert "channel#desk" in await places(app)
        assert (await ask(app, targetKey="channel#desk"))["sequenceNumber"] == 2

    simulate(scenario)


@pytest.mark.parametrize("channel", ["desk", "none"])
def test_a_channel_of_others_is_missing_as_one_that_is_not_there(channel: str) -> None:
    async def scenario(app: App) -> None:
        await desk(app, "bob")
        await open_connection(app)
        answer = await ask(app, channelId=channel)
        assert answer == {"type": "error", "id": 1, "code": "channel_not_found", "message": f"no channel {channel!r}"}
        assert await places(app) == {"user#ana", "client#acme", "broadcast"}
        await open_connection(app, "c2", "root", roles=("admin",))
        assert ("channel#desk" in await places(app, "c2")) is False
        known = channel == "desk"
        assert (await ask(app, "c2", channelId=channel))["type"] == ("history" if known else "error")
        await open_connection(app, "c3", "root", roles=("admin",), tenant="globex")
        assert (await ask(app, "c3", channelId=channel))["code"] == "channel_not_found"

    simulate(scenario)


@pytest.mark.parametrize("key", ["user#bob", "client#globex", "user#ANA"])
def test_of_the_inboxes_logs_one_has_ones_own(key: str) -> None:
    async def scenario(app: App) -> None:
        await open_connection(app)
        for own in ("user#ana", "client#acme", "broadcast"):
            assert (await ask(app, targetKey=own))["sequenceNumber"] == 0
        assert (await ask(app, targetKey=key))["code"] == "log_not_found"

    simulate(scenario)


def test_who_unsubscribes_gets_no_more_of_the_channel() -> None:
    async def scenario(app: App) -> None:
        await desk(app, "ana")
        await open_connection(app)
        await ask(app, channelId="desk")
        answer = orjson.loads(await app.frames.answer("c1", '{"action":"unsubscribe","channelId":"desk","id":2}'))
        assert answer == {"type": "ack", "id": 2, "channelId": "desk"}
        assert await places(app) == {"user#ana", "client#acme", "broadcast"}

    simulate(scenario)


@pytest.mark.parametrize("seed", range(20))
def test_who_is_put_out_while_subscribing_gets_nothing_more(seed: int) -> None:
    """Whichever is the first."""

    async def scenario(app: App) -> None:
        await desk(app, "ana")
        await open_connection(app)
        await asyncio.gather(ask(app, channelId="desk"), app.membership.leave(caller("ana"), "desk"))
        assert "channel#desk" not in await places(app)
        assert (await app.connections.subscribers(Place("acme", DESK)))[0] == []

    simulate(scenario, seed=seed)


@pytest.mark.parametrize("seed", range(20))
def test_a_connection_that_closes_while_subscribing_leaves_no_row(seed: int) -> None:
    async def scenario(app: App) -> None:
        await desk(app, "ana")
        await open_connection(app)
        answer, _ = await asyncio.gather(ask(app, channelId="desk"), app.sessions.disconnect("c1"))
        assert answer["type"] == "history" or answer["code"] == "unknown_connection"
        assert await places(app) == set()
        assert (await app.connections.subscribers(Place("acme", DESK)))[0] == []

    simulate(scenario, seed=seed)


# ------------------------------------------------------------------------------------------------ what is missed


def test_what_is_new_is_shown_as_it_stands_and_what_was_done_to_the_rest_is_told() -> None:
    async def scenario(app: App) -> None:
        await desk(app, "ana")
        epoch = (await app.logs.append("acme", DESK, [say(one) for one in "abcd"])).epoch
        await edit(app, "a", "before")
        await open_connection(app)
        left: dict[str, Any] = {"channelId": "desk", "epoch": epoch, "afterSequence": 4, "afterRevision": 1}
        assert (await ask(app, **left))["entries"] == []
        await app.logs.append("acme", DESK, [say(one) for one in "efg"])
        await edit(app, "a", "first")
        await edit(app, "e", "new text")
        await react(app, "b", "👍")
        await react(app, "e", "🎉")
        await edit(app, "a", "second")
        await edit(app, "c", "in vain")
        await delete(app, "c")
        await delete(app, "f")
        answer = await ask(app, **left)
        told = [(one["type"], one["messageId"], one["sequenceNumber"], one["revision"]) for one in answer["changes"]]
        assert told == [
            ("reaction", "b", 2, 4),
            ("message.updated", "a", 1, 6),
            ("message.deleted", "c", 3, 8),
        ]
        assert answer["changes"][1]["message"] == "second"
        assert answer["changes"][0].items() >= {"emoji": "👍", "userId": "eve", "action": "added", "by": "ana"}.items()
        shown = [(one["type"], one["sequenceNumber"], one["message"]) for one in answer["entries"]]
        assert shown == [("chat.message", 5, "new text"), ("chat.message", 7, "hi")]
        assert answer["entries"][0]["reactions"] == [{"emoji": "🎉", "count": 1, "userIds": ["eve"]}]
        assert (answer["gone"], answer["withheld"]) == ([[6, 6]], [])
        assert (answer["sequenceNumber"], answer["revision"], answer["more"]) == (7, 9, False)

    simulate(scenario)


def test_to_what_one_has_beyond_a_hole_changes_are_told_too() -> None:
    """What is in the hole is shown."""

    async def scenario(app: App) -> None:
        await desk(app, "ana")
        epoch = (await app.logs.append("acme", DESK, [say(one) for one in "abcd"])).epoch
        for ident in "bcd":
            await edit(app, ident, "new")
        await open_connection(app)
        answer = await ask(app, channelId="desk", epoch=epoch, afterSequence=1, afterRevision=0, seenSequence=3)
        assert [one["messageId"] for one in answer["changes"]] == ["b", "c"]
        shown = [(one["messageId"], one["message"], one["revision"]) for one in answer["entries"]]
        assert shown == [("b", "new", 1), ("c", "new", 2), ("d", "new", 3)]
        answer = await ask(app, channelId="desk", epoch=epoch, afterSequence=1, afterRevision=0, seenSequence=5)
        assert answer["reason"] == "ahead"

    simulate(scenario)


def test_of_what_came_and_went_meanwhile_nothing_is_told_however_many_pages_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(missed, "PAGE", 600)

    async def scenario(app: App) -> None:
        await desk(app, "ana")
        epoch = (await app.logs.append("acme", DESK, [say("a")])).epoch
        for emoji in "👍🎉❤":
            await react(app, "a", emoji)
        await app.logs.append("acme", DESK, [say("b")])
        await delete(app, "b")
        await open_connection(app)
        answers = await all_pages(app, epoch, 1, 0)
        assert [one["type"] for answer in answers for one in answer["changes"]] == ["reaction"] * 3
        assert [answer["gone"] for answer in answers] == [[]] * (len(answers) - 1) + [[[2, 2]]]
        assert len(answers) > 1

    simulate(scenario)


def test_who_names_no_revision_is_told_of_no_changes() -> None:
    async def scenario(app: App) -> None:
        await desk(app, "ana")
        epoch = (await app.logs.append("acme", DESK, [say("a")])).epoch
        await edit(app, "a", "ho")
        await open_connection(app)
        answer = await ask(app, channelId="desk", epoch=epoch, afterSequence=1)
        assert (answer["changes"], answer["revision"], answer["more"]) == ([], 1, False)

    simulate(scenario)


def test_what_was_nothing_yet_is_told_from_its_beginning() -> None:
    async def scenario(app: App) -> None:
        await open_connection(app)
        left: dict[str, Any] = {"targetKey": "user#ana", "afterSequence": 0, "afterRevision": 0}
        assert (await ask(app, **left))["epoch"] is None
        epoch = (await app.logs.append("acme", USER, [envelope("a")])).epoch
        answer = await ask(app, **left)
        assert ([one["notificationId"] for one in answer["entries"]], answer["epoch"]) == (["a"], epoch)

    simulate(scenario)


def test_what_has_expired_is_said_to_be_gone() -> None:
    async def scenario(app: App) -> None:
        soon = int(START) + 5
        some = [envelope("a"), envelope("b", expires_at=soon), envelope("c", expires_at=soon), envelope("d")]
        epoch = (await app.logs.append("acme", USER, some)).epoch
        await edit(app, "b", "new", USER)
        await open_connection(app)
        await asyncio.sleep(6)
        answer = await ask(app, targetKey="user#ana", epoch=epoch, afterSequence=2, afterRevision=0)
        assert ([one["sequenceNumber"] for one in answer["entries"]], answer["gone"]) == ([4], [[3, 3]])
        assert (answer["changes"], answer["revision"]) == ([], 1)
        await delete(app, "d", USER)
        answer = await ask(app, targetKey="user#ana", epoch=epoch, afterSequence=0, afterRevision=2)
        assert ([one["sequenceNumber"] for one in answer["entries"]], answer["gone"]) == ([1], [[2, 4]])

    simulate(scenario)


def test_what_cannot_be_told_is_said_with_the_reason_and_where_the_log_stands(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(missed, "MAX_MISSED", 3)

    async def scenario(app: App) -> None:
        await open_connection(app)
        epoch = (await app.logs.append("acme", USER, [envelope(one) for one in "abcde"])).epoch
        for n in range(5):
            await edit(app, "a", f"{n}", USER)

        async def reason(**left: Any) -> Any:
            answer = await ask(app, targetKey="user#ana", **{"epoch": epoch, **left})
            assert answer["recovered"] is ("reason" not in answer)
            if not answer["recovered"]:
                assert (answer["entries"], answer["changes"], answer["more"]) == ([], [], False)
                assert (answer["sequenceNumber"], answer["revision"], answer["epoch"]) == (5, 5, epoch)
            return answer.get("reason")

        assert await reason(afterSequence=5, epoch="other") == "epoch_changed"
        assert await reason(afterSequence=1) == "too_far"
        assert await reason(afterSequence=5, afterRevision=1) == "too_far"
        assert await reason(afterSequence=6) == "ahead"
        assert await reason(afterSequence=5, afterRevision=6) == "ahead"
        assert await reason(afterSequence=2, afterRevision=2) is None

    simulate(scenario)


def test_a_log_that_was_erased_or_restored_is_another() -> None:
    async def scenario(app: App) -> None:
        await open_connection(app)
        epoch = (await app.logs.append("acme", USER, [envelope("a")])).epoch
        await app.tables.write(Update(LOGS, Key(log_key("acme", USER), HEAD), set={"epoch": "later"}))
        answer = await ask(app, targetKey="user#ana", epoch=epoch, afterSequence=1, afterRevision=0)
        assert (answer["recovered"], answer["reason"], answer["epoch"]) == (False, "epoch_changed", "later")

    simulate(scenario)


def test_frames_speak_the_connections_language() -> None:
    async def scenario(app: App) -> None:
        payload = {"content": "Hello", VARIANTS: {"de": {"content": "Hallo"}}}
        epoch = (await app.logs.append("acme", USER, [envelope("a", payload=payload)])).epoch
        await open_connection(app, locale="de-at")
        entries = (await ask(app, targetKey="user#ana", afterSequence=0))["entries"]
        assert entries[0]["content"] == "Hallo"
        await edit(app, "a", "Hi", USER)
        changes = (await ask(app, targetKey="user#ana", epoch=epoch, afterSequence=1, afterRevision=0))["changes"]
        assert (changes[0]["type"], changes[0]["content"]) == ("notification.updated", "Hallo")

    simulate(scenario)


def test_what_the_connection_sent_itself_is_withheld_and_of_another_connection_shown() -> None:
    async def scenario(app: App) -> None:
        await desk(app, "ana")
        await app.logs.append("acme", DESK, [say("a", origin="c1"), say("b", origin="c1"), say("c")])
        for ident, shown, withheld in (("c1", [3], [[1, 2]]), ("c2", [1, 2, 3], [])):
            await open_connection(app, ident)
            answer = await ask(app, ident, channelId="desk", afterSequence=0)
            assert [one["sequenceNumber"] for one in answer["entries"]] == shown
            assert answer["withheld"] == withheld
        await edit(app, "b", "changed by another")
        answer = await ask(app, channelId="desk", afterSequence=0, afterRevision=0)
        assert [one["sequenceNumber"] for one in answer["entries"]] == [2, 3]

    simulate(scenario)


async def prefer(app: App, preferences: Preferences) -> None:
    await app.directory.change("acme", "ana", lambda _: User("ana", "acme", None, None, (), preferences=preferences))


def test_what_its_reader_does_not_want_to_be_told_of_is_withheld() -> None:
    async def scenario(app: App) -> None:
        await prefer(app, Preferences(muted={"ads": frozenset({"websocket"})}))
        await open_connection(app)
        ad = envelope("ad", payload={"content": "Buy!", "category": "ads"})
        await app.logs.append("acme", USER, [ad, envelope("a")])
        answer = await ask(app, targetKey="user#ana", afterSequence=0)
        assert ([one["sequenceNumber"] for one in answer["entries"]], answer["withheld"]) == ([2], [[1, 1]])

    simulate(scenario)


def test_what_comes_in_quiet_hours_waits_for_their_end() -> None:
    """The clock says 15:06; the broadcast has several shards."""

    async def scenario(app: App) -> None:
        await prefer(app, Preferences(quiet_hours=QuietHours(15 * 60, 16 * 60)))
        await open_connection(app, token_expires_at=START + 7200)
        await app.logs.append("*", BROADCAST, [envelope("a", BROADCAST, tenant="*")])
        answer = await ask(app, targetKey="broadcast", afterSequence=0)
        assert (answer["entries"], answer["withheld"]) == ([], [[1, 1]])
        await asyncio.sleep(3600)
        ripe = [one for shard in range(SHARDS) for one in await app.due.ripe(shard)]
        assert [(one.wait.target, one.wait.sequence) for one in ripe if isinstance(one, DueWait)] == [(BROADCAST, 1)]
        (subscribed,) = [
            one.wait.shard
            for one in ripe
            if isinstance(one, DueWait)
            and (await app.connections.subscribers(Place("*", BROADCAST), one.wait.shard))[0]
        ]
        assert subscribed in range(4)

    simulate(scenario)


# ------------------------------------------------------------------------------------------------------- pages


@pytest.mark.parametrize("size", [200, 98_000])
def test_a_page_stays_below_what_a_websocket_message_may_have(size: int) -> None:
    async def scenario(app: App) -> None:
        await desk(app, "ana")
        count = 400 if size < 1000 else 3
        for first in range(0, count, 50):
            some = [say(f"{n}", "€" * (size // 3)) for n in range(first, min(first + 50, count))]
            await app.logs.append("acme", DESK, some)
        await open_connection(app)
        answers = await all_pages(app, None, 0, 0)
        assert [one["sequenceNumber"] for answer in answers for one in answer["entries"]] == list(range(1, count + 1))
        sizes = [len(orjson.dumps(answer)) for answer in answers]
        assert max(sizes) < 128 * 1024
        assert min(sizes[:-1]) > 90_000

    simulate(scenario)


async def all_pages(app: App, epoch: str | None, sequence: int, revision: int) -> list[dict[str, Any]]:
    answers: list[dict[str, Any]] = []
    while not answers or answers[-1]["more"]:
        answer = await ask(
            app, channelId="desk", epoch=epoch, afterSequence=sequence, afterRevision=revision, id="x" * 128
        )
        if answer["type"] == "error":
            assert answer["code"] == "unavailable"
            continue
        epoch, sequence, revision = answer["epoch"], answer["sequenceNumber"], answer["revision"]
        answers.append(answer)
    return answers


async def persist(call: Callable[[], Awaitable[object]]) -> None:
    while True:
        try:
            await call()
        except Transient:
            continue
        return


@pytest.mark.parametrize("seed", range(40))
def test_whoever_follows_the_pages_ends_with_what_the_log_holds(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is said, changed and deleted before, between and while they are read; every number is accounted for."""
    monkeypatch.setattr(missed, "PAGE", 1200)
    monkeypatch.setattr(missed, "_PART", 4)
    dice = random.Random(seed)

    async def scenario(app: App) -> None:
        await persist(lambda: desk(app, "ana"))
        await persist(lambda: open_connection(app))
        said = 0

        async def live(steps: int) -> None:
            nonlocal said
            for _ in range(steps):
                number = dice.randint(1, said) if said else 1
                what = dice.random()
                if what < 0.4 or not said:
                    said += 1
                    one = say(f"m{said}", f"text {said}")
                    await persist(lambda one=one: app.logs.append("acme", DESK, [one]))  # type: ignore[misc] # default
                elif what < 0.6:
                    text = f"edit {dice.random()}"
                    await persist(lambda n=number, text=text: edit(app, n, text))  # type: ignore[misc] # default
                elif what < 0.8:
                    emoji = dice.choice("👍🎉❤")
                    await persist(lambda n=number, emoji=emoji: react(app, n, emoji))  # type: ignore[misc] # default
                else:
                    await persist(lambda n=number: delete(app, n))  # type: ignore[misc] # default

        client = Reader()
        for _ in range(5):
            await live(dice.randint(0, 12))
            busy = asyncio.create_task(live(dice.randint(0, 6)))
            for answer in await all_pages(app, client.epoch, client.sequence, client.revision):
                client.take(answer)
            await busy
        for answer in await all_pages(app, client.epoch, client.sequence, client.revision):
            client.take(answer)
        entries = await app.logs.read("acme", DESK, limit=1000)
        assert client.texts == {one.sequence: one.envelope.payload["content"] for one in entries}
        reactions = {one.sequence: set(one.envelope.payload.get("reactions", {})) for one in entries}
        assert client.reactions == reactions
        head = await app.logs.head("acme", DESK)
        assert (client.sequence, client.revision) == (head.seq, head.rev)

    simulate(scenario, seed=seed, conflict=0.1, throttle=0.02, lost_reply=0.05)


class Reader:
    """What a client makes of the pages."""

    def __init__(self) -> None:
        self.epoch: str | None = None
        self.sequence = self.revision = 0
        self.texts: dict[int, str] = {}
        self.reactions: dict[int, set[str]] = {}

    def take(self, answer: dict[str, Any]) -> None:
        assert answer["recovered"]
        numbers = [one["sequenceNumber"] for one in answer["entries"]]
        ranges = [*answer["gone"], *answer["withheld"]]
        without = [number for first, last in ranges for number in range(first, last + 1)]
        assert numbers == sorted(numbers)
        assert sorted(numbers + without) == list(range(self.sequence + 1, answer["sequenceNumber"] + 1))
        revisions = [one["revision"] for one in answer["changes"]]
        assert all(self.revision < one <= answer["revision"] for one in revisions)
        assert revisions == sorted(revisions)
        for one in answer["changes"]:
            number = one["sequenceNumber"]
            assert number <= self.sequence
            match one["type"]:
                case "message.updated":
                    self.texts[number] = one["message"]
                    self.reactions[number] = emojis(one)
                case "message.deleted":
                    self.texts.pop(number, None)
                    self.reactions.pop(number, None)
                case "reaction":
                    self.reactions[number].add(one["emoji"])
        for one in answer["entries"]:
            self.texts[one["sequenceNumber"]] = one["message"]
            self.reactions[one["sequenceNumber"]] = emojis(one)
        self.epoch, self.sequence, self.revision = answer["epoch"], answer["sequenceNumber"], answer["revision"]


def emojis(frame: dict[str, Any]) -> set[str]:
    return {one["emoji"] for one in frame.get("reactions", [])}
