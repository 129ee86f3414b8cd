"""Bots: which of a tenant's users serve channels instead of people. A view of the directory, by role."""

import random
from typing import Final

from kxmsg.keys import bots_key
from kxmsg.ports import Delete, Key, Put, Query, Tables
from kxmsg.topology import CHANNELS

_SOME: Final = 200
"""Bots among which one is drawn."""


class Bots:
    """Bots by tenant."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def set(self, tenant: str, user: str, is_bot: bool) -> None:
        """Say whether a user is a bot; to be said whenever their roles are entered or change."""
        key = Key(bots_key(tenant), user)
        if is_bot:
            await self._tables.write(Put(CHANNELS, {"pk": key.pk, "sk": key.sk}))
        else:
            await self._tables.write(Delete(CHANNELS, key))

    async def random(self, tenant: str) -> str | None:
        """One of the tenant's bots, or None."""
        page = await self._tables.query(CHANNELS, Query(bots_key(tenant), limit=_SOME))
        return random.choice(page.items)["sk"] if page.items else None
