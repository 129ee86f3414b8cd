"""Claim check on AWS: through SNS with raw delivery, FIFO too, and from the bus to the rendered envelope."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from kxmsg.aws.account import Account
from kxmsg.aws.control import Control
from kxmsg.aws.desired import desired
from kxmsg.aws.names import Names
from kxmsg.aws.provision import Provisioner
from kxmsg.bootstrap import App, open_app
from kxmsg.claims import CLAIM, opened
from kxmsg.ports import Outgoing
from kxmsg.settings import Settings
from kxmsg.subscriptions import load
from kxmsg.topology import FANOUT, FANOUT_FIFO, OUTBOUND, OUTBOUND_FIFO, TOPOLOGY, bus_rules
from kxmsg.transport import publish_all
from tests.aws.emulator import Emulator
from tests.test_claims import LARGE, OUTBOUND_ATTRIBUTES, largest_event, received, rendered
from tests.workers import config


@pytest.fixture
async def app(aws_env: Emulator, tmp_path: Path) -> AsyncIterator[App]:
    """An app on provisioned resources of its own."""
    prefix = f"t-{uuid4().hex[:12]}"
    settings = Settings(backend="aws", prefix=prefix, config=config.write(tmp_path / "config"), data=tmp_path)
    account = Account()
    calls = Control(account)
    names = Names(prefix, aws_env.account, aws_env.region)
    wanted = desired(TOPOLOGY, names, bus_rules(load(settings.config)))
    await Provisioner(calls, prefix, wanted, lambda _: None).apply()
    await calls.close()
    async with open_app(settings) as app:
        yield app


async def test_a_topic_carries_claims_to_queues_of_both_kinds_and_the_largest_event_is_rendered(app: App) -> None:
    """In one test, since provisioning takes most of its time."""
    for topic, queue, dedup in ((OUTBOUND, FANOUT, None), (OUTBOUND_FIFO, FANOUT_FIFO, "1")):
        message = Outgoing(LARGE, "g", dedup, attributes=OUTBOUND_ATTRIBUTES)
        assert await publish_all(app.topic(topic), [message]) == []
        (delivery,) = await received(app.queue(queue), 1)
        assert CLAIM in delivery.attributes
        whole = await opened(delivery, app.blobs)
        assert (whole.body, whole.attributes) == (LARGE, OUTBOUND_ATTRIBUTES)
    envelope = await rendered(app, largest_event())
    assert envelope.payload == {"content": "Order A-1"}
