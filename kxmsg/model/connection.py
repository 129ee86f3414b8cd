"""Connection: one open WebSocket, and the logs whose frames it gets."""

from collections.abc import Sequence
from dataclasses import dataclass

from kxmsg.model.preferences import Preferences
from kxmsg.model.target import Target


@dataclass(frozen=True, slots=True)
class Connection:
    """One device of a user. ``gateway`` is a name of the allow-list. Times are epoch seconds.

    ``follows_channels`` is True where the connection named no channel and so gets all of its user's.
    ``locale`` is its reader's, as ``pt-br``; None: texts as they are.
    """

    id: str
    gateway: str
    tenant: str
    user: str
    roles: tuple[str, ...]
    connected_at: float
    token_expires_at: float
    name: str | None = None
    email: str | None = None
    codec: str = "native"
    follows_channels: bool = True
    locale: str | None = None


@dataclass(frozen=True, slots=True)
class Subscriber:
    """What fan-out needs to know of one connection that is subscribed to a target.

    ``preferences`` are its user's, where they silence anything and the target is no channel.
    """

    connection: str
    gateway: str
    tenant: str
    user: str
    codec: str
    since: float
    locale: str | None = None
    preferences: Preferences | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """A log: a target and the tenant that owns it."""

    tenant: str
    target: Target


@dataclass(frozen=True, slots=True)
class Post:
    """One frame for some connections of one gateway."""

    gateway: str
    connections: Sequence[str]
    data: bytes
