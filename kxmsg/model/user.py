"""User: who belongs to a tenant."""

from dataclasses import dataclass, field

from kxmsg.model.preferences import Preferences


@dataclass(frozen=True, slots=True)
class User:
    """An entry of the directory. Times are ISO-8601 UTC; each change raises ``revision``.

    ``roles`` are those that the user is known by: they are shown, and bots are drawn by them. What a caller may do,
    their token says.
    """

    id: str
    tenant: str
    name: str | None = None
    email: str | None = None
    roles: tuple[str, ...] = ()
    preferences: Preferences = field(default_factory=Preferences)
    entered_at: str = ""
    updated_at: str = ""
    revision: int = 0
