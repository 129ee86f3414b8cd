"""The event that the tests of this folder render."""

from typing import Any

EVENT: dict[str, Any] = {
    "version": "0",
    "id": "e-1",
    "source": "shop",
    "detail-type": "order.shipped",
    "account": "1",
    "region": "eu",
    "time": "2026-01-31T08:00:00Z",
    "resources": ["r-1"],
    "detail": {
        "id": "A-1",
        "n": 2,
        "f": 1.5,
        "yes": True,
        "no": False,
        "none": None,
        "list": [3, 1, 2],
        "names": ["Ada", "Bob", "Ada"],
        "map": {"a": "ä", "b": "c"},
        "people": [{"name": "Ada", "age": 36}, {"name": "Bob", "age": 17}],
        "a-b": "hyphen",
        "severity": "critical",
        "at": "2026-01-31T23:30:00Z",
        "empty": [],
    },
}
