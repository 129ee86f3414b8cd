"""Metrics: two views of the process's registry, EMF lines for CloudWatch and an endpoint for Prometheus."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any, Final

import orjson
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.metrics_core import Metric

from kxmsg.errors import StartError
from kxmsg.ports import Clock
from kxmsg.telemetry import REGISTRY

NAMESPACE: Final = "kxmsg"
INTERVAL: Final = 60.0
"""Seconds between two sets of EMF lines."""

ADDRESS: Final = "127.0.0.1"
"""The Prometheus endpoint serves this machine, or the task's sidecar, only."""

_Labels = tuple[tuple[str, str], ...]


class Emf:
    """What has changed since the last time, in CloudWatch's embedded metric format: one line for each set of labels.

    Counters and histograms are told as differences, a histogram by the upper bounds of its buckets; gauges as they are.
    """

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self._registry = registry
        self._before: dict[tuple[str, _Labels], float] = {}

    def lines(self, now: float) -> list[str]:
        """The lines for ``now`` (epoch seconds)."""
        values: dict[_Labels, dict[str, tuple[str, Any]]] = {}
        for metric in self._registry.collect():
            for labels, value in self._values(metric):
                values.setdefault(labels, {})[metric.name] = (_unit(metric), value)
        return [orjson.dumps(_line(labels, metrics, now)).decode() for labels, metrics in values.items()]

    def _values(self, metric: Metric) -> Iterator[tuple[_Labels, Any]]:
        if metric.type == "histogram":
            yield from self._histograms(metric)
            return
        for sample in metric.samples:
            labels = _labels(sample.labels)
            if metric.type == "gauge":
                yield labels, sample.value
            elif sample.name.endswith("_total") and (more := self._difference(sample.name, labels, sample.value)):
                yield labels, more

    def _histograms(self, metric: Metric) -> Iterator[tuple[_Labels, Any]]:
        buckets: dict[_Labels, list[tuple[float, float]]] = {}
        for sample in metric.samples:
            if sample.name.endswith("_bucket"):
                labels, edge = _labels(sample.labels), sample.labels["le"]
                more = self._difference(f"{metric.name}≤{edge}", labels, sample.value)
                buckets.setdefault(labels, []).append((float(edge), more))
        for labels, bounds in buckets.items():
            highest = max(bound for bound, _ in bounds if bound != float("inf"))
            seen = 0.0
            values: list[float] = []
            counts: list[float] = []
            for bound, up_to_it in sorted(bounds):
                if up_to_it > seen:
                    values.append(min(bound, highest))
                    counts.append(up_to_it - seen)
                    seen = up_to_it
            if values:
                yield labels, {"Values": values, "Counts": counts}

    def _difference(self, name: str, labels: _Labels, value: float) -> float:
        before = self._before.get((name, labels), 0.0)
        self._before[name, labels] = value
        return value - before


@asynccontextmanager
async def exported(
    *, clock: Clock, port: int | None = None, emf: bool, write: Callable[[str], Any] | None = None
) -> AsyncIterator[int | None]:
    """Export while inside: Prometheus on ``port`` (0: any; yields it), EMF lines to ``write``, by default on stderr.

    Raises :class:`~kxmsg.errors.StartError` where the port is taken.
    """
    server = None
    if port is not None:
        try:
            server, _ = start_http_server(port, ADDRESS, REGISTRY)
        except OSError as error:
            raise StartError(f"KXMSG_METRICS_PORT={port}: {error.strerror}; choose another or none") from error
    writing = asyncio.create_task(_write(Emf(), clock, write or _to_stderr)) if emf else None
    try:
        yield server.server_port if server else None
    finally:
        if writing is not None:
            writing.cancel()
            await asyncio.wait([writing])
        if server is not None:
            await asyncio.to_thread(server.shutdown)
            server.server_close()


async def _write(emf: Emf, clock: Clock, write: Callable[[str], Any]) -> None:
    try:
        while True:
            await asyncio.sleep(INTERVAL)
            _put(emf, clock, write)
    finally:  # what happened since
        _put(emf, clock, write)


def _put(emf: Emf, clock: Clock, write: Callable[[str], Any]) -> None:
    for line in emf.lines(clock.now()):
        write(f"{line}\n")


def _to_stderr(line: str) -> None:
    sys.stderr.write(line)


def _labels(labels: dict[str, str]) -> _Labels:
    return tuple((name, value) for name, value in labels.items() if name != "le")


def _unit(metric: Metric) -> str:
    return "Seconds" if metric.name.endswith("_seconds") else "Count"


def _line(labels: _Labels, metrics: dict[str, tuple[str, Any]], now: float) -> dict[str, Any]:
    return {
        "_aws": {
            "Timestamp": int(now * 1000),
            "CloudWatchMetrics": [
                {
                    "Namespace": NAMESPACE,
                    "Dimensions": [[name for name, _ in labels]],
                    "Metrics": [{"Name": name, "Unit": unit} for name, (unit, _) in metrics.items()],
                }
            ],
        },
        **dict(labels),
        **{name: value for name, (_, value) in metrics.items()},
    }
