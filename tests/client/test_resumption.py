"""kxmsg.client.resumption: whatever is cut, whenever, the program has each entry and each change once."""

import asyncio
import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import count
from typing import Any

import orjson
import pytest

from kxmsg.audience import inbox
from kxmsg.bootstrap import App
from kxmsg.client.positions import Position
from kxmsg.client.resumption import Resumption
from kxmsg.errors import NotFound, Refusal
from kxmsg.model.connection import Place, Post
from kxmsg.model.envelope import Bundle, Change, Entry, Envelope
from kxmsg.model.target import Target
from kxmsg.ports import Outcome
from kxmsg.services import missed
from kxmsg.testing.virtual import START
from tests.product import DESK, USER, caller, connection, envelope, simulate

Frame = dict[str, Any]


def entry(number: int, target: str = "a", epoch: str = "E", **more: Any) -> Frame:
    kind = "message.updated" if "revision" in more else "message"
    return {"type": kind, "targetKey": target, "epoch": epoch, "sequenceNumber": number, **more}


def head(sequence: int, revision: int = 0, epoch: str | None = "E") -> Frame:
    return {"epoch": epoch, "sequenceNumber": sequence, "revision": revision}


def page(sequence: int, revision: int = 0, epoch: str = "E", **more: Any) -> Frame:
    told: Frame = {"type": "history", "recovered": True, "entries": [], "changes": [], "gone": [], "withheld": []}
    return {**told, **head(sequence, revision, epoch), "more": False, **more}


class Program:
    """What it was given, and what is asked on its behalf: ``answers`` in their order."""

    def __init__(self, known: dict[str, Position] | None = None) -> None:
        self.got: list[Frame] = []
        self.asked: list[Frame] = []
        self.answers: list[Frame | Refusal] = []
        self.looks = 0
        self.resumption = Resumption(self.got.append, self.look, known)

    def look(self) -> None:
        self.looks += 1

    async def ask(self, frame: Frame) -> Frame:
        self.asked.append(frame)
        answer = self.answers.pop(0)
        if isinstance(answer, Refusal):
            raise answer
        return answer

    async def room(self) -> None:
        return

    async def heads(self, *answers: Frame | Refusal, **heads: Frame) -> None:
        self.answers += answers
        await self.resumption.catch_up(heads, self.ask, self.room)
        assert not self.answers

    async def met(self, **heads: Frame) -> "Program":
        """After a first connection."""
        self.resumption.connected()
        await self.heads(**heads)
        return self


ASKED = {"action": "subscribe", "targetKey": "a", "epoch": "E"}


async def test_what_comes_before_anything_was_missed_is_given_as_it_comes() -> None:
    program = Program()
    program.resumption.connected()
    for _ in range(2):
        program.resumption.arrived(entry(4))
    assert program.looks
    await program.heads(a=head(4), b=head(9))
    assert (program.got, program.asked) == ([entry(4)], [])
    assert program.resumption.positions.all() == {"a": Position("E", 4, 0, 4), "b": Position("E", 9, 0, 9)}


async def test_what_was_missed_comes_before_what_comes_live() -> None:
    """A log where nothing was missed waits for the heads alone, and a signal for nothing."""
    program = await Program().met(a=head(2, 1), b=head(5))
    program.resumption.connected()
    signal = {"type": "typing", "targetKey": "a"}
    for frame in (entry(5), entry(1, revision=3), signal, entry(6, "b")):
        program.resumption.arrived(frame)
    assert (program.got, program.resumption.waiting) == ([signal], 3)
    first = page(3, 2, entries=[entry(3)], changes=[entry(1, revision=2)], more=True)
    await program.heads(first, page(4, 2, entries=[entry(4)]), a=head(4, 2), b=head(5))
    assert program.asked == [
        {**ASKED, "afterSequence": 2, "afterRevision": 1},
        {**ASKED, "afterSequence": 3, "afterRevision": 2},
    ]
    mine = [entry(1, revision=2), entry(3), entry(4), entry(5), entry(1, revision=3)]
    assert program.got == [signal, entry(6, "b"), *mine]
    assert program.resumption.waiting == 0


async def test_what_is_told_as_gone_or_contained_is_not_shown_afterwards() -> None:
    """A withheld number may come later, when quiet hours end."""
    program = await Program().met(a=head(1))
    program.resumption.connected()
    for frame in (entry(2), entry(2, revision=1), entry(3), entry(4)):
        program.resumption.arrived(frame)
    await program.heads(page(4, 1, entries=[entry(3)], gone=[[2, 2]], withheld=[[4, 4]]), a=head(4, 1))
    assert program.got == [entry(3), entry(4)]


