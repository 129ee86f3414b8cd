"""Preferences: what a user wants to be told, by which way and when, and in which language they read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args

Way = Literal["websocket", "events"]
"""How a user is told of an entry: frames on their connections; per-user events, of which others make mail or SMS."""

WAYS: Final[tuple[Way, ...]] = get_args(Way)

OTHERS: Final = "*"
"""Stands for every category that is not named."""

UTC: Final = "UTC"
"""The time zone of who names none."""

DAY: Final = 24 * 60
"""Minutes."""


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From ``start`` up to ``end``, minutes of the user's day; over midnight where the end is the earlier of the two.

    ``allow_urgent``: what is urgent is told all the same.
    """

    start: int
    end: int
    allow_urgent: bool = True


@dataclass(frozen=True, slots=True)
class Preferences:
    """``muted`` maps a category to the ways by which it is not told. ``time_zone`` is a name of the IANA database.

    ``locale`` is kept as variants are, ``pt-br``. What is stored of an entry does not depend on any of it.
    """

    locale: str | None = None
    time_zone: str = UTC
    muted: Mapping[str, frozenset[Way]] = field(default_factory=dict)
    quiet_hours: QuietHours | None = None

    @property
    def silences(self) -> bool:
        """Whether there is anything that they keep from being told at once."""
        return any(self.muted.values()) or self.quiet_hours is not None

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> "Preferences":
        """Those that :meth:`fields` were made of."""
        quiet = fields.get("quietHours")
        return cls(
            fields.get("locale"),
            fields.get("timeZone", UTC),
            {category: frozenset(ways) for category, ways in fields.get("muted", {}).items()},
            QuietHours(*quiet) if quiet else None,
        )

    def fields(self) -> dict[str, Any]:
        """As JSON values; what is unset is left out."""
        quiet = self.quiet_hours
        given: dict[str, Any] = {
            "locale": self.locale,
            "timeZone": self.time_zone,
            "muted": {category: sorted(ways) for category, ways in self.muted.items()} or None,
            "quietHours": [quiet.start, quiet.end, quiet.allow_urgent] if quiet else None,
        }
        return {name: value for name, value in given.items() if value is not None}


DEFAULT: Final = Preferences()
"""Of who never said anything."""


@dataclass(frozen=True, slots=True)
class Moment:
    """When it is decided whether users are told of an entry. Epoch seconds: ``since`` it first was to be told.

    ``until`` is the end of quiet hours, now reached, which some were left to wait for then; None at the first time.
    """

    since: float
    until: int | None = None
