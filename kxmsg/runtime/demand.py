"""Demand: how many messages wait on a worker type's queues, which is what its service scales on (docs/how-to/aws.md).

Every process of the type tells the same number, so that in CloudWatch the average is what waits and the number of
samples in a minute how many processes run.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from kxmsg.errors import BackendError
from kxmsg.ports import Queue
from kxmsg.runtime.batches import CALL_LIMIT
from kxmsg.runtime.faults import describe
from kxmsg.telemetry import BACKLOG, get_logger

LOOK: Final = 30.0
"""Seconds between two looks: half the time between two sets of EMF lines."""

_log = get_logger("kxmsg.runtime")


async def watch(prefix: str, worker: str, queues: Sequence[Queue]) -> None:
    """Keep :data:`~kxmsg.telemetry.BACKLOG` true until cancelled; what can't be known is not told."""
    known = True
    try:
        while True:
            try:
                async with asyncio.timeout(CALL_LIMIT):
                    depths = await asyncio.gather(*(queue.depth() for queue in queues))
            except (BackendError, TimeoutError) as error:
                if known:
                    _log.warning("the backlog can't be told", worker=worker, error=describe(error))
                known = False
                BACKLOG.remove(prefix, worker)
            else:
                known = True
                BACKLOG.labels(prefix, worker).set(sum(depth.visible for depth in depths))
            await asyncio.sleep(LOOK)
    finally:
        BACKLOG.remove(prefix, worker)
