"""Following: whose open connections get a channel's frames."""

from collections.abc import AsyncIterator

from kxmsg.model.connection import Connection, Place
from kxmsg.model.target import Target
from kxmsg.policy import Action, allowed
from kxmsg.storage.channels import Channels
from kxmsg.storage.connections import Connections


class Following:
    """Keeps subscriptions true to memberships."""

    def __init__(self, channels: Channels, connections: Connections) -> None:
        self._channels = channels
        self._connections = connections

    async def settle(self, tenant: str, ident: str, user: str) -> None:
        """Subscribe the user's open connections to the channel, or unsubscribe them, as the membership now stands.

        Subscribed are those that follow all of their user's channels; what named the channel stays so only for readers
        who need not take part. Whoever changes a membership settles after it, and looks again after its own writes:
        so the last of those who write at once has seen how it stands.
        """
        place = Place(tenant, Target("channel", ident))
        inside = await self._inside(tenant, ident, user)
        while True:
            async for connection in self._of_user(tenant, user):
                if inside and connection.follows_channels:
                    await self._connections.subscribe(connection, [place])
                elif not inside and not _may_stay(connection):
                    await self._connections.unsubscribe(connection.id, [place])
            before, inside = inside, await self._inside(tenant, ident, user)
            if before == inside:
                return

    async def end(self, tenant: str, ident: str) -> None:
        """Unsubscribe everybody from a channel that is being destroyed."""
        place = Place(tenant, Target("channel", ident))
        subscribers, _ = await self._connections.subscribers(place)
        while subscribers:
            for subscriber in subscribers:
                await self._connections.unsubscribe(subscriber.connection, [place])
            subscribers, _ = await self._connections.subscribers(place)

    async def _inside(self, tenant: str, ident: str, user: str) -> bool:
        return await self._channels.participant(tenant, ident, user) is not None

    async def _of_user(self, tenant: str, user: str) -> AsyncIterator[Connection]:
        """Every connection is subscribed to its user's inbox."""
        inbox = Place(tenant, Target("user", user))
        cursor: str | None = None
        while True:
            subscribers, cursor = await self._connections.subscribers(inbox, cursor=cursor)
            for subscriber in subscribers:
                connection = await self._connections.get(subscriber.connection)
                if connection is not None:
                    yield connection
            if cursor is None:
                return


def _may_stay(connection: Connection) -> bool:
    return not connection.follows_channels and allowed(connection.roles, Action.READ_CHANNEL)
