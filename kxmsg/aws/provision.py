"""Provision: makes what there should be on AWS, and tells what is missing."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from itertools import count
from typing import Final

from kxmsg.aws.control import Calls
from kxmsg.aws.errors import AwsError, start_error
from kxmsg.aws.plan import Attributes, Change, Identity, Kind, Resource, differences, in_order, plan
from kxmsg.aws.resources.buckets import Buckets
from kxmsg.aws.resources.keeper import ABSENT, Keeper, Sleep
from kxmsg.aws.resources.queues import Queues
from kxmsg.aws.resources.rules import Buses, Rules
from kxmsg.aws.resources.secrets import SecretsOfManager
from kxmsg.aws.resources.tables import Tables
from kxmsg.aws.resources.topics import Subscriptions, Topics
from kxmsg.errors import StartError

AT_ONCE: Final = 8
"""Resources worked on at a time: control planes throttle early."""

ROUNDS: Final = 30
PAUSE: Final = 3.0
"""Seconds between two rounds: together they outlast the minute for which SQS keeps a deleted queue's name."""

_ONCE_MORE: Final = {
    "QueueDeletedRecently": "it was deleted less than a minute ago",
    "QueueNameExists": "somebody else is making it",
    "ResourceExistsException": "somebody else is making it",
    "ResourceAlreadyExistsException": "somebody else is making it",
    "ResourceInUseException": "somebody else is making or changing it",
    "BucketAlreadyOwnedByYou": "somebody else is making it",
    "ConcurrentModificationException": "somebody else is changing it",
    "OperationAborted": "somebody else is making it",
}
"""Codes after which the resource is looked at again, with what they mean; they pass."""

_CLASHES: Final = "already exists with different"
"""What SNS says of a topic or subscription (InvalidParameter) that somebody else has made in the meantime."""

Report = Callable[[str], None]


class Provisioner:
    """Works towards ``wanted``, of one account and prefix; ``report`` gets a line for every step."""

    def __init__(
        self,
        calls: Calls,
        prefix: str,
        wanted: Sequence[Resource],
        report: Report,
        *,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._wanted = wanted
        self._report = report
        self._sleep = sleep
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._created: set[Identity] = set()
        self._done = 0
        self._rules = Rules(calls, prefix)
        self._subscriptions = Subscriptions(calls)
        self._keepers: dict[Kind, Keeper] = {
            "queue": Queues(calls, prefix),
            "topic": Topics(calls, prefix),
            "subscription": self._subscriptions,
            "event bus": Buses(calls, prefix),
            "rule": self._rules,
            "table": Tables(calls, prefix, report, sleep=sleep),
            "bucket": Buckets(calls, prefix),
            "secret": SecretsOfManager(calls, prefix),
        }

    async def plan(self) -> list[Change]:
        """What :meth:`apply` would change. Raises :class:`~kxmsg.errors.StartError` for what can't be looked at."""
        try:
            async with asyncio.TaskGroup() as group:
                reads = {one.identity: group.create_task(self.read(one)) for one in self._wanted}
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from failed
        return plan(self._wanted, {one: task.result() for one, task in reads.items()}, await self.surplus())

    async def read(self, resource: Resource) -> Attributes | None:
        """What there is of a resource; None where it is not there. Raises :class:`~kxmsg.errors.StartError`."""
        async with self._turns:
            try:
                return await self._look(resource)
            except AwsError as error:
                raise start_error(error, str(resource)) from error

    async def surplus(self) -> list[Resource]:
        """Subscriptions and rules of kxmsg's own that are not wanted any more. Raises as :meth:`read`."""
        surplus: list[Resource] = []
        for holder in self._wanted:
            try:
                if holder.kind == "topic":
                    surplus += await self._subscriptions.surplus(holder, self._wanted)
                elif holder.kind == "event bus":
                    surplus += await self._rules.surplus(holder, self._wanted)
            except AwsError as error:
                if error.code not in ABSENT:
                    raise start_error(error, str(holder)) from error
        return surplus

    async def apply(self) -> int:
        """Make, change and remove until there is no difference; returns how many changes that took.

        Does as much as it can. Raises :class:`~kxmsg.errors.StartError` for what it can't; where that is several
        resources, each is reported.
        """
        self._done = 0
        self._created.clear()
        outcomes: dict[Identity, asyncio.Task[StartError | None]] = {}
        async with asyncio.TaskGroup() as group:
            for resource in in_order(self._wanted):
                needed = [outcomes[identity] for identity in resource.after]
                outcomes[resource.identity] = group.create_task(self._try(resource, needed))
        failures = [failure for task in outcomes.values() if (failure := task.result()) is not None]
        if len(failures) == 1:
            raise failures[0]
        if failures:
            for failure in failures:
                self._report(f"! {failure}")
            raise StartError(f"{len(failures)} resources are not as they should be: see to them, and run this again")
        for resource in await self.surplus():
            await self._remove(resource)
        return self._done

    async def _try(self, resource: Resource, needed: Sequence[Awaitable[StartError | None]]) -> StartError | None:
        """Bring a resource to what it should be, once what it needs is there. Returns what stands against it."""
        if any([await one is not None for one in needed]):
            return StartError(f"{resource}: left undone, for what it needs is not there")
        async with self._turns:
            try:
                await self._ensure(resource)
            except StartError as error:
                return error
        return None

    async def _ensure(self, resource: Resource) -> None:
        told: set[str] = set()
        for round_ in count(1):
            try:
                await self._round(resource)
            except AwsError as error:
                reason = self._passing(resource, error)
                if round_ == ROUNDS or reason is None:
                    if await self._is_settled(resource):  # somebody else has done it in the meantime
                        return
                    raise start_error(error, str(resource)) from error
            else:
                return
            if reason not in told:
                told.add(reason)
                self._report(f"  {resource}: waiting, {reason}")
            await self._sleep(PAUSE)

    async def _round(self, resource: Resource) -> None:
        """Look, and do what is to be done."""
        keeper = self._keepers[resource.kind]
        found = await self._look(resource)
        if found is None:
            found = await keeper.create(resource)
            self._created.add(resource.identity)
            self._note(Change("create", resource))
        changes = differences(resource, found)
        possible = [change for change in changes if change.action != "refuse"]
        if possible:
            await keeper.change(resource, possible)
            if resource.identity not in self._created:
                for change in possible:
                    self._note(change)
        if len(possible) < len(changes):
            refused = [change for change in changes if change.action == "refuse"]
            raise StartError("; ".join(change.text for change in refused))

    def _passing(self, resource: Resource, error: AwsError) -> str | None:
        """Why to look again after an error; None where that can't help."""
        if error.code in ABSENT and resource.identity in self._created:
            return "AWS does not show it everywhere yet"
        if _CLASHES in error.message:
            return "somebody else is making it"
        return _ONCE_MORE.get(error.code)

    async def _is_settled(self, resource: Resource) -> bool:
        try:
            return not differences(resource, await self._look(resource))
        except AwsError:
            return False  # what went wrong before is what is told

    async def _look(self, resource: Resource) -> Attributes | None:
        try:
            return await self._keepers[resource.kind].read(resource)
        except AwsError as error:
            if error.code in ABSENT:
                return None
            raise

    async def _remove(self, resource: Resource) -> None:
        remover = self._rules if resource.kind == "rule" else self._subscriptions
        try:
            await remover.remove(resource)
        except AwsError as error:
            if error.code not in ABSENT:  # somebody else has removed it
                raise start_error(error, str(resource)) from error
        self._note(Change("remove", resource))

    def _note(self, change: Change) -> None:
        self._done += 1
        self._report(str(change))
