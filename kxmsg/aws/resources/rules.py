"""The event bus on EventBridge, its rules and their targets."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import orjson

from kxmsg.aws.control import Calls
from kxmsg.aws.desired import target_name
from kxmsg.aws.errors import AwsError
from kxmsg.aws.plan import Attributes, Change, Resource
from kxmsg.aws.resources.keeper import PREFIX_TAG, pages, tag_list

_TARGET = target_name("")


class Buses:
    """See :class:`~kxmsg.aws.resources.keeper.Keeper`."""

    def __init__(self, calls: Calls, prefix: str) -> None:
        self._calls = calls
        self._prefix = prefix

    async def read(self, resource: Resource) -> Attributes | None:
        await self._calls.call("events", "DescribeEventBus", {"Name": resource.name})
        return {}

    async def create(self, resource: Resource) -> Attributes:
        await self._calls.call("events", "CreateEventBus", {"Name": resource.name, "Tags": tag_list(self._prefix)})
        return {}

    async def change(self, resource: Resource, changes: Sequence[Change]) -> None:
        raise ValueError(f"{resource} has no attributes to change: {changes}")


class Rules:
    """See :class:`~kxmsg.aws.resources.keeper.Keeper`. A rule's targets are attributes of it."""

    def __init__(self, calls: Calls, prefix: str) -> None:
        self._calls = calls
        self._prefix = prefix

    async def read(self, resource: Resource) -> Attributes | None:
        on = {"EventBusName": resource.place["bus"]}
        rule = await self._calls.call("events", "DescribeRule", {"Name": resource.name, **on})
        targets = [one async for one in self._targets(resource)]
        pattern = rule.get("EventPattern")
        return {"EventPattern": orjson.loads(pattern) if pattern else None, "State": rule["State"]} | {
            target_name(one["Id"]): {name: value for name, value in one.items() if name != "Id"} for one in targets
        }

    async def create(self, resource: Resource) -> Attributes:
        await self._put(resource, Tags=tag_list(self._prefix))
        return {name: resource.attributes[name] for name in ("EventPattern", "State")}

    async def change(self, resource: Resource, changes: Sequence[Change]) -> None:
        targets = {
            change.attribute.removeprefix(_TARGET): change.to
            for change in changes
            if change.attribute is not None and change.attribute.startswith(_TARGET)
        }
        if len(targets) < len(changes):
            await self._put(resource)
        of = {"Rule": resource.name, "EventBusName": resource.place["bus"]}
        wanted = [{"Id": ident, **to} for ident, to in targets.items() if to is not None]
        if wanted:
            await self._all_done("PutTargets", {**of, "Targets": wanted})
        gone = [ident for ident, to in targets.items() if to is None]
        if gone:
            await self._all_done("RemoveTargets", {**of, "Ids": gone})

    async def surplus(self, bus: Resource, wanted: Sequence[Resource]) -> list[Resource]:
        """Rules on a bus that kxmsg made, as their tag tells, and that are not wanted any more."""
        kept = {one.name for one in wanted if one.kind == "rule"}
        listing = {"EventBusName": bus.name, "NamePrefix": f"{self._prefix}-"}
        return [
            Resource("rule", one["Name"], place={"bus": bus.name})
            async for one in pages(self._calls, "events", "ListRules", listing, "Rules")
            if one["Name"] not in kept and await self._is_ours(one["Arn"])
        ]

    async def remove(self, resource: Resource) -> None:
        """Delete one that :meth:`surplus` has found, its targets first, as EventBridge demands."""
        idents = [one["Id"] async for one in self._targets(resource)]
        of = {"EventBusName": resource.place["bus"]}
        if idents:
            await self._all_done("RemoveTargets", {"Rule": resource.name, "Ids": idents, **of})
        await self._calls.call("events", "DeleteRule", {"Name": resource.name, **of})

    def _targets(self, resource: Resource) -> AsyncIterator[Any]:
        of = {"Rule": resource.name, "EventBusName": resource.place["bus"]}
        return pages(self._calls, "events", "ListTargetsByRule", of, "Targets")

    async def _put(self, resource: Resource, **more: object) -> None:
        """PutRule replaces the whole rule but its tags and targets."""
        await self._calls.call(
            "events",
            "PutRule",
            {
                "Name": resource.name,
                "EventBusName": resource.place["bus"],
                "EventPattern": orjson.dumps(resource.attributes["EventPattern"]).decode(),
                "State": resource.attributes["State"],
                "Description": "Made by 'kxmsg provision'",
                **more,
            },
        )

    async def _all_done(self, operation: str, payload: dict[str, object]) -> None:
        """A call for several targets, of which any may fail."""
        answer = await self._calls.call("events", operation, payload)
        for failed in answer.get("FailedEntries") or ():
            raise AwsError(
                "events",
                operation,
                failed.get("ErrorCode") or "InternalException",
                f"target {failed.get('TargetId')}: {failed.get('ErrorMessage') or 'it was not taken'}",
            )

    async def _is_ours(self, arn: str) -> bool:
        answer = await self._calls.call("events", "ListTagsForResource", {"ResourceARN": arn})
        return {"Key": PREFIX_TAG, "Value": self._prefix} in (answer.get("Tags") or ())
