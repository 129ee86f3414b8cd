"""What a part of the product asks of its tables and queues."""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from kxmsg.bootstrap import App

READS: Final = ("get", "get_many", "query", "count")
WRITES: Final = ("write", "write_many", "transact")

_MANY: Final = ("get_many", "write_many", "transact")


class PortCalls:
    """Counts, by method, the calls to an app's tables and the sends to its entrance queues; and what they are of.

    ``calls`` counts calls, ``items`` the keys and writes in them; what a query finds is not counted.
    """

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.items: Counter[str] = Counter()

    @property
    def reads(self) -> int:
        """Calls that read."""
        return sum(self.calls[name] for name in READS)

    def counting(self, name: str, call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        """``call``, counted under ``name``."""

        def counted(*args: Any, **named: Any) -> Awaitable[Any]:
            self.calls[name] += 1
            self.items[name] += len(args[-1]) if name in _MANY else 1
            return call(*args, **named)

        return counted


@contextmanager
def counting(app: App) -> Iterator[PortCalls]:
    """Count what is asked of ``app``'s ports while inside."""
    counts = PortCalls()
    methods: list[tuple[object, str]] = [(app.tables, name) for name in (*READS, *WRITES)]
    methods += [(queue, "send") for queue in app.entrances.values()]
    for port, name in methods:
        setattr(port, name, counts.counting(name, getattr(port, name)))
    try:
        yield counts
    finally:
        for port, name in methods:
            delattr(port, name)  # the method itself is the class's
