"""Directory: who belongs to a tenant. Users enter at their first authenticated contact."""

from collections import OrderedDict
from typing import Final

from kxmsg.errors import ConditionFailed
from kxmsg.keys import users_key
from kxmsg.model.target import EVERYBODY
from kxmsg.ports import ABSENT, Clock, Put, Query, Tables
from kxmsg.times import iso
from kxmsg.topology import CHANNELS

_KNOWN: Final = 100_000

TENANTS: Final = users_key(EVERYBODY)
"""The tenants themselves are the members of the reserved one: that is how everybody is listed."""


class Directory:
    """Users by tenant."""

    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._tables = tables
        self._clock = clock
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()

    async def touch(self, tenant: str, user: str, name: str | None, email: str | None) -> None:
        """Enter the user if this is the first contact; costs nothing for one seen before by this process."""
        if (tenant, user) in self._known:
            return
        if tenant != EVERYBODY:
            await self._enter(TENANTS, tenant, None, None)
        await self._enter(users_key(tenant), user, name, email)
        self._known[tenant, user] = None
        if len(self._known) > _KNOWN:
            self._known.popitem(last=False)

    async def users(self, tenant: str, *, limit: int, cursor: str | None = None) -> tuple[list[str], str | None]:
        """A page of a tenant's user ids, and the cursor of the next."""
        return await self._page(users_key(tenant), limit, cursor)

    async def tenants(self, *, limit: int, cursor: str | None = None) -> tuple[list[str], str | None]:
        """A page of the tenants that have users, and the cursor of the next."""
        return await self._page(TENANTS, limit, cursor)

    async def _page(self, pk: str, limit: int, cursor: str | None) -> tuple[list[str], str | None]:
        page = await self._tables.query(CHANNELS, Query(pk, limit=limit, cursor=cursor, fields=("pk",)))
        return [item["sk"] for item in page.items], page.cursor

    async def _enter(self, pk: str, ident: str, name: str | None, email: str | None) -> None:
        item = {"pk": pk, "sk": ident, "name": name, "email": email, "enteredAt": iso(self._clock.now())}
        try:
            await self._tables.write(Put(CHANNELS, item, ABSENT))
        except ConditionFailed:
            return
