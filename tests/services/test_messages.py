"""What one does with stored messages."""

import asyncio
from contextlib import suppress
from typing import Any

import pytest

from kxmsg.bootstrap import App
from kxmsg.codecs.envelope import decode_bundle
from kxmsg.errors import Conflict, Forbidden, InvalidInput, NotFound, PreconditionFailed, TooLarge, Transient
from kxmsg.model.connection import Place
from kxmsg.model.envelope import Bundle, Entry
from kxmsg.model.principal import Principal
from kxmsg.model.target import BROADCAST, EVERYBODY, Target
from kxmsg.topology import FANOUT, FANOUT_FIFO
from tests.product import DESK, USER, RecordingBus, caller, connection, envelope, simulate
from tests.services.test_entrance import furnish

ANA, BOB, EVE = caller("ana"), caller("bob", "bot"), caller("eve")
ADMIN = caller("root", "admin")
FOREIGN = caller("ana", "admin", "system", tenant="globex")


async def say(app: App, ident: str, target: Target = DESK, **changes: Any) -> None:
    payload = {"content": f"text of {ident}", "senderId": "ana", "metadata": {}, **changes.pop("payload", {})}
    tenant = EVERYBODY if target == BROADCAST else "acme"
    one = envelope(ident, target, kind="message", tenant=tenant, payload=payload, **changes)
    with suppress(Transient):  # its reply may be lost
        await app.logs.create(tenant, target)
    await app.logs.append(tenant, target, [one])


async def published(app: App, queue: str = FANOUT_FIFO) -> list[Bundle]:
    deliveries = await app.queue(queue).receive(10, wait=0, visibility=30)
    await app.queue(queue).delete([one.receipt for one in deliveries])
    return [decode_bundle(delivery.body) for delivery in deliveries]


async def text(app: App, ident: str, who: Principal = ADMIN) -> Any:
    return (await app.messages.get(who, ident)).entry.envelope.payload.get("content")


def test_a_message_is_seen_by_those_for_whom_it_is_and_missing_for_all_others() -> None:
    async def scenario(app: App) -> None:
        await furnish(app)
        places = {"c": DESK, "u": USER, "k": Target("client", "acme"), "b": BROADCAST}
        for ident, target in places.items():
            await say(app, ident, target)
        await app.logs.append("acme", USER, [envelope("note")])
        sees = {
            ANA: "cukb",
            BOB: "ckb",
            EVE: "kb",
            ADMIN: "cukb",
            FOREIGN: "b",
        }
        for who, idents in sees.items():
            for ident in [*places, "note", "none"]:
                if ident in idents:
                    assert (await app.messages.get(who, ident)).entry.envelope.id == ident
                else:
                    with pytest.raises(NotFound, match=f"no message '{ident}'"):
                        await app.messages.get(who, ident)

    simulate(scenario)


@pytest.mark.parametrize("seed", range(6))
def test_an_edit_is_stored_and_told_to_the_connected(seed: int) -> None:
    async def scenario(app: App) -> None:
        await furnish(app)
        await say(app, "m", payload={"title": "old", "variants": {"de": {"content": "alt", "title": "alt"}}})
        fields = {"content": "new", "metadata": {"a": 1}, "senderId": "eve"}
        entry = await app.messages.edit(ANA, "m", fields, origin="c1")
        payload = entry.envelope.payload
        assert (payload["content"], payload["senderId"], payload["metadata"]) == ("new", "ana", {"a": 1})
        assert payload["variants"] == {"de": {"title": "alt"}}
        assert payload["editedAt"]
        again = await app.messages.edit(ANA, "m", fields)
        assert again == entry
        bundles = await published(app)
        assert {(one.change.kind, one.change.by) for one in bundles if one.change} == {("updated", "ana")}
        assert bundles[0].change is not None
        assert bundles[0].change.origin == "c1"
        assert bundles[0].entries == (entry,)
        assert "title" not in (await app.messages.edit(ADMIN, "m", {"title": None})).envelope.payload

    simulate(scenario, seed=seed, conflict=0.2, throttle=0.05, lost_reply=0.1)


