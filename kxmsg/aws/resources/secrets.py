"""The installation's secret on Secrets Manager: made once, and never changed here."""

from collections.abc import Sequence

from kxmsg.aws.control import Calls
from kxmsg.aws.plan import Attributes, Change, Resource
from kxmsg.aws.resources.keeper import tag_list
from kxmsg.aws.secrets import SERVICE, fresh


class SecretsOfManager:
    """See :class:`~kxmsg.aws.resources.keeper.Keeper`."""

    def __init__(self, calls: Calls, prefix: str) -> None:
        self._calls = calls
        self._prefix = prefix

    async def read(self, resource: Resource) -> Attributes | None:
        answer = await self._calls.call(SERVICE, "DescribeSecret", {"SecretId": resource.name})
        return None if answer.get("DeletedDate") else {}

    async def create(self, resource: Resource) -> Attributes:
        payload = {"Name": resource.name, "SecretString": fresh(), "Tags": tag_list(self._prefix)}
        await self._calls.call(SERVICE, "CreateSecret", payload)
        return {}

    async def change(self, resource: Resource, changes: Sequence[Change]) -> None:
        """It has nothing that could differ."""
