"""Trace context: which ``traceparent`` (W3C Trace Context) a call belongs to."""

import re
from collections.abc import Iterable
from typing import Final

from kxmsg.ports import Delivery
from kxmsg.telemetry import new_trace

ATTRIBUTE: Final = "traceparent"

# W3C Trace Context, section 3.2.2: version, trace-id, parent-id, flags; neither id may be all zeroes, nor version ff.
_FORM: Final = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")


def trace_of(deliveries: Iterable[Delivery]) -> str:
    """The trace that all of these share, else a fresh one."""
    traces = {delivery.attributes.get(ATTRIBUTE) for delivery in deliveries}
    if len(traces) == 1 and (trace := traces.pop()) and _FORM.fullmatch(trace):
        return trace
    return new_trace()


def trace_id(traceparent: str) -> str:
    """The part that names the whole trace, for log lines."""
    return traceparent.split("-", 2)[1] if traceparent.count("-") >= 3 else traceparent
