"""Preferring: what open connections know of what their user prefers."""

from kxmsg.model.preferences import DEFAULT, Preferences
from kxmsg.storage.connections import Connections
from kxmsg.storage.directory import Directory


class Preferring:
    """Keeps the rows of connections true to the directory."""

    def __init__(self, directory: Directory, connections: Connections) -> None:
        self._directory = directory
        self._connections = connections

    async def of(self, tenant: str, user: str) -> Preferences:
        """What a user prefers now."""
        known = await self._directory.get(tenant, user)
        return known.preferences if known is not None else DEFAULT

    async def settle(self, tenant: str, user: str, told: Preferences | None = None) -> None:
        """Let the user's open connections go by what they prefer now, unless that is ``told`` already.

        Whoever changes preferences, or opens a connection, settles after it, and looks again after its own writes: so
        the last of those who write at once has seen how it stands.
        """
        while (now := await self.of(tenant, user)) != told:
            await self._connections.prefer(tenant, user, now)
            told = now
