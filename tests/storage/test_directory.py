"""Who belongs to a tenant."""

import asyncio
from dataclasses import replace
from functools import partial

import pytest

from kxmsg.bootstrap import App
from kxmsg.model.preferences import Preferences
from kxmsg.model.user import User
from tests.product import caller, simulate

SERVICE = caller("svc", "system", tenant="*")


async def ids(app: App, tenant: str) -> list[str]:
    return [user async for user, _ in app.directory.everyone(tenant)]


def named(user: User | None, name: str) -> User:
    return replace(user or User("ana", "acme"), name=name)


def test_users_enter_at_first_contact_and_their_tenants_are_found() -> None:
    async def scenario(app: App) -> None:
        callers = [caller("ana"), caller("bob"), caller("ana", tenant="globex"), caller("ana")]
        await asyncio.gather(*map(app.directory.touch, callers))
        assert await ids(app, "acme") == ["ana", "bob"]
        assert await ids(app, "globex") == ["ana"]
        assert await ids(app, "*") == ["acme", "globex"]
        assert await ids(app, "nobody") == []
        ana = await app.directory.get("acme", "ana")
        assert ana is not None
        assert (ana.email, ana.roles, ana.preferences) == ("ana@example.com", ("member",), Preferences())

    simulate(scenario)


def test_a_service_of_everybodys_tenant_is_nobodys_user() -> None:
    """Else it would be taken for a tenant, and a tenant for it."""

    async def scenario(app: App) -> None:
        await app.directory.touch(caller("ana"))
        await app.directory.touch(SERVICE)
        assert await ids(app, "*") == ["acme"]
        assert await app.directory.get("*", "acme") is None

    simulate(scenario)


def test_whoever_spoke_last_is_heard_be_it_the_token_or_an_administrator() -> None:
    async def scenario(app: App) -> None:
        async def shown() -> tuple[str | None, tuple[str, ...]]:
            user = await app.directory.get("acme", "ana")
            assert user is not None
            return user.name, user.roles

        member = caller("ana", name="Ana")
        await app.directory.touch(member)
        await app.directory.change("acme", "ana", lambda user: named(user, "Anna"))
        app.directory._known.clear()  # another process
        await app.directory.touch(member)
        assert await shown() == ("Anna", ("member",)), "the token says what it always said"
        await app.directory.touch(caller("ana", "employee"))
        assert await shown() == ("Anna", ("employee",)), "and now something new, but no name"
        await app.directory.touch(caller("ana", "employee", name="Ana M."))
        assert await shown() == ("Ana M.", ("employee",))

    simulate(scenario)


def test_a_contact_costs_nothing_once_the_process_knows_the_caller() -> None:
    async def scenario(app: App) -> None:
        await app.directory.touch(caller("ana"))
        app.directory._tables = None  # type: ignore[assignment] # whoever asks it fails
        await app.directory.touch(caller("ana"))

    simulate(scenario)


@pytest.mark.parametrize("seed", range(5))
def test_changes_at_once_are_all_made_although_tables_misbehave(seed: int) -> None:
    async def scenario(app: App) -> None:
        def with_role(role: str, user: User | None) -> User:
            before = user or User("ana", "acme")
            return replace(before, roles=tuple(sorted({*before.roles, role})))

        roles = [f"r{number}" for number in range(8)]
        await asyncio.gather(*(app.directory.change("acme", "ana", partial(with_role, role)) for role in roles))
        user = await app.directory.get("acme", "ana")
        assert user is not None
        assert list(user.roles) == roles

    simulate(scenario, seed=seed, conflict=0.1, throttle=0.1, lost_reply=0.1)


def test_what_is_decided_to_stay_is_not_written() -> None:
    async def scenario(app: App) -> None:
        assert await app.directory.change("acme", "ana", lambda _: None) is None
        assert await app.directory.get("acme", "ana") is None

    simulate(scenario)


def test_pages_go_by_id_and_end() -> None:
    async def scenario(app: App) -> None:
        names = sorted(["a", "a b", "aa", "b", "b-1", "é"])
        for name in names:
            await app.directory.touch(caller(name))
        found: list[str] = []
        more, pages = True, 0
        while more:
            users, more = await app.directory.page("acme", 2, found[-1] if found else "")
            found += [user.id for user in users]
            pages += 1
        assert (found, pages) == (names, 3)

    simulate(scenario)


def test_who_was_taken_out_enters_anew() -> None:
    async def scenario(app: App) -> None:
        await app.directory.touch(caller("ana"))
        await app.directory.remove("acme", "ana")
        assert await app.directory.get("acme", "ana") is None
        await app.directory.touch(caller("ana"))
        assert await app.directory.get("acme", "ana") is not None

    simulate(scenario)
