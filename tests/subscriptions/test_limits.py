"""How large what a template makes may be."""

from typing import Any

from kxmsg.model.envelope import MAX_PAYLOAD
from kxmsg.subscriptions.limits import MAX_RENDERED, too_large


def test_what_fits_is_not_too_large() -> None:
    largest = {"content": "x" * (MAX_PAYLOAD - len('{"content":""}'))}
    assert too_large(largest) is None
    assert too_large(largest, MAX_RENDERED // MAX_PAYLOAD) is None
    assert too_large({}) is None


def test_bytes_are_counted_and_the_largest_field_is_named() -> None:
    payload = {"title": "x" * 30_000, "content": "ü" * 40_000}
    assert str(too_large(payload)).startswith("gives 110025 bytes, most of them in content, and readers can take 98304")


def test_many_entries_are_too_large_together() -> None:
    fault = too_large({"content": "x" * 2000}, 10_000)
    assert fault == "gives 10000 entries of 2014 bytes, more than 16777216; address a client or a channel"


def test_what_json_can_not_hold_is_told() -> None:
    deep: dict[str, Any] = {}
    for _ in range(300):
        deep = {"a": deep}
    assert str(too_large({"metadata": deep})).startswith("can't be written as JSON: ")
