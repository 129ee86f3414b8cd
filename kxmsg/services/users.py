"""Users: who belongs to the tenant, and what they prefer."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, cast

from kxmsg.cursor import bound_to, sign, unsign
from kxmsg.errors import Forbidden, InvalidInput, NotFound
from kxmsg.model.connection import Place
from kxmsg.model.preferences import Preferences
from kxmsg.model.principal import Principal
from kxmsg.model.target import EVERYBODY, Target, check_id
from kxmsg.model.user import User
from kxmsg.policy import DEFAULT_ROLE, Action, allowed
from kxmsg.services.preferring import Preferring
from kxmsg.services.signals import Signal, Signals
from kxmsg.storage.directory import Directory

ME: Final = "me"
"""Stands for the caller's own id."""

CheckUser = Callable[[User], None]
"""Raises where the user is not as the caller saw them."""


@dataclass(frozen=True, slots=True)
class UserPage:
    """Users by id, and the cursor of the next page."""

    users: Sequence[User]
    cursor: str | None


class Users:
    """The directory of the caller's tenant. ``key`` signs cursors."""

    def __init__(self, directory: Directory, preferring: Preferring, signals: Signals, key: bytes) -> None:
        self._directory = directory
        self._preferring = preferring
        self._signals = signals
        self._key = key

    async def page(self, who: Principal, role: str | None, limit: int, cursor: str | None) -> UserPage:
        """One page of the tenant's users; those of a role may be fewer than ``limit`` with more to come.

        Raises Forbidden, InvalidInput.
        """
        if not allowed(who.roles, Action.LIST_USERS):
            raise Forbidden("your roles may not list users")
        check_has_users(who)
        binding = bound_to("users", who.tenant, who.user, role)
        after = str(unsign(self._key, cursor, binding)) if cursor is not None else ""
        users, more = await self._directory.page(who.tenant, limit, after)
        wanted = [user for user in users if role is None or role in user.roles]
        return UserPage(wanted, sign(self._key, users[-1].id, binding) if more else None)

    async def get(self, who: Principal, ident: str, to: Action = Action.READ_USER) -> User:
        """A user whom the caller may do ``to``; raises the same NotFound for others, and where there is none."""
        ident = named(who, ident)
        found = await self._directory.get(who.tenant, ident)
        if found is None or not allowed(who.roles, to, own=ident == who.user):
            raise _missing(ident)
        return found

    async def put(
        self, who: Principal, ident: str, given: Mapping[str, Any], check: CheckUser = lambda _: None
    ) -> tuple[User, bool]:
        """Enter a user, or change what is ``given`` of them; the user as they then are, and whether they are new.

        ``given`` are fields of :class:`User`, and ``locale`` and ``time_zone`` of their preferences. Raises Forbidden,
        InvalidInput, and what ``check`` raises.
        """
        if not allowed(who.roles, Action.MANAGE_USERS):
            raise Forbidden("your roles may not change users")
        check_has_users(who)
        ident = named(who, ident)
        own = {name: value for name, value in given.items() if name not in ("locale", "time_zone")}
        preferred = {name: value for name, value in given.items() if name not in own}
        before: list[User | None] = []

        def decide(user: User | None) -> User | None:
            before[:] = [user]
            if user is not None:
                check(user)
            base = user or User(ident, who.tenant, roles=(DEFAULT_ROLE,))
            changed = replace(base, **own, preferences=replace(base.preferences, **preferred))
            return changed if changed != user else None

        changed = await self._directory.change(who.tenant, ident, decide)
        if preferred:
            await self._preferring.settle(who.tenant, ident)
        return cast("User", changed or before[0]), before[0] is None  # decide makes one where there was none

    async def prefer(
        self, who: Principal, ident: str, preferences: Preferences, check: CheckUser = lambda _: None
    ) -> User:
        """Replace what a user prefers; their open connections go by it at once, but for the locale.

        Raises NotFound, and what ``check`` raises.
        """
        ident = named(who, ident)
        if not allowed(who.roles, Action.SET_PREFERENCES, own=ident == who.user):
            raise _missing(ident)
        seen: list[User] = []

        def decide(user: User | None) -> User | None:
            if user is None:
                raise _missing(ident)
            check(user)
            seen[:] = [user]
            return replace(user, preferences=preferences) if user.preferences != preferences else None

        changed = await self._directory.change(who.tenant, ident, decide)
        await self._preferring.settle(who.tenant, ident)  # also where nothing changed: a call before may have died here
        if changed is not None:
            own = Place(who.tenant, Target("user", ident))
            await self._signals.send([Signal(own, "preferences.updated", {"userId": ident})])
        return changed or seen[0]


def named(who: Principal, ident: str) -> str:
    """The id of the user whom a path names; raises InvalidInput."""
    return who.user if ident == ME else check_id(ident, "userId")


def check_has_users(who: Principal) -> None:
    """Raises InvalidInput for a service of everybody's tenant, under which the directory lists the tenants."""
    if who.tenant == EVERYBODY:
        raise InvalidInput("everybody's tenant has no users of its own; come with a token of one that has")


def _missing(ident: str) -> NotFound:
    return NotFound(f"no user {ident!r}", code="user_not_found")