def test_only_the_sender_and_administrators_change_a_message() -> None:
    async def scenario(app: App) -> None:
        await furnish(app)
        await say(app, "m")
        for who, refusal in ((BOB, Forbidden), (EVE, NotFound), (FOREIGN, NotFound)):
            with pytest.raises(refusal):
                await app.messages.edit(who, "m", {"content": "x"})
            with pytest.raises(refusal):
                await app.messages.delete(who, "m")
        assert await text(app, "m") == "text of m"
        await app.messages.edit(ADMIN, "m", {"content": "moderated"})
        assert await text(app, "m", ANA) == "moderated"

    simulate(scenario)


def test_what_is_for_everybody_is_changed_by_services_alone_whoever_is_named_like_its_sender() -> None:
    async def scenario(app: App) -> None:
        await say(app, "b", BROADCAST, ordering="standard")
        await say(app, "u", USER, ordering="standard")
        for who in (ANA, ADMIN):
            with pytest.raises(Forbidden):
                await app.messages.delete(who, "b")
        with pytest.raises(Forbidden):
            await app.messages.edit(ANA, "u", {"content": "x"})
        assert (await app.messages.edit(ADMIN, "u", {"content": "x"})).envelope.payload["content"] == "x"
        assert (await app.messages.delete(caller("crm", "system"), "b")).deleted_at is not None
        assert [one.tenant for one in await published(app, FANOUT)] == ["acme", EVERYBODY]

    simulate(scenario)


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({}, InvalidInput),
        ({"senderId": "eve"}, InvalidInput),
        ({"content": ""}, InvalidInput),
        ({"content": None}, InvalidInput),
        ({"content": "x" * 70_000}, TooLarge),
        ({"metadata": {"a": "x" * 100_000}}, TooLarge),
    ],
    ids=lambda value: str(value)[:30],
)
def test_an_edit_keeps_to_what_a_message_can_be(fields: dict[str, Any], refusal: type[Exception]) -> None:
    async def scenario(app: App) -> None:
        await furnish(app)
        await say(app, "m")
        with pytest.raises(refusal):
            await app.messages.edit(ANA, "m", fields)

    simulate(scenario)


def test_a_check_of_the_message_as_it_stands_can_refuse_an_edit() -> None:
    async def scenario(app: App) -> None:
        await furnish(app)
        await say(app, "m")

        def refuse(entry: Entry) -> None:
            raise PreconditionFailed(entry.envelope.payload["content"])

        with pytest.raises(PreconditionFailed, match="text of m"):
            await app.messages.edit(ANA, "m", {"content": "x"}, refuse)
        assert await text(app, "m") == "text of m"

    simulate(scenario)


def test_a_deleted_message_is_told_and_its_content_is_nowhere() -> None:
    async def scenario(app: App) -> None:
        await furnish(app)
        await say(app, "m", payload={"content": "secret"})
        entry = await app.messages.delete(ANA, "m")
        assert (entry.envelope.payload, entry.sequence) == ({}, 1)
        (bundle,) = await published(app)
        assert bundle.change is not None
        assert bundle.change.kind == "deleted"
        assert "secret" not in repr(bundle)
        for act in (app.messages.get(ADMIN, "m"), app.messages.delete(ANA, "m"), app.messages.react(ANA, "m", "👍")):
            with pytest.raises(NotFound, match="no message 'm'"):
                await act

    simulate(scenario)


