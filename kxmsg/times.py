"""Times as JSON carries them."""

from datetime import UTC, datetime


def iso(epoch: float) -> str:
    """ISO-8601 UTC with milliseconds, ``2026-01-31T08:00:00.000Z``."""
    return datetime.fromtimestamp(epoch, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def epoch_of(text: str, default: float) -> float:
    """Epoch seconds of an ISO-8601 time, UTC where it names no zone; ``default`` where it is none since 1970."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return default
    epoch = (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    return epoch if epoch >= 0 else default
