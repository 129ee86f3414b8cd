"""Bots of a tenant."""

from kxmsg.bootstrap import App
from tests.product import caller, simulate


def test_a_bot_is_drawn_among_those_of_the_tenant() -> None:
    async def scenario(app: App) -> None:
        assert await app.bots.random("acme") is None
        for user in ("b1", "b2", "b3"):
            await app.directory.touch(caller(user, "bot"))
        await app.directory.touch(caller("ana", "employee"))
        assert {await app.bots.random("acme") for _ in range(100)} == {"b1", "b2", "b3"}
        await app.directory.touch(caller("b1", "employee"))
        assert {await app.bots.random("acme") for _ in range(100)} == {"b2", "b3"}
        await app.directory.remove("acme", "b2")
        assert {await app.bots.random("acme") for _ in range(100)} == {"b3"}
        assert await app.bots.random("globex") is None

    simulate(scenario)
