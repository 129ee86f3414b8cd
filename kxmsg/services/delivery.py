"""Delivery: from committed entries to frames on connections."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from kxmsg.audience import posts
from kxmsg.codecs import native
from kxmsg.model.connection import Place, Post, Subscriber
from kxmsg.model.envelope import Bundle, Entry
from kxmsg.model.job import Wait
from kxmsg.model.preferences import Moment
from kxmsg.ports import Clock, ConnectionGateway, Outcome
from kxmsg.preferences import told, waits
from kxmsg.retry import Backoff
from kxmsg.services.readers import Readers
from kxmsg.storage.connections import Connections
from kxmsg.telemetry import PUSHED, get_logger

YOUNG: Final = 30.0
"""Seconds in which a connection may be gone only because its ``$connect`` has not been answered yet."""

RETRIES: Final = 3

_BACKOFF: Final = Backoff(base=0.2, cap=2.0)

log = get_logger(__name__)


@dataclass(slots=True)
class Delivered:
    """Who was subscribed to each log, and which entries some of them wait for."""

    subscribers: dict[Place, list[Subscriber]]
    waits: set[Wait] = field(default_factory=set)


class Delivery:
    """Pushes bundles to whoever is subscribed to their targets and wants them, in order for each connection."""

    def __init__(self, connections: Connections, gateway: ConnectionGateway, readers: Readers, clock: Clock) -> None:
        self._connections = connections
        self._gateway = gateway
        self._readers = readers
        self._clock = clock

    async def deliver(self, bundles: Sequence[Bundle], shard: int = 0, moment: Moment | None = None) -> Delivered:
        """Push ``bundles`` to one shard of their targets: to those who are told of them at this moment, by default now.

        Live delivery is at most a convenience over the store: a connection that can't be reached is cut, and its
        client resumes.
        """
        now = self._clock.now()
        moment = moment or Moment(now)
        bundles = [bundle.only(tuple(entry for entry in bundle.entries if _is_live(entry, now))) for bundle in bundles]
        waiting: dict[Place, str | None] = {Place(bundle.tenant, bundle.target): None for bundle in bundles}
        delivered = Delivered({place: [] for place in waiting})
        while waiting:
            pages = await asyncio.gather(
                *(self._connections.subscribers(place, shard, cursor=cursor) for place, cursor in waiting.items())
            )
            audience = {place: page[0] for place, page in zip(waiting, pages, strict=True)}
            owed: list[Post] = []
            for bundle in bundles:
                wanted = audience.get(Place(bundle.tenant, bundle.target), [])
                owed += await self._posts(bundle, wanted, shard, moment, delivered.waits)
            await self._push(owed, {one.connection: one for some in audience.values() for one in some})
            for place, subscribers in audience.items():
                delivered.subscribers[place] += subscribers
            waiting = {place: page[1] for place, page in zip(waiting, pages, strict=True) if page[1] is not None}
        return delivered

    async def _posts(
        self, bundle: Bundle, subscribers: Sequence[Subscriber], shard: int, moment: Moment, waiting: set[Wait]
    ) -> list[Post]:
        """What to push for ``bundle``; ``waiting`` gets what is pushed later. Changes, signals are told at once."""
        new = bundle.change is None and bundle.entries and bundle.entries[0].envelope.kind != "signal"
        if not new or (moment.until is None and not any(one.preferences for one in subscribers)):
            return posts(bundle, subscribers, _encode)
        owed: list[Post] = []
        place = Place(bundle.tenant, bundle.target)
        for entry in bundle.entries:
            decided = [(one, told(one.preferences, "websocket", entry.envelope, moment)) for one in subscribers]
            waiting |= waits(place, entry, shard, moment, [how for _, how in decided])
            wanted = [one for one, how in decided if how.now]
            if moment.until is not None:
                unread = await self._readers.unread([(one.tenant, one.user) for one in wanted], place, entry)
                wanted = [one for one in wanted if (one.tenant, one.user) in unread]
            owed += posts(bundle.only((entry,)), wanted, _encode)
        return owed

    async def _push(self, owed: Sequence[Post], subscribers: dict[str, Subscriber]) -> None:
        if not owed:
            return
        for attempt in range(RETRIES + 1):
            outcomes = await self._gateway.post(owed)
            undone = _undone(owed, outcomes)
            PUSHED.labels("ok").inc(undone.delivered)
            await self._cut(undone.broken, subscribers)
            gone = {one for one in undone.gone - undone.broken if not self._young(subscribers[one])}
            await self._forget(gone)
            left = {one: frames for one, frames in undone.frames.items() if one not in gone}
            if not left:
                return
            if attempt == RETRIES:
                await self._cut(left, subscribers)
                return
            await asyncio.sleep(_BACKOFF.ceiling(attempt))
            owed = [Post(subscribers[one].gateway, [one], frame) for one, frames in left.items() for frame in frames]

    def _young(self, subscriber: Subscriber) -> bool:
        return self._clock.now() - subscriber.since < YOUNG

    async def _forget(self, connections: Iterable[str]) -> None:
        for connection in connections:
            PUSHED.labels("gone").inc()
            await self._connections.close(connection)

    async def _cut(self, connections: Iterable[str], subscribers: dict[str, Subscriber]) -> None:
        gateways: dict[str, list[str]] = {}
        for connection in connections:
            gateways.setdefault(subscribers[connection].gateway, []).append(connection)
        await asyncio.gather(*(self._cut_at(gateway, cut) for gateway, cut in gateways.items()))

    async def _cut_at(self, gateway: str, connections: Sequence[str]) -> None:
        """Forget first, so that nothing more is pushed; a gateway that does not answer is not asked again."""
        for connection in connections:
            PUSHED.labels("cut").inc()
            await self._connections.close(connection)
        log.info("connections cut", gateway=gateway, count=len(connections))
        for connection in connections:
            if await self._gateway.disconnect(gateway, connection) == "failed":
                return


@dataclass(slots=True)
class _Undone:
    """What a round of posts left. ``frames`` is, for each connection, what it has still to get, in order.

    ``broken`` got a frame after one that it did not get: sending on would be out of order.
    """

    delivered: int = 0
    frames: dict[str, list[bytes]] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)


def _undone(owed: Sequence[Post], outcomes: Sequence[Sequence[Outcome]]) -> _Undone:
    undone = _Undone()
    for post, results in zip(owed, outcomes, strict=True):
        for connection, outcome in zip(post.connections, results, strict=True):
            if outcome != "ok":
                undone.frames.setdefault(connection, []).append(post.data)
                if outcome == "gone":
                    undone.gone.add(connection)
            else:
                undone.delivered += 1
                if connection in undone.frames:
                    undone.broken.add(connection)
    for connection in undone.broken:
        del undone.frames[connection]
    return undone


def _is_live(entry: Entry, now: float) -> bool:
    """What has expired on its way is shown to nobody."""
    return entry.envelope.expires_at is None or entry.envelope.expires_at > now


def _encode(codec: str, locale: str | None, bundle: Bundle, entry: Entry) -> bytes:
    return _CODECS[codec](bundle, entry, locale)


_CODECS: Final = {"native": native.frame}