@pytest.mark.parametrize("seed", range(4))
def test_fifty_reactions_at_once_are_all_kept_each_once(seed: int) -> None:
    async def scenario(app: App) -> None:
        await furnish(app)
        await say(app, "m")
        admins = [caller(f"u{number}", "admin") for number in range(25)]
        await asyncio.gather(*(app.messages.react(who, "m", "👍") for who in [*admins, *admins]))
        stored = (await app.messages.get(ANA, "m")).entry.envelope.payload["reactions"]
        assert sorted(stored["👍"]) == sorted(who.user for who in admins)

    simulate(scenario, seed=seed)


def test_a_reaction_is_told_with_who_and_what_and_can_be_taken_back() -> None:
    async def scenario(app: App) -> None:
        await furnish(app)
        await say(app, "m")
        await app.messages.react(BOB, "m", "👍")
        await app.messages.react(ANA, "m", "👍", on=False)
        assert (await app.messages.react(BOB, "m", "👍", on=False)).envelope.payload.get("reactions") is None
        told = [one.change.detail for one in await published(app) if one.change]
        assert told[0] == {"emoji": "👍", "userId": "bob", "action": "added"}
        assert told[-1] == {"emoji": "👍", "userId": "bob", "action": "removed"}
        assert await text(app, "m") == "text of m"
        with pytest.raises(NotFound):
            await app.messages.react(EVE, "m", "👍")
        await say(app, "u", USER)
        with pytest.raises(Conflict, match="messages of channels"):
            await app.messages.react(ANA, "u", "👍")

    simulate(scenario)


def test_reading_moves_forward_only_and_is_told_once() -> None:
    async def scenario(app: App) -> None:
        bus = RecordingBus()
        app.bus = bus
        await furnish(app)
        for ident in ("a", "b", "c"):
            await say(app, ident)
        assert await app.messages.mark_read(BOB, "b", "c1") == 2
        assert await app.messages.mark_read(BOB, "a") == 2
        assert await app.messages.mark_read(BOB, "b") == 2
        (event,) = bus.events
        detail = event.detail
        assert (event.detail_type, detail["userId"], detail["messageId"]) == ("message.read", "bob", "b")
        assert (detail["channelId"], detail["tenantId"]) == ("desk", "acme")
        (bundle,) = await published(app)
        (entry,) = bundle.entries
        assert (bundle.target, entry.envelope.origin) == (DESK, "c1")
        said = {"channelId": "desk", "userId": "bob", "messageId": "b", "sequenceNumber": 2}
        assert entry.envelope.payload == {"type": "read", **said}
        seen = {ident: (await app.messages.get(BOB, ident)).read for ident in "abc"}
        assert seen == {"a": True, "b": True, "c": False}
        assert (await app.messages.get(ANA, "c")).read  # has written it

    simulate(scenario)


def test_reading_up_to_a_number_ends_at_the_last_message() -> None:
    async def scenario(app: App) -> None:
        await furnish(app)
        assert await app.messages.mark_read_up_to(BOB, "desk", 5) == 0
        await say(app, "a")
        await say(app, "b")
        assert await app.messages.mark_read_up_to(BOB, "desk", 99) == 2
        for who, channel in ((EVE, "desk"), (BOB, "none"), (FOREIGN, "desk")):
            with pytest.raises(NotFound, match=f"no channel '{channel}'"):
                await app.messages.mark_read_up_to(who, channel, 1)
        with pytest.raises(Forbidden, match="take part"):
            await app.messages.mark_read(ADMIN, "a")

    simulate(scenario)


def test_reading_what_was_sent_to_all_is_told_to_ones_own_devices_alone() -> None:
    async def scenario(app: App) -> None:
        await app.connections.open(connection("c1"), [Place("acme", USER)])
        await say(app, "b", BROADCAST)
        assert await app.messages.mark_read(ANA, "b") == 1
        (bundle,) = await published(app)
        assert (bundle.tenant, bundle.target) == ("acme", USER)
        assert bundle.entries[0].envelope.payload["readTargetKey"] == "broadcast"
        assert not (await app.messages.get(caller("bob"), "b")).read

    simulate(scenario)
