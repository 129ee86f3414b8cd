"""Every router of the product."""

from typing import Final

from fastapi import APIRouter

from kxmsg.api import channels, events, gateway, notifications, publish

ROUTERS: Final[tuple[APIRouter, ...]] = (
    events.router,
    notifications.router,
    publish.router,
    channels.router,
    gateway.router,
)
