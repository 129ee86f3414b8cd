"""Logs, metrics and trace context: the API that every floor may use. Exporters are in ``runtime``."""

import time
from contextvars import ContextVar
from secrets import token_hex
from typing import Any, Final, cast

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY: Final = CollectorRegistry()
"""Every metric of this process; the Prometheus endpoint and the EMF lines are two views of it."""

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

RECEIVED: Final = Counter("kxmsg_received_total", "Messages received", ["worker", "queue"], registry=REGISTRY)
HANDLED: Final = Counter("kxmsg_handled_total", "Messages handled", ["worker", "queue", "outcome"], registry=REGISTRY)
HANDLING: Final = Histogram(
    "kxmsg_handling_seconds", "Time in the handler", ["worker", "queue"], buckets=_SECONDS, registry=REGISTRY
)
WAITED: Final = Histogram(
    "kxmsg_queue_age_seconds",
    "Age of a message when received",
    ["worker", "queue"],
    buckets=_SECONDS,
    registry=REGISTRY,
)
IN_HAND: Final = Gauge("kxmsg_in_hand", "Messages held by this process", ["worker", "queue"], registry=REGISTRY)
BACKLOG: Final = Gauge(
    "kxmsg_backlog", "Messages that wait on the worker type's queues", ["prefix", "worker"], registry=REGISTRY
)
DEAD: Final = Counter("kxmsg_dead_lettered_total", "Messages dead-lettered", ["worker", "queue"], registry=REGISTRY)
LOOP_LAG: Final = Histogram("kxmsg_loop_lag_seconds", "Delay of the event loop", buckets=_SECONDS, registry=REGISTRY)
APPENDED: Final = Counter("kxmsg_appended_total", "Entries stored and numbered", ["kind", "target"], registry=REGISTRY)
PUSHED: Final = Counter("kxmsg_pushed_total", "Frames pushed", ["outcome"], registry=REGISTRY)
MATCHED: Final = Counter("kxmsg_events_matched_total", "Events by number of mappings hit", ["hit"], registry=REGISTRY)
CONNECTIONS: Final = Gauge("kxmsg_connections", "Open WebSocket connections", registry=REGISTRY)
THROTTLED: Final = Counter("kxmsg_throttled_total", "Entries that a mapping's throttle dropped", registry=REGISTRY)
AWS_CALLS: Final = Counter(
    "kxmsg_aws_calls_total", "Calls to AWS, each attempt", ["service", "operation", "outcome"], registry=REGISTRY
)
FRAMES: Final = Counter("kxmsg_frames_total", "WebSocket frames", ["direction"], registry=REGISTRY)
CLIENT_COUNT: Final = Counter(
    "kxmsg_client_events", "What clients counted (POST /metrics)", ["name", "tags"], registry=REGISTRY
)
CLIENT_MEASURED: Final = Histogram(
    "kxmsg_client_measured",
    "What clients measured (POST /metrics), in seconds or bytes",
    ["name", "unit", "tags"],
    buckets=(*_SECONDS, 300, 1000, 10_000, 100_000, 1_000_000, 10_000_000),
    registry=REGISTRY,
)

_trace: ContextVar[str | None] = ContextVar("kxmsg_trace", default=None)


class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        """Epoch seconds."""
        return time.time()


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """A structured logger; never give it a token, a secret or a message body."""
    return cast("structlog.stdlib.BoundLogger", structlog.get_logger(name))


def bind_log(**values: Any) -> None:
    """Put ``values`` on every log line of this task and those it starts."""
    structlog.contextvars.bind_contextvars(**values)


def current_trace() -> str | None:
    """The ``traceparent`` of the work in hand, None outside of any."""
    return _trace.get()


def set_trace(traceparent: str | None) -> None:
    """Make ``traceparent`` that of this task and those it starts."""
    _trace.set(traceparent)


def new_trace() -> str:
    """A fresh sampled ``traceparent`` (W3C Trace Context, section 3.2)."""
    return f"00-{token_hex(16)}-{token_hex(8)}-01"
