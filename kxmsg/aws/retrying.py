"""Retrying: an AwsApi whose calls are repeated where that is safe, with full jitter, within a budget."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from math import inf
from typing import Any, Final

from kxmsg.aws.api import AwsApi, Service
from kxmsg.aws.errors import AwsError, Kind, expired, kind_of
from kxmsg.retry import Backoff, Jitter
from kxmsg.telemetry import AWS_CALLS

ATTEMPTS: Final = 4
TRANSIENT: Final = Backoff(base=0.05, cap=20.0)
THROTTLED: Final = Backoff(base=1.0, cap=20.0)
"""The delays of AWS's SDKs (SDKs and Tools Reference Guide, "Retry behavior"): quotas are counted by the second."""

CAPACITY: Final = 500
COST: Final = 5
TIMEOUT_COST: Final = 10
REFUND: Final = 1


class RetryBudget:
    """Tokens that repetitions take and successes give back, as in the "standard" mode of AWS's SDKs.

    While a service is well the bucket is full; in an outage it runs dry, and what fails then isn't repeated, so that
    the outage is not met with a multiple of the load.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self.left = capacity

    def take(self, cost: int) -> bool:
        """Whether there was enough; if not, nothing is taken."""
        if cost > self.left:
            return False
        self.left -= cost
        return True

    def give(self, tokens: int) -> None:
        self.left = min(self._capacity, self.left + tokens)


class Retrying:
    """Calls of ``api``, up to ``attempts`` times each; every service has a budget of its own.

    ``renew`` is awaited when credentials have expired, before the call is repeated with fresh ones.
    """

    def __init__(
        self,
        api: AwsApi,
        *,
        renew: Callable[[], Awaitable[None]] | None = None,
        attempts: int = ATTEMPTS,
        transient: Backoff = TRANSIENT,
        throttled: Backoff = THROTTLED,
        budget: Callable[[], RetryBudget] = RetryBudget,
        rng: Jitter = random,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._api = api
        self._renew = renew
        self._attempts = attempts
        self._backoffs: Mapping[Kind, Backoff] = {"transient": transient, "throttle": throttled}
        self._budgets: defaultdict[str, RetryBudget] = defaultdict(budget)
        self._rng = rng
        self._sleep = sleep

    async def call(
        self,
        service: Service,
        operation: str,
        payload: Mapping[str, Any],
        *,
        timeout: float | None = None,
        within: float = inf,
        safe: bool = True,
    ) -> dict[str, Any]:
        """As :meth:`kxmsg.aws.api.AwsApi.call`, repeated; ``timeout`` in seconds is that of each attempt.

        ``within`` so many seconds the last attempt begins. Without ``safe`` it isn't repeated after an error that
        leaves unclear whether it was executed. Raises the last attempt's :class:`~kxmsg.aws.errors.AwsError`.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + within
        budget = self._budgets[service]
        attempt, taken = 0, REFUND
        while True:
            try:
                answer = await self._api.call(service, operation, payload, timeout=timeout)
            except AwsError as error:
                kind = kind_of(error)
                AWS_CALLS.labels(service, operation, kind).inc()
                attempt += 1
                taken = TIMEOUT_COST if error.code == "Timeout" else COST
                if attempt == self._attempts or not _repeatable(error, kind, safe):
                    raise
                delay = self._backoffs[kind].delay(attempt - 1, self._rng)
                if loop.time() + delay > until or not budget.take(taken):
                    raise
                renewing = expired(error)
            else:
                AWS_CALLS.labels(service, operation, "ok").inc()
                budget.give(taken)
                return answer
            if renewing and self._renew is not None:
                await self._renew()
            await self._sleep(delay)

    async def close(self) -> None:
        """Close the API."""
        await self._api.close()


def _repeatable(error: AwsError, kind: Kind, safe: bool) -> bool:
    match kind:
        case "throttle":
            return True  # refused, not executed
        case "transient":
            return safe or not error.unclear
        case "permanent":
            return False