async def test_a_log_that_cannot_be_told_is_to_be_read_anew() -> None:
    program = await Program().met(a=head(1))
    program.resumption.connected()
    for frame in (entry(7, epoch="F"), entry(8, epoch="F")):
        program.resumption.arrived(frame)
    lost = page(7, 3, "F", recovered=False, reason="epoch_changed")
    await program.heads(lost, a=head(7, 3, "F"))
    assert program.got == [
        {"type": "resync", "targetKey": "a", "reason": "epoch_changed"},
        entry(8, epoch="F"),
    ]
    assert program.resumption.positions.get("a") == Position("F", 8, 3, 8)


async def test_so_is_one_that_turns_into_another_while_one_looks() -> None:
    program = await Program().met(a=head(1))
    program.resumption.arrived(entry(2, epoch="F"))
    assert program.looks == 1
    assert program.got == [{"type": "resync", "targetKey": "a", "reason": "epoch_changed"}, entry(2, epoch="F")]


async def test_so_is_one_that_came_into_being_meanwhile_and_one_that_is_gone() -> None:
    program = await Program().met(a=head(1))
    program.resumption.connected()
    await program.heads(NotFound("no", code="channel_not_found"), b=head(3))
    assert program.got == [
        {"type": "resync", "targetKey": "b", "reason": "new"},
        {"type": "resync", "targetKey": "a", "reason": "channel_not_found"},
    ]
    assert program.resumption.positions.all() == {"b": Position("E", 3, 0, 3)}
    await program.heads(b=head(3), c=head(1))
    assert len(program.got) == 2


async def test_the_first_entry_of_all_is_recovered_as_well() -> None:
    program = await Program().met(a=head(0, 0, None))
    program.resumption.connected()
    await program.heads(page(1, entries=[entry(1)]), a=head(1))
    assert program.asked == [{"action": "subscribe", "targetKey": "a", "afterSequence": 0, "afterRevision": 0}]
    assert program.got == [entry(1)]
    assert program.resumption.positions.get("a") == Position("E", 1, 0, 1)


async def test_heads_notice_that_a_last_frame_was_lost_and_those_that_are_behind_do_not() -> None:
    program = await Program().met(a=head(1), b=head(1))
    program.resumption.arrived(entry(2))
    await program.heads(page(1, 1, changes=[entry(1, "b", revision=1)]), a=head(1), b=head(1, 1))
    assert [one["targetKey"] for one in program.asked] == ["b"]
    assert program.got == [entry(2), entry(1, "b", revision=1)]


async def test_what_the_program_did_itself_is_not_told_to_it() -> None:
    """Its connection did not get the frames; another one that comes after would."""
    program = await Program().met(**{"channel#desk": head(1)})
    program.resumption.acknowledged({"messageId": "m2", "channelId": "desk"})
    program.resumption.acknowledged({"messageId": "m1", "channelId": "desk", "revision": 1})
    assert program.resumption.positions.get("channel#desk") == Position("E", 1, 1, 1)
    program.resumption.connected()
    of_desk = partial(entry, target="channel#desk")
    told = page(
        3,
        2,
        entries=[of_desk(2, messageId="m2"), of_desk(3, messageId="m3")],
        changes=[of_desk(1, messageId="m1", revision=1), of_desk(2, messageId="m2", revision=2)],
    )
    await program.heads(told, **{"channel#desk": head(3, 2)})
    assert program.got == [of_desk(2, messageId="m2", revision=2), of_desk(3, messageId="m3")]


async def test_an_earlier_programs_positions_are_resumed_from() -> None:
    program = Program({"a": Position("E", 3, 1, 3)})
    program.resumption.connected()
    program.resumption.arrived(entry(5))
    await program.heads(page(4, 1, entries=[entry(4)]), a=head(4, 1))
    assert program.got == [entry(4), entry(5)]


async def test_a_channel_that_was_subscribed_to_is_so_on_each_connection_until_it_is_not() -> None:
    program = await Program().met()
    program.resumption.subscribed("a", page(5))
    program.resumption.connected()
    await program.heads(page(6, entries=[entry(6)]))
    assert program.asked == [{**ASKED, "afterSequence": 5, "afterRevision": 0}]
    program.resumption.subscribed("a", page(9))
    assert program.resumption.positions.get("a") == Position("E", 6, 0, 6)


