"""How hard to poll: how many polls at once, and whether to hold back while what the handler needs is down. Pure."""

from kxmsg.retry import Backoff, Jitter


class Pace:
    """One poll while it is quiet; more, up to ``most``, as long as polls come back full and permits are left."""

    def __init__(self, most: int) -> None:
        self.wanted = 1
        self._most = most

    def calm(self) -> None:
        """Back to one."""
        self.wanted = 1

    def polled(self, asked: int, got: int, *, free: int) -> None:
        """A poll that asked for ``asked`` got ``got``; ``free`` permits are left."""
        if got == asked and free:
            self.wanted = min(self._most, self.wanted + 1)
        elif got * 2 <= asked:
            self.wanted = max(1, self.wanted - 1)


class Circuit:
    """Open after several calls in a row that failed for a transient cause alone: then it is not the messages' fault.

    While it is open the consumer probes, ever more seldom, with a few messages that it keeps in hand, instead of using
    up the receives of all that are queued. ``probes`` counts those.
    """

    def __init__(self, backoff: Backoff, *, threshold: int = 3, most_probes: int = 5) -> None:
        self._backoff = backoff
        self._threshold = threshold
        self._most_probes = most_probes
        self._failures = 0
        self.probes = 0

    @property
    def is_open(self) -> bool:
        return self._failures >= self._threshold

    @property
    def wants_probe(self) -> bool:
        """It is open, and one message more may be received to probe with: one alone might be at fault itself."""
        return self.is_open and self.probes < self._most_probes

    def failed(self) -> bool:
        """A call failed for a transient cause alone; True if that opened the circuit."""
        self._failures += 1
        return self._failures == self._threshold

    def succeeded(self) -> bool:
        """Some message was handled; True if that closed the circuit."""
        was_open = self.is_open
        self._failures = 0
        return was_open

    def delay(self, rng: Jitter) -> float:
        """Seconds until the next probe."""
        return self._backoff.delay(max(0, self._failures - self._threshold), rng)
