"""Directory: who belongs to a tenant. Users enter at their first authenticated contact, or are entered.

The tenants themselves are listed as the users of the reserved one: that is how everybody is found.
"""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from secrets import token_hex
from typing import Any, Final

from kxmsg.errors import ConditionFailed, TransactionCancelled, Transient
from kxmsg.keys import users_key
from kxmsg.model.preferences import Preferences
from kxmsg.model.principal import Principal
from kxmsg.model.target import EVERYBODY
from kxmsg.model.user import User
from kxmsg.ports import ABSENT, Clock, Condition, Delete, Item, Key, Put, Query, Tables
from kxmsg.retry import Backoff
from kxmsg.storage.bots import ROLE, listed
from kxmsg.storage.writes import transact, write
from kxmsg.times import iso
from kxmsg.topology import CHANNELS

ATTEMPTS: Final = 20

_KNOWN: Final = 100_000

_PAGE: Final = 500

_BACKOFF: Final = Backoff(base=0.01, cap=0.3)

Decide = Callable[[User | None], User | None]
"""What becomes of a user as they stand (None: there is none); None: nothing. Called again if they moved meanwhile."""


class Directory:
    """Users by tenant."""

    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._tables = tables
        self._clock = clock
        self._known: OrderedDict[tuple[str, str], tuple[Any, ...]] = OrderedDict()
        self._tenants: set[str] = set()

    async def touch(self, who: Principal) -> None:
        """Enter the caller if this is the first contact, with what their token says of them.

        Later, what is different in the token than it was last time is taken over, so that whoever spoke last is
        heard, be it the token or an administrator. Costs nothing where this process has seen the same before.
        """
        said = who.name, who.email, tuple(sorted(who.roles))
        if self._known.get((who.tenant, who.user)) == said:
            return
        if who.tenant == EVERYBODY:  # a service, which belongs to no tenant
            return
        if who.tenant not in self._tenants:
            await self._enter_tenant(who.tenant)
        name, email, roles = said
        told = [name, email, *roles]

        def decide(user: User | None, record: Item | None) -> User | None:
            if user is None:
                return User(who.user, who.tenant, name, email, roles)
            if record is not None and record.get("told") == told:
                return None
            return replace(user, name=name or user.name, email=email or user.email, roles=roles)

        await self._change(who.tenant, who.user, decide, told)
        self._known[who.tenant, who.user] = said
        if len(self._known) > _KNOWN:
            self._known.popitem(last=False)

    async def change(self, tenant: str, ident: str, decide: Decide) -> User | None:
        """Do what ``decide`` says; the user as they then are, None where there is nothing to do.

        Raises what ``decide`` raises, and Transient after :data:`ATTEMPTS` tries.
        """
        return await self._change(tenant, ident, lambda user, _: decide(user), None)

    async def get(self, tenant: str, ident: str) -> User | None:
        """The user, read consistently."""
        return (await self.get_many(tenant, [ident]))[0]

    async def get_many(self, tenant: str, idents: Sequence[str]) -> list[User | None]:
        """As :meth:`get`, of several in one read; the reserved tenant has none."""
        if tenant == EVERYBODY:
            return [None] * len(idents)
        pk = users_key(tenant)
        items = await self._tables.get_many(CHANNELS, [Key(pk, ident) for ident in idents], consistent=True)
        return [None if item is None else _user(tenant, item) for item in items]

    async def page(self, tenant: str, limit: int, after: str = "") -> tuple[list[User], bool]:
        """Up to ``limit`` users by id, those after ``after``, and whether there are more."""
        # No character that an id may have comes before a space.
        query = Query(users_key(tenant), first=f"{after} " if after else None, limit=limit + 1, consistent=True)
        users: list[User] = []
        while len(users) <= limit:
            page = await self._tables.query(CHANNELS, query)
            users += [_user(tenant, item) for item in page.items]
            if page.cursor is None:
                break
            query = replace(query, cursor=page.cursor)
        return users[:limit], len(users) > limit

    async def everyone(self, tenant: str) -> AsyncIterator[tuple[str, Preferences]]:
        """A tenant's users with what they prefer; of the reserved tenant, the tenants that have users."""
        cursor: str | None = None
        while True:
            query = Query(users_key(tenant), limit=_PAGE, cursor=cursor, fields=("preferences",), consistent=True)
            page = await self._tables.query(CHANNELS, query)
            for item in page.items:
                yield item["sk"], Preferences.of(item.get("preferences", {}))
            cursor = page.cursor
            if cursor is None:
                return

    async def remove(self, tenant: str, ident: str) -> None:
        """Take a user out, if there is such a one."""
        self._known.pop((tenant, ident), None)
        gone = Delete(CHANNELS, Key(users_key(tenant), ident))
        await transact(self._tables, [gone, listed(tenant, ident, is_bot=False)])

    async def _change(
        self, tenant: str, ident: str, decide: Callable[[User | None, Item | None], User | None], told: list[Any] | None
    ) -> User | None:
        key, writer = Key(users_key(tenant), ident), token_hex(8)
        tried: User | None = None
        for attempt in range(ATTEMPTS):
            if attempt:
                await asyncio.sleep(_BACKOFF.delay(attempt))
            item = await self._tables.get(CHANNELS, key, consistent=True)
            if tried is not None and item is not None and item.get("writer") == writer:
                return tried  # the answer was lost
            before = None if item is None else _user(tenant, item)
            decided = decide(before, item)
            if decided is None:
                return None
            tried = self._next(decided, before)
            known = ABSENT if before is None else Condition(equals={"revision": before.revision})
            said = told if told is not None else (item or {}).get("told")
            record = {"pk": key.pk, "sk": key.sk, **_fields(tried), "told": said, "writer": writer}
            is_bot, was_bot = (one is not None and ROLE in one.roles for one in (tried, before))
            bots = [listed(tenant, ident, is_bot=is_bot)] if is_bot or was_bot else []
            try:
                await self._tables.transact([Put(CHANNELS, record, known), *bots])
            except TransactionCancelled as cancelled:
                if any(reason.code == "other" for reason in cancelled.reasons):
                    raise
            except Transient:  # the record tells whether it was the answer that was lost
                pass
            else:
                return tried
        raise Transient(f"user {ident}: {ATTEMPTS} changes in a row were cancelled")

    def _next(self, user: User, before: User | None) -> User:
        now = iso(self._clock.now())
        entered, revision = (now, 0) if before is None else (before.entered_at, before.revision)
        return replace(user, entered_at=entered, updated_at=now, revision=revision + 1)

    async def _enter_tenant(self, tenant: str) -> None:
        item = {"pk": users_key(EVERYBODY), "sk": tenant, "enteredAt": iso(self._clock.now())}
        with contextlib.suppress(ConditionFailed):  # it is there already
            await write(self._tables, Put(CHANNELS, item, ABSENT))
        self._tenants.add(tenant)


def _user(tenant: str, item: Item) -> User:
    return User(
        id=item["sk"],
        tenant=tenant,
        name=item["name"],
        email=item["email"],
        roles=tuple(item["roles"]),
        preferences=Preferences.of(item["preferences"]),
        entered_at=item["enteredAt"],
        updated_at=item["updatedAt"],
        revision=item["revision"],
    )


def _fields(user: User) -> dict[str, Any]:
    return {
        "name": user.name,
        "email": user.email,
        "roles": list(user.roles),
        "preferences": user.preferences.fields(),
        "enteredAt": user.entered_at,
        "updatedAt": user.updated_at,
        "revision": user.revision,
    }
