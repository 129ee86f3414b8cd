"""The template renderer alone: from a render job to envelopes for the logs that are addressed."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from kxmsg.bootstrap import App
from kxmsg.codecs.envelope import decode_parcel
from kxmsg.model.envelope import Envelope
from kxmsg.model.event import OWN_SOURCE
from kxmsg.model.job import RenderJob
from kxmsg.settings import Settings
from kxmsg.storage.due import SHARDS, DueItem, DueWait, DueWindow
from kxmsg.storage.windows import Collected
from kxmsg.testing import Sent, WorkerHarness, run
from kxmsg.testing.virtual import START
from kxmsg.topology import SEQUENCE, STORAGE
from workers.template_renderer import worker

TRACE = f"00-{'a' * 32}-{'b' * 16}-01"
SHIPPED = {
    "id": "e1",
    "source": "com.acme.orders",
    "detail-type": "shipped",
    "time": "2025-06-15T15:00:00Z",
    "detail": {"tenantId": "acme", "customer": "ana", "order": "A-1"},
}


def job(subscription: str = "orders", index: int = 0, /, **changes: Any) -> RenderJob:
    return RenderJob(subscription, index, {**SHIPPED, **changes}, TRACE)


def render(
    settings: Settings, *jobs: Any, **options: Any
) -> tuple[dict[str, list[Envelope]], list[Envelope], list[Sent]]:
    """What the worker makes of ``jobs``: envelopes by queue, those that are due later, what became of the jobs."""

    async def scenario() -> tuple[dict[str, list[Envelope]], list[Envelope], list[Sent]]:
        async with WorkerHarness(worker, settings=settings, **options) as harness:
            sent = [await harness.send(one) for one in jobs]
            await harness.settled()
            entered = {
                queue: [one for message in harness.sent(queue) for one in decode_parcel(message.body).envelopes]
                for queue in (SEQUENCE, STORAGE)
            }
            return entered, await later(harness.app), sent

    return run(scenario())


async def later(app: App) -> list[Envelope]:
    """Every envelope in the schedule, however far away."""
    return [item.envelope for item in await scheduled(app) if isinstance(item, DueItem)]


async def windows(app: App) -> list[Collected]:
    """What digests have collected."""
    closed = [await app.digests.close(item) for item in await scheduled(app) if isinstance(item, DueWindow)]
    return [one for one in closed if one is not None]


async def scheduled(app: App) -> list[DueItem | DueWindow | DueWait]:
    app.due._clock = FarFuture()
    return [item for shard in range(SHARDS) for item in await app.due.ripe(shard)]


class FarFuture:
    def now(self) -> float:
        return START + 1e9


def test_a_notification_goes_to_the_storage_writer_as_the_template_says(settings: Settings) -> None:
    entered, due, (sent,) = render(settings, job())
    (one,) = entered[STORAGE]
    assert (one.tenant, one.target.key, one.kind, one.ordering) == ("acme", "user#ana", "notification", "standard")
    assert (one.payload, one.trace) == ({"content": "Order A-1"}, TRACE)
    assert (one.created_at, one.expires_at) == (1_749_999_600_000, 1_749_999_600 + 3600)
    assert (entered[SEQUENCE], due, sent.outcome) == ([], [], "acknowledged")


def test_a_channels_message_goes_to_the_sequence_processor(settings: Settings) -> None:
    both, _, _ = render(settings, *(job("leads", n, **{"detail-type": "lead"}, detail=lead()) for n in (0, 1)))
    assert [(one.target.key, one.kind) for one in both[SEQUENCE]] == [("channel#desk", "message")]
    assert [(one.target.key, one.kind) for one in both[STORAGE]] == [("user#bo", "notification")]


def lead() -> dict[str, Any]:
    return {"tenantId": "acme", "lead": "Joe", "team": ["bo", "bo"]}


def test_the_same_job_gives_the_same_ids_and_another_event_others(settings: Settings) -> None:
    entered, _, _ = render(settings, job(), job(), job(id="e2"), job(detail={**SHIPPED["detail"], "customer": "bo"}))  # type: ignore[dict-item]
    first, again, other, third = [one.id for one in entered[STORAGE]]
    assert first == again
    assert len({first, other, third}) == 3


def test_an_own_event_is_known_by_what_it_tells_not_by_how_often_the_bus_got_it(settings: Settings) -> None:
    """A crash may put it twice; the bus names and dates it anew each time."""
    detail = {"eventId": "01J", "timestamp": "2025-06-15T15:00:00.000Z", "notificationId": "n1", "tenantId": "acme"}
    own = {"source": OWN_SOURCE, "detail-type": "notification.created", "detail": detail}
    put_again = {"id": "e9", "time": "2025-06-15T15:04:00Z"}
    entered, _, _ = render(settings, job("echo", **own), job("echo", **own, **put_again))
    first, again = entered[STORAGE]
    assert (first.id, first.created_at) == (again.id, again.created_at)


def test_what_is_to_wait_goes_into_the_schedule(settings: Settings) -> None:
    detail = {**SHIPPED["detail"], "after": 600}  # type: ignore[dict-item]
    entered, due, _ = render(settings, *[job("reminders", **{"detail-type": "ordered"}, detail=detail)] * 2)
    assert entered == {SEQUENCE: [], STORAGE: []}
    assert [one.payload for one in due] == [{"content": "Reminder"}]


def test_what_waits_for_nothing_enters_at_once(settings: Settings) -> None:
    detail = {**SHIPPED["detail"], "after": 0}  # type: ignore[dict-item]
    entered, due, _ = render(settings, job("reminders", **{"detail-type": "ordered"}, detail=detail))
    assert (len(entered[STORAGE]), due) == (1, [])


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (b"nonsense", "render job"),
        (b'{"v":1,"subscription":"orders"}', "render job"),
        (job("orders", -1), "render job"),
        (replace(job(), event={"detail": {}}), "lacks an id"),
        (job("gone"), "no such template any more"),
        (job("orders", 5), "no such template any more"),
        (job(detail={"tenantId": "acme", "order": "A-1"}), "detail.customer"),
        (job(detail={"tenantId": "acme", "order": "A-1", "customer": "a#b"}), "userId"),
        (job(detail={"tenantId": "acme", "order": "A-1", "customer": ["ana"]}), "userId"),
        (job(detail={"tenantId": "a#b", "order": "A-1", "customer": "ana"}), "tenantId"),
        (
            job(detail={"tenantId": "acme", "order": "A" * 100_000, "customer": "ana"}),
            "subscriptions.yaml:7:9: orders.notification.shipped[0]: gives",
        ),
    ],
    ids=lambda value: str(value)[:60],
)
def test_poison_is_dead_lettered_at_once_with_its_reason_and_harms_nobody_else(
    settings: Settings, wrong: Any, reason: str
) -> None:
    entered, _, (poison, good) = render(settings, wrong, job())
    assert (poison.outcome, poison.receives) == ("dead-lettered", 1)
    assert reason in str(poison.reason)
    assert (len(entered[STORAGE]), good.outcome) == (1, "acknowledged")


@pytest.mark.parametrize("time", ["", "yesterday", "1960-01-01T00:00:00Z", 7, None])
def test_a_time_that_is_none_is_now(settings: Settings, time: Any) -> None:
    entered, _, (sent,) = render(settings, job(time=time))
    assert sent.outcome == "acknowledged"
    assert abs(entered[STORAGE][0].created_at / 1000 - START) < 5


def test_tables_and_queues_that_fail_now_and_then_lose_nothing(settings: Settings) -> None:
    detail = {**SHIPPED["detail"], "after": 600}  # type: ignore[dict-item]
    waiting = [job("reminders", id=f"w{n}", **{"detail-type": "ordered"}, detail=detail) for n in range(20)]
    entered, due, sent = render(settings, *waiting, *(job(id=f"e{n}") for n in range(20)), aws_like=3)
    assert len({one.id for one in entered[STORAGE]}) == len({one.id for one in due}) == 20
    assert {one.outcome for one in sent} == {"acknowledged"}


# -------------------------------------------------------------------------------------------------------- windows


def alarm(index: int, number: int, **detail: Any) -> RenderJob:
    """A job of one of the mappings of the subscription ``alarms``."""
    given = {"tenantId": "acme", "team": ["ana"], "host": "h1", "text": f"alarm {number}", **detail}
    return job("alarms", index, id=f"a{number}", source="com.acme.alarms", detail=given, **{"detail-type": "raised"})


def test_a_throttle_lets_each_log_and_key_have_so_many_in_a_window(settings: Settings) -> None:
    jobs = [alarm(0, 1, team=["ana", "bo"]), alarm(0, 2), alarm(0, 3), alarm(0, 4, host="h2"), alarm(0, 5)]
    entered, _, sent = render(settings, *jobs)
    told = sorted((one.target.id, one.payload["content"]) for one in entered[STORAGE])
    assert told == [("ana", "alarm 1"), ("ana", "alarm 2"), ("ana", "alarm 4"), ("bo", "alarm 1")]
    assert {one.outcome for one in sent} == {"acknowledged"}


def test_a_job_that_comes_again_is_let_in_again_and_one_that_was_refused_is_not(settings: Settings) -> None:
    async def scenario() -> None:
        async with WorkerHarness(worker, settings=settings) as harness:
            for numbers in ((1, 2, 3), (3, 1), (2,)):
                for number in numbers:
                    await harness.send(alarm(0, number))
                    await harness.settled()
            parcels = [decode_parcel(message.body) for message in harness.sent(STORAGE)]
            told = [one.payload["content"] for parcel in parcels for one in parcel.envelopes]
            assert told == ["alarm 1", "alarm 2", "alarm 1", "alarm 2"]
            await asyncio.sleep(60)
            await harness.send(alarm(0, 3))
            await harness.settled()
            (late,) = decode_parcel(harness.sent(STORAGE)[-1].body).envelopes
            assert late.payload["content"] == "alarm 3"

    run(scenario())


def test_what_a_throttle_lets_in_may_have_to_wait(settings: Settings) -> None:
    entered, due, _ = render(settings, *(alarm(0, number, after=600) for number in range(5)))
    assert (entered[STORAGE], len(due)) == ([], 2)


def test_a_digest_collects_what_its_throttle_lets_in_by_log_and_key(settings: Settings) -> None:
    async def scenario() -> tuple[list[Collected], int]:
        async with WorkerHarness(worker, settings=settings) as harness:
            jobs = [alarm(1, number) for number in range(5)] + [
                alarm(2, number, host=f"h{number % 2}") for number in range(5)
            ]
            for one in (*jobs, *jobs):
                await harness.send(one)
            await harness.settled()
            return await windows(harness.app), len(harness.sent(STORAGE)) + len(harness.sent(SEQUENCE))

    found, entered = run(scenario())
    assert entered == 0
    counted = sorted((one.kept[0].envelope.target.key, one.count, one.kept[0].ttl) for one in found)
    assert counted == [("channel#desk", 2, None), ("channel#desk", 3, None), ("user#chief", 3, 3600)]


def test_windows_are_right_on_tables_that_fail_now_and_then(settings: Settings) -> None:
    async def scenario() -> list[Collected]:
        async with WorkerHarness(worker, settings=settings, aws_like=5) as harness:
            sent = [await harness.send(alarm(2, number % 25)) for number in range(50)]
            await harness.settled()
            assert {one.outcome for one in sent} == {"acknowledged"}
            return await windows(harness.app)

    (found,) = run(scenario())
    assert found.count == len({one.envelope.id for one in found.kept}) == 25
