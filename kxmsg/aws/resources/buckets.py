"""The bucket on S3: nothing public, encrypted, old claims expire."""

from collections.abc import Sequence
from typing import Any, Final

from kxmsg.aws.control import Calls
from kxmsg.aws.desired import PUBLIC_ACCESS
from kxmsg.aws.errors import AwsError
from kxmsg.aws.plan import Attributes, Change, Resource
from kxmsg.aws.resources.keeper import tag_list

LIFECYCLE_ID: Final = "kxmsg-claims"

_FIRST_REGION: Final = "us-east-1"
"""Where a bucket is made in without saying so, and may not be said to be (CreateBucket)."""

_UNSET: Final = (
    "NoSuchPublicAccessBlockConfiguration",
    "ServerSideEncryptionConfigurationNotFoundError",
    "NoSuchLifecycleConfiguration",
)


class Buckets:
    """See :class:`~kxmsg.aws.resources.keeper.Keeper`.

    A bucket's name can be known beforehand and be taken by others, so every call names the owner it expects.
    """

    def __init__(self, calls: Calls, prefix: str) -> None:
        self._calls = calls
        self._prefix = prefix

    async def read(self, resource: Resource) -> Attributes | None:
        await self._do("HeadBucket", resource)
        blocks = (await self._get("GetPublicAccessBlock", resource)).get("PublicAccessBlockConfiguration") or {}
        encryption = (await self._get("GetBucketEncryption", resource)).get("ServerSideEncryptionConfiguration") or {}
        ours = [rule for rule in await self._rules(resource) if rule.get("ID") == LIFECYCLE_ID]
        return {
            "PublicAccessBlock": {name: bool(blocks.get(name)) for name in PUBLIC_ACCESS},
            "Encryption": bool(encryption.get("Rules")),
            "Lifecycle": _lifecycle(ours[0]) if ours else None,
        }

    async def create(self, resource: Resource) -> Attributes:
        region = resource.place["region"]
        payload: dict[str, Any] = {"Bucket": resource.name}
        if region != _FIRST_REGION:
            payload["CreateBucketConfiguration"] = {"LocationConstraint": region}
        await self._calls.call("s3", "CreateBucket", payload)
        await self._do("PutBucketTagging", resource, Tagging={"TagSet": tag_list(self._prefix)})
        return {}

    async def change(self, resource: Resource, changes: Sequence[Change]) -> None:
        for change in changes:
            match change.attribute:
                case "PublicAccessBlock":
                    await self._do("PutPublicAccessBlock", resource, PublicAccessBlockConfiguration=change.to)
                case "Encryption":
                    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
                    await self._do("PutBucketEncryption", resource, ServerSideEncryptionConfiguration={"Rules": [rule]})
                case "Lifecycle":
                    others = [rule for rule in await self._rules(resource) if rule.get("ID") != LIFECYCLE_ID]
                    rules = [*others, _rule(change.to)]
                    await self._do("PutBucketLifecycleConfiguration", resource, LifecycleConfiguration={"Rules": rules})

    async def _rules(self, resource: Resource) -> list[dict[str, Any]]:
        return (await self._get("GetBucketLifecycleConfiguration", resource)).get("Rules") or []

    async def _get(self, operation: str, resource: Resource) -> dict[str, Any]:
        """The configuration, or an empty one where there is none."""
        try:
            return await self._do(operation, resource)
        except AwsError as error:
            if error.code not in _UNSET:
                raise
            return {}

    async def _do(self, operation: str, resource: Resource, **payload: Any) -> dict[str, Any]:
        of = {"Bucket": resource.name, "ExpectedBucketOwner": resource.place["owner"]}
        return await self._calls.call("s3", operation, {**of, **payload})


def _rule(lifecycle: dict[str, Any]) -> dict[str, Any]:
    return {
        "ID": LIFECYCLE_ID,
        "Status": "Enabled",
        "Filter": {"Prefix": lifecycle["Prefix"]},
        "Expiration": {"Days": lifecycle["Days"]},
    }


def _lifecycle(rule: dict[str, Any]) -> dict[str, Any] | None:
    """What a rule of ours does; None where somebody has switched it off."""
    if rule.get("Status") != "Enabled":
        return None
    return {
        "Prefix": (rule.get("Filter") or {}).get("Prefix", rule.get("Prefix")),
        "Days": (rule.get("Expiration") or {}).get("Days"),
    }
