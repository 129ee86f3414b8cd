"""Who gets a frame: pure decisions of fan-out."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from kxmsg.model.connection import Place, Post, Subscriber
from kxmsg.model.envelope import Bundle, Entry
from kxmsg.model.target import BROADCAST, EVERYBODY, Target, TargetType

SHARDS: Final[dict[TargetType, int]] = {"user": 1, "channel": 1, "client": 1, "broadcast": 4}
"""Partitions that a target's subscribers are spread over; with more than one, each is fanned out on its own."""


def inbox(tenant: str, user: str) -> tuple[Place, ...]:
    """The logs that a user reads besides channels: their own, their client's, everybody's."""
    return (
        Place(tenant, Target("user", user)),
        Place(tenant, Target("client", tenant)),
        Place(EVERYBODY, BROADCAST),
    )


def posts(
    bundle: Bundle, subscribers: Sequence[Subscriber], encode: Callable[[str, Bundle, Entry], bytes]
) -> list[Post]:
    """What to push for ``bundle``, entry by entry; each frame is encoded once per codec.

    The connection that sent an entry is left out: it got its ``ack``.
    """
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for subscriber in subscribers:
        groups[subscriber.gateway, subscriber.codec].append(subscriber.connection)
    return list(_posts(bundle, groups, encode))


def _posts(
    bundle: Bundle, groups: dict[tuple[str, str], list[str]], encode: Callable[[str, Bundle, Entry], bytes]
) -> Iterable[Post]:
    for entry in bundle.entries:
        frames: dict[str, bytes] = {}
        origin = entry.envelope.origin
        for (gateway, codec), connections in groups.items():
            wanted = [c for c in connections if c != origin] if origin is not None else connections
            if not wanted:
                continue
            if codec not in frames:
                frames[codec] = encode(codec, bundle, entry)
            yield Post(gateway, wanted, frames[codec])
