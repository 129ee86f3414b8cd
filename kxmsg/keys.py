"""Ids and keys. Pure, but for the clock and the randomness inside a fresh id.

The tenant heads every key, and ``#`` (which no id may hold) separates the parts.
"""

from hashlib import sha256
from typing import Final

from ulid_transform import bytes_to_ulid, ulid_at_time

from kxmsg.model.target import Target
from kxmsg.model.window import Window

HEAD: Final = "HEAD"
"""Sort key of a log's head, which sorts after its entries."""

RECORD: Final = "RECORD"
"""Sort key of the one record that a partition is about."""

_DIGITS: Final = 12
"""Digits of a number within a sort key: 10¹² entries in one log."""


def new_id(now: float) -> str:
    """A fresh ULID for ``now`` (epoch seconds)."""
    return ulid_at_time(now)


def derived_id(at: float, *parts: str | int) -> str:
    """The ULID that these parts always give: time from ``at`` (epoch seconds), the rest a hash of the parts."""
    digest = sha256("\x1f".join(map(str, parts)).encode()).digest()
    return bytes_to_ulid(int(at * 1000).to_bytes(6, "big") + digest[:10])


def group_id(tenant: str, target: Target) -> str:
    """Ordering group of a target: a hash, as AWS allows only 128 ASCII characters."""
    return sha256(f"{tenant}#{target.key}".encode()).hexdigest()[:40]


def tenant_group(tenant: str) -> str:
    """Fairness group of a tenant on standard queues."""
    return sha256(tenant.encode()).hexdigest()[:40]


def log_key(tenant: str, target: Target) -> str:
    """Partition of a target's log."""
    return f"{tenant}#LOG#{target.key}"


def entry_key(sequence: int) -> str:
    """Sort key of an entry; sorts by number."""
    return f"E#{sequence:0{_DIGITS}d}"


def entry_sequence(sort_key: str) -> int:
    """The number that :func:`entry_key` was made from."""
    return int(sort_key[2:])


def id_key(tenant: str, ident: str) -> str:
    """Partition of the record that tells where an id is stored."""
    return f"{tenant}#ID#{ident}"


def channel_key(tenant: str, channel: str) -> str:
    """Partition of a channel: its record (:data:`RECORD`) and its participants."""
    return f"{tenant}#CHANNEL#{channel}"


def participant_key(user: str) -> str:
    """Sort key of a participant within the channel's partition."""
    return f"P#{user}"


def member_key(tenant: str, user: str) -> str:
    """Partition of the channels that a user takes part in; the sort key is the channel's id."""
    return f"{tenant}#MEMBER#{user}"


def users_key(tenant: str) -> str:
    """Partition of a tenant's users; the sort key is the user's id."""
    return f"{tenant}#USERS"


def outbox_key(shard: int) -> str:
    """Partition of events that are stored but perhaps not yet published."""
    return f"OUTBOX#{shard}"


def idempotency_key(tenant: str, user: str, scope: str) -> str:
    """Partition of what a caller's own id for a request led to."""
    return f"{tenant}#ONCE#{user}#{scope}"


def due_key(shard: int) -> str:
    """Partition of what is due later, sorted by when."""
    return f"DUE#{shard}"


def throttle_key(window: Window) -> str:
    """Partition of a throttle's window and of the ids that it has let in."""
    return _window_key("THROTTLE", window)


def digest_key(window: Window) -> str:
    """Partition of a digest's window, of what it has collected and of the ids of all that it ever did."""
    return _window_key("DIGEST", window)


def _window_key(kind: str, window: Window) -> str:
    """Templates and their keys may hold anything, in any length."""
    parts = sha256(f"{window.template}\x1f{window.key}".encode("utf-8", "surrogatepass")).hexdigest()[:40]
    return f"{window.tenant}#{kind}#{window.target.key}#{parts}"


def connection_key(connection: str) -> str:
    """Partition of a connection's row. The one key without a tenant: the gateway knows none."""
    return f"CONNECTION#{connection}"


def subscription_key(tenant: str, target: Target, shard: int) -> str:
    """Partition of those who are connected and want a target's frames."""
    return f"{tenant}#SUB#{target.key}#{shard}"


def shard_of(ident: str, shards: int) -> int:
    """Which of ``shards`` an id falls into, the same in every process."""
    return int.from_bytes(sha256(ident.encode()).digest()[:4], "big") % shards if shards > 1 else 0
