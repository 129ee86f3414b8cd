"""Limits: how large what a template makes may be. Pure."""

from collections.abc import Mapping
from typing import Any, Final

import orjson

from kxmsg.model.envelope import MAX_PAYLOAD

MAX_RENDERED: Final = 16 << 20
"""Bytes that one event may come to in all by one template: they are in memory at once."""


def too_large(payload: Mapping[str, Any], entries: int = 1) -> str | None:
    """What is wrong with the size of a payload that so many logs get, or None."""
    try:
        size = len(orjson.dumps(payload))
    except orjson.JSONEncodeError as error:
        return f"can't be written as JSON: {error}"
    if size > MAX_PAYLOAD:
        most = max(payload, key=lambda name: len(orjson.dumps(payload[name])))
        return f"gives {size} bytes, most of them in {most}, and readers can take {MAX_PAYLOAD}; make it shorter"
    if entries * size > MAX_RENDERED:
        return f"gives {entries} entries of {size} bytes, more than {MAX_RENDERED}; address a client or a channel"
    return None
