"""kxmsg.api.limits: so many requests, and no more."""

from collections.abc import Sequence

import pytest
from fastapi import APIRouter
from hypothesis import given
from hypothesis import strategies as st

from kxmsg.api.limits import Buckets, Rate, RateLimits
from kxmsg.api.security import Caller
from kxmsg.errors import TooMany
from kxmsg.settings import Settings
from tests.api.serving import FakeApp, serving, token
from tests.product import caller


@given(st.floats(0.1, 50), st.integers(1, 20), st.lists(st.floats(0, 3), max_size=60))
def test_no_span_has_more_than_burst_and_rate_allow(rate: float, burst: int, pauses: Sequence[float]) -> None:
    """Of those who ask as often as they like; and who waits as long as told is let in."""
    buckets, now, taken = Buckets(Rate(rate, burst)), 0.0, list[float]()
    for pause in pauses:
        now += pause
        wait = buckets.wait("k", now)
        if wait > 0:
            assert buckets.wait("k", now + wait * 1.000001 + 1e-9) == 0
        else:
            buckets.take("k", now)
            taken.append(now)
    for first, begin in enumerate(taken):
        for last in range(first, len(taken)):
            assert last - first + 1 <= burst + rate * (taken[last] - begin) + 1e-6


def test_a_clock_that_goes_back_gives_nothing() -> None:
    buckets = Buckets(Rate(1, 1))
    buckets.take("k", 100)
    assert buckets.wait("k", 50) == 1


def test_the_longest_unused_is_forgotten_first() -> None:
    """Memory is bounded."""
    buckets = Buckets(Rate(0.001, 1), limit=2)
    for key in ("a", "b", "c"):
        buckets.take(key, 0)
    assert [buckets.wait(key, 0) > 0 for key in ("a", "b", "c")] == [False, True, True]


def limits(now: list[float], **rates: float) -> RateLimits:
    return RateLimits(Settings.model_validate(rates), lambda: now[0])


def test_users_have_buckets_of_their_own_within_their_tenants() -> None:
    now = [0.0]
    bounded = limits(now, rate_user=1, rate_user_burst=2, rate_tenant=1, rate_tenant_burst=3)
    for user in ("ana", "ana", "bea"):
        bounded.take(caller(user))
    with pytest.raises(TooMany) as one:
        bounded.take(caller("ana"))
    with pytest.raises(TooMany) as all_of_them:
        bounded.take(caller("bea"))
    assert (one.value.details["limit"], all_of_them.value.details["limit"]) == ("user", "tenant")
    bounded.take(caller("ana", tenant="other"))
    now[0] = 1.0
    bounded.take(caller("bea"))


def test_zero_is_no_limit() -> None:
    unbounded = limits([0.0], rate_user=0, rate_user_burst=1, rate_tenant=0, rate_tenant_burst=1)
    for _ in range(100):
        unbounded.take(caller())


async def test_one_too_many_is_answered_with_when_to_come_again() -> None:
    """429 and Retry-After; another user is served, and who has no token is not counted."""
    router = APIRouter()

    @router.get("/me")
    async def me(who: Caller) -> dict[str, str]:
        return {"user": who.user}

    settings = Settings(rate_user=0.1, rate_user_burst=2)
    async with serving(router, app=FakeApp(settings=settings)) as client:
        ana, bea = ({"Authorization": f"Bearer {token(sub=user)}"} for user in ("ana", "bea"))
        assert [(await client.get("/me")).status for _ in range(3)] == [401] * 3
        answers = [await client.get("/me", headers=ana) for _ in range(3)]
        assert [answer.status for answer in answers] == [200, 200, 429]
        assert answers[2].code == "too_many_requests"
        assert answers[2].headers["Retry-After"] == "10"
        assert answers[2].body["error"]["details"] == {"limit": "user", "retryAfter": 10}
        assert (await client.get("/me", headers=bea)).status == 200
        assert (await client.get("/health")).status == 200
