"""Every router of the product."""

from typing import Final

from fastapi import APIRouter

from kxmsg.api import (
    channels,
    events,
    gateway,
    messages,
    metrics,
    notifications,
    permissions,
    posting,
    publish,
    takeover,
    users,
)

ROUTERS: Final[tuple[APIRouter, ...]] = (
    events.router,
    notifications.router,
    messages.router,
    publish.router,
    posting.router,
    channels.router,
    takeover.router,
    permissions.router,
    users.router,
    metrics.router,
    gateway.router,
)
