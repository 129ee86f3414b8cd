"""Notification: what an inbox entry shows."""

from typing import Final

DISPLAY: Final = (
    "title",
    "content",
    "priority",
    "icon",
    "category",
    "actionUrl",
    "tags",
    "displayDuration",
    "sound",
    "metadata",
)
"""Fields of a notification that its reader gets as they are."""
