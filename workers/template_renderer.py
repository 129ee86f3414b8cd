"""Template renderer: from a job to envelopes, one for each log that the template addresses."""

import asyncio
from collections import defaultdict
from typing import Any, Final

import orjson

from kxmsg import Context, Worker
from kxmsg.bootstrap import App
from kxmsg.errors import Poison
from kxmsg.keys import derived_id
from kxmsg.model.envelope import Envelope, Ordering
from kxmsg.model.event import OWN_SOURCE
from kxmsg.model.job import RenderJob
from kxmsg.services.entrance import MAX_PAYLOAD
from kxmsg.subscriptions import Hit
from kxmsg.times import epoch_of
from kxmsg.topology import RENDER
from kxmsg.transport import parcel_messages, send

MAX_RENDERED: Final = 16 << 20
"""Bytes that one job may come to in all: it is in memory at once."""

worker = Worker("template-renderer", queue=RENDER)
worker.on_start(App.prepare)


@worker.handler
async def render(jobs: list[RenderJob], context: Context[App]) -> None:
    """Render a batch of jobs and send what they give to be numbered, or to wait until it is due."""
    app = context.app
    now = app.clock.now()
    enter: dict[Ordering, list[Envelope]] = {"fifo": [], "standard": []}
    later: dict[float, list[Envelope]] = defaultdict(list)
    for index, job in enumerate(jobs):
        try:
            delay, envelopes = _render(job, app, now)
        except Poison as poison:
            context.fail(index, poison)
            continue
        for envelope in envelopes:
            if delay > 0:
                later[envelope.created_at / 1000 + delay].append(envelope)
            else:
                enter[envelope.ordering].append(envelope)
    await asyncio.gather(
        *(send(app.entrances[ordering], parcel_messages(some)) for ordering, some in enter.items() if some),
        *(app.due.put(at, some) for at, some in later.items()),
    )


def _render(job: RenderJob, app: App, now: float) -> tuple[float, list[Envelope]]:
    """Seconds to wait from the event's time, and the envelopes; the same for the same job, however often."""
    event = job.event
    if not all(isinstance(event.get(name), str) for name in ("id", "source", "detail-type")):
        raise Poison("the job's event lacks an id, a source or a detail-type")
    template = app.catalogue.template(Hit(job.subscription, job.index), event["detail-type"])
    if template is None:
        raise Poison(f"subscription {job.subscription!r} has no such template any more; redrive once it is back")
    rendered = template.render(event, app.settings.default_tenant)
    if rendered is None:
        return 0, []
    size = len(orjson.dumps(rendered.payload))
    if size > MAX_PAYLOAD:
        raise Poison(f"{template.name}: gives {size} bytes, and readers can take {MAX_PAYLOAD}; make it shorter")
    if len(rendered.places) * size > MAX_RENDERED:
        raise Poison(f"{template.name}: {len(rendered.places)} entries of {size} bytes; address a client or a channel")
    unique, time = _identity(event)
    at = epoch_of(time, now)
    expires = None if rendered.ttl is None else int(at + rendered.deliver_after + rendered.ttl)
    envelopes = [
        Envelope(
            id=derived_id(at, unique, template.name, tenant, target.key),
            tenant=tenant,
            target=target,
            kind=template.kind,
            ordering="fifo" if target.type == "channel" else "standard",
            payload=rendered.payload,
            created_at=int(at * 1000),
            trace=job.trace,
            hops=job.hops,
            expires_at=expires,
        )
        for tenant, target in rendered.places
    ]
    return rendered.deliver_after, envelopes


def _identity(event: dict[str, Any]) -> tuple[str, str]:
    """What makes an event one and the same, and its time.

    The bus names each put anew. Our own events, which a crash may have put twice, say in their detail what they are.
    """
    detail = event["detail"]
    if event["source"] == OWN_SOURCE and "eventId" in detail:
        return str(detail["eventId"]), str(detail.get("timestamp", ""))
    return event["id"], str(event.get("time", ""))
