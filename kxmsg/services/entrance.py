"""Entrance: where messages from people and services come in, on their way to be numbered."""

from collections.abc import Mapping
from typing import Any, Final

import orjson

from kxmsg.errors import Conflict, Forbidden, InvalidInput, NotFound, TooLarge
from kxmsg.keys import new_id
from kxmsg.model.channel import Channel, Participant
from kxmsg.model.envelope import MAX_PAYLOAD, Envelope, Ordering
from kxmsg.model.principal import Principal
from kxmsg.model.target import Target, check_id, owner
from kxmsg.participants import check_open
from kxmsg.policy import Action, allowed
from kxmsg.ports import Clock, Queue
from kxmsg.services.channels.changes import missing
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
        sender: Any = None,
        fields: Mapping[str, Any] | None = None,
        ident: str | None = None,
        client_id: Any = None,
        origin: str | None = None,
    ) -> Envelope:
        """Send ``content`` to a channel as ``who``; returns the envelope as accepted, its id final.

        ``fields`` are more of the message's, such as ``title``. ``sender`` may be somebody else only where ``who`` may
        act for others. ``ident`` is a fresh id, or that of the first try; ``client_id`` is the caller's own: repeating
        it repeats nothing. Raises NotFound where the channel is not one that ``who`` may know of, Forbidden where they
        may not send, Conflict for a closed channel, or a bot while a person has taken over, InvalidInput for the rest.
        """
        target = Target.of("channel", channel)
        text = checked_text(content)
        sender = checked_sender(who, sender)
        there, participant, author = await self._standing(who, channel, sender)
        if not allowed(who.roles, Action.SEND_MESSAGE, participant=participant is not None):
            raise Forbidden("your roles may not send messages here")
        check_open(there)
        if "bot" in who.roles or (participant is not None and participant.role == "bot"):
            _check_takeover(there)
        payload = {
            "channelId": channel,
            "content": text,
            "senderId": sender,
            "senderName": (author.name if author else None) or (who.name if sender == who.user else None),
            "messageType": "chat",
            "eventType": event_type,
            "metadata": checked_metadata(metadata),
            **(fields or {}),
        }
        said = [ordering, text, event_type, payload["metadata"], *([fields] if fields else [])]
        return await self._send(who, target, payload, ordering, ident, client_id, said, origin)

    async def to_inbox(
        self,
        who: Principal,
        target: Target,
        content: Any,
        *,
        metadata: Any = None,
        sender: Any = None,
        fields: Mapping[str, Any] | None = None,
        ident: str | None = None,
    ) -> Envelope:
        """Send ``content`` to a user, a client or everybody; as :meth:`to_channel`."""
        text = checked_text(content)
        sender = checked_sender(who, sender)
        within = owner(who.tenant, target) == who.tenant
        if not allowed(who.roles, Action.ADDRESS_ANYONE if within else Action.WRITE_BROADCAST):
            raise Forbidden("your roles may not send to these readers")
        payload = {
            "content": text,
            "senderId": sender,
            "senderName": who.name if sender == who.user else None,
            "messageType": "text",
            "metadata": checked_metadata(metadata),
            **(fields or {}),
        }
        return await self._send(who, target, payload, "standard", ident, None, [], None)

    async def reply(
        self,
        who: Principal,
        thread: str,
        user: str,
        content: Any,
        *,
        metadata: Any = None,
        ident: str | None = None,
        client_id: Any = None,
    ) -> Envelope:
        """Send a bot's reply to ``user`` in their thread [S1]; as :meth:`to_channel`.

        Raises Conflict while a person has taken over, whoever posts it.
        """
        check_id(user, "userId")
        there, participant, answered = await self._standing(who, check_id(thread, "threadId"), user)
        if not allowed(who.roles, Action.POST_REPLY, participant=participant is not None):
            raise Forbidden("your roles may not post replies")
        if user != who.user and answered is None:
            raise NotFound(f"{user} does not take part in {thread!r}", code="participant_not_found")
        _check_takeover(there)
        return await self.to_channel(
            who,
            thread,
            content,
            metadata=metadata,
            fields={"messageType": "bot"},
            ident=ident,
            client_id=client_id,
        )

    async def publish(
        self,
        who: Principal,
        fields: Mapping[str, Any],
        *,
        ident: str | None = None,
        client_id: Any = None,
        origin: str | None = None,
    ) -> Envelope:
        """Send what a ``sendMessage`` frame or ``POST /publish`` says [S2]; as :meth:`to_channel`.

        ``payload.requestSequence`` asks for a number, which every message gets.
        """
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
            ident=ident,
            client_id=client_id,
            origin=origin,
        )

    async def accept(self, envelope: Envelope) -> None:
        """Put an envelope on its way."""
        await send(self._queues[envelope.ordering], parcel_messages([envelope]))

    async def _standing(
        self, who: Principal, ident: str, other: str
    ) -> tuple[Channel, Participant | None, Participant | None]:
        """The channel, and who ``who`` and ``other`` are in it: None for an admin or service that needs not be in it.

        Raises NotFound for everybody else, whether there is such a channel or not.
        """
        channel, people = await self._channels.standing(who.tenant, ident, list(dict.fromkeys([who.user, other])))
        if channel is None or (people[0] is None and not allowed(who.roles, Action.SEND_MESSAGE)):
            raise missing(ident)
        return channel, people[0], people[-1]

    async def _send(
        self,
        who: Principal,
        target: Target,
        payload: Mapping[str, Any],
        ordering: Ordering,
        ident: str | None,
        client_id: Any,
        said: Any,
        origin: str | None,
    ) -> Envelope:
        payload = {name: value for name, value in payload.items() if value is not None}
        check_size(payload)
        now = self._clock.now()
        fresh = ident or new_id(now)
        if client_id is not None:
            fresh = await self._ident(who, target.id, client_id, fresh, said)
        envelope = Envelope(
            id=fresh,
            tenant=owner(who.tenant, target),
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

    async def _ident(self, who: Principal, channel: str, client_id: Any, fresh: str, said: Any) -> str:
        if not isinstance(client_id, str | int) or isinstance(client_id, bool) or not _is_word(str(client_id)):
            raise InvalidInput(f"id must be a printable text of at most {MAX_CLIENT_ID} characters or a whole number")
        scope = f"{channel}#{type(client_id).__name__}#{client_id}"
        content = orjson.dumps(said, option=orjson.OPT_SORT_KEYS)
        return await self._once.ident(who.tenant, who.user, scope, fresh, content)


def _check_takeover(channel: Channel) -> None:
    if channel.is_human_override:
        raise Conflict("a person has taken over from the bot", code="human_override")


def checked_text(content: Any) -> str:
    """A message's text; raises InvalidInput, TooLarge."""
    if not isinstance(content, str) or not content:
        raise InvalidInput("the message needs a text that is not empty")
    if len(content.encode("utf-8", "surrogatepass")) > MAX_CONTENT:
        raise TooLarge(f"the text is longer than {MAX_CONTENT} bytes")
    return content


def checked_metadata(metadata: Any) -> dict[str, Any]:
    """A message's metadata, of which there may be none; raises InvalidInput."""
    if not isinstance(metadata, dict | None):
        raise InvalidInput("metadata must be an object")
    return metadata or {}


def checked_sender(who: Principal, sender: Any) -> str:
    """As whom a message is sent: oneself, by id or address, unless one may act for others; raises Forbidden."""
    if sender is None or sender in (who.user, who.email):
        return who.user
    if not allowed(who.roles, Action.ACT_FOR_OTHERS):
        raise Forbidden("the sender is not the token's user", code="foreign_sender")
    return check_id(sender, "senderId")


def check_size(payload: Mapping[str, Any]) -> None:
    """Raises TooLarge for a message that no frame could carry, InvalidInput for one that is no JSON."""
    try:
        size = len(orjson.dumps(payload))
    except orjson.JSONEncodeError as error:
        raise InvalidInput(f"the message can't be written as JSON: {error}") from error
    if size > MAX_PAYLOAD:
        raise TooLarge(f"the message is longer than {MAX_PAYLOAD} bytes with its metadata")


def _is_word(text: str) -> bool:
    return len(text) <= MAX_CLIENT_ID and text.isprintable()
