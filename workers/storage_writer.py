"""Storage writer: what has no order is stored and numbered as it comes, and sent on."""

from kxmsg import Context, Worker
from kxmsg.bootstrap import App
from kxmsg.model.envelope import Parcel
from kxmsg.topology import STORAGE

worker = Worker("storage-writer", queue=STORAGE)
worker.on_start(App.prepare)


@worker.handler
async def store(parcels: list[Parcel], context: Context[App]) -> None:
    """Store, number and publish a batch."""
    for index, error in enumerate(await context.app.unordered.record(parcels)):
        if error is not None:
            context.fail(index, error)
