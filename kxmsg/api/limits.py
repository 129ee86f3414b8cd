"""Rate limits: how many requests a user, and a tenant, may make of this process."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from fastapi import Request

from kxmsg.errors import TooMany
from kxmsg.model.principal import Principal
from kxmsg.settings import Settings

MAX_BUCKETS: Final = 100_000
"""Buckets that are remembered; the one longest unused, which is full again by then, is forgotten first."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Tokens per second, and how many a bucket holds. 0 per second: no limit."""

    per_second: float
    burst: float


class Buckets:
    """Token buckets of one rate, by key. Full at first. Pure but for what it remembers."""

    def __init__(self, rate: Rate, limit: int = MAX_BUCKETS) -> None:
        self._rate = rate
        self._limit = limit
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, key: str, now: float) -> float:
        """Seconds until there is a token; 0 where there is one."""
        if not self._rate.per_second:
            return 0.0
        return max(0.0, (1 - self._tokens(key, now)) / self._rate.per_second)

    def take(self, key: str, now: float) -> None:
        """Take a token, which there must be."""
        if not self._rate.per_second:
            return
        self._buckets[key] = self._tokens(key, now) - 1, now
        self._buckets.move_to_end(key)
        if len(self._buckets) > self._limit:
            self._buckets.popitem(last=False)

    def _tokens(self, key: str, now: float) -> float:
        tokens, since = self._buckets.get(key, (self._rate.burst, now))
        return min(self._rate.burst, tokens + max(0.0, now - since) * self._rate.per_second)


class RateLimits:
    """What users and tenants have left. ``monotonic`` gives seconds."""

    def __init__(self, settings: Settings, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._users = Buckets(Rate(settings.rate_user, settings.rate_user_burst))
        self._tenants = Buckets(Rate(settings.rate_tenant, settings.rate_tenant_burst))
        self._monotonic = monotonic

    def take(self, who: Principal) -> None:
        """Count one request of ``who``; raises :class:`~kxmsg.errors.TooMany`, which costs nothing."""
        user, now = f"{who.tenant}#{who.user}", self._monotonic()
        for whose, wait in (("user", self._users.wait(user, now)), ("tenant", self._tenants.wait(who.tenant, now))):
            if wait > 0:
                seconds = math.ceil(wait)
                raise TooMany(
                    f"too many requests of this {whose}; try again in {seconds} s",
                    details={"limit": whose, "retryAfter": seconds},
                )
        self._users.take(user, now)
        self._tenants.take(who.tenant, now)


def limits_of(request: Request) -> RateLimits:
    """The limits of this process."""
    limits: RateLimits = request.app.state.limits
    return limits
