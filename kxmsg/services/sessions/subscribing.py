"""Subscribe and unsubscribe: a connection gets a log's frames from now on, and what it has missed of them."""

from typing import Any, Final

from kxmsg.audience import inbox
from kxmsg.codecs import native
from kxmsg.errors import InvalidInput, NotFound, Refusal, Unauthenticated
from kxmsg.keys import MAX_NUMBER
from kxmsg.model.connection import Connection, Place
from kxmsg.model.target import Target
from kxmsg.policy import Action, allowed
from kxmsg.services.channels.changes import missing
from kxmsg.services.missed import Left, MissedReader
from kxmsg.storage.channels import Channels
from kxmsg.storage.connections import Connections

MAX_ID: Final = 128
"""Characters of the client's own id: the answer, which has as much as a message can, repeats it."""


class Subscribing:
    """Answers ``subscribe`` and ``unsubscribe``."""

    def __init__(self, connections: Connections, channels: Channels, missed: MissedReader) -> None:
        self._connections = connections
        self._channels = channels
        self._missed = missed

    async def subscribe(self, connection: Connection, fields: dict[str, Any]) -> bytes:
        """``subscribe`` {channelId | targetKey, epoch?, afterSequence?, afterRevision?, seenSequence?}: ``history``.

        The row stands before anything is read, so that what is not in the answer is pushed; the client puts it in
        order. The logs of the inbox have had theirs since the connection was opened.
        """
        ident = fields.get("id")
        if isinstance(ident, str) and len(ident) > MAX_ID:
            raise InvalidInput(f"id may have {MAX_ID} characters", code="invalid_id")
        target, left = _target(fields), _left(fields)
        place = await self._enter(connection, target) if target.type == "channel" else _own(connection, target)
        page = await self._missed.page(connection, place, left)
        return native.history(ident, target.key, page.fields(), page.entries, page.changes)

    async def unsubscribe(self, connection: Connection, fields: dict[str, Any]) -> bytes:
        """``unsubscribe`` {channelId}: no more frames of it on this connection."""
        target = Target.of("channel", fields.get("channelId", ""))
        await self._connections.unsubscribe(connection.id, [Place(connection.tenant, target)])
        return native.ack(fields.get("id"), channelId=target.id)

    async def _enter(self, connection: Connection, target: Target) -> Place:
        """Subscribe to a channel; whoever puts the user out meanwhile, or closes, may have found no row to delete."""
        place = Place(connection.tenant, target)
        await self._check(connection, target.id)
        await self._connections.subscribe(connection, [place])
        try:
            await self._check(connection, target.id)
            if await self._connections.get(connection.id) is None:
                raise Unauthenticated("the connection was closed", code="unknown_connection")
        except Refusal:
            await self._connections.unsubscribe(connection.id, [place])
            raise
        return place

    async def _check(self, connection: Connection, channel: str) -> None:
        known, (person,) = await self._channels.standing(connection.tenant, channel, [connection.user])
        if known is None or not allowed(connection.roles, Action.READ_CHANNEL, participant=person is not None):
            raise missing(channel)


def _own(connection: Connection, target: Target) -> Place:
    for place in inbox(connection.tenant, connection.user):
        if place.target == target:
            return place
    raise NotFound(f"no log {target.key!r}", code="log_not_found")


def _target(fields: dict[str, Any]) -> Target:
    channel, key = fields.get("channelId"), fields.get("targetKey")
    if (channel is None) == (key is None):
        raise InvalidInput("name either channelId or targetKey")
    if channel is not None:
        return Target.of("channel", channel)
    if not isinstance(key, str):
        raise InvalidInput("targetKey must be a text", code="invalid_id")
    return Target.parse(key)


def _left(fields: dict[str, Any]) -> Left | None:
    epoch = fields.get("epoch")
    sequence, revision = _number(fields, "afterSequence"), _number(fields, "afterRevision")
    seen = _number(fields, "seenSequence")
    if epoch is not None and not isinstance(epoch, str):
        raise InvalidInput("epoch must be a text")
    if sequence is None:
        if (epoch, revision, seen) != (None, None, None):
            raise InvalidInput("epoch, afterRevision and seenSequence go with afterSequence")
        return None
    if epoch is None and (sequence or revision or seen):
        raise InvalidInput("these are numbers of an epoch: name it")
    return Left(epoch, sequence, revision, seen or 0)


def _number(fields: dict[str, Any], name: str) -> int | None:
    number = fields.get(name)
    if number is None:
        return None
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number <= MAX_NUMBER:
        raise InvalidInput(f"{name} must be 0 or a number that the log has given")
    return number
