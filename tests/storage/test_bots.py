"""Bots of a tenant."""

from kxmsg.bootstrap import App
from tests.product import simulate


def test_a_bot_is_drawn_among_those_of_the_tenant() -> None:
    async def scenario(app: App) -> None:
        assert await app.bots.random("acme") is None
        for user in ("b1", "b2", "b3"):
            await app.bots.set("acme", user, True)
        await app.bots.set("acme", "ana", False)
        assert {await app.bots.random("acme") for _ in range(100)} == {"b1", "b2", "b3"}
        await app.bots.set("acme", "b1", False)
        assert {await app.bots.random("acme") for _ in range(100)} == {"b2", "b3"}
        assert await app.bots.random("globex") is None

    simulate(scenario)
