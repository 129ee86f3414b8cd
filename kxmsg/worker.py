"""The public worker API: what handles a queue's messages, and what it wants to be called with.

::

    worker = Worker("audit", queue="audit", subscribes={"outbound": {"kind": "message"}})


    @worker.handler
    async def audit(order: Order, context: Context) -> None: ...

The annotation of the first parameter decides how a message is decoded; ``list[Order]`` makes it a batch handler.
"""

import asyncio
import os
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, overload

from kxmsg.errors import ConfigError
from kxmsg.retry import Jitter
from kxmsg.runtime import demand
from kxmsg.runtime.consumer import GRACE, Consumer, Options
from kxmsg.runtime.context import App, Context
from kxmsg.runtime.decoders import register
from kxmsg.runtime.drain import RESERVE, Budget, Scope
from kxmsg.runtime.endpoint import CallNext, Endpoint, Function, Middleware
from kxmsg.runtime.health import heartbeat_file
from kxmsg.runtime.periodic import Task, repeat_every
from kxmsg.runtime.protection import AGENT_URI, Protection, ask_agent
from kxmsg.runtime.verdict import OnDead
from kxmsg.runtime.watchdog import Watchdog
from kxmsg.telemetry import get_logger
from kxmsg.topology import QueueSpec, SubscriptionSpec, Topology

__all__ = ["CallNext", "Context", "Worker", "register"]

Hook = Callable[[Any], Awaitable[None]]
"""Called with the app."""

_F = TypeVar("_F", bound=Function)
_Task = TypeVar("_Task", bound=Task)
_Middleware = TypeVar("_Middleware", bound=Middleware)
_Hook = TypeVar("_Hook", bound=Hook)

_log = get_logger("kxmsg.worker")


@dataclass(frozen=True, slots=True)
class _Serving:
    """How one queue is served. None: as the worker, the queue or the settings say."""

    endpoint: Endpoint
    batch: int | None
    concurrency: int | None
    visibility: float | None
    on_dead: OnDead


