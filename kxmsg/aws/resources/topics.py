"""Topics on SNS and their subscriptions."""

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, Final

import orjson

from kxmsg.aws.control import Calls
from kxmsg.aws.plan import Attributes, Change, Resource
from kxmsg.aws.resources.keeper import pages, tag_list

_DEFAULTS: Final = {"FifoThroughputScope": "Topic", "FilterPolicyScope": "MessageAttributes"}
"""What an attribute is where the answer leaves it out (CreateTopic, Subscribe)."""


class Topics:
    """See :class:`~kxmsg.aws.resources.keeper.Keeper`."""

    def __init__(self, calls: Calls, prefix: str) -> None:
        self._calls = calls
        self._prefix = prefix

    async def read(self, resource: Resource) -> Attributes | None:
        answer = await self._calls.call("sns", "GetTopicAttributes", {"TopicArn": resource.place["arn"]})
        found = answer.get("Attributes") or {}
        return {
            name: found.get(name) == "true" if isinstance(wanted, bool) else found.get(name, _DEFAULTS.get(name))
            for name, wanted in resource.attributes.items()
        }

    async def create(self, resource: Resource) -> Attributes:
        await self._calls.call(
            "sns",
            "CreateTopic",
            {
                "Name": resource.name,
                "Attributes": {name: _text(value) for name, value in resource.attributes.items()},
                "Tags": tag_list(self._prefix),
            },
        )
        return resource.attributes

    async def change(self, resource: Resource, changes: Sequence[Change]) -> None:
        for change in changes:
            payload = {"AttributeName": change.attribute, "AttributeValue": _text(change.to)}
            await self._calls.call("sns", "SetTopicAttributes", {"TopicArn": resource.place["arn"], **payload})


class Subscriptions:
    """See :class:`~kxmsg.aws.resources.keeper.Keeper`."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def read(self, resource: Resource) -> Attributes | None:
        arn = await self._find(resource)
        if arn is None:
            return None
        answer = await self._calls.call("sns", "GetSubscriptionAttributes", {"SubscriptionArn": arn})
        found = answer.get("Attributes") or {}
        return {
            "RawMessageDelivery": found.get("RawMessageDelivery") == "true",
            "FilterPolicy": orjson.loads(found.get("FilterPolicy") or "{}"),
            "FilterPolicyScope": found.get("FilterPolicyScope") or _DEFAULTS["FilterPolicyScope"],
        }

    async def create(self, resource: Resource) -> Attributes:
        attributes = {name: _text(value) for name, value in resource.attributes.items()}
        if not resource.attributes["FilterPolicy"]:
            del attributes["FilterPolicy"], attributes["FilterPolicyScope"]
        target = {"Protocol": "sqs", "Endpoint": resource.place["queue"]}
        await self._calls.call(
            "sns", "Subscribe", {"TopicArn": resource.place["topic"], "Attributes": attributes, **target}
        )
        return resource.attributes

    async def change(self, resource: Resource, changes: Sequence[Change]) -> None:
        arn = await self._find(resource)
        for change in changes:
            payload = {"AttributeName": change.attribute, "AttributeValue": _text(change.to)}
            await self._calls.call("sns", "SetSubscriptionAttributes", {"SubscriptionArn": arn, **payload})

    async def surplus(self, topic: Resource, wanted: Sequence[Resource]) -> list[Resource]:
        """Subscriptions of wanted queues to a topic, that are not wanted; whatever else is subscribed is left alone."""
        queues = {one.place["arn"]: one.name for one in wanted if one.kind == "queue"}
        kept = {one.name for one in wanted if one.kind == "subscription"}
        found = [
            Resource("subscription", f"{topic.name} to {queues[endpoint]}", place={"arn": arn})
            async for arn, endpoint in self._listed(topic.place["arn"])
            if endpoint in queues
        ]
        return [one for one in found if one.name not in kept]

    async def remove(self, resource: Resource) -> None:
        """Unsubscribe one that :meth:`surplus` has found."""
        await self._calls.call("sns", "Unsubscribe", {"SubscriptionArn": resource.place["arn"]})

    async def _find(self, resource: Resource) -> str | None:
        found: Iterable[str] = [
            arn async for arn, endpoint in self._listed(resource.place["topic"]) if endpoint == resource.place["queue"]
        ]
        return next(iter(found), None)

    async def _listed(self, topic: str) -> AsyncIterator[tuple[str, str]]:
        """ARN and endpoint of each."""
        async for one in pages(self._calls, "sns", "ListSubscriptionsByTopic", {"TopicArn": topic}, "Subscriptions"):
            if one["SubscriptionArn"].startswith("arn:"):  # else "Deleted" or "PendingConfirmation"
                yield one["SubscriptionArn"], one["Endpoint"]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()
