"""Queues on SQS, with their redrive and access policies."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from kxmsg.aws.control import Calls
from kxmsg.aws.plan import Attributes, Change, Resource
from kxmsg.aws.resources.keeper import tags

_TEXTS: Final = frozenset(("DeduplicationScope", "FifoThroughputLimit"))


class Queues:
    """See :class:`~kxmsg.aws.resources.keeper.Keeper`."""

    def __init__(self, calls: Calls, prefix: str) -> None:
        self._calls = calls
        self._prefix = prefix

    async def read(self, resource: Resource) -> Attributes | None:
        raw = await self._raw(await self._url(resource))
        return {name: _value(name, raw, wanted) for name, wanted in resource.attributes.items()}

    async def create(self, resource: Resource) -> Attributes:
        attributes = dict(resource.attributes)
        if "Policy" in attributes:
            attributes["Policy"] = _policy({}, attributes["Policy"])
        await self._calls.call(
            "sqs",
            "CreateQueue",
            {"QueueName": resource.name, "Attributes": _texts(attributes), "tags": tags(self._prefix)},
        )
        return resource.attributes

    async def change(self, resource: Resource, changes: Sequence[Change]) -> None:
        url = await self._url(resource)
        attributes = {change.attribute: change.to for change in changes if change.attribute is not None}
        if "Policy" in attributes:
            stands = (await self._raw(url)).get("Policy")
            attributes["Policy"] = _policy(orjson.loads(stands) if stands else {}, attributes["Policy"])
        await self._calls.call("sqs", "SetQueueAttributes", {"QueueUrl": url, "Attributes": _texts(attributes)})

    async def _url(self, resource: Resource) -> str:
        answer = await self._calls.call("sqs", "GetQueueUrl", {"QueueName": resource.name})
        return str(answer["QueueUrl"])

    async def _raw(self, url: str) -> Mapping[str, str]:
        answer = await self._calls.call("sqs", "GetQueueAttributes", {"QueueUrl": url, "AttributeNames": ["All"]})
        found: Mapping[str, str] = answer.get("Attributes") or {}
        return found


def _value(name: str, raw: Mapping[str, str], wanted: Any) -> Any:
    """An attribute as a JSON value, of the type that is wanted."""
    text = raw.get(name)
    if name == "SqsManagedSseEnabled":
        return text == "true" or bool(raw.get("KmsMasterKeyId"))  # a key of the operator's encrypts as well
    if name == "FifoQueue":
        return text == "true"  # left out of a standard queue's (GetQueueAttributes)
    if not text:
        return None
    match name:
        case "Policy":
            statements = _statements(orjson.loads(text))
            return {sid: statements[sid] for sid in wanted if sid in statements} or None
        case "RedrivePolicy":
            policy = orjson.loads(text)
            return {**policy, "maxReceiveCount": int(policy["maxReceiveCount"])}  # a number, or one as text
        case "RedriveAllowPolicy":
            return orjson.loads(text)
        case "ContentBasedDeduplication":
            return text == "true"
    return text if name in _TEXTS else int(text)


def _statements(policy: Mapping[str, Any]) -> dict[str, Any]:
    stands = policy.get("Statement") or []
    return {one["Sid"]: one for one in ([stands] if isinstance(stands, dict) else stands) if "Sid" in one}


def _policy(stands: Mapping[str, Any], ours: Mapping[str, Any]) -> dict[str, Any]:
    """The policy that stands there, in which our statements have taken the places of those of their names."""
    others = stands.get("Statement") or []
    kept = [one for one in ([others] if isinstance(others, dict) else others) if one.get("Sid") not in ours]
    return {"Version": "2012-10-17", **stands, "Statement": [*kept, *ours.values()]}


def _texts(attributes: Mapping[str, Any]) -> dict[str, str]:
    """Attributes as SQS wants them: every one a text."""
    return {
        name: value if isinstance(value, str) else orjson.dumps(value).decode() for name, value in attributes.items()
    }
