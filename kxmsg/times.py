"""Times as JSON carries them."""

from datetime import UTC, datetime


def iso(epoch: float) -> str:
    """ISO-8601 UTC with milliseconds, ``2026-01-31T08:00:00.000Z``."""
    return datetime.fromtimestamp(epoch, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def epoch_of(text: str, default: float) -> float:
    """Epoch seconds of an ISO-8601 time; ``default`` where it is none."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return default
