"""A worker of one's own: keeps an account of every notification that goes out.

Run it with ``kxmsg worker examples.audit_worker:worker``. It has a queue of its own, ``audit``, subscribed
to the outbound topics, and so takes nothing away from anybody.
"""

from collections import Counter
from time import perf_counter

from kxmsg import Context, Worker
from kxmsg.bootstrap import App
from kxmsg.model.envelope import Bundle
from kxmsg.worker import CallNext

worker = Worker("audit", queue="audit", subscribes={"outbound": {"kind": ["notification"]}, "outbound.fifo": {}})

seen: Counter[str] = Counter()
"""Entries by tenant. A real account would be kept in a table, keyed by the entry's id: messages come at least once."""


@worker.middleware
async def timing(context: Context[App], call_next: CallNext) -> None:
    """Tell how long each batch took."""
    started = perf_counter()
    await call_next()
    context.log.debug("audited", messages=len(context.messages), seconds=round(perf_counter() - started, 6))


@worker.handler
async def audit(bundles: list[Bundle], context: Context[App]) -> None:
    """Count what was sent."""
    for index, bundle in enumerate(bundles):
        if not bundle.entries:
            context.fail(index, ValueError("the bundle is empty"))
            continue
        seen[bundle.tenant] += len(bundle.entries)


@worker.every(60)
async def report(context: Context[App]) -> None:
    """Put the account on the log once a minute."""
    context.log.info("account", entries=seen.total(), tenants=len(seen))


@worker.on_start
async def begin(app: App) -> None:
    """Begin a new account."""
    seen.clear()
