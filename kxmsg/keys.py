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

MAX_NUMBER: Final = 10**_DIGITS - 2
"""The greatest number of an entry that may be asked for: the one after it still fits a sort key."""


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


def change_key(revision: int) -> str:
    """Sort key of the record of a change, within the log's partition; sorts by revision."""
    return f"C#{revision:0{_DIGITS}d}"


def change_revision(sort_key: str) -> int:
    """The revision that :func:`change_key` was made from."""
    return int(sort_key[2:])


def page_key(last: int) -> str:
    """Sort key of a page of lifetimes, within the log's partition, by its last number."""
    return f"L#{last:0{_DIGITS}d}"


def id_key(tenant: str, ident: str) -> str:
    """Partition of the record that tells where an id is stored."""
    return f"{tenant}#ID#{ident}"


def mark_key(tenant: str, user: str) -> str:
    """Partition of what a user has done with the logs of their inbox; the sort key is a target's, or as below."""
    return f"{tenant}#MARK#{user}"


def times_key(target: Target, page: int) -> str:
    """Sort key of when a page of a target's entries was read, within the partition of a user's marks."""
    return f"{target.key}#T#{page}"


def cursor_key(tenant: str, user: str) -> str:
    """Partition of how far a user has read the messages of their inbox's logs; the sort key is the log's target."""
    return f"{tenant}#CURSOR#{user}"


def channel_key(tenant: str, channel: str) -> str:
    """Partition of a channel: its record (:data:`RECORD`) and its participants."""
    return f"{tenant}#CHANNEL#{channel}"


def participant_key(user: str) -> str:
    """Sort key of a participant within the channel's partition."""
    return f"P#{user}"


def member_key(tenant: str, user: str) -> str:
    """Partition of the channels that a user takes part in; the sort key is the channel's id."""
    return f"{tenant}#MEMBER#{user}"


def left_key(tenant: str, user: str) -> str:
    """Partition of the channels that a user has left; the sort key is the channel's id."""
    return f"{tenant}#LEFT#{user}"


def leads_key(tenant: str) -> str:
    """Partition, in the index, of the leads that nobody has claimed; sorted by when they came."""
    return f"{tenant}#LEADS"


def set_key(tenant: str, digest: str) -> str:
    """Partition of the channels with one set of participants, whose hash is ``digest``."""
    return f"{tenant}#SET#{digest}"


def in_set_key(channel: str) -> str:
    """Sort key of a channel within the partition of its set."""
    return f"C#{channel}"


def one_key(channel_type: str) -> str:
    """Sort key, within the partition of a set, of the record by which there is one channel of a type."""
    return f"ONE#{channel_type}"


def users_key(tenant: str) -> str:
    """Partition of a tenant's users; the sort key is the user's id."""
    return f"{tenant}#USERS"


def bots_key(tenant: str) -> str:
    """Partition of the users of a tenant that are bots; the sort key is the user's id."""
    return f"{tenant}#BOTS"


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
