"""Template renderer: from a job to envelopes, one for each log that the template addresses.

They enter, wait until they are due, or are collected by a digest; a throttle drops some before that.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, TypeVar

from kxmsg import Context, Worker
from kxmsg.bootstrap import App
from kxmsg.errors import Poison
from kxmsg.keys import derived_id
from kxmsg.model.envelope import Envelope, Ordering
from kxmsg.model.event import OWN_SOURCE
from kxmsg.model.job import RenderJob
from kxmsg.model.window import Kept, Window
from kxmsg.storage.windows import Digests, Throttles
from kxmsg.subscriptions import Hit
from kxmsg.subscriptions.template import Rendered, Template
from kxmsg.subscriptions.windows import Digest, Throttle
from kxmsg.telemetry import THROTTLED, get_logger
from kxmsg.times import epoch_of
from kxmsg.topology import RENDER
from kxmsg.transport import parcel_messages, send

T = TypeVar("T")

WINDOWS_AT_ONCE: Final = 50
"""Windows that one batch works on at the same time: a template may address thousands of logs, each with its own."""

log = get_logger(__name__)

worker = Worker("template-renderer", queue=RENDER)
worker.on_start(App.prepare)


@dataclass(frozen=True, slots=True)
class _Made:
    """What a job gave: an envelope for each log."""

    template: Template
    rendered: Rendered
    envelopes: Sequence[Envelope]


@worker.handler
async def render(jobs: list[RenderJob], context: Context[App]) -> None:
    """Render a batch of jobs and send what they give to be numbered, or to wait until it is due."""
    app = context.app
    now = app.clock.now()
    made: list[_Made] = []
    for index, job in enumerate(jobs):
        try:
            if one := _render(job, app, now):
                made.append(one)
        except Poison as poison:
            context.fail(index, poison)
    if any(one.template.throttle for one in made):
        made = await _throttled(made, app.throttles)
    enter: dict[Ordering, list[Envelope]] = {"fifo": [], "standard": []}
    later: dict[float, list[Envelope]] = defaultdict(list)
    for one in made:
        for envelope in one.envelopes if one.template.digest is None else ():
            if one.rendered.deliver_after > 0:
                later[envelope.created_at / 1000 + one.rendered.deliver_after].append(envelope)
            else:
                enter[envelope.ordering].append(envelope)
    await asyncio.gather(
        *(send(app.entrances[ordering], parcel_messages(some)) for ordering, some in enter.items() if some),
        *(app.due.put(at, some) for at, some in later.items()),
        _collect([one for one in made if one.template.digest], app.digests),
    )


async def _throttled(made: Sequence[_Made], throttles: Throttles) -> list[_Made]:
    """The same without the envelopes that a throttle drops."""
    asked: dict[Window, tuple[Throttle, list[str]]] = {}
    for one in made:
        if throttle := one.template.throttle:
            for envelope in one.envelopes:
                window = _window(one, envelope, one.rendered.throttle_key)
                asked.setdefault(window, (throttle, []))[1].append(envelope.id)
    calls = [
        partial(throttles.admit, window, throttle.at_most, throttle.per, idents)
        for window, (throttle, idents) in asked.items()
    ]
    admitted = set().union(*await _few_at_once(calls))
    dropped = {ident for _, idents in asked.values() for ident in idents} - admitted
    if dropped:
        THROTTLED.inc(len(dropped))
        log.debug("throttled", templates=sorted({window.template for window in asked}), entries=len(dropped))
    return [replace(one, envelopes=[each for each in one.envelopes if each.id not in dropped]) for one in made]


async def _collect(made: Sequence[_Made], digests: Digests) -> None:
    """Add what templates with a digest gave to the windows of theirs."""
    collected: dict[Window, tuple[Digest, list[Kept]]] = {}
    for one in made:
        if digest := one.template.digest:
            for envelope in one.envelopes:
                window = _window(one, envelope, one.rendered.digest_key)
                collected.setdefault(window, (digest, []))[1].append(Kept(envelope, one.rendered.ttl))
    calls = [partial(digests.collect, window, digest.every, kept) for window, (digest, kept) in collected.items()]
    await _few_at_once(calls)


async def _few_at_once(calls: Sequence[Callable[[], Awaitable[T]]]) -> list[T]:
    gate = asyncio.Semaphore(WINDOWS_AT_ONCE)

    async def passed(call: Callable[[], Awaitable[T]]) -> T:
        async with gate:
            return await call()

    return await asyncio.gather(*map(passed, calls))


def _window(made: _Made, envelope: Envelope, key: str) -> Window:
    return Window(made.template.name, envelope.tenant, envelope.target, key)


def _render(job: RenderJob, app: App, now: float) -> _Made | None:
    """What a job gives, None where nothing; the same for the same job, however often."""
    event = job.event
    if not all(isinstance(event.get(name), str) for name in ("id", "source", "detail-type")):
        raise Poison("the job's event lacks an id, a source or a detail-type")
    template = app.catalogue.template(Hit(job.subscription, job.index), event["detail-type"])
    if template is None:
        raise Poison(f"subscription {job.subscription!r} has no such template any more; redrive once it is back")
    rendered = template.render(event, app.defaults)
    if rendered is None:
        return None
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
    return _Made(template, rendered, envelopes)


def _identity(event: dict[str, Any]) -> tuple[str, str]:
    """What makes an event one and the same, and its time.

    The bus names each put anew. Our own events, which a crash may have put twice, say in their detail what they are.
    """
    detail = event["detail"]
    if event["source"] == OWN_SOURCE and "eventId" in detail:
        return str(detail["eventId"]), str(detail.get("timestamp", ""))
    return event["id"], str(event.get("time", ""))
