"""Users and their preferences as the API shows them."""

from typing import Any

from kxmsg.model.preferences import WAYS, Preferences
from kxmsg.model.user import User


def user_record(user: User) -> dict[str, Any]:
    """A user, without what they prefer beside language and time zone."""
    return {
        "userId": user.id,
        "tenantId": user.tenant,
        "name": user.name,
        "email": user.email,
        "roles": list(user.roles),
        "locale": user.preferences.locale,
        "timeZone": user.preferences.time_zone,
        "createdAt": user.entered_at,
        "updatedAt": user.updated_at,
    }


def preferences_record(preferences: Preferences) -> dict[str, Any]:
    """What a user prefers."""
    quiet = preferences.quiet_hours
    return {
        "locale": preferences.locale,
        "timeZone": preferences.time_zone,
        "categories": {
            category: {way: way not in ways for way in WAYS} for category, ways in sorted(preferences.muted.items())
        },
        "quietHours": None
        if quiet is None
        else {"start": _clock(quiet.start), "end": _clock(quiet.end), "allowUrgent": quiet.allow_urgent},
    }


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"
