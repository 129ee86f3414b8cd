"""The test kit for workers: the real runtime on the embedded broker, in memory and in virtual time.

::

    from kxmsg.testing import WorkerHarness, run


    def test_an_order_is_audited() -> None:
        async def scenario() -> None:
            async with WorkerHarness(worker) as harness:
                order = await harness.send(Order(orderId="7"))
                await harness.settled()
                assert order.outcome == "acknowledged"

        run(scenario())
"""

from kxmsg.testing.harness import Sent, WorkerHarness
from kxmsg.testing.virtual import VirtualClock, VirtualTimeLoop, run

__all__ = ["Sent", "VirtualClock", "VirtualTimeLoop", "WorkerHarness", "run"]
