"""Who gets a frame: pure decisions of fan-out."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Final, TypeAlias

from kxmsg.model.connection import Place, Post, Subscriber
from kxmsg.model.envelope import Bundle, Entry
from kxmsg.model.notification import VARIANTS
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


Encode: TypeAlias = Callable[[str, str | None, Bundle, Entry], bytes]
"""The frame of an entry, for a codec and a locale."""

_Groups: TypeAlias = Mapping[tuple[str, str, str | None], Sequence[str]]
"""Connections by gateway, codec and the locale whose variant they are shown."""


def posts(bundle: Bundle, subscribers: Sequence[Subscriber], encode: Encode) -> list[Post]:
    """What to push for ``bundle``, entry by entry; each frame is encoded once per codec and variant shown.

    The connection that sent an entry is left out: it got its ``ack``.
    """
    same_for_all = _groups(subscribers)
    owed: list[Post] = []
    for entry in bundle.entries:
        variants = entry.envelope.payload.get(VARIANTS)
        owed += _posts(bundle, entry, _groups(subscribers, variants) if variants else same_for_all, encode)
    return owed


def _posts(bundle: Bundle, entry: Entry, groups: _Groups, encode: Encode) -> Iterable[Post]:
    frames: dict[tuple[str, str | None], bytes] = {}
    origin = bundle.change.origin if bundle.change else entry.envelope.origin
    for (gateway, codec, locale), connections in groups.items():
        wanted = [c for c in connections if c != origin] if origin is not None else connections
        if not wanted:
            continue
        if (codec, locale) not in frames:
            frames[codec, locale] = encode(codec, locale, bundle, entry)
        yield Post(gateway, wanted, frames[codec, locale])


def _groups(subscribers: Sequence[Subscriber], variants: Collection[str] = ()) -> _Groups:
    groups: dict[tuple[str, str, str | None], list[str]] = defaultdict(list)
    for one in subscribers:
        shown = _shown(one.locale, variants) if variants else None
        groups[one.gateway, one.codec, shown].append(one.connection)
    return groups


def _shown(locale: str | None, variants: Collection[str]) -> str | None:
    """The locale of the variant that readers of ``locale`` are shown; None: the text as it is.

    So ``de-at`` and ``de-ch`` share a frame where there is but ``de``: an entry has no more frames than variants.
    """
    while locale and locale not in variants:
        locale = locale.rpartition("-")[0]
    return locale or None
