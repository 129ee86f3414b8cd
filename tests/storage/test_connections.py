"""Connections and what they are subscribed to."""

import asyncio

import pytest

from kxmsg.audience import SHARDS, inbox
from kxmsg.bootstrap import App
from kxmsg.keys import RECORD, connection_key, subscription_key
from kxmsg.model.connection import Place
from kxmsg.model.target import BROADCAST, EVERYBODY
from kxmsg.ports import Key, Put, Query
from kxmsg.storage.connections import LIFE
from kxmsg.testing.virtual import START
from kxmsg.topology import CONNECTIONS
from tests.product import DESK, connection, simulate

HOME = Place("acme", DESK)


async def subscribed(app: App, place: Place) -> set[str]:
    """Everybody who is subscribed, over all shards and pages."""
    found: list[str] = []
    for shard in range(SHARDS[place.target.type]):
        cursor = None
        while True:
            page, cursor = await app.connections.subscribers(place, shard, cursor=cursor, limit=3)
            found += [one.connection for one in page]
            if cursor is None:
                break
    assert len(found) == len(set(found))
    return set(found)


@pytest.mark.parametrize("seed", range(4))
def test_a_subscription_stands_on_both_sides_and_closing_removes_all(seed: int) -> None:
    async def scenario(app: App) -> None:
        places = [*inbox("acme", "ana"), HOME]
        await app.connections.open(connection("c1"), inbox("acme", "ana"))
        await app.connections.subscribe(connection("c1"), [HOME])
        await app.connections.open(connection("c2", "bob"), [HOME])
        assert await app.connections.get("c1") == connection("c1")
        assert sorted(await app.connections.places("c1"), key=repr) == sorted(places, key=repr)
        assert [await subscribed(app, place) for place in places] == [{"c1"}, {"c1"}, {"c1"}, {"c1", "c2"}]
        await app.connections.unsubscribe("c2", [HOME])
        assert await app.connections.places("c2") == []
        await app.connections.close("c1")
        assert [await subscribed(app, place) for place in places] == [set()] * 4
        assert await app.connections.get("c1") is None
        rows = await app.tables.query(CONNECTIONS, Query(connection_key("c1"), consistent=True))
        assert rows.items == []
        await app.connections.close("c1")

    simulate(scenario, seed=seed)


def test_a_broadcasts_subscribers_are_spread_over_shards_and_all_found() -> None:
    async def scenario(app: App) -> None:
        place, names = Place(EVERYBODY, BROADCAST), {f"c{n}" for n in range(40)}
        for name in names:
            await app.connections.open(connection(name), [place])
        assert await subscribed(app, place) == names
        sizes = [len((await app.connections.subscribers(place, shard))[0]) for shard in range(SHARDS["broadcast"])]
        assert all(sizes)

    simulate(scenario)


def test_a_subscriber_carries_its_own_tenant_also_for_a_broadcast() -> None:
    async def scenario(app: App) -> None:
        await app.connections.open(connection("c1", tenant="globex"), [Place(EVERYBODY, BROADCAST)])
        pages = [await app.connections.subscribers(Place(EVERYBODY, BROADCAST), shard) for shard in range(4)]
        (one,) = [subscriber for page, _ in pages for subscriber in page]
        assert (one.tenant, one.user, one.since) == ("globex", "ana", START)

    simulate(scenario)


def test_the_locale_stands_with_the_connection_and_its_subscriptions() -> None:
    async def scenario(app: App) -> None:
        one = connection("c1", locale="de-at")
        await app.connections.open(one, [HOME])
        assert await app.connections.get("c1") == one
        assert [some.locale for some in (await app.connections.subscribers(HOME))[0]] == ["de-at"]

    simulate(scenario)


def test_rows_of_an_earlier_version_have_no_locale() -> None:
    async def scenario(app: App) -> None:
        await app.connections.open(connection("c1", locale="de"), [HOME])
        for key in (Key(connection_key("c1"), RECORD), Key(subscription_key("acme", DESK, 0), "c1")):
            row = await app.tables.get(CONNECTIONS, key, consistent=True)
            assert row is not None
            del row["locale"]
            await app.tables.write(Put(CONNECTIONS, row))
        assert await app.connections.get("c1") == connection("c1")
        assert [one.locale for one in (await app.connections.subscribers(HOME))[0]] == [None]

    simulate(scenario)


def test_another_tenants_target_of_the_same_name_has_other_subscribers() -> None:
    async def scenario(app: App) -> None:
        await app.connections.open(connection("c1"), [HOME])
        assert await subscribed(app, Place("globex", DESK)) == set()

    simulate(scenario)


def test_what_has_expired_is_not_seen() -> None:
    async def scenario(app: App) -> None:
        forever = START + 10 * LIFE
        await app.connections.open(connection("old", token_expires_at=forever), [HOME])
        await app.connections.open(connection("new", connected_at=START + 60, token_expires_at=forever), [HOME])
        await app.connections.open(connection("brief", connected_at=START + 60, token_expires_at=START + 90), [HOME])
        await asyncio.sleep(LIFE)
        assert await subscribed(app, HOME) == {"new"}
        assert await app.connections.get("old") is None


def test_nothing_is_pushed_to_a_connection_whose_token_has_expired() -> None:
    """Yet it is known still, so that its client can be told why."""

    async def scenario(app: App) -> None:
        await app.connections.open(connection("one", token_expires_at=START + 90), [HOME])
        await asyncio.sleep(89)
        assert await subscribed(app, HOME) == {"one"}
        await asyncio.sleep(2)
        assert await subscribed(app, HOME) == set()
        assert await app.connections.get("one") is not None

    simulate(scenario)
