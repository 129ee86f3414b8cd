"""A client of kxmsg for asyncio: REST with retries, and a WebSocket that comes back.

::

    from kxmsg.client import Client

    async with Client("http://127.0.0.1:8080", token, gateway_url="ws://127.0.0.1:8081/") as client:
        await client.join("lead-desk")
        async with client.events() as events:
            await events.send("lead-desk", "Hello!")
            async for frame in events:
                print(frame)
"""

from kxmsg.client.client import Client
from kxmsg.client.http import Token
from kxmsg.client.positions import Position
from kxmsg.client.records import (
    Channel,
    Frame,
    Message,
    Notification,
    Page,
    Participant,
    Permission,
    Preferences,
    Tagged,
    User,
    each,
)
from kxmsg.client.stream import Events

__all__ = [
    "Channel",
    "Client",
    "Events",
    "Frame",
    "Message",
    "Notification",
    "Page",
    "Participant",
    "Permission",
    "Position",
    "Preferences",
    "Tagged",
    "Token",
    "User",
    "each",
]
