"""Event: what a business system puts on the bus, in EventBridge's shape."""

from dataclasses import dataclass
from typing import Any

OWN_SOURCE = "kx-notifications-messaging"
"""The source of the product's own events (CONTRACT section 3)."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event. ``id`` and ``time`` (ISO-8601 UTC) are given by the bus, as EventBridge does."""

    source: str
    detail_type: str
    detail: dict[str, Any]
    id: str = ""
    time: str = ""
    resources: tuple[str, ...] = ()
    account: str = ""
    region: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The event as patterns and templates see it."""
        return {
            "version": "0",
            "id": self.id,
            "source": self.source,
            "detail-type": self.detail_type,
            "account": self.account,
            "region": self.region,
            "time": self.time,
            "resources": list(self.resources),
            "detail": self.detail,
        }
