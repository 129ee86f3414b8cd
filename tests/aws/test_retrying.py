"""Repeating calls to AWS: which errors, how often, after what delay, and how much an outage may cost."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kxmsg.aws.api import Service
from kxmsg.aws.errors import AwsError
from kxmsg.aws.retrying import ATTEMPTS, CAPACITY, COST, TIMEOUT_COST, RetryBudget, Retrying
from kxmsg.retry import Backoff
from kxmsg.telemetry import REGISTRY
from kxmsg.testing.virtual import run

THROTTLE = AwsError("sqs", "SendMessage", "ThrottlingException", status=400)
REFUSED = AwsError("sqs", "SendMessage", "AccessDenied", status=403)
UNREACHABLE = AwsError("sqs", "SendMessage", "Unreachable")
TIMEOUT = AwsError("sqs", "SendMessage", "Timeout", unclear=True)
BROKEN = AwsError("sqs", "SendMessage", "InternalError", status=500, unclear=True)
UNCLEAR_THROTTLE = AwsError("sqs", "SendMessage", "SlowDown", status=503, unclear=True)
EXPIRED = AwsError("sqs", "SendMessage", "ExpiredToken", status=403)


class Script:
    """An AwsApi that fails as told, then succeeds; notes the loop's time of each call."""

    def __init__(self, *errors: AwsError, for_ever: bool = False) -> None:
        self._errors = list(errors)
        self._for_ever = for_ever
        self.times: list[float] = []
        self.timeouts: list[float | None] = []
        self.closed = False

    async def call(
        self, service: Service, operation: str, payload: Mapping[str, Any], *, timeout: float | None = None
    ) -> dict[str, Any]:
        self.times.append(asyncio.get_running_loop().time())
        self.timeouts.append(timeout)
        if self._errors:
            raise self._errors[0] if self._for_ever else self._errors.pop(0)
        return {"echo": dict(payload)}

    async def close(self) -> None:
        self.closed = True


class Longest:
    """Jitter that always waits as long as it may."""

    def uniform(self, a: float, b: float) -> float:
        return b


async def call(calls: Retrying, *, safe: bool = True, service: Service = "sqs") -> dict[str, Any]:
    return await calls.call(service, "SendMessage", {"a": 1}, safe=safe)


def attempts(*errors: AwsError, safe: bool = True) -> tuple[int, bool]:
    """How many attempts were made, and whether the last succeeded."""

    async def main() -> tuple[int, bool]:
        script = Script(*errors)
        outcomes = await asyncio.gather(call(Retrying(script), safe=safe), return_exceptions=True)
        outcome: dict[str, Any] | BaseException = outcomes[0]
        if isinstance(outcome, BaseException):
            assert outcome is errors[len(script.times) - 1]
            return len(script.times), False
        assert outcome == {"echo": {"a": 1}}
        return len(script.times), True

    return run(main())


def test_a_success_is_not_repeated() -> None:
    assert attempts() == (1, True)


def test_what_is_permanent_is_never_repeated() -> None:
    assert attempts(REFUSED) == (1, False)
    assert attempts(THROTTLE, REFUSED) == (2, False)


@pytest.mark.parametrize("error", [THROTTLE, UNREACHABLE, TIMEOUT, BROKEN], ids=lambda error: error.code)
def test_what_may_pass_is_repeated_up_to_the_limit(error: AwsError) -> None:
    assert attempts(error, error, error) == (ATTEMPTS, True)
    assert attempts(error, error, error, error) == (ATTEMPTS, False)


@pytest.mark.parametrize("error", [TIMEOUT, BROKEN], ids=lambda error: error.code)
def test_what_may_have_been_executed_is_repeated_only_where_that_is_safe(error: AwsError) -> None:
    assert attempts(error, safe=False) == (1, False)
    assert attempts(THROTTLE, UNREACHABLE, error, safe=False) == (3, False)


def test_a_throttle_was_not_executed_whatever_its_status() -> None:
    assert attempts(UNCLEAR_THROTTLE, THROTTLE, UNREACHABLE, safe=False) == (4, True)


def test_delays_double_up_to_the_cap_and_throttles_wait_longer() -> None:
    async def gaps(*errors: AwsError) -> list[float]:
        script = Script(*errors)
        transient, throttled = Backoff(base=0.1, cap=0.3), Backoff(base=1, cap=3)
        await call(Retrying(script, transient=transient, throttled=throttled, rng=Longest()))
        return [later - earlier for earlier, later in zip(script.times, script.times[1:], strict=False)]

    assert run(gaps(BROKEN, BROKEN, BROKEN)) == pytest.approx([0.1, 0.2, 0.3])
    assert run(gaps(THROTTLE, THROTTLE, THROTTLE)) == pytest.approx([1, 2, 3])
    assert run(gaps(BROKEN, THROTTLE)) == pytest.approx([0.1, 2])


