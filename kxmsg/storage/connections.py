"""Connections and what they are subscribed to.

A connection's partition holds its record and one row per subscription; each subscription stands a second time under
its target, where fan-out reads it. So either side is one query on a base table, and disconnecting needs no index.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from kxmsg.audience import SHARDS, inbox
from kxmsg.errors import ConditionFailed
from kxmsg.keys import RECORD, connection_key, shard_of, subscription_key
from kxmsg.model.connection import Connection, Place, Subscriber
from kxmsg.model.preferences import DEFAULT, Preferences
from kxmsg.model.target import Target
from kxmsg.ports import PRESENT, Clock, Delete, Key, Put, Query, Tables, Update
from kxmsg.storage.writes import write, write_all
from kxmsg.topology import CONNECTIONS

LIFE: Final = 24 * 3600
"""Seconds after which a connection's rows expire, whatever became of it."""


class Connections:
    """Rows of open connections."""

    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._tables = tables
        self._clock = clock

    async def open(self, connection: Connection, places: Sequence[Place], preferences: Preferences = DEFAULT) -> None:
        """Write the connection's record and its first subscriptions; ``preferences`` are its user's."""
        item = {
            "pk": connection_key(connection.id),
            "sk": RECORD,
            "gateway": connection.gateway,
            "tenant": connection.tenant,
            "user": connection.user,
            "roles": list(connection.roles),
            "name": connection.name,
            "email": connection.email,
            "connectedAt": connection.connected_at,
            "tokenExpiresAt": connection.token_expires_at,
            "codec": connection.codec,
            "followsChannels": connection.follows_channels,
            "locale": connection.locale,
            "expiresAt": int(connection.connected_at) + LIFE,
        }
        rows = _subscriptions(connection, places, preferences)
        await write_all(self._tables, CONNECTIONS, [Put(CONNECTIONS, item), *rows])

    async def prefer(self, tenant: str, user: str, preferences: Preferences) -> None:
        """Let all open connections of a user go by these preferences."""
        places = inbox(tenant, user)
        cursor: str | None = None
        while True:
            subscribers, cursor = await self.subscribers(places[0], cursor=cursor)
            for one in subscribers:
                await asyncio.gather(*(self._prefer(one.connection, place, preferences) for place in places))
            if cursor is None:
                return

    async def _prefer(self, connection: str, place: Place, preferences: Preferences) -> None:
        key = Key(_place_key(connection, place), connection)
        kept = _kept(place, preferences)
        remove = () if kept else ("preferences",)
        try:
            await write(self._tables, Update(CONNECTIONS, key, set=kept, remove=remove, condition=PRESENT))
        except ConditionFailed:  # it was closed meanwhile
            return

    async def subscribe(self, connection: Connection, places: Sequence[Place]) -> None:
        """Add subscriptions."""
        await write_all(self._tables, CONNECTIONS, _subscriptions(connection, places))

    async def unsubscribe(self, connection: str, places: Sequence[Place]) -> None:
        """Take subscriptions away."""
        deletes = [write for place in places for write in _both_rows(connection, _place_key(connection, place))]
        await write_all(self._tables, CONNECTIONS, deletes)

    async def get(self, connection: str) -> Connection | None:
        """The connection, or None where it is not open (any more)."""
        item = await self._tables.get(CONNECTIONS, Key(connection_key(connection), RECORD), consistent=True)
        if item is None or item["expiresAt"] <= self._clock.now():
            return None
        return Connection(
            id=connection,
            gateway=item["gateway"],
            tenant=item["tenant"],
            user=item["user"],
            roles=tuple(item["roles"]),
            name=item["name"],
            email=item["email"],
            connected_at=item["connectedAt"],
            token_expires_at=item["tokenExpiresAt"],
            codec=item["codec"],
            follows_channels=item["followsChannels"],
            locale=item.get("locale"),  # a row of an earlier version has none
        )

    async def places(self, connection: str) -> list[Place]:
        """The logs that the connection is subscribed to."""
        rows = await self._rows(connection)
        return [Place(row["tenant"], Target.parse(row["target"])) for row in rows if row["sk"] != RECORD]

    async def close(self, connection: str) -> None:
        """Delete the connection's record and all of its subscriptions; nothing happens where there are none.

        The record first: who subscribes it meanwhile, and then still finds the record, has written rows that are seen.
        """
        await write(self._tables, Delete(CONNECTIONS, Key(connection_key(connection), RECORD)))
        deletes: list[Put | Delete] = []
        for row in await self._rows(connection):
            if row["sk"] != RECORD:
                deletes += _both_rows(connection, row["sk"])
        await write_all(self._tables, CONNECTIONS, deletes)

    async def close_all(self, tenant: str, user: str) -> None:
        """As :meth:`close`, of all that a user has open."""
        cursor: str | None = None
        while True:
            subscribers, cursor = await self.subscribers(inbox(tenant, user)[0], cursor=cursor)
            for one in subscribers:
                await self.close(one.connection)
            if cursor is None:
                return

    async def subscribers(
        self, place: Place, shard: int = 0, *, cursor: str | None = None, limit: int = 1000
    ) -> tuple[list[Subscriber], str | None]:
        """One page of the connections that are subscribed to a log, and the cursor of the next."""
        page = await self._tables.query(
            CONNECTIONS,
            Query(subscription_key(place.tenant, place.target, shard), limit=limit, cursor=cursor, consistent=True),
        )
        now = self._clock.now()
        return [
            Subscriber(
                row["sk"],
                row["gateway"],
                row["tenant"],
                row["user"],
                row["codec"],
                row["since"],
                row.get("locale"),
                Preferences.of(row["preferences"]) if "preferences" in row else None,
            )
            for row in page.items
            if row["expiresAt"] > now
        ], page.cursor

    async def _rows(self, connection: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            page = await self._tables.query(
                CONNECTIONS, Query(connection_key(connection), cursor=cursor, consistent=True)
            )
            rows += page.items
            cursor = page.cursor
            if cursor is None:
                return rows


def _place_key(connection: str, place: Place) -> str:
    return subscription_key(place.tenant, place.target, shard_of(connection, SHARDS[place.target.type]))


def _subscriptions(
    connection: Connection, places: Sequence[Place], preferences: Preferences = DEFAULT
) -> list[Put | Delete]:
    """Both rows of each subscription."""
    writes: list[Put | Delete] = []
    expires = _expires(connection)
    for place in places:
        key = _place_key(connection.id, place)
        row = {
            "gateway": connection.gateway,
            "tenant": connection.tenant,
            "user": connection.user,
            "codec": connection.codec,
            "locale": connection.locale,
            "since": connection.connected_at,
            "expiresAt": expires,
            **_kept(place, preferences),
        }
        writes.append(Put(CONNECTIONS, {"pk": key, "sk": connection.id, **row}))
        own = {"tenant": place.tenant, "target": place.target.key, "expiresAt": expires}
        writes.append(Put(CONNECTIONS, {"pk": connection_key(connection.id), "sk": key, **own}))
    return writes


def _kept(place: Place, preferences: Preferences) -> dict[str, Any]:
    """What a row keeps of preferences: nothing, for most. The frames of a channel come whatever one prefers."""
    if place.target.type == "channel" or not preferences.silences:
        return {}
    return {"preferences": preferences.fields()}


def _expires(connection: Connection) -> int:
    """Nothing is pushed to a connection whose token has expired."""
    return int(min(connection.connected_at + LIFE, connection.token_expires_at))


def _both_rows(connection: str, key: str) -> list[Put | Delete]:
    return [
        Delete(CONNECTIONS, Key(key, connection)),
        Delete(CONNECTIONS, Key(connection_key(connection), key)),
    ]
