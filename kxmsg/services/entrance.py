"""Entrance: where messages from people and services come in, on their way to be numbered."""

from collections.abc import Mapping
from typing import Any, Final

import orjson

from kxmsg.errors import Forbidden, InvalidInput, NotFound, TooLarge
from kxmsg.keys import new_id
from kxmsg.model.channel import Participant
from kxmsg.model.envelope import MAX_PAYLOAD, Envelope, Ordering
from kxmsg.model.principal import Principal
from kxmsg.model.target import Target
from kxmsg.policy import Action, allowed
from kxmsg.ports import Clock, Queue
from kxmsg.storage.channels import Channels
from kxmsg.storage.once import Once
from kxmsg.telemetry import current_trace, new_trace
from kxmsg.transport import parcel_messages, send

MAX_CONTENT: Final = 64 * 1024
"""Bytes of a message's text."""

MAX_CLIENT_ID: Final = 128


class Entrance:
    """Accepts messages: durable on a queue when :meth:`accept` returns."""

    def __init__(self, channels: Channels, once: Once, queues: Mapping[Ordering, Queue], clock: Clock) -> None:
        self._channels = channels
        self._once = once
        self._queues = queues
        self._clock = clock

    async def to_channel(
        self,
        who: Principal,
        channel: str,
        content: Any,
        *,
        ordering: Ordering = "fifo",
        event_type: str = "chat",
        metadata: Any = None,
        client_id: Any = None,
        origin: str | None = None,
    ) -> Envelope:
        """Send ``content`` to a channel as ``who``; returns the envelope as accepted, its id final.

        ``client_id`` is the caller's own id: repeating it repeats nothing. Raises NotFound where the channel is
        not one that ``who`` may know of, Forbidden where they may not send, InvalidInput for the rest.
        """
        target = Target.of("channel", channel)
        text = _text(content)
        metadata = {} if metadata is None else metadata
        if not isinstance(metadata, dict):
            raise InvalidInput("metadata must be an object")
        participant = await self.participant(who, channel)
        if not allowed(who.roles, Action.SEND_MESSAGE, participant=participant is not None):
            raise Forbidden("your roles may not send messages here")
        now = self._clock.now()
        name = (participant.name if participant else None) or who.name
        payload = {
            "channelId": channel,
            "content": text,
            "senderId": who.user,
            "senderName": name,
            "messageType": "chat",
            "eventType": event_type,
            "metadata": metadata,
        }
        payload = {name: value for name, value in payload.items() if value is not None}
        _check_size(payload)
        said = orjson.dumps([ordering, text, event_type, metadata], option=orjson.OPT_SORT_KEYS)
        envelope = Envelope(
            id=await self._ident(who, channel, client_id, new_id(now), said),
            tenant=who.tenant,
            target=target,
            kind="message",
            ordering=ordering,
            payload=payload,
            created_at=int(now * 1000),
            origin=origin,
            trace=current_trace() or new_trace(),
        )
        await self.accept(envelope)
        return envelope

    async def publish(
        self, who: Principal, fields: Mapping[str, Any], *, client_id: Any = None, origin: str | None = None
    ) -> Envelope:
        """Send what a ``sendMessage`` frame or ``POST /publish`` says [S2]; as :meth:`to_channel`."""
        payload = fields.get("payload")
        if fields.get("targetChannel", "WebSocket") != "WebSocket":
            raise InvalidInput("targetChannel must be WebSocket")
        ordering = fields.get("messageType", "standard")
        if ordering not in ("fifo", "standard"):
            raise InvalidInput("messageType must be fifo or standard")
        if not isinstance(payload, Mapping):
            raise InvalidInput("payload must be an object")
        event_type = payload.get("eventType", "chat")
        if not isinstance(event_type, str) or len(event_type) > MAX_CLIENT_ID:
            raise InvalidInput(f"payload.eventType must be a text of at most {MAX_CLIENT_ID} characters")
        return await self.to_channel(
            who,
            payload.get("chatId", ""),
            payload.get("content"),
            ordering=ordering,
            event_type=event_type,
            metadata=payload.get("metadata"),
            client_id=client_id,
            origin=origin,
        )

    async def accept(self, envelope: Envelope) -> None:
        """Put an envelope on its way."""
        await send(self._queues[envelope.ordering], parcel_messages([envelope]))

    async def participant(self, who: Principal, channel: str) -> Participant | None:
        """Who ``who`` is in the channel, or None for an admin or service that needs not be in it.

        Raises NotFound for everybody else, whether there is such a channel or not.
        """
        participant = await self._channels.participant(who.tenant, channel, who.user)
        if participant is None:
            outsider = allowed(who.roles, Action.SEND_MESSAGE, participant=False)
            if not outsider or not await self._channels.exists(who.tenant, channel):
                raise NotFound(f"no channel {channel!r}", code="channel_not_found")
        return participant

    async def _ident(self, who: Principal, channel: str, client_id: Any, fresh: str, content: bytes) -> str:
        if client_id is None:
            return fresh
        if not isinstance(client_id, str | int) or isinstance(client_id, bool) or not _is_word(str(client_id)):
            raise InvalidInput(f"id must be a printable text of at most {MAX_CLIENT_ID} characters or a whole number")
        scope = f"{channel}#{type(client_id).__name__}#{client_id}"
        return await self._once.ident(who.tenant, who.user, scope, fresh, content)


def _is_word(text: str) -> bool:
    return len(text) <= MAX_CLIENT_ID and text.isprintable()


def _check_size(payload: dict[str, Any]) -> None:
    try:
        size = len(orjson.dumps(payload))
    except orjson.JSONEncodeError as error:
        raise InvalidInput(f"the message can't be written as JSON: {error}") from error
    if size > MAX_PAYLOAD:
        raise TooLarge(f"the message is longer than {MAX_PAYLOAD} bytes with its metadata")


def _text(content: Any) -> str:
    if not isinstance(content, str) or not content:
        raise InvalidInput("the message needs a text that is not empty")
    if len(content.encode("utf-8", "surrogatepass")) > MAX_CONTENT:
        raise TooLarge(f"the text is longer than {MAX_CONTENT} bytes")
    return content
