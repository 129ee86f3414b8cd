"""Messages: what one does with those that are stored: read, edit, delete, react."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from kxmsg.errors import Conflict, Forbidden, InvalidInput, NotFound
from kxmsg.model.connection import Place
from kxmsg.model.envelope import Change, Entry, Envelope
from kxmsg.model.message import REACTIONS, with_reactions
from kxmsg.model.notification import VARIANTS
from kxmsg.model.principal import Principal
from kxmsg.model.target import EVERYBODY, Target, check_id, owner
from kxmsg.own_events import message_read
from kxmsg.policy import Action, allowed
from kxmsg.ports import Clock
from kxmsg.reactions import added, check_emoji, removed
from kxmsg.services.amender import Amender
from kxmsg.services.channels.changes import missing
from kxmsg.services.entrance import check_size, checked_metadata, checked_text
from kxmsg.services.signals import Signal, Signals
from kxmsg.storage.channels import Channels
from kxmsg.storage.logs import Logs
from kxmsg.storage.outbox import Outbox
from kxmsg.storage.read_cursors import ReadCursors
from kxmsg.times import iso

EDITABLE: Final = frozenset({"content", "title", "priority", "metadata"})


@dataclass(frozen=True, slots=True)
class Seen:
    """A message as one user finds it; ``read``: they have read it, or written it."""

    entry: Entry
    read: bool


class Messages:
    """Stored messages. ``outbox`` is that of the channels' table, where read cursors stand."""

    def __init__(
        self,
        logs: Logs,
        channels: Channels,
        cursors: ReadCursors,
        amender: Amender,
        outbox: Outbox,
        signals: Signals,
        clock: Clock,
    ) -> None:
        self._logs = logs
        self._channels = channels
        self._cursors = cursors
        self._amender = amender
        self._outbox = outbox
        self._signals = signals
        self._clock = clock

    async def get(self, who: Principal, ident: str) -> Seen:
        """The message of that id, as ``who`` finds it. Raises NotFound, also for what is not theirs to see."""
        entry = await self._find(who, ident)
        (standing,) = await self._cursors.at(who.tenant, who.user, [entry.envelope.target])
        return Seen(entry, has_read(entry, who.user, standing.read))

    async def edit(
        self,
        who: Principal,
        ident: str,
        fields: Mapping[str, Any],
        check: Callable[[Entry], None] = lambda _: None,
        origin: str | None = None,
    ) -> Entry:
        """Change some of :data:`EDITABLE`; None takes one away. Returns the message as it then stands.

        For its sender. ``check`` is called with it as it stands before, and may raise. Raises NotFound, Forbidden,
        InvalidInput, TooLarge.
        """
        given = {name: value for name, value in fields.items() if name in EDITABLE}
        if not given:
            raise InvalidInput(f"name what to change: {', '.join(sorted(EDITABLE))}")
        if "content" in given:
            checked_text(given["content"])
        if "metadata" in given:
            given["metadata"] = checked_metadata(given["metadata"])
        now = self._clock.now()

        def changed(entry: Entry) -> Envelope:
            _check_own(who, entry)
            check(entry)
            before = entry.envelope.payload
            if all(before.get(name) == value for name, value in given.items()):
                return entry.envelope
            merged = {**before, **given, VARIANTS: _variants(before, given), "editedAt": iso(now)}
            payload = {name: value for name, value in merged.items() if value is not None}
            check_size({name: value for name, value in payload.items() if name != REACTIONS})
            return replace(entry.envelope, payload=payload)

        return await self._amend(who, await self._find(who, ident), changed, self._about(who, "updated", origin))

    async def delete(self, who: Principal, ident: str, origin: str | None = None) -> Entry:
        """Delete a message for everybody; its number stays, its content is gone. For its sender.

        Raises NotFound, Forbidden.
        """

        def deleted(entry: Entry) -> None:
            _check_own(who, entry)

        return await self._amend(who, await self._find(who, ident), deleted, self._about(who, "deleted", origin))

    async def react(
        self, who: Principal, ident: str, emoji: Any, *, on: bool = True, origin: str | None = None
    ) -> Entry:
        """React to a message of a channel, or take that back; doing either twice is doing it once.

        Raises NotFound, Forbidden, InvalidInput, Conflict for too many.
        """
        kind = check_emoji(emoji)
        found = await self._find(who, ident)
        if found.envelope.target.type != "channel":
            raise Conflict("one reacts to messages of channels", code="not_in_a_channel")
        # Who has found it takes part, or needs not.
        if not allowed(who.roles, Action.SEND_MESSAGE, participant=True):
            raise Forbidden("your roles may not react here")

        def changed(entry: Entry) -> Envelope:
            reactions = (added if on else removed)(entry.envelope.payload.get(REACTIONS, {}), kind, who.user)
            return with_reactions(entry.envelope, reactions)

        detail = {"emoji": kind, "userId": who.user, "action": "added" if on else "removed"}
        return await self._amend(who, found, changed, replace(self._about(who, "reaction", origin), detail=detail))

    async def mark_read(self, who: Principal, ident: str, origin: str | None = None) -> int:
        """Say that one has read up to this message; returns the number up to which one has, which never falls.

        Raises NotFound, and Forbidden for who does not take part in its channel.
        """
        return await self._advance(who, await self._find(who, ident), origin)

    async def mark_read_up_to(self, who: Principal, channel: str, sequence: int, origin: str | None = None) -> int:
        """As :meth:`mark_read`, up to a number, or to the channel's last where that is lower."""
        target = Target.of("channel", channel)
        (standing,) = await self._cursors.at(who.tenant, who.user, [target])
        if not standing.inside:
            raise missing(channel)
        last = await self._logs.read(who.tenant, target, before=sequence + 1, limit=1, reverse=True)
        return await self._advance(who, last[0], origin) if last else standing.read

    async def _find(self, who: Principal, ident: str) -> Entry:
        """The live message of that id; raises the same NotFound for one that is not there and one not to be seen."""
        check_id(ident, "messageId")
        places = await self._logs.find([(who.tenant, ident), (EVERYBODY, ident)])
        located = next((place for place in places if place is not None), None)
        if located is not None and await self._may_see(who, located.target):
            (entry,) = await self._logs.entries([located])
            if entry is not None and entry.envelope.kind == "message":
                return entry
        raise _missing(ident)

    async def _may_see(self, who: Principal, target: Target) -> bool:
        if target.type == "channel":
            inside = await self._channels.participant(who.tenant, target.id, who.user) is not None
            return allowed(who.roles, Action.READ_CHANNEL, participant=inside)
        return allowed(who.roles, Action.READ_INBOX, own=target.type != "user" or target.id == who.user)

    async def _amend(
        self, who: Principal, found: Entry, change: Callable[[Entry], Envelope | None], about: Change
    ) -> Entry:
        target = found.envelope.target
        amended = await self._amender.amend(owner(who.tenant, target), target, found.sequence, change, about)
        if amended is None:
            raise _missing(found.envelope.id)
        return amended.entry

    async def _advance(self, who: Principal, entry: Entry, origin: str | None) -> int:
        envelope, now = entry.envelope, self._clock.now()
        target, channel = envelope.target, envelope.target.id if envelope.target.type == "channel" else None
        puts, owed = self._outbox.owe([message_read(who.tenant, who.user, envelope.id, channel, now)])
        advance = await self._cursors.advance(who.tenant, who.user, target, entry.sequence, puts)
        if not advance.standing.inside:
            raise Forbidden("you don't take part in this channel", code="not_a_participant")
        if advance.moved:
            await self._outbox.publish(owed)
            said: dict[str, Any] = {"userId": who.user, "messageId": envelope.id, "sequenceNumber": entry.sequence}
            signal = Signal(Place(who.tenant, target), "read", {"channelId": channel, **said})
            if channel is None:  # others don't learn of it, one's own devices do
                own = Place(who.tenant, Target("user", who.user))
                signal = Signal(own, "read", {"readTargetKey": target.key, **said})
            await self._signals.send([signal], origin)
        return advance.standing.read

    def _about(self, who: Principal, kind: Any, origin: str | None) -> Change:
        return Change(kind, int(self._clock.now() * 1000), by=who.user, origin=origin)


def has_read(entry: Entry, user: str, read: int) -> bool:
    """Whether a user whose cursor stands at ``read`` has read a message, or has written it."""
    return entry.sequence <= read or entry.envelope.payload.get("senderId") == user


def _check_own(who: Principal, entry: Entry) -> None:
    """A channel's messages are their senders'; what is sent to inboxes is changed by who may send there."""
    envelope = entry.envelope
    if envelope.target.type == "channel":
        allows = allowed(who.roles, Action.EDIT_MESSAGE, own=envelope.payload.get("senderId") == who.user)
    else:
        within = envelope.tenant == who.tenant
        allows = allowed(who.roles, Action.ADDRESS_ANYONE if within else Action.WRITE_BROADCAST)
    if not allows:
        raise Forbidden("only its sender may change a message")


def _variants(before: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, dict[str, str]] | None:
    """The texts by locale that are left where some fields have one text for all again."""
    left = {
        tag: {name: text for name, text in texts.items() if name not in given}
        for tag, texts in before.get(VARIANTS, {}).items()
    }
    return {tag: texts for tag, texts in left.items() if texts} or None


def _missing(ident: str) -> NotFound:
    return NotFound(f"no message {ident!r}", code="message_not_found")
