"""An app in memory whose bus and signals can be looked at, and channels in it."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import orjson

from kxmsg.bootstrap import App
from kxmsg.codecs import native
from kxmsg.codecs.envelope import decode_bundle
from kxmsg.errors import Transient
from kxmsg.model.channel import Channel
from kxmsg.participants import participant_hash
from kxmsg.topology import FANOUT_FIFO
from tests.product import RecordingBus, caller

T = TypeVar("T")

ADMIN = caller("root", "admin")


def watched(app: App) -> RecordingBus:
    """The bus of this app from now on, which remembers its events."""
    bus = RecordingBus()
    app.__dict__["bus"] = bus
    return bus


async def desk(app: App, users: Sequence[str] = (), kind: Any = "group", **options: Any) -> Channel:
    """A channel ``desk`` with these members, or in a lead these visitors."""
    role = "lead" if kind == "lead" else "member"
    people = [app.channel_service.person(user, role=role) for user in users]
    return await app.channel_service.create(ADMIN, kind, people, fresh="desk", **options)


async def repeated(act: Callable[[], Awaitable[T]]) -> T:
    """What ``act`` gives, for a caller who repeats what is answered 503."""
    while True:
        try:
            return await act()
        except Transient:
            continue


async def members(app: App, ident: str = "desk") -> list[str]:
    """Who takes part, after a look from all sides: the users' own lists, the hash, the set."""
    channel = await app.channels.get("acme", ident)
    if channel is None:
        return []
    users = [one.user for one in channel.participants]
    for user in users:
        assert ident in await app.channels.of_user("acme", user)
    for person in channel.former:
        assert ident not in await app.channels.of_user("acme", person.user)
    assert channel.participant_hash == participant_hash("acme", users)
    found = (await app.sets.get("acme", users)).channels
    assert (ident in [one.id for one in found]) == (channel.is_active and bool(users))
    return users


async def frames(app: App) -> list[dict[str, Any]]:
    """What was said to connections, without times, oldest first."""
    queue = app.queue(FANOUT_FIFO)
    told: list[dict[str, Any]] = []
    while taken := await queue.receive(10, wait=0, visibility=60):
        for bundle in (decode_bundle(one.body) for one in taken):
            told += [orjson.loads(native.frame(bundle, entry)) for entry in bundle.entries]
        await queue.delete([one.receipt for one in taken])
    for frame in told:
        del frame["timestamp"]
    return told


async def only_frames(app: App, kind: str) -> list[dict[str, Any]]:
    """As :func:`frames`, those of one type."""
    return [frame for frame in await frames(app) if frame["type"] == kind]
