"""Logs: one pipeline for all."""

import io
import json
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from kxmsg.runtime.logs import HIDDEN, configure
from kxmsg.telemetry import bind_log, get_logger, set_trace


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Logs configured to be JSON lines on it, and everything as it was afterwards."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    stream = io.StringIO()
    configure("INFO", "json", stream)
    yield stream
    logging.captureWarnings(capture=False)
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    set_trace(None)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_json_with_all_that_is_known(stream: io.StringIO) -> None:
    """Time, level, event, what is bound, and the trace's id."""
    bind_log(worker="fanout", queue="fanout.fifo", messageId="m1")
    set_trace(f"00-{'a' * 32}-{'b' * 16}-01")
    get_logger("kxmsg.test").info("pushed", frames=3)
    (line,) = lines(stream)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "pushed",
        "level": "info",
        "worker": "fanout",
        "queue": "fanout.fifo",
        "messageId": "m1",
        "trace_id": "a" * 32,
        "frames": 3,
    }


def test_other_libraries_log_the_same_way(stream: io.StringIO) -> None:
    """And so do warnings; what is below the level is left out."""
    logging.getLogger("uvicorn.access").info("%s answered", "GET /x")
    logging.getLogger("aiobotocore").debug("noise")
    get_logger("kxmsg.test").debug("noise")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    access, warning = lines(stream)
    assert (access["event"], access["level"]) == ("GET /x answered", "info")
    assert "DeprecationWarning: old" in warning["event"]


def test_secrets_are_hidden(stream: io.StringIO) -> None:
    """By their name, however deep, and in texts that quote a URL or a header."""
    get_logger("kxmsg.test").info(
        "GET /ws?token=abc.def&tenant=acme",
        authorization="Bearer xyz",
        headers={"Cookie": "c", "list": [{"accessToken": "t"}], "host": "h"},
        error="refused: Bearer xyz",
        ticket=None,
    )
    logging.getLogger("uvicorn.access").info("GET /x?ticket=abc HTTP/1.1")
    first, second = lines(stream)
    assert first["event"] == f"GET /ws?token={HIDDEN}&tenant=acme"
    assert first["authorization"] == HIDDEN
    assert first["headers"] == {"Cookie": HIDDEN, "list": [{"accessToken": HIDDEN}], "host": "h"}
    assert first["error"] == f"refused: Bearer {HIDDEN}"
    assert second["event"] == f"GET /x?ticket={HIDDEN} HTTP/1.1"
    assert not any(secret in stream.getvalue() for secret in ("abc", "xyz"))


def test_anything_can_be_logged(stream: io.StringIO) -> None:
    """A log line must not fail for what is in it."""
    get_logger("kxmsg.test").info("odd", big=2**80, text="\ud800", thing=object(), keys={1: "a"})
    assert lines(stream)[0]["event"] == "odd"


def test_an_exception_is_told_with_its_origin(stream: io.StringIO) -> None:
    """As one line."""
    try:
        raise RuntimeError("bug")
    except RuntimeError:
        get_logger("kxmsg.test").exception("crashed")
    (line,) = lines(stream)
    assert "RuntimeError: bug" in line["exception"]


def test_the_form_follows_the_stream(stream: io.StringIO) -> None:
    """Pretty on a terminal, JSON elsewhere, unless told otherwise."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    assert configure("INFO", "auto", io.StringIO())
    assert configure("INFO", "json", terminal)
    assert not configure("INFO", "auto", terminal)
    get_logger("kxmsg.test").info("hello")
    assert "hello" in terminal.getvalue()
    assert not terminal.getvalue().startswith("{")
