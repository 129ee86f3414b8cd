"""Directory: who belongs to a tenant. Users enter at their first authenticated contact.

The tenants themselves are listed as the users of the reserved one: that is how everybody is found.
"""

from collections import OrderedDict
from collections.abc import AsyncIterator
from typing import Final

from kxmsg.errors import ConditionFailed
from kxmsg.keys import users_key
from kxmsg.model.target import EVERYBODY
from kxmsg.ports import ABSENT, Clock, Put, Query, Tables
from kxmsg.times import iso
from kxmsg.topology import CHANNELS

_KNOWN: Final = 100_000

_PAGE: Final = 500


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
            await self._enter(users_key(EVERYBODY), tenant, None, None)
        await self._enter(users_key(tenant), user, name, email)
        self._known[tenant, user] = None
        if len(self._known) > _KNOWN:
            self._known.popitem(last=False)

    async def everyone(self, tenant: str) -> AsyncIterator[str]:
        """The ids of a tenant's users; of the reserved tenant's, which are the tenants that have users."""
        cursor: str | None = None
        while True:
            query = Query(users_key(tenant), limit=_PAGE, cursor=cursor, fields=("pk",))
            page = await self._tables.query(CHANNELS, query)
            for item in page.items:
                yield item["sk"]
            cursor = page.cursor
            if cursor is None:
                return

    async def _enter(self, pk: str, ident: str, name: str | None, email: str | None) -> None:
        item = {"pk": pk, "sk": ident, "name": name, "email": email, "enteredAt": iso(self._clock.now())}
        try:
            await self._tables.write(Put(CHANNELS, item, ABSENT))
        except ConditionFailed:
            return
