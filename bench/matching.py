"""Matching: events from their JSON by second of CPU, here and with moto's matcher, by the number of rules."""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from statistics import median
from typing import Any

import orjson
from moto.events.models import EventPattern

from kxmsg.matching import Matcher

KINDS = 71
"""Different pairs of source and detail-type; of 10,000 rules without a tenant an event matches 10,000 / 71 = 140."""

RULES = (1, 100, 1_000, 10_000)
SECONDS = 0.5
REPEATS = 3

Rules = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Rate:
    """What matching against a number of rules costs."""

    rules: int
    tenant: bool
    matched: float
    """Rules that match an event, on average."""
    compiling: float
    """Microseconds a rule."""
    from_bytes: float
    """Events a second of CPU, parsing included."""
    from_dict: float
    moto: float


def matching() -> list[str]:
    """Rows of a table in Markdown. Takes about a minute."""
    rates = [measure(rules, tenant) for tenant in (True, False) for rules in RULES]
    return [
        "| rules | name a tenant | match | compile, µs a rule | events/s from bytes | from a dict | moto | faster |",
        "|---|---|---|---|---|---|---|---|",
        *(
            f"| {rate.rules:,} | {'yes' if rate.tenant else 'no'} | {rate.matched:.1f} | {rate.compiling:.0f} "
            f"| {rate.from_bytes:,.0f} | {rate.from_dict:,.0f} | {rate.moto:,.1f} "
            f"| {rate.from_bytes / rate.moto:,.0f}× |"
            for rate in rates
        ),
    ]


def measure(number: int, tenant: bool) -> Rate:
    """One row: the rules are compiled, then events are matched for a while, by one process on one core."""
    given = rules(number, tenant)
    started = time.process_time()
    matcher = Matcher(given)
    compiling = (time.process_time() - started) / number * 1e6
    bodies = list(islice(events(number), 500))
    parsed = [orjson.loads(body) for body in bodies]
    patterns = [(name, EventPattern(json.dumps(rule), dict(rule))) for name, rule in given.items()]

    def with_moto(body: bytes) -> list[str]:
        event = json.loads(body)
        return [name for name, pattern in patterns if pattern.matches_event(event)]

    for body, event in islice(zip(bodies, parsed, strict=True), 2):
        assert matcher.match(body) == matcher.match(event) == with_moto(body)
    return Rate(
        number,
        tenant,
        sum(len(matcher.match(body)) for body in bodies) / len(bodies),
        compiling,
        _rate(matcher.match, bodies),
        _rate(matcher.match, parsed),
        _rate(with_moto, bodies, repeats=1),
    )


def rules(number: int, tenant: bool) -> Rules:
    """Rules as a product has them: one of some events, for one of its tenants or for all, some with a condition."""
    made: dict[str, Mapping[str, Any]] = {}
    for index in range(number):
        kind = index % KINDS
        detail: dict[str, Any] = {"tenant": [f"tenant-{index}"]} if tenant else {}
        match index % 4:
            case 1:
                detail["total"] = [{"numeric": [">", index % 7]}]
            case 2:
                detail["state"] = [{"anything-but": ["draft", f"state-{index}"]}]
            case 3:
                detail["order"] = [{"prefix": "o-"}]
        rule: dict[str, Any] = {"source": [f"shop.{kind % 5}"], "detail-type": [f"Order{kind}"]}
        made[f"rule-{index}"] = {**rule, "detail": detail} if detail else rule
    return made


def events(number: int) -> Iterator[bytes]:
    """JSON of events of some 300 bytes, each for one of the rules in turn."""
    for index in cycle(range(number)):
        kind = index % KINDS
        yield orjson.dumps(
            {
                "version": "0",
                "id": f"17793124-05d4-b198-2fde-{index:012}",
                "source": f"shop.{kind % 5}",
                "detail-type": f"Order{kind}",
                "account": "123456789012",
                "region": "eu-central-1",
                "time": "2026-01-01T00:00:00Z",
                "resources": [],
                "detail": {"tenant": f"tenant-{index}", "order": f"o-{index}", "total": 12.5, "state": "placed"},
            }
        )


def _rate(match: Callable[[Any], Any], given: Sequence[Any], repeats: int = REPEATS) -> float:
    rates = []
    for _ in range(repeats):
        count, started, event = 0, time.process_time(), cycle(given)
        end = started + SECONDS
        while (now := time.process_time()) < end:
            for one in islice(event, 1 if repeats == 1 else 500):
                match(one)
                count += 1
        rates.append(count / (now - started))
    return median(rates)


if __name__ == "__main__":
    print("\n".join(matching()))
