"""Recorder: number and store, then tell the world. The heart of both the sequence processor and the storage writer."""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import TypeVar

from kxmsg.errors import KxmsgError, Poison
from kxmsg.model.envelope import Bundle, Envelope, Parcel
from kxmsg.model.target import Target
from kxmsg.ports import Topic
from kxmsg.services.announcer import Announcer
from kxmsg.storage.logs import Logs
from kxmsg.telemetry import APPENDED
from kxmsg.transport import bundle_messages, publish_all

T = TypeVar("T")


class Recorder:
    """Appends parcels and publishes what was committed to ``topic``."""

    def __init__(self, logs: Logs, topic: Topic, announcer: Announcer) -> None:
        self._logs = logs
        self._topic = topic
        self._announcer = announcer

    async def record(self, parcels: Sequence[Parcel]) -> list[KxmsgError | None]:
        """Store each parcel and send it on; None for those that are done, what went wrong for the others.

        Commit, then publish, then return: whoever calls acknowledges after that. What is repeated keeps its numbers.
        """
        logs: dict[tuple[str, Target], list[int]] = {}
        for index, parcel in enumerate(parcels):
            logs.setdefault((parcel.tenant, parcel.target), []).append(index)
        outcomes: list[KxmsgError | None] = [None] * len(parcels)
        bundles: list[Bundle] = []
        owners: list[list[int]] = []
        appends = [
            self._append(tenant, target, [one for index in indexes for one in parcels[index].envelopes])
            for (tenant, target), indexes in logs.items()
        ]
        for indexes, result in zip(logs.values(), await asyncio.gather(*appends), strict=True):
            if isinstance(result, Bundle):
                if result.entries:  # else they are repeats of what was deleted since
                    bundles.append(result)
                    owners.append(indexes)
            else:
                for index in indexes:
                    outcomes[index] = result
        await self._publish(bundles, owners, outcomes)
        return outcomes

    async def _append(self, tenant: str, target: Target, envelopes: Sequence[Envelope]) -> Bundle | KxmsgError:
        try:
            bundle = await self._logs.append(tenant, target, envelopes)
        except KxmsgError as error:
            return error
        APPENDED.labels(envelopes[0].kind, target.type).inc(len(bundle.entries))
        return bundle

    async def _publish(
        self, bundles: Sequence[Bundle], owners: Sequence[list[int]], outcomes: list[KxmsgError | None]
    ) -> None:
        if not bundles:
            return
        messages = [bundle_messages(bundle) for bundle in bundles]
        position = [index for index, parts in enumerate(messages) for _ in parts]
        published, told = await asyncio.gather(
            _errors_of(publish_all(self._topic, [message for parts in messages for message in parts])),
            _errors_of(self._announcer.stored(bundles)),
        )
        for failure in published if isinstance(published, list) else ():
            for index in owners[position[failure.index]]:
                outcomes[index] = Poison(f"stored, but not published: {failure.code}: {failure.message}")
        for error in (published, told):
            if isinstance(error, KxmsgError):
                for indexes in owners:
                    for index in indexes:
                        outcomes[index] = outcomes[index] or error


async def _errors_of(work: Awaitable[T]) -> T | KxmsgError:
    """What ``work`` gives or raises: the one beside it is to finish before either is told."""
    try:
        return await work
    except KxmsgError as error:
        return error
