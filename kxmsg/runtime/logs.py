"""Logs: JSON lines, or pretty ones on a terminal; what other libraries log goes the same way."""

import json
import logging
import re
import sys
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, Literal, TextIO

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from kxmsg.runtime.trace import trace_id
from kxmsg.telemetry import current_trace

HIDDEN: Final = "***"

_NAMES: Final = r"(?:token|ticket|authorization|secret|password|cookie|api[-_]?key)"
_HIDDEN_KEY: Final = re.compile(_NAMES, re.IGNORECASE)
_HIDDEN_TEXT: Final = re.compile(rf"""((?<![\w-])[\w-]*{_NAMES}[\w-]*=|\bBearer\s+)[^&\s"',;]+""", re.IGNORECASE)
_SUSPECT: Final = re.compile(r"[=\s]")
"""What a text with something to hide has one of; most texts have none, and looking closer takes 5 µs."""
_DEEPEST: Final = 6

_TAKEN_OVER: Final = ("uvicorn", "uvicorn.access", "uvicorn.error")
"""Loggers that bring handlers of their own."""


class _Handler(logging.StreamHandler[TextIO]):
    """Ours, so that configuring again replaces it."""


def configure(
    level: str = "INFO", form: Literal["auto", "json", "pretty"] = "auto", stream: TextIO | None = None
) -> bool:
    """Set up the logs of this process, on standard error by default; tells whether they are JSON lines."""
    stream = stream or sys.stderr
    as_json = form == "json" or (form == "auto" and not stream.isatty())
    every: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        add_trace,
        structlog.processors.format_exc_info,
        redact,
    ]
    last: Processor = structlog.processors.JSONRenderer(_dumps) if as_json else structlog.dev.ConsoleRenderer()
    handler = _Handler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=every, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last]
        )
    )
    root = logging.getLogger()
    for old in [old for old in root.handlers if isinstance(old, _Handler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level)
    for name in _TAKEN_OVER:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.disabled = False
        logger.setLevel(logging.NOTSET)
        logger.propagate = True
    logging.captureWarnings(capture=True)
    structlog.configure(
        processors=[*every, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    return as_json


def add_trace(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    """``trace_id`` of the work in hand."""
    trace = current_trace()
    if trace is not None:
        line.setdefault("trace_id", trace_id(trace))
    return line


def redact(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    """Hide what stands under a name like ``token`` or ``authorization``, however deep, and ``token=…`` in texts."""
    return {key: _redacted(key, value, 0) for key, value in line.items()}


def _redacted(key: str, value: Any, depth: int) -> Any:
    if value is not None and _is_hidden(key):
        return HIDDEN
    if isinstance(value, str):
        return _HIDDEN_TEXT.sub(rf"\g<1>{HIDDEN}", value) if _SUSPECT.search(value) else value
    if isinstance(value, bool | int | float | None):
        return value
    if depth == _DEEPEST:
        return "…"
    if isinstance(value, Mapping):
        return {name: _redacted(str(name), inner, depth + 1) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted("", inner, depth + 1) for inner in value]
    return value


@lru_cache(maxsize=1024)
def _is_hidden(key: str) -> bool:
    return _HIDDEN_KEY.search(key) is not None


def _dumps(line: Mapping[str, Any], **_: Any) -> str:
    try:
        return orjson.dumps(line, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:  # an integer beyond 64 bits, a lone surrogate: slower, but a log line must not fail
        return json.dumps(line, default=str)