def test_callers_that_fail_together_are_spread_over_the_whole_delay() -> None:
    async def main() -> list[float]:
        waits: list[float] = []

        async def note(delay: float) -> None:
            waits.append(delay)

        calls = [Retrying(Script(THROTTLE), rng=random.Random(seed), sleep=note) for seed in range(100)]
        await asyncio.gather(*map(call, calls))
        return waits

    waits = run(main())
    assert min(waits) < 0.1 < 0.9 < max(waits) <= 1
    assert 0.4 < sum(waits) / len(waits) < 0.6


def test_each_attempt_has_the_callers_time_out() -> None:
    async def main() -> list[float | None]:
        script = Script(TIMEOUT)
        await Retrying(script).call("sqs", "SendMessage", {}, timeout=2.5)
        return script.timeouts

    assert run(main()) == [2.5, 2.5]


def outage(error: AwsError, calls: int, service: Service = "sqs") -> int:
    """Attempts that so many calls make while each fails."""

    async def main() -> int:
        script = Script(error, for_ever=True)
        retrying = Retrying(script)
        outcomes = await asyncio.gather(*(call(retrying) for _ in range(calls)), return_exceptions=True)
        assert all(outcome is error for outcome in outcomes)
        return len(script.times)

    return run(main())


def test_an_outage_is_met_with_a_bounded_number_of_repetitions() -> None:
    assert outage(UNREACHABLE, 1000) == 1000 + CAPACITY // COST
    assert outage(TIMEOUT, 1000) == 1000 + CAPACITY // TIMEOUT_COST
    assert outage(THROTTLE, 1000) == 1000 + CAPACITY // COST


def test_an_outage_of_one_service_leaves_the_others_their_budget() -> None:
    async def main() -> int:
        script = Script(BROKEN, for_ever=True)
        retrying = Retrying(script)
        for _ in range(CAPACITY):
            with pytest.raises(AwsError):
                await call(retrying, service="sqs")
        before = len(script.times)
        with pytest.raises(AwsError):
            await call(retrying, service="dynamodb")
        return len(script.times) - before

    assert run(main()) == ATTEMPTS


def test_a_budget_recovers_by_successes_alone() -> None:
    async def main() -> tuple[int, int, int]:
        budget = RetryBudget(10)
        assert budget.take(10)

        def calls(*errors: AwsError) -> Retrying:
            return Retrying(Script(*errors), budget=lambda: budget)

        with pytest.raises(AwsError):
            await call(calls(BROKEN))
        empty = budget.left
        for _ in range(COST):
            await call(calls())
        earned = budget.left
        await call(calls(BROKEN))
        return empty, earned, budget.left

    assert run(main()) == (0, COST, COST)


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 20))))
def test_a_budget_stays_between_nothing_and_its_capacity(steps: list[tuple[bool, int]]) -> None:
    budget = RetryBudget(30)
    for taking, tokens in steps:
        before = budget.left
        if taking:
            assert budget.take(tokens) == (tokens <= before)
        else:
            budget.give(tokens)
            assert budget.left >= before
        assert 0 <= budget.left <= 30


def test_expired_credentials_are_renewed_before_the_call_is_repeated() -> None:
    async def main() -> list[int]:
        script = Script(EXPIRED, THROTTLE)
        renewed: list[int] = []

        async def renew() -> None:
            renewed.append(len(script.times))

        await call(Retrying(script, renew=renew))
        assert len(script.times) == 3
        return renewed

    assert run(main()) == [1]


def counted(outcome: str) -> float:
    labels = {"service": "sqs", "operation": "SendMessage", "outcome": outcome}
    return REGISTRY.get_sample_value("kxmsg_aws_calls_total", labels) or 0.0


def test_each_attempt_is_counted_by_its_outcome() -> None:
    outcomes = ("ok", "throttle", "transient", "permanent")
    before = [counted(outcome) for outcome in outcomes]
    attempts(THROTTLE, BROKEN, TIMEOUT)
    attempts(REFUSED)
    assert [counted(outcome) - was for outcome, was in zip(outcomes, before, strict=True)] == [1, 1, 2, 1]


def test_a_call_that_is_cancelled_while_it_waits_ends_at_once() -> None:
    async def main() -> int:
        script = Script(THROTTLE, for_ever=True)
        waiting = asyncio.Event()
        task = asyncio.create_task(call(Retrying(script, sleep=hang(waiting))))
        await waiting.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return len(script.times)

    assert run(main()) == 1


def hang(reached: asyncio.Event) -> Callable[[float], Awaitable[None]]:
    async def sleep(_: float) -> None:
        reached.set()
        await asyncio.Event().wait()

    return sleep


def test_closing_closes_the_api() -> None:
    async def main() -> bool:
        script = Script()
        await Retrying(script).close()
        return script.closed

    assert run(main())