async def test_one_that_is_left_while_it_is_asked_for_is_asked_for_no_more() -> None:
    program = await Program().met(a=head(1))
    program.resumption.connected()

    async def ask(frame: Frame) -> Frame:
        program.resumption.positions.forget("a")
        return page(2, more=True)

    await program.resumption.catch_up({"a": head(9)}, ask, program.room)
    assert program.resumption.positions.all() == {}


async def test_where_asking_fails_the_next_connection_begins_anew() -> None:
    program = await Program().met(a=head(1))
    program.resumption.connected()
    program.resumption.arrived(entry(4))

    async def fail(_: Frame) -> Frame:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        await program.resumption.catch_up({"a": head(3)}, fail, program.room)
    program.resumption.connected()
    await program.heads(page(4, entries=[entry(2), entry(3), entry(4)]), a=head(4))
    assert program.got == [entry(2), entry(3), entry(4)]


# ------------------------------------------------------------------------------------------- against the product


class World:
    """The product in virtual time, and one client whose connections are cut by chance."""

    def __init__(self, app: App, seed: int) -> None:
        self.app = app
        self.dice = random.Random(seed)
        self.got: list[Frame] = []
        self.looking = asyncio.Event()
        self.resumption = Resumption(self.got.append, self.looking.set)
        self.wire: asyncio.Queue[Frame] = asyncio.Queue()
        self.open = ""
        self.idents = count(1)
        self.fanning: dict[Target, asyncio.Task[None]] = {}
        app.gateway = self

    # ---- the gateway

    async def post(self, posts: Sequence[Post]) -> list[list[Outcome]]:
        outcomes: list[list[Outcome]] = []
        for post in posts:
            there: list[Outcome] = []
            for one in post.connections:
                if one == self.open:
                    self.wire.put_nowait(orjson.loads(post.data))
                there.append("ok" if one == self.open else "gone")
            outcomes.append(there)
        return outcomes

    async def disconnect(self, gateway: str, connection: str) -> Outcome:
        return "ok"

    # ---- what happens

    def fan_out(self, bundle: Bundle) -> None:
        """A little later; what has an order, in that."""
        before = self.fanning.get(bundle.target) if bundle.target == DESK else None
        self.fanning[bundle.target] = asyncio.create_task(self._fan_out(bundle, before))

    async def _fan_out(self, bundle: Bundle, before: "asyncio.Task[None] | None") -> None:
        if before is not None:
            await before
        await asyncio.sleep(self.dice.random() * 0.3)
        await self.app.delivery.deliver([bundle])

    async def live(self, steps: int) -> None:
        said = {DESK: 0, USER: 0}
        for _ in range(steps):
            await asyncio.sleep(self.dice.random() * 0.4)
            target = self.dice.choice([DESK, DESK, USER])
            what, number = self.dice.random(), self.dice.randint(1, max(said[target], 1))
            if what < 0.5 or not said[target]:
                said[target] += 1
                origin = self.open if self.dice.random() < 0.2 and target == DESK else None
                one = message(f"{target.type}{said[target]}", target, origin)
                if origin is not None:
                    self.resumption.acknowledged({"messageId": one.id, "channelId": "desk"})
                self.fan_out(await self.app.logs.append("acme", target, [one]))
            elif what < 0.7:
                await self.amend(target, number, text=f"edit {self.dice.random()}")
            elif what < 0.85 and target == DESK:
                await self.amend(target, number, emoji=self.dice.choice("👍🎉"))
            else:
                await self.amend(target, number)

    async def amend(self, target: Target, number: int, text: str | None = None, emoji: str | None = None) -> None:
        about = Change("updated", int(START * 1000), "eve")

        def change(entry: Entry) -> Envelope | None:
            payload = entry.envelope.payload
            if text is not None:
                return replace(entry.envelope, payload={**payload, "content": text})
            if emoji is not None:
                reactions = {**payload.get("reactions", {}), emoji: ["eve"]}
                return replace(entry.envelope, payload={**payload, "reactions": reactions})
            return None

        if emoji is not None:
            about = replace(about, kind="reaction", detail={"emoji": emoji, "userId": "eve", "action": "added"})
        amended = await self.app.logs.amend("acme", target, number, change, about)
        if amended is not None:
            self.fan_out(amended.bundle)

    # ---- the client

    async def connect(self, seconds: float) -> None:
        """One connection, which is cut after so long; what is on the wire then is lost."""
        ident, self.wire = f"c{next(self.idents)}", asyncio.Queue()
        self.open = ident
        now = self.app.clock.now()
        opened = connection(ident, connected_at=now, token_expires_at=now + 3600)
        await self.app.connections.open(opened, [*inbox("acme", "ana"), Place("acme", DESK)])
        self.resumption.connected()
        tasks = [asyncio.create_task(part) for part in (self.read(), self.keep_up(ident))]
        await asyncio.sleep(seconds)
        self.open = ""
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(one, asyncio.CancelledError) for one in results), results
        await self.app.connections.close(ident)

    async def read(self) -> None:
        while True:
            frame = await self.wire.get()
            await asyncio.sleep(self.dice.random() * 0.02)
            self.resumption.arrived(frame)

    async def keep_up(self, ident: str) -> None:
        async def ask(frame: Frame) -> Frame:
            await asyncio.sleep(self.dice.random() * 0.2)
            answer: Frame = orjson.loads(await self.app.frames.answer(ident, orjson.dumps(frame).decode()))
            assert answer["type"] in ("history", "pong"), answer
            await asyncio.sleep(self.dice.random() * 0.2)
            return answer

        async def room() -> None:
            return

        while True:
            self.looking.clear()
            pong = await ask({"action": "ping"})
            await self.resumption.catch_up(pong["heads"], ask, room)
            with suppress(TimeoutError):
                async with asyncio.timeout(3):
                    await self.looking.wait()


