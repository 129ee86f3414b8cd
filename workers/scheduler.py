"""Scheduler: what is due enters the path, what was owed to the bus is published, what has expired is swept."""

from kxmsg import Context, Worker
from kxmsg.bootstrap import App
from kxmsg.errors import BackendError
from kxmsg.storage.due import SHARDS
from kxmsg.telemetry import get_logger
from kxmsg.transport import parcel_messages, send

log = get_logger(__name__)

worker = Worker("scheduler")
worker.on_start(App.prepare)


@worker.every(1)
async def fire(context: Context[App]) -> None:
    """Send what is due in the shards that this process has leased."""
    due = context.app.due
    for shard in range(SHARDS):
        ripe = await due.ripe(shard)
        while ripe and await due.lease(shard, context.app.owner):
            for ordering, queue in context.app.entrances.items():
                envelopes = [item.envelope for item in ripe if item.envelope.ordering == ordering]
                if envelopes:
                    await send(queue, parcel_messages(envelopes))
            await due.done(ripe)
            ripe = await due.ripe(shard)


@worker.on_stop
async def give_back(app: App) -> None:
    """Give the shards back, so that whoever comes next need not wait for their leases to end."""
    try:
        for shard in range(SHARDS):
            await app.due.release(shard, app.owner)
    except BackendError as error:
        log.warning("shards are not given back, their leases will end", error=str(error))


@worker.every(5)
async def publish(context: Context[App]) -> None:
    """Publish events that their writer could not."""
    await context.app.outbox.sweep()


@worker.every(60)
async def expire(context: Context[App]) -> None:
    """Delete what has expired; on AWS the tables do that themselves."""
    await context.app.backend.sweep()
