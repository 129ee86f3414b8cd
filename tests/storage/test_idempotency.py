"""kxmsg.storage.idempotency: one try at a time, one answer for all."""

import asyncio

import pytest

from kxmsg.bootstrap import App
from kxmsg.errors import Conflict
from kxmsg.storage.idempotency import LEASE, LIFE, MAX_BODY, Claim, KeptAnswer
from tests.product import simulate

ANSWER = KeptAnswer(201, (("content-type", "application/json"),), '{"success":true}')

UNKIND = {"throttle": 0.1, "lost_reply": 0.3}


async def begin(
    app: App, *, user: str = "ana", route: str = "POST /things", key: str = "k", content: str = "c"
) -> Claim | KeptAnswer:
    return await app.idempotency.begin("acme", user, route, key, content)


async def claimed(app: App, **changes: str) -> Claim:
    claim = await begin(app, **changes)
    assert isinstance(claim, Claim)
    return claim


async def refused(app: App, **changes: str) -> str:
    with pytest.raises(Conflict) as caught:
        await begin(app, **changes)
    return caught.value.code


@pytest.mark.parametrize("seed", range(20))
def test_a_repeat_gets_the_first_answer(seed: int) -> None:
    """Whatever the tables do meanwhile."""

    async def scenario(app: App) -> None:
        assert await app.idempotency.keep(await claimed(app), ANSWER)
        assert await begin(app) == ANSWER

    simulate(scenario, seed=seed, **UNKIND)


@pytest.mark.parametrize("seed", range(10))
def test_of_simultaneous_tries_one_has_the_claim(seed: int) -> None:
    """The others are told so, and get the answer once there is one."""

    async def scenario(app: App) -> None:
        outcomes = await asyncio.gather(*(begin(app) for _ in range(50)), return_exceptions=True)
        (claim,) = [outcome for outcome in outcomes if isinstance(outcome, Claim)]
        others = [outcome for outcome in outcomes if outcome is not claim]
        assert {other.code for other in others if isinstance(other, Conflict)} == {"request_in_progress"}
        assert len(others) == 49
        assert await app.idempotency.keep(claim, ANSWER)
        assert await begin(app) == ANSWER

    simulate(scenario, seed=seed, lost_reply=0.2)


def test_another_content_is_refused_while_it_is_under_way_and_after() -> None:
    async def scenario(app: App) -> None:
        claim = await claimed(app)
        assert await refused(app, content="other") == "idempotency_key_reused"
        await app.idempotency.keep(claim, ANSWER)
        assert await refused(app, content="other") == "idempotency_key_reused"

    simulate(scenario)


def test_users_and_routes_have_keys_of_their_own() -> None:
    async def scenario(app: App) -> None:
        claims = [await claimed(app), await claimed(app, user="bea"), await claimed(app, route="POST /others")]
        claims.append(await claimed(app, key="k2"))
        assert isinstance(await app.idempotency.begin("other", "ana", "POST /things", "k", "c"), Claim)
        assert len({claim.key for claim in claims}) == 4

    simulate(scenario)


def test_a_try_that_died_is_taken_over_under_its_id() -> None:
    """Once its lease has ended; what comes of the dead one after all is not kept."""

    async def scenario(app: App) -> None:
        dead = await claimed(app)
        await asyncio.sleep(LEASE - 1)
        assert await refused(app) == "request_in_progress"
        await asyncio.sleep(1)
        alive = await claimed(app)
        assert (alive.ident, alive.owner != dead.owner) == (dead.ident, True)
        assert not await app.idempotency.keep(dead, KeptAnswer(500, (), ""))
        await app.idempotency.forget(dead)
        assert await app.idempotency.keep(alive, ANSWER)
        assert await begin(app) == ANSWER

    simulate(scenario)


@pytest.mark.parametrize("seed", range(5))
def test_a_failed_try_is_gone_on_with_at_once(seed: int) -> None:
    async def scenario(app: App) -> None:
        first = await claimed(app)
        await app.idempotency.release(first)
        assert (await claimed(app)).ident == first.ident

    simulate(scenario, seed=seed, **UNKIND)


@pytest.mark.parametrize("seed", range(5))
def test_a_refused_try_leaves_nothing(seed: int) -> None:
    """The key is good for a corrected request."""

    async def scenario(app: App) -> None:
        first = await claimed(app)
        await app.idempotency.forget(first)
        assert (await claimed(app, content="corrected")).ident != first.ident

    simulate(scenario, seed=seed, **UNKIND)


def test_after_a_day_the_key_is_new() -> None:
    """Also where the table has not swept it."""

    async def scenario(app: App) -> None:
        first = await claimed(app)
        await app.idempotency.keep(first, ANSWER)
        await asyncio.sleep(LIFE + 1)
        assert (await claimed(app, content="other")).ident != first.ident

    simulate(scenario)


def test_an_answer_that_no_item_could_hold_is_not_kept() -> None:
    async def scenario(app: App) -> None:
        huge = KeptAnswer(200, (), "x" * (MAX_BODY + 1))
        assert not await app.idempotency.keep(await claimed(app), huge)

    simulate(scenario)