def message(ident: str, target: Target, origin: str | None) -> Envelope:
    payload = {"content": f"text of {ident}", "senderId": "bob", "metadata": {}}
    return envelope(ident, target, kind="message", payload=payload, origin=origin)


@pytest.mark.parametrize("seed", range(60))
def test_whenever_it_is_cut_it_ends_with_what_the_logs_hold(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each entry once, a channel's in order, edits, deletions and reactions included, and no need to read anew."""
    monkeypatch.setattr(missed, "PAGE", 1500)
    monkeypatch.setattr(missed, "_PART", 5)

    async def scenario(app: App) -> None:
        service = app.channel_service
        await service.create(caller("adam", "admin"), "group", [service.person("ana")], ident="desk")
        world = World(app, seed)
        await world.connect(3)  # where nothing happens yet, so that all is missed or had
        living = asyncio.create_task(world.live(60))
        while not living.done():
            await world.connect(world.dice.random() * 4)
            await asyncio.sleep(world.dice.random() * 2)
        await living
        await world.connect(20)
        assert not [frame for frame in world.got if frame["type"] == "resync"]
        for target, kind in ((DESK, "chat.message"), (USER, "message")):
            shown = [frame for frame in world.got if frame.get("targetKey") == target.key]
            entries = await app.logs.read("acme", target, limit=1000)
            others = [one for one in entries if one.envelope.id not in world.resumption._sent]
            numbers = [frame["sequenceNumber"] for frame in shown if frame["type"] == kind]
            assert len(numbers) == len(set(numbers))
            assert {one.sequence for one in others} <= set(numbers)
            if target == DESK:
                assert numbers == sorted(numbers)
            revisions = [frame["revision"] for frame in shown if "revision" in frame]
            assert len(revisions) == len(set(revisions))
            texts, reactions = state(shown, kind)
            # Of its own it is told what became of them.
            known = [one for one in entries if one in others or one.sequence in texts]
            assert texts == {one.sequence: one.envelope.payload["content"] for one in known}
            expected = {one.sequence: set(one.envelope.payload.get("reactions", {})) for one in known}
            assert {number: reactions.get(number, set()) for number in texts} == expected

    simulate(scenario, seed=seed, unprocessed=0.05)


def state(frames: Sequence[Frame], kind: str) -> tuple[dict[int, str], dict[int, set[str]]]:
    """What a program shows that goes by the frames: texts and reactions of the entries that it was given."""
    texts: dict[int, str] = {}
    reactions: dict[int, set[str]] = {}
    for frame in frames:
        number, text = frame["sequenceNumber"], str(frame.get("message", frame.get("content")))
        match frame["type"]:
            case "message.updated" if number in texts:
                texts[number] = text
            case "message.deleted":
                texts.pop(number, None)
            case "reaction":
                reactions.setdefault(number, set()).add(frame["emoji"])
            case shown if shown == kind:
                texts[number] = text
                reactions[number] = {one["emoji"] for one in frame.get("reactions", ())}
    return texts, reactions
