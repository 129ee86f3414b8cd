"""Fan-out: from a committed bundle to the connections that want it."""

from collections import defaultdict
from collections.abc import Sequence

from kxmsg import Context, Worker
from kxmsg.audience import SHARDS
from kxmsg.bootstrap import App
from kxmsg.model.connection import Place
from kxmsg.model.envelope import Bundle
from kxmsg.model.job import Chunk
from kxmsg.model.preferences import Moment
from kxmsg.topology import FANOUT, FANOUT_CHUNK, FANOUT_FIFO
from kxmsg.transport import chunk_message, send

worker = Worker("fanout")
worker.on_start(App.prepare_to_push)


@worker.handler(queue=FANOUT)
@worker.handler(queue=FANOUT_FIFO)
async def push(bundles: list[Bundle], context: Context[App]) -> None:
    """Push a batch to the subscribers of its targets; a target with many shards is cut into a chunk for each."""
    small = [bundle for bundle in bundles if SHARDS[bundle.target.type] == 1]
    large = [bundle for bundle in bundles if SHARDS[bundle.target.type] > 1]
    chunks = [chunk_message(Chunk(shard, bundle)) for bundle in large for shard in range(SHARDS[bundle.target.type])]
    if chunks:
        await send(context.app.queue(FANOUT_CHUNK), chunks)
    if small:
        await _deliver(small, 0, None, context.app)


@worker.handler(queue=FANOUT_CHUNK)
async def push_chunk(chunks: list[Chunk], context: Context[App]) -> None:
    """Push a batch of chunks, each shard's in their order."""
    together: dict[tuple[int, Moment | None], list[Bundle]] = defaultdict(list)
    for chunk in chunks:
        together[chunk.shard, chunk.moment].append(chunk.bundle)
    for (shard, moment), bundles in together.items():
        await _deliver(bundles, shard, moment, context.app)


async def _deliver(bundles: Sequence[Bundle], shard: int, moment: Moment | None, app: App) -> None:
    """Push, tell the bus, and keep for later what some of the readers are to be told then."""
    moment = moment or Moment(app.clock.now())
    delivered = await app.delivery.deliver(bundles, shard, moment)
    waits = delivered.waits
    for bundle in bundles:
        subscribers = delivered.subscribers[Place(bundle.tenant, bundle.target)]
        if shard == 0 or app.settings.available_events == "connected":
            connected = [(one.tenant, one.user) for one in subscribers]
            waits |= await app.announcer.available(bundle, connected, shard, moment)
    await app.due.remind(waits)
