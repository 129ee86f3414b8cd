"""Signals: from a change to the frame, without a log."""

import orjson

from kxmsg.bootstrap import App
from kxmsg.codecs import native
from kxmsg.codecs.envelope import decode_bundle
from kxmsg.errors import Transient
from kxmsg.model.connection import Place
from kxmsg.services.signals import Signal
from kxmsg.topology import FANOUT_FIFO
from tests.product import DESK, simulate

HERE = Place("acme", DESK)


def test_signals_of_a_target_come_in_their_order_and_have_no_number() -> None:
    async def scenario(app: App) -> None:
        await app.signals.send([Signal(HERE, "joined", {"n": n}) for n in range(25)], origin="c1")
        queue, told = app.queue(FANOUT_FIFO), []
        while taken := await queue.receive(10, wait=0, visibility=60):
            for bundle in (decode_bundle(one.body) for one in taken):
                (entry,) = bundle.entries
                assert (entry.envelope.kind, entry.envelope.origin) == ("signal", "c1")
                told.append(orjson.loads(native.frame(bundle, entry)))
            await queue.delete([one.receipt for one in taken])
        assert [frame["n"] for frame in told] == list(range(25))
        assert set(told[0]) == {"type", "n", "timestamp", "targetKey"}
        assert not (await app.logs.head("acme", DESK)).exists

    simulate(scenario)


def test_a_topic_that_is_away_costs_the_signal_alone() -> None:
    async def scenario(app: App) -> None:
        async def down(_: object) -> None:
            raise Transient("the topic is away")

        app.signals._topic.publish = down  # type: ignore[method-assign, assignment] # what is sent to is away
        await app.signals.send([Signal(HERE, "joined", {})])

    simulate(scenario)
