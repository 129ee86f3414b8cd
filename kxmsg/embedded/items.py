"""Items as they are stored, and the limits that DynamoDB sets them ("Quotas in Amazon DynamoDB").

Sizes are those of the JSON text, which come close to how DynamoDB counts.
"""

from collections.abc import Mapping
from math import isfinite
from typing import Any, Final

import orjson

from kxmsg.errors import Permanent
from kxmsg.ports import Item, Key

ITEM_BYTES: Final = 400 * 1024
PAGE_BYTES: Final = 1024 * 1024
TRANSACTION_BYTES: Final = 4 * 1024 * 1024
TRANSACTION_ITEMS: Final = 100
PK_BYTES: Final = 2048
SK_BYTES: Final = 1024

# Whatever DynamoDB has no type for must not pass here as text.
_OPTIONS: Final = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS


def encode(table: str, item: Mapping[str, Any]) -> bytes:
    """The item as JSON. Raises Permanent where it holds what JSON has not, or is too large."""
    try:
        body = orjson.dumps(item, option=_OPTIONS)
    except orjson.JSONEncodeError as error:
        raise Permanent(f"{table}: item can't be stored: {error}") from error
    if b"null" in body and not _finite(item):  # orjson writes NaN and the infinities as null
        raise Permanent(f"{table}: item can't be stored: NaN and infinity are no numbers")
    if len(body) > ITEM_BYTES:
        raise Permanent(f"{table}: item too large: {len(body)} bytes, at most {ITEM_BYTES}")
    return body


def decode(body: bytes) -> Item:
    item: Item = orjson.loads(body)
    return item


def key_of(table: str, item: Mapping[str, Any]) -> Key:
    """The item's key, checked. Raises Permanent where it has none."""
    key = Key(item.get("pk"), item.get("sk"))  # type: ignore[arg-type] # what is no text is refused next
    check_key(table, key)
    return key


def check_key(table: str, key: Key) -> None:
    """Raises Permanent on a key that is empty, too long or not text."""
    check_key_text(table, "pk", key.pk, PK_BYTES)
    check_key_text(table, "sk", key.sk, SK_BYTES)


def check_key_text(table: str, name: str, value: Any, limit: int) -> None:
    """The same of one key attribute, of the table or of an index; ``limit`` in UTF-8 bytes."""
    if not isinstance(value, str):
        raise Permanent(f"{table}: {name} must be text")
    if not value:
        raise Permanent(f"{table}: {name} is empty")
    try:
        size = len(value) if value.isascii() else len(value.encode())
    except UnicodeEncodeError as error:
        raise Permanent(f"{table}: {name} has half a surrogate pair") from error
    if size > limit:
        raise Permanent(f"{table}: {name} is longer than {limit} bytes")


def _finite(value: Any) -> bool:
    if isinstance(value, float):
        return isfinite(value)
    if isinstance(value, Mapping):
        return all(map(_finite, value.values()))
    if isinstance(value, list | tuple):
        return all(map(_finite, value))
    return True