class Worker:
    """A worker type: handlers of queues, periodic tasks, and what surrounds them.

    ``queue`` is what a bare ``@worker.handler`` serves. One that kxmsg does not have is made for this worker, with its
    dead-letter queue, and by ``subscribes`` subscribed to topics: topic → attribute → what it may be, where all of the
    attributes must fit. ``concurrency``: messages in hand at most, per queue; ``visibility``: seconds of a lease.
    ``long``: its work may take longer than a drain lasts, so on ECS the task is protected from scale-in meanwhile.
    """

    def __init__(
        self,
        name: str,
        *,
        queue: str | None = None,
        subscribes: Mapping[str, Mapping[str, str | Sequence[str]]] | None = None,
        concurrency: int | None = None,
        visibility: float | None = None,
        long: bool = False,
    ) -> None:
        self.name = name
        self._long = long
        self._queue = queue
        self._subscribes = subscribes or {}
        self._concurrency = concurrency
        self._visibility = visibility
        self._serving: dict[str, _Serving] = {}
        self._periodic: list[tuple[float, Task]] = []
        self._middleware: list[Middleware] = []
        self._on_start: list[Hook] = []
        self._on_stop: list[Hook] = []
        if self._subscribes and queue is None:
            raise ConfigError([f"worker {name}: subscribes: name the queue that is to be subscribed"])

    @property
    def queues(self) -> list[str]:
        """Names of the queues that it serves."""
        return list(self._serving)

    # -------------------------------------------------------------------------------------------- declaring

    @overload
    def handler(self, function: _F, /) -> _F: ...

    @overload
    def handler(
        self,
        *,
        queue: str | None = None,
        batch: int | None = None,
        concurrency: int | None = None,
        visibility: float | None = None,
        on_dead: OnDead = "skip",
    ) -> Callable[[_F], _F]: ...

    def handler(
        self,
        function: Function | None = None,
        *,
        queue: str | None = None,
        batch: int | None = None,
        concurrency: int | None = None,
        visibility: float | None = None,
        on_dead: OnDead = "skip",
    ) -> Any:
        """Register a coroutine function ``(message)`` or ``(message, context)``; it may serve several queues.

        ``batch``: messages of one call at most, for a ``list[…]`` handler; by default what one poll may return. What
        the function raises fails all of them, ``context.fail`` some. ``on_dead``: whether a FIFO group goes on without
        a message that is given up, or halts for it. Raises :class:`~kxmsg.errors.ConfigError`.
        """

        def add(function: Function) -> Function:
            name = queue or self._queue
            if name is None:
                raise ConfigError([f"worker {self.name}: name the handler's queue: @worker.handler(queue=…)"])
            if name in self._serving:
                raise ConfigError([f"worker {self.name}: queue {name!r} has a handler already"])
            endpoint = Endpoint.of(function)
            if batch is not None and not endpoint.many:
                raise ConfigError([f"worker {self.name}: batch is for handlers of list[…]"])
            self._serving[name] = _Serving(endpoint, batch, concurrency, visibility, on_dead)
            return function

        return add if function is None else add(function)

    def every(self, seconds: float) -> Callable[[_Task], _Task]:
        """Register a coroutine function ``(context)`` that runs at the start and again ``seconds`` after each end.

        It never overlaps itself; after failures it waits longer. At a drain the run in work may end.
        """

        def add(task: _Task) -> _Task:
            self._periodic.append((seconds, task))
            return task

        return add

    def middleware(self, function: _Middleware) -> _Middleware:
        """Register a coroutine function ``(context, call_next)`` around each handler's calls; the first is outermost.

        ``context.messages`` holds what was decoded. What it raises counts as raised by the handler.
        """
        self._middleware.append(function)
        return function

    def on_start(self, function: _Hook) -> _Hook:
        """Register a coroutine function ``(app)`` to call before anything is received."""
        self._on_start.append(function)
        return function

    def on_stop(self, function: _Hook) -> _Hook:
        """Register a coroutine function ``(app)`` to call at the end, even of a failed start; the last comes first."""
        self._on_stop.append(function)
        return function

    def topology(self, base: Topology) -> Topology:
        """``base`` with this worker's own queue and subscriptions. Raises :class:`~kxmsg.errors.ConfigError`."""
        name = self._queue
        if name is None or any(spec.name == name for spec in base.queues):
            if self._subscribes:
                raise ConfigError([f"worker {self.name}: queue {name!r} is kxmsg's own; subscribe one of your own"])
            return base
        spec = QueueSpec(name) if self._visibility is None else QueueSpec(name, visibility=self._visibility)
        problems = [
            f"worker {self.name}: subscribes: there is no topic {topic!r}; there are "
            + ", ".join(sorted(spec.name for spec in base.topics))
            for topic in self._subscribes
            if all(spec.name != topic for spec in base.topics)
        ]
        problems += [
            f"worker {self.name}: subscribes: a FIFO queue can't be subscribed to {topic!r}, which has no order"
            for topic in self._subscribes
            if spec.fifo and not topic.endswith(".fifo")
        ]
        if problems:
            raise ConfigError(problems)
        return base.plus(
            spec,
            tuple(
                SubscriptionSpec(
                    topic,
                    name,
                    {
                        attribute: (accepted,) if isinstance(accepted, str) else tuple(accepted)
                        for attribute, accepted in wanted.items()
                    },
                )
                for topic, wanted in self._subscribes.items()
            ),
        )

    # ---------------------------------------------------------------------------------------------- running

    async def run(self, app: App, stop: asyncio.Event, *, heartbeats: Path | None = None, rng: Jitter = random) -> None:
        """Work until ``stop`` is set and what was in hand is finished or given back.

        ``heartbeats``: the folder of this process's heartbeat file (see :mod:`kxmsg.runtime.health`); none: no file.
        Raises :class:`~kxmsg.errors.ConfigError` where there is nothing to do or a queue is unknown (see
        :meth:`topology`), and what ``on_start`` raises.
        """
        if not self._serving and not self._periodic:
            raise ConfigError([f"worker {self.name}: has neither a handler nor a periodic task"])
        if unknown := [name for name in self._serving if all(spec.name != name for spec in app.topology.queues)]:
            raise ConfigError([f"worker {self.name}: there is no queue {name!r}" for name in unknown])
        async with AsyncExitStack() as ending:
            for hook in self._on_stop:
                ending.push_async_callback(hook, app)
            for hook in self._on_start:
                await hook(app)
            async with asyncio.TaskGroup() as group:
                await self._serve(group, app, stop, heartbeats, rng)
        _log.info("stopped", worker=self.name)

    async def _serve(
        self, group: asyncio.TaskGroup, app: App, stop: asyncio.Event, heartbeats: Path | None, rng: Jitter
    ) -> None:
        watchdog = Watchdog(None if heartbeats is None else heartbeat_file(heartbeats, self.name))
        keepers = [group.create_task(watchdog.run())]
        protection = self._protection(rng)
        if protection is not None:
            keepers.append(group.create_task(protection.run()))
        consumers = [
            Consumer(
                group,
                app,
                app.queue(name),
                app.queue(app.topology.queue(name).dlq),
                serving.endpoint.handle(self._middleware),
                self._options(app, name, serving),
                stop=stop,
                watchdog=watchdog,
                protection=protection,
                rng=rng,
            )
            for name, serving in self._serving.items()
        ]
        if self._serving:
            queues = [app.queue(name) for name in self._serving]
            keepers.append(group.create_task(demand.watch(app.settings.prefix, self.name, queues)))
        periodic = Scope(group)
        for seconds, task in self._periodic:
            periodic.start(self._repeat(seconds, task, app, stop, rng))
        for consumer in consumers:
            consumer.start()
        _log.info("started", worker=self.name, queues=self.queues, tasks=len(self._periodic))
        await stop.wait()
        _log.info("stopping", worker=self.name)
        budget = Budget(app.settings.stop_timeout - RESERVE)
        await asyncio.gather(*(consumer.drain(budget) for consumer in consumers), periodic.finish(budget.left()))
        await periodic.end(GRACE)
        for keeper in keepers:
            keeper.cancel()

    async def _repeat(self, seconds: float, task: Task, app: App, stop: asyncio.Event, rng: Jitter) -> None:
        await repeat_every(seconds, task, lambda: Context(app, stop), worker=self.name, stop=stop, rng=rng)

    def _options(self, app: App, name: str, serving: _Serving) -> Options:
        settings = app.settings
        return Options(
            worker=self.name,
            batch=(serving.batch or app.queue(name).batch_limit) if serving.endpoint.many else 1,
            concurrency=serving.concurrency or self._concurrency or settings.concurrency,
            visibility=serving.visibility or self._visibility or settings.visibility,
            max_failures=settings.max_failures,
            max_receives=app.topology.queue(name).max_receives,
            on_dead=serving.on_dead,
        )

    def _protection(self, rng: Jitter) -> Protection | None:
        agent = os.environ.get(AGENT_URI)
        return Protection(partial(ask_agent, agent), rng) if self._long and agent else None
