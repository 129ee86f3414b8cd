"""Frames: what a client may say on its connection, and the answer to each."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from kxmsg.codecs import native
from kxmsg.errors import InvalidInput, Refusal, Transient, Unauthenticated, Unavailable
from kxmsg.keys import MAX_NUMBER
from kxmsg.model.connection import Connection
from kxmsg.model.envelope import Entry, Envelope
from kxmsg.model.target import check_id
from kxmsg.ports import Clock
from kxmsg.services.entrance import Entrance
from kxmsg.services.messages import Messages
from kxmsg.services.sessions.connecting import principal
from kxmsg.services.sessions.subscribing import Subscribing
from kxmsg.storage.connections import Connections
from kxmsg.storage.logs import Logs
from kxmsg.telemetry import get_logger

log = get_logger(__name__)

Action: TypeAlias = Callable[[Connection, dict[str, Any]], Awaitable[bytes]]


class Frames:
    """Answers native frames."""

    def __init__(
        self,
        connections: Connections,
        logs: Logs,
        entrance: Entrance,
        messages: Messages,
        subscribing: Subscribing,
        clock: Clock,
    ) -> None:
        self._connections = connections
        self._logs = logs
        self._entrance = entrance
        self._messages = messages
        self._clock = clock
        self._actions: dict[str, Action] = {
            "message.send": self._message_send,
            "sendMessage": self._send_message,
            "edit": self._edit,
            "delete": self._delete,
            "react": self._react,
            "read": self._read,
            "subscribe": subscribing.subscribe,
            "unsubscribe": subscribing.unsubscribe,
            "ping": self._ping,
        }

    async def answer(self, connection_id: str, text: str) -> bytes:
        """The frame to send back for ``text``; a refusal is an ``error`` frame."""
        ident: str | float | None = None
        try:
            fields = native.parse(text)
            given = fields.get("id")
            if not isinstance(given, str | int | float | None):
                raise InvalidInput("id must be a text or a number", code="invalid_id")
            ident = given
            connection = await self._connections.get(connection_id)
            if connection is None:
                raise Unauthenticated("the connection is not known; connect again", code="unknown_connection")
            if connection.token_expires_at <= self._clock.now():
                raise Unauthenticated("the token has expired; connect again", code="token_expired")
            name = fields.get("action")
            action = self._actions.get(name) if isinstance(name, str) else None
            if action is None:
                known = ", ".join(sorted(self._actions))
                raise InvalidInput(f"action must be one of {known}", code="unknown_action")
            return await action(connection, fields)
        except Refusal as refusal:
            return native.error(ident, refusal.code, refusal.message)
        except Transient as error:
            log.warning("frame not answered", connection=connection_id, error=str(error))
            return native.error(ident, Unavailable.code, "a part of the system is not available; try again")

    async def _message_send(self, connection: Connection, fields: dict[str, Any]) -> bytes:
        """``message.send`` {threadId, text, sender?, metadata?} [S1]."""
        envelope = await self._entrance.to_channel(
            principal(connection),
            fields.get("threadId", ""),
            fields.get("text"),
            metadata=fields.get("metadata"),
            sender=fields.get("sender"),
            client_id=fields.get("id"),
            origin=connection.id,
        )
        return _acknowledged(fields, envelope)

    async def _send_message(self, connection: Connection, fields: dict[str, Any]) -> bytes:
        """``sendMessage`` {targetChannel, messageType, payload {chatId, eventType, content}} [S2]."""
        envelope = await self._entrance.publish(
            principal(connection), fields, client_id=fields.get("id"), origin=connection.id
        )
        return _acknowledged(fields, envelope)

    async def _edit(self, connection: Connection, fields: dict[str, Any]) -> bytes:
        """``edit`` {messageId, content}; the channel gets ``message.updated``."""
        given = {"content": fields.get("content")}
        entry = await self._messages.edit(principal(connection), _message_id(fields), given, origin=connection.id)
        return _changed(fields, entry)

    async def _delete(self, connection: Connection, fields: dict[str, Any]) -> bytes:
        """``delete`` {messageId}; the channel gets ``message.deleted``."""
        entry = await self._messages.delete(principal(connection), _message_id(fields), connection.id)
        return _changed(fields, entry)

    async def _react(self, connection: Connection, fields: dict[str, Any]) -> bytes:
        """``react`` {messageId, emoji, remove?}; the channel gets ``reaction``."""
        who, on = principal(connection), not fields.get("remove", False)
        emoji = fields.get("emoji")
        entry = await self._messages.react(who, _message_id(fields), emoji, on=on, origin=connection.id)
        return _changed(fields, entry)

    async def _read(self, connection: Connection, fields: dict[str, Any]) -> bytes:
        """``read`` {channelId, sequenceNumber}: all up to this number; the channel gets ``read``."""
        channel, number = fields.get("channelId", ""), fields.get("sequenceNumber")
        if not isinstance(number, int) or isinstance(number, bool) or not 1 <= number <= MAX_NUMBER:
            raise InvalidInput("sequenceNumber must be a number that a message has")
        read = await self._messages.mark_read_up_to(principal(connection), channel, number, connection.id)
        return native.ack(fields.get("id"), channelId=channel, readSequence=read)

    async def _ping(self, connection: Connection, fields: dict[str, Any]) -> bytes:
        """``ping``: a lost last message or change is noticed by the heads."""
        places = await self._connections.places(connection.id)
        heads = await self._logs.heads([(place.tenant, place.target) for place in places])
        return native.pong(
            fields.get("id"),
            {
                place.target.key: {"epoch": head.epoch or None, "sequenceNumber": head.seq, "revision": head.rev}
                for place, head in zip(places, heads, strict=True)
            },
        )


def _acknowledged(fields: dict[str, Any], envelope: Envelope) -> bytes:
    return native.ack(fields.get("id"), messageId=envelope.id, channelId=envelope.target.id)


def _changed(fields: dict[str, Any], entry: Entry) -> bytes:
    envelope = entry.envelope
    place = {"channelId": envelope.target.id} if envelope.target.type == "channel" else {}
    return native.ack(fields.get("id"), messageId=envelope.id, **place, revision=entry.revision)


def _message_id(fields: dict[str, Any]) -> str:
    return check_id(fields.get("messageId", ""), "messageId")
