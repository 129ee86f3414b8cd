"""Metrics: EMF lines and the Prometheus endpoint."""

import asyncio
import json
from typing import Any
from urllib.request import urlopen

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from kxmsg.errors import StartError
from kxmsg.runtime.metrics import Emf, exported
from kxmsg.telemetry import RECEIVED, SystemClock
from kxmsg.testing.virtual import VirtualClock, run


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


def told(emf: Emf) -> list[dict[str, Any]]:
    return [json.loads(line) for line in emf.lines(1_750_000_000.0)]


def test_a_line_is_what_cloudwatch_reads(registry: CollectorRegistry) -> None:
    """Embedded metric format: the values of one set of labels, with the metadata that names them."""
    Counter("jobs_total", "", ["worker"], registry=registry).labels("fanout").inc(3)
    Gauge("in_hand", "", ["worker"], registry=registry).labels("fanout").set(2)
    (line,) = told(Emf(registry))
    assert line == {
        "_aws": {
            "Timestamp": 1_750_000_000_000,
            "CloudWatchMetrics": [
                {
                    "Namespace": "kxmsg",
                    "Dimensions": [["worker"]],
                    "Metrics": [{"Name": "jobs", "Unit": "Count"}, {"Name": "in_hand", "Unit": "Count"}],
                }
            ],
        },
        "worker": "fanout",
        "jobs": 3.0,
        "in_hand": 2.0,
    }


def test_counters_are_told_as_differences(registry: CollectorRegistry) -> None:
    """CloudWatch adds them up; what did not change is not told."""
    counter = Counter("jobs_total", "", registry=registry)
    emf = Emf(registry)
    counter.inc(3)
    assert told(emf)[0]["jobs"] == 3
    assert told(emf) == []
    counter.inc(2)
    assert told(emf)[0]["jobs"] == 2


def test_histograms_are_told_by_their_buckets(registry: CollectorRegistry) -> None:
    """Upper bounds and how many fell below each, so that percentiles can be had; beyond the last, the last."""
    histogram = Histogram("wait_seconds", "", buckets=(0.1, 1, 10), registry=registry)
    emf = Emf(registry)
    for value in (0.05, 0.5, 0.6, 99):
        histogram.observe(value)
    (line,) = told(emf)
    assert line["wait_seconds"] == {"Values": [0.1, 1, 10], "Counts": [1, 2, 1]}
    assert line["_aws"]["CloudWatchMetrics"][0]["Metrics"] == [{"Name": "wait_seconds", "Unit": "Seconds"}]
    histogram.observe(0.5)
    assert told(emf)[0]["wait_seconds"] == {"Values": [1], "Counts": [1]}


def test_lines_are_written_every_minute_and_at_the_end() -> None:
    """Nothing that was counted is left untold."""

    async def scenario() -> list[int]:
        written: list[str] = []
        counts: list[int] = []
        clock = VirtualClock(asyncio.get_running_loop())
        async with exported(clock=clock, emf=True, write=written.append):
            for _ in range(2):
                RECEIVED.labels("tester", "emf").inc()
                await asyncio.sleep(59 if not counts else 2)
                counts.append(sum('"queue":"emf"' in line for line in written))
            RECEIVED.labels("tester", "emf").inc()
        counts.append(sum('"queue":"emf"' in line for line in written))
        assert all(line.endswith("\n") for line in written)
        return counts

    assert run(scenario()) == [0, 1, 2]


async def test_prometheus_is_served_on_this_machine() -> None:
    """On the port given; a port that is taken is told."""
    RECEIVED.labels("tester", "prometheus").inc()
    async with exported(clock=SystemClock(), port=0, emf=False) as port:

        def fetch() -> str:
            with urlopen(f"http://127.0.0.1:{port}/metrics") as response:
                text: str = response.read().decode()
                return text

        text = await asyncio.to_thread(fetch)
        assert 'kxmsg_received_total{queue="prometheus",worker="tester"}' in text
        with pytest.raises(StartError, match="KXMSG_METRICS_PORT"):
            async with exported(clock=SystemClock(), port=port, emf=False):
                pass
