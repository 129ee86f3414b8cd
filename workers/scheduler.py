"""Scheduler: what is due enters the path, what was owed to the bus is published, what has expired is swept."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from kxmsg import Context, Worker
from kxmsg.bootstrap import App
from kxmsg.errors import BackendError, Poison
from kxmsg.log import Head
from kxmsg.model.envelope import Bundle, Entry, Envelope
from kxmsg.model.job import Chunk, Wait
from kxmsg.ports import Outgoing
from kxmsg.runtime.faults import describe
from kxmsg.storage.due import SHARDS, DueItem, DueWait, DueWindow
from kxmsg.storage.logs import Located
from kxmsg.storage.windows import Collected
from kxmsg.subscriptions.template import Template
from kxmsg.telemetry import get_logger
from kxmsg.topology import FANOUT_CHUNK
from kxmsg.transport import chunk_message, parcel_messages, send

GIVE_BACK: Final = 2.0
"""Seconds that giving the shards back may take: it comes after the drain, out of what that leaves over."""

log = get_logger(__name__)

worker = Worker("scheduler")
worker.on_start(App.prepare)


@worker.every(1)
async def fire(context: Context[App]) -> None:
    """Send what is due in the shards that this process has leased; one that fails or hangs holds up no other."""
    fired = await asyncio.gather(*(_fire(shard, context.app) for shard in range(SHARDS)), return_exceptions=True)
    if faults := [fault for fault in fired if isinstance(fault, Exception)]:
        raise ExceptionGroup("shards failed", faults)


async def _fire(shard: int, app: App) -> None:
    ripe = await app.due.ripe(shard)
    while ripe and await app.due.lease(shard, app.owner):
        items = [one for one in ripe if isinstance(one, DueItem)]
        windows = [one for one in ripe if isinstance(one, DueWindow)]
        found = await asyncio.gather(*(app.digests.close(one) for one in windows))
        closed = [one for one in found if one is not None]
        due = [item.envelope for item in items] + [each for one in closed for each in summed_up(one, app)]
        for ordering, queue in app.entrances.items():
            envelopes = [envelope for envelope in due if envelope.ordering == ordering]
            if envelopes:
                await send(queue, parcel_messages(envelopes))
        waits = [one for one in ripe if isinstance(one, DueWait)]
        if waits:
            await send(app.queue(FANOUT_CHUNK), await _reminders(waits, app))
        await app.due.done([*items, *waits])
        await app.digests.forget(closed)
        ripe = await app.due.ripe(shard)


async def _reminders(due: Sequence[DueWait], app: App) -> list[Outgoing]:
    """To fan-out again, for those whose quiet hours end: what still stands of the entries, as it stands now."""
    waits = [one.wait for one in due]
    entries = await app.logs.entries([Located(one.tenant, one.target, one.sequence) for one in waits])
    heads = await app.logs.heads([(one.tenant, one.target) for one in waits])
    return [
        chunk_message(Chunk(wait.shard, _bundle(wait, entry, head), wait.moment))
        for wait, entry, head in zip(waits, entries, heads, strict=True)
        if entry is not None
    ]


def _bundle(wait: Wait, entry: Entry, head: Head) -> Bundle:
    return Bundle(wait.tenant, wait.target, entry.envelope.ordering, head.epoch, (entry,))


def summed_up(window: Collected, app: App) -> list[Envelope]:
    """The one entry that stands for those of a digest's window, the same however often it is made.

    Where there can be none (the digest was taken out of the mapping, or its texts don't fit the entries), what was kept
    goes out as it is, each under its own id: better too much than nothing, and one window must not stop its shard.
    """
    if not window.kept:
        return []
    try:
        payload = _summary(window, app.catalogue.named(window.due.template), app.defaults.locale)
    except Exception as error:  # whatever is wrong with the texts
        reason, template = describe(error), window.due.template
        log.error("a digest's entries go out one by one", template=template, count=window.count, error=reason)
        return [replace(one.envelope, expires_at=_expiry(window, one.ttl)) for one in window.kept]
    last = window.kept[-1]
    summary = replace(
        last.envelope,
        id=window.due.id,
        payload=payload,
        created_at=window.due.at,
        hops=max(one.envelope.hops for one in window.kept),
        expires_at=_expiry(window, last.ttl),
    )
    return [summary]


def _summary(window: Collected, template: Template | None, locale: str) -> dict[str, Any]:
    if template is None or template.digest is None:
        raise Poison("there is no such template with a digest any more")
    return template.digest.summary([one.envelope.payload for one in window.kept], window.count, locale)


def _expiry(window: Collected, ttl: float | None) -> int | None:
    """Epoch seconds; the time to live begins when the window fires."""
    return None if ttl is None else int(window.due.at / 1000 + ttl)


@worker.on_stop
async def give_back(app: App) -> None:
    """Give the shards back, so that whoever comes next need not wait for their leases to end."""
    try:
        async with asyncio.timeout(GIVE_BACK):
            await asyncio.gather(*(app.due.release(shard, app.owner) for shard in range(SHARDS)))
    except (BackendError, TimeoutError) as error:
        log.warning("shards are not given back, their leases will end", error=describe(error))


@worker.every(5)
async def publish(context: Context[App]) -> None:
    """Publish events that their writer could not."""
    await context.app.outbox.sweep()
    await context.app.log_outbox.sweep()


@worker.every(60)
async def expire(context: Context[App]) -> None:
    """Delete what has expired; on AWS the tables do that themselves."""
    await context.app.backend.sweep()
