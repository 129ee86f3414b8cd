"""Fan-out: from a committed bundle to the connections that want it."""

from collections.abc import Sequence

from kxmsg import Context, Worker
from kxmsg.audience import SHARDS
from kxmsg.bootstrap import App
from kxmsg.codecs.job import encode_chunk
from kxmsg.keys import derived_id, group_id
from kxmsg.model.connection import Place
from kxmsg.model.envelope import Bundle
from kxmsg.model.job import Chunk
from kxmsg.ports import Outgoing
from kxmsg.topology import FANOUT, FANOUT_CHUNK, FANOUT_FIFO
from kxmsg.transport import send

worker = Worker("fanout")
worker.on_start(App.prepare_to_push)


@worker.handler(queue=FANOUT)
@worker.handler(queue=FANOUT_FIFO)
async def push(bundles: list[Bundle], context: Context[App]) -> None:
    """Push a batch to the subscribers of its targets; a target with many shards is cut into a chunk for each."""
    small = [bundle for bundle in bundles if SHARDS[bundle.target.type] == 1]
    large = [bundle for bundle in bundles if SHARDS[bundle.target.type] > 1]
    chunks = [_message(Chunk(shard, bundle)) for bundle in large for shard in range(SHARDS[bundle.target.type])]
    if chunks:
        await send(context.app.queue(FANOUT_CHUNK), chunks)
    if small:
        await _deliver(small, 0, context.app)


@worker.handler(queue=FANOUT_CHUNK)
async def push_chunk(chunks: list[Chunk], context: Context[App]) -> None:
    """Push a batch of chunks, each shard's in their order."""
    for shard in sorted({chunk.shard for chunk in chunks}):
        await _deliver([chunk.bundle for chunk in chunks if chunk.shard == shard], shard, context.app)


async def _deliver(bundles: Sequence[Bundle], shard: int, app: App) -> None:
    reached = await app.delivery.deliver(bundles, shard)
    for bundle in bundles:
        subscribers = reached[Place(bundle.tenant, bundle.target)]
        if shard == 0 or app.settings.available_events == "connected":
            await app.announcer.available(bundle, [(one.tenant, one.user) for one in subscribers])


def _message(chunk: Chunk) -> Outgoing:
    bundle = chunk.bundle
    group = derived_id(0, group_id(bundle.tenant, bundle.target), chunk.shard)
    return Outgoing(encode_chunk(chunk), group, derived_id(0, group, *bundle.unique))
