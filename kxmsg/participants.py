"""Participants: who takes part in a channel, as pure decisions about entering and leaving."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any, Final

from kxmsg.errors import Conflict
from kxmsg.model.channel import Channel, ChannelChange, Participant
from kxmsg.times import iso

OWNERS: Final = frozenset({"owner", "admin"})
"""Roles in a channel that administer it, besides taking part in what one has created."""


def participant_hash(tenant: str, users: Iterable[str]) -> str:
    """The digest of a set of users: the same for the same set, in whatever order, and for no other one.

    SHA-256 over the tenant and the sorted ids, each after its length, so that no id can pretend to be two.
    """
    digest = sha256()
    for part in (tenant, *sorted(set(users))):
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(4, "big") + data)
    return digest.hexdigest()


def owns(channel: Channel, user: str) -> bool:
    """Whether the user administers the channel: takes part in it, and has made it or a role that says so."""
    person = channel.participant(user)
    return person is not None and (person.user == channel.created_by or person.role in OWNERS)


def moved(
    channel: Channel, now: float, enter: Sequence[Participant] = (), leave: Collection[str] = (), **fields: Any
) -> ChannelChange:
    """The change by which some enter, or get another role or name, others leave, and ``fields`` are set."""
    left = tuple(
        replace(person, is_active=False, left_at=iso(now)) for person in channel.participants if person.user in leave
    )
    staying = {person.user: person for person in channel.participants if person.user not in leave}
    entered = tuple(person for person in enter if person.user not in staying)
    renamed = tuple(
        replace(person, joined_at=staying[person.user].joined_at) for person in enter if person.user in staying
    )
    inside = {**staying, **{person.user: person for person in (*entered, *renamed)}}
    former = [person for person in (*channel.former, *left) if person.user not in inside]
    after = replace(channel, participants=in_order(inside.values()), former=in_order(former), **fields)
    return ChannelChange(after, entered, left, renamed)


def in_order(people: Iterable[Participant]) -> tuple[Participant, ...]:
    """By user, each once: the order in which they are stored and listed."""
    return tuple(person for _, person in sorted({person.user: person for person in people}.items()))


def joined(channel: Channel, person: Participant, now: float) -> ChannelChange | None:
    """``person`` takes part, or does so with another role; None where nothing changes.

    Raises :class:`~kxmsg.errors.Conflict` for a channel that is closed, or that is between two.
    """
    before = channel.participant(person.user)
    if before is not None:
        same = replace(before, role=person.role, name=person.name or before.name)
        return None if same == before else moved(channel, now, enter=[same])
    check_open(channel)
    if channel.type == "direct":
        raise Conflict("a direct channel is between two; create a group", code="direct_channel")
    return moved(channel, now, enter=[person])


def check_open(channel: Channel) -> None:
    """Raises :class:`~kxmsg.errors.Conflict` for a channel that was closed."""
    if not channel.is_active:
        raise Conflict(f"channel {channel.id} is closed", code="channel_closed")


def both_of(people: Sequence[Participant]) -> bool:
    """Whether these are the two whom a direct channel is between."""
    return len({person.user for person in people}) == 2
