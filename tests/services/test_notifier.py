"""Sending notifications: for whom, by whom, what they say, when."""

import asyncio
from typing import Any

import pytest

from kxmsg.bootstrap import App
from kxmsg.codecs.envelope import decode_parcel
from kxmsg.errors import Forbidden, InvalidInput, TooLarge
from kxmsg.keys import new_id
from kxmsg.model.envelope import Envelope
from kxmsg.model.principal import Principal
from kxmsg.services.notifier import MAX_TARGETS, Sent
from kxmsg.storage.due import SHARDS, DueItem
from kxmsg.testing.virtual import START
from tests.product import caller, simulate

ADAM, SERVICE, EVE = caller("adam", "admin"), caller("robot", "system"), caller("eve", "employee")
IDENT = new_id(START)


async def entered(app: App) -> list[Envelope]:
    """What is on its way to be numbered."""
    deliveries = await app.entrances["standard"].receive(10, wait=0, visibility=30)
    return [one for delivery in deliveries for one in decode_parcel(delivery.body).envelopes]


async def send(app: App, who: Principal = ADAM, **fields: Any) -> Sent:
    return await app.notifier.send(who, {"targetType": "user", "userId": "ana", "content": "Hi", **fields}, IDENT)


def test_what_is_accepted_is_on_its_way() -> None:
    async def scenario(app: App) -> None:
        sent = await send(app, title="T", priority="high", tags=["a"], metadata={"n": 1}, icon=None, unknown=1)
        assert (await entered(app), sent.later) == (sent.envelopes, False)
        (one,) = sent.envelopes
        assert (one.id, one.tenant, one.target.key, one.kind) == (IDENT, "acme", "user#ana", "notification")
        assert one.created_at == int(START * 1000)
        assert one.expires_at is None
        assert one.payload == {
            "title": "T",
            "content": "Hi",
            "priority": "high",
            "tags": ["a"],
            "metadata": {"n": 1},
            "senderId": "adam",
        }

    simulate(scenario)


@pytest.mark.parametrize(
    ("who", "fields", "places"),
    [
        (ADAM, {"targetType": "client"}, ["acme client#acme"]),
        (ADAM, {"targetType": "client", "clientId": "acme"}, ["acme client#acme"]),
        (ADAM, {"targetType": "client", "targetUserIds": ["a", 7, "a"]}, ["acme user#a", "acme user#7"]),
        (SERVICE, {"targetType": "client", "clientId": "other"}, ["other client#other"]),
        (SERVICE, {"targetType": "broadcast"}, ["* broadcast"]),
        (SERVICE, {"targetType": "broadcast", "targetClientIds": ["x", "y"]}, ["x client#x", "y client#y"]),
    ],
)
def test_each_log_that_is_addressed_gets_one(who: Principal, fields: dict[str, Any], places: list[str]) -> None:
    async def scenario(app: App) -> None:
        sent = await send(app, who, **fields)
        assert [f"{one.tenant} {one.target.key}" for one in sent.envelopes] == places
        assert {one.id for one in await entered(app)} == {one.id for one in sent.envelopes}
        idents = [one.id for one in sent.envelopes]
        assert len(set(idents)) == len(places)
        assert {ident[:10] for ident in idents} == {IDENT[:10]}
        await asyncio.sleep(5)
        assert [one.id for one in (await send(app, who, **fields)).envelopes] == idents

    simulate(scenario)


@pytest.mark.parametrize(
    ("who", "fields"),
    [
        (EVE, {}),
        (caller("ana"), {}),
        (EVE, {"targetType": "client"}),
        (ADAM, {"targetType": "client", "clientId": "other"}),
        (ADAM, {"targetType": "client", "clientId": "other", "targetUserIds": ["a"]}),
        (ADAM, {"targetType": "broadcast"}),
        (ADAM, {"targetType": "broadcast", "targetClientIds": ["other"]}),
        (SERVICE, {"tenantId": "other"}),
    ],
)
def test_who_may_not_write_to_these_readers_is_refused(who: Principal, fields: dict[str, Any]) -> None:
    async def scenario(app: App) -> None:
        with pytest.raises(Forbidden):
            await send(app, who, **fields)
        assert await entered(app) == []

    simulate(scenario)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"content": None}, "content must be a text"),
        ({"content": ""}, "content is empty"),
        ({"targetType": "channel"}, "targetType must be user, client or broadcast"),
        ({"userId": None}, "userId is missing"),
        ({"userId": "a#b"}, "neither '#'"),
        ({"senderId": "a#b"}, "neither '#'"),
        ({"priority": "huge"}, "priority must be one of"),
        ({"ttl": "soon"}, "ttl"),
        ({"ttl": -1}, "ttl must be 0 to"),
        ({"title": {"??": "x"}}, "is no locale"),
        ({"metadata": {"n": 1 << 70}}, "can't be written as JSON"),
        ({"targetType": "client", "targetUserIds": []}, "targetUserIds is empty"),
        ({"targetType": "client", "targetUserIds": [str(n) for n in range(MAX_TARGETS + 1)]}, "may have 100 ids"),
    ],
)
def test_what_can_not_be_is_refused_and_named(fields: dict[str, Any], message: str) -> None:
    async def scenario(app: App) -> None:
        with pytest.raises(InvalidInput, match=message):
            await send(app, **fields)

    simulate(scenario)


def test_what_its_readers_can_not_take_is_refused() -> None:
    async def scenario(app: App) -> None:
        with pytest.raises(TooLarge):
            await send(app, content="x" * 100_000)

    simulate(scenario)


def test_the_sender_is_the_caller_unless_an_administrator_says_otherwise() -> None:
    async def scenario(app: App) -> None:
        assert (await send(app, senderId="bot")).envelopes[0].payload["senderId"] == "bot"
        assert (await send(app)).envelopes[0].payload["senderId"] == "adam"

    simulate(scenario)


def test_texts_may_have_variants() -> None:
    async def scenario(app: App) -> None:
        sent = await send(app, title={"de": "Hallo", "en": "Hello"})
        payload = sent.envelopes[0].payload
        assert (payload["title"], payload["variants"]) == ("Hello", {"de": {"title": "Hallo"}})

    simulate(scenario)


def test_what_is_for_later_waits_and_its_life_begins_then() -> None:
    async def scenario(app: App) -> None:
        sent = await send(app, ttl="1m", deliverAfter=30)
        assert (sent.later, await entered(app)) == (True, [])
        (one,) = sent.envelopes
        assert (one.created_at, one.expires_at) == (int(START + 30) * 1000, int(START) + 90)
        await asyncio.sleep(31)
        ripe = [item for shard in range(SHARDS) for item in await app.due.ripe(shard)]
        assert [item.envelope for item in ripe if isinstance(item, DueItem)] == [one]

    simulate(scenario)
