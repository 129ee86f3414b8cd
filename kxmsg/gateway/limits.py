"""What a connection may do and for how long."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes, times in seconds. ``message``, ``frame``, ``idle`` and ``life`` are API Gateway's quotas."""

    message: int = 128 * 1024
    frame: int = 32 * 1024
    idle: float = 600
    """Without a byte from either side."""
    life: float = 7200
    connections: int = 10_000
    """Open, opening and closing ones together; an upgrade beyond it is answered 503."""
    inbox_messages: int = 16
    """Received and not yet handled, per connection; beyond it, and beyond ``inbox``, nothing more is read."""
    inbox: int = 128 * 1024
    outbox: int = 512 * 1024
    """Written and not yet taken by the client; beyond it a post is answered 429."""
    stalled: float = 10
    """How long the outbox may stay too full before the client is cut."""
    closing: float = 5
    """From the first close frame to the end of the TCP connection."""
    disconnects: int = 64
    """How many ``$disconnect`` calls run at once."""
    sweep: float = 1
    """How often the times above are looked at."""
