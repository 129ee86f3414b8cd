"""Sequence processor: what has an order is numbered in it, stored in the same transaction, and sent on."""

from kxmsg import Context, Worker
from kxmsg.bootstrap import App
from kxmsg.model.envelope import Parcel
from kxmsg.topology import SEQUENCE

worker = Worker("sequence-processor", queue=SEQUENCE)
worker.on_start(App.prepare)


@worker.handler
async def number(parcels: list[Parcel], context: Context[App]) -> None:
    """Number, store and publish a batch, each group in its order."""
    for index, error in enumerate(await context.app.ordered.record(parcels)):
        if error is not None:
            context.fail(index, error)
