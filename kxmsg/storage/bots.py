"""Bots: which of a tenant's users serve channels instead of people. A view of the directory, by role."""

import random
from typing import Final

from kxmsg.keys import bots_key
from kxmsg.ports import Delete, Key, Put, Query, Tables
from kxmsg.topology import CHANNELS

ROLE: Final = "bot"

_SOME: Final = 200
"""Bots among which one is drawn."""


class Bots:
    """Bots by tenant."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def random(self, tenant: str) -> str | None:
        """One of the tenant's bots, or None."""
        page = await self._tables.query(CHANNELS, Query(bots_key(tenant), limit=_SOME))
        return random.choice(page.items)["sk"] if page.items else None


def listed(tenant: str, user: str, *, is_bot: bool) -> Put | Delete:
    """What lists a user among the bots, or takes them out: part of the write that says what roles they have."""
    key = Key(bots_key(tenant), user)
    return Put(CHANNELS, {"pk": key.pk, "sk": key.sk}) if is_bot else Delete(CHANNELS, key)
