"""Event consumer: which subscriptions want an event, one render job for each template that is due."""

from typing import Any

from kxmsg import Context, Worker
from kxmsg.bootstrap import App
from kxmsg.codecs.job import encode_render_job
from kxmsg.errors import Poison
from kxmsg.keys import tenant_group
from kxmsg.model.event import OWN_SOURCE
from kxmsg.model.job import RenderJob
from kxmsg.own_events import MAX_HOPS
from kxmsg.ports import Outgoing
from kxmsg.telemetry import MATCHED, new_trace
from kxmsg.topology import EVENTS, RENDER
from kxmsg.transport import send_all

worker = Worker("event-consumer", queue=EVENTS)
worker.on_start(App.prepare)


@worker.handler
async def consume(events: list[dict[str, Any]], context: Context[App]) -> None:
    """Match a batch of events and send their jobs on."""
    jobs: list[Outgoing] = []
    origins: list[int] = []
    for index, event in enumerate(events):
        try:
            made = [_message(job) for job in _jobs(event, context.app)]
        except Poison as poison:
            context.fail(index, poison)
            continue
        MATCHED.labels("yes" if made else "no").inc()
        jobs += made
        origins += [index] * len(made)
    for failure in await send_all(context.app.queue(RENDER), jobs):
        context.fail(origins[failure.index], Poison(f"render job refused: {failure.code}: {failure.message}"))


def _jobs(event: dict[str, Any], app: App) -> list[RenderJob]:
    detail = event.get("detail")
    if not isinstance(detail, dict):
        raise Poison("the event has no detail, which must be a JSON object")
    for name in ("id", "source", "detail-type"):
        if not isinstance(event.get(name), str) or not event[name]:
            raise Poison(f"the event has no {name}, which must be a text")
    hops = 0
    if event["source"] == OWN_SOURCE:
        given = detail.get("hops", 0)
        if not isinstance(given, int):
            raise Poison("the event's hops must be a number")
        hops = given + 1
        if hops > MAX_HOPS:
            raise Poison(f"the event is an answer to an answer, {hops} times over: its subscriptions form a loop")
    trace = detail.get("traceparent")
    trace = trace if isinstance(trace, str) else new_trace()
    return [RenderJob(hit.subscription, hit.index, event, trace, hops) for hit in app.catalogue.hits(event)]


def _message(job: RenderJob) -> Outgoing:
    detail = job.event["detail"]
    tenant = str(detail.get("tenantId") or detail.get("clientId") or "")
    return Outgoing(encode_render_job(job), tenant_group(tenant), attributes={"traceparent": job.trace})
