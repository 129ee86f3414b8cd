"""The event consumer alone: from an event to one render job for each template that is due."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kxmsg.bootstrap import memory_app
from kxmsg.codecs.job import decode_render_job
from kxmsg.errors import Poison
from kxmsg.keys import tenant_group
from kxmsg.model.event import OWN_SOURCE
from kxmsg.model.job import RenderJob
from kxmsg.own_events import MAX_HOPS
from kxmsg.settings import Settings
from kxmsg.testing import Sent, WorkerHarness, run
from kxmsg.topology import RENDER
from tests.product import CONFIG
from workers.event_consumer import _jobs, worker

LEAD = {"id": "e1", "source": "com.acme.crm", "detail-type": "lead", "detail": {"tenantId": "acme", "lead": "Joe"}}


def consume(settings: Settings, *events: Any, **options: Any) -> tuple[list[RenderJob], list[Sent]]:
    """The jobs that the worker makes of ``events``, and what became of those."""

    async def scenario() -> tuple[list[RenderJob], list[Sent]]:
        async with WorkerHarness(worker, settings=settings, **options) as harness:
            sent = [await harness.send(event) for event in events]
            await harness.settled()
            return [decode_render_job(message.body) for message in harness.sent(RENDER)], sent

    return run(scenario())


def test_an_event_gives_a_job_for_each_template_that_is_due(settings: Settings) -> None:
    jobs, (sent,) = consume(settings, LEAD)
    assert [(job.subscription, job.index, job.event) for job in jobs] == [("leads", 0, LEAD), ("leads", 1, LEAD)]
    assert sent.outcome == "acknowledged"


def test_an_event_that_nobody_wants_gives_none(settings: Settings) -> None:
    jobs, (sent,) = consume(settings, {**LEAD, "source": "com.acme.other"})
    assert (jobs, sent.outcome) == ([], "acknowledged")


def test_an_events_trace_goes_on_and_every_event_has_one(settings: Settings) -> None:
    trace = f"00-{'a' * 32}-{'b' * 16}-01"
    traced, _ = consume(settings, {**LEAD, "detail": {**LEAD["detail"], "traceparent": trace}})  # type: ignore[dict-item]
    assert {job.trace for job in traced} == {trace}
    fresh, _ = consume(settings, LEAD, {**LEAD, "id": "e2"})
    assert len({job.trace for job in fresh}) == 2


def test_jobs_are_grouped_by_tenant(settings: Settings) -> None:
    async def scenario() -> None:
        async with WorkerHarness(worker, settings=settings) as harness:
            await harness.send(LEAD)
            await harness.settled()
            assert {message.group for message in harness.sent(RENDER)} == {tenant_group("acme")}

    run(scenario())


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (b"{", "not JSON"),
        (b"[]", "not a JSON object"),
        ({**LEAD, "detail": None}, "no detail"),
        ({**LEAD, "detail": "text"}, "no detail"),
        ({"source": "com.acme.crm", "detail-type": "lead", "detail": {}}, "no id"),
        ({**LEAD, "source": 7}, "no source"),
        ({**LEAD, "detail-type": ["lead"]}, "no detail-type"),
        ({**LEAD, "source": OWN_SOURCE, "detail": {"hops": "many"}}, "hops must be a number"),
    ],
    ids=str,
)
def test_poison_is_dead_lettered_at_once_with_its_reason_and_harms_nobody_else(
    settings: Settings, wrong: Any, reason: str
) -> None:
    jobs, (poison, good) = consume(settings, wrong, LEAD)
    assert (poison.outcome, poison.receives) == ("dead-lettered", 1)
    assert reason in str(poison.reason)
    assert (len(jobs), good.outcome) == (2, "acknowledged")


def test_a_loop_of_own_events_is_cut(settings: Settings) -> None:
    """Each pass through the bus counts; the last that is allowed still goes through."""

    def own(hops: int) -> dict[str, Any]:
        detail = {"eventId": "x", "notificationId": "n", "tenantId": "acme", "hops": hops}
        return {"id": f"e{hops}", "source": OWN_SOURCE, "detail-type": "notification.created", "detail": detail}

    jobs, (allowed, cut) = consume(settings, own(MAX_HOPS - 1), own(MAX_HOPS))
    assert [job.hops for job in jobs] == [MAX_HOPS]
    assert (allowed.outcome, cut.outcome) == ("acknowledged", "dead-lettered")
    assert "loop" in str(cut.reason)


def test_a_queue_that_fails_now_and_then_gets_every_job(settings: Settings) -> None:
    events = [{**LEAD, "id": f"e{number}"} for number in range(40)]
    jobs, sent = consume(settings, *events, aws_like=7)
    assert {(job.event["id"], job.index) for job in jobs} == {(event["id"], one) for event in events for one in (0, 1)}
    assert {one.outcome for one in sent} == {"acknowledged"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
NAMES = ("id", "source", "detail-type", "detail", "time")
APP = memory_app(settings=Settings(config=CONFIG))


@given(
    st.fixed_dictionaries({}, optional=dict.fromkeys(NAMES, JSON)),
    st.sampled_from([{}, {"source": OWN_SOURCE}, {"source": "com.acme.orders", "detail-type": "order.shipped"}]),
)
def test_whatever_comes_gives_jobs_or_a_reason(event: dict[str, Any], known: dict[str, str]) -> None:
    """No event raises anything else, which would fail those that came with it."""
    given_event = orjson.loads(orjson.dumps({**event, **known}))
    try:
        jobs = _jobs(given_event, APP)
    except Poison:
        return
    assert all(job.event == given_event for job in jobs)
