"""Tables on DynamoDB, with indexes, time to live and recovery."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from kxmsg.aws.control import Calls
from kxmsg.aws.desired import index_name
from kxmsg.aws.errors import AwsError
from kxmsg.aws.plan import Attributes, Change, Resource
from kxmsg.aws.resources.keeper import Sleep, tag_list, until
from kxmsg.errors import StartError

ACTIVE_WITHIN: Final = 600.0
"""Seconds. Making an index of a large table takes longer, and a later run goes on."""

BACKUPS_WITHIN: Final = 120.0

_INDEX: Final = index_name("")
_BY_UPDATE: Final = ("BillingMode", "DeletionProtectionEnabled")


class Tables:
    """See :class:`~kxmsg.aws.resources.keeper.Keeper`; waits, within bounds, until a table is active.

    Then raises :class:`~kxmsg.errors.StartError`. ``report`` is told what is waited for.
    """

    def __init__(
        self, calls: Calls, prefix: str, report: Callable[[str], None], *, sleep: Sleep = asyncio.sleep
    ) -> None:
        self._calls = calls
        self._prefix = prefix
        self._report = report
        self._sleep = sleep

    async def read(self, resource: Resource) -> Attributes | None:
        table = await self._describe(resource)
        new = table["TableStatus"] == "CREATING"  # then the others can't be asked yet
        expiry = {} if new else await self._do("DescribeTimeToLive", resource, {})
        backups = {} if new else await self._do("DescribeContinuousBackups", resource, {})
        indexes = {
            index_name(index["IndexName"]): {
                "keys": _keys(index, table),
                "projection": index["Projection"]["ProjectionType"],
            }
            for index in table.get("GlobalSecondaryIndexes") or ()
        }
        return {
            "keys": _keys(table, table),
            "BillingMode": (table.get("BillingModeSummary") or {}).get("BillingMode", "PROVISIONED"),
            "DeletionProtectionEnabled": bool(table.get("DeletionProtectionEnabled")),
            **{name: index for name, index in indexes.items() if name in resource.attributes},
            "TableStatus": _status(table) or "ACTIVE",
            "TimeToLive": _expiry(expiry.get("TimeToLiveDescription") or {}),
            "PointInTimeRecovery": _is_recoverable(backups.get("ContinuousBackupsDescription") or {}),
        }

    async def create(self, resource: Resource) -> Attributes:
        wanted = resource.attributes
        indexes = {name: index for name, index in wanted.items() if name.startswith(_INDEX)}
        keys = [wanted["keys"], *(index["keys"] for index in indexes.values())]
        payload: dict[str, Any] = {
            "TableName": resource.name,
            "AttributeDefinitions": _definitions(keys),
            "KeySchema": _schema(wanted["keys"]),
            "Tags": tag_list(self._prefix),
            **{name: wanted[name] for name in _BY_UPDATE},
        }
        if indexes:
            payload["GlobalSecondaryIndexes"] = [_index(name, index) for name, index in indexes.items()]
        await self._calls.call("dynamodb", "CreateTable", payload)
        return {"keys": wanted["keys"], **indexes, **{name: wanted[name] for name in _BY_UPDATE}}

    async def change(self, resource: Resource, changes: Sequence[Change]) -> None:
        """One at a time: UpdateTable does one thing at once, and only to an active table."""
        await self._wait(resource)
        for change in changes:
            name, to = change.attribute or "", change.to
            if name in _BY_UPDATE:
                await self._update(resource, {name: to})
            elif name.startswith(_INDEX):
                new = {"GlobalSecondaryIndexUpdates": [{"Create": _index(name, to)}]}
                await self._update(resource, {"AttributeDefinitions": _definitions([to["keys"]]), **new})
            elif name == "TimeToLive":
                spec = {"Enabled": True, "AttributeName": to}
                await self._do("UpdateTimeToLive", resource, {"TimeToLiveSpecification": spec})
            elif name == "PointInTimeRecovery":
                await self._enable_recovery(resource)

    async def _update(self, resource: Resource, payload: dict[str, Any]) -> None:
        await self._do("UpdateTable", resource, payload)
        await self._wait(resource)

    async def _enable_recovery(self, resource: Resource) -> None:
        """A new table's backups are not available at once (UpdateContinuousBackups, Errors)."""
        refused: AwsError | None = None

        async def tried() -> str | None:
            nonlocal refused
            try:
                await self._do(
                    "UpdateContinuousBackups",
                    resource,
                    {"PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True}},
                )
            except AwsError as error:
                if error.code != "ContinuousBackupsUnavailableException":
                    raise
                refused = error
                return error.code
            return None

        if await until(tried, seconds=BACKUPS_WITHIN, sleep=self._sleep) and refused is not None:
            raise refused

    async def _wait(self, resource: Resource) -> None:
        told: set[str] = set()

        async def state() -> str | None:
            status = _status(await self._describe(resource))
            if status is not None and status not in told:
                told.add(status)
                self._report(f"  {resource}: waiting, {status}")
            return status

        status = await until(state, seconds=ACTIVE_WITHIN, sleep=self._sleep)
        if status is not None:
            raise StartError(
                f"{resource}: {status} for more than {ACTIVE_WITHIN:g} s; look at it in the console, and run "
                "'kxmsg provision' again once it is ACTIVE"
            )

    async def _describe(self, resource: Resource) -> dict[str, Any]:
        table: dict[str, Any] = (await self._do("DescribeTable", resource, {}))["Table"]
        return table

    async def _do(self, operation: str, resource: Resource, payload: dict[str, Any]) -> dict[str, Any]:
        return await self._calls.call("dynamodb", operation, {"TableName": resource.name, **payload})


def _status(table: dict[str, Any]) -> str | None:
    """What the table, or an index of it, is busy with; None where all is active."""
    if table["TableStatus"] != "ACTIVE":
        return f"it is {table['TableStatus']}"
    busy = [index for index in table.get("GlobalSecondaryIndexes") or () if index.get("IndexStatus") != "ACTIVE"]
    return f"index {busy[0]['IndexName']} is {busy[0]['IndexStatus']}" if busy else None


def _expiry(description: dict[str, Any]) -> str | None:
    """The attribute that items expire by."""
    return description["AttributeName"] if description.get("TimeToLiveStatus") in ("ENABLED", "ENABLING") else None


def _is_recoverable(description: dict[str, Any]) -> bool:
    recovery = description.get("PointInTimeRecoveryDescription") or {}
    return recovery.get("PointInTimeRecoveryStatus") == "ENABLED"


def _keys(of: dict[str, Any], table: dict[str, Any]) -> list[str]:
    """Names of partition and sort key; with its type where that is not text."""
    types = {one["AttributeName"]: one["AttributeType"] for one in table["AttributeDefinitions"]}
    ordered = sorted(of["KeySchema"], key=lambda one: str(one["KeyType"]))  # HASH before RANGE
    names = [one["AttributeName"] for one in ordered]
    return [name if types[name] == "S" else f"{name} ({types[name]})" for name in names]


def _definitions(keys: Iterable[Sequence[str]]) -> list[dict[str, str]]:
    return [{"AttributeName": name, "AttributeType": "S"} for pair in keys for name in pair]


def _schema(keys: Sequence[str]) -> list[dict[str, str]]:
    return [{"AttributeName": name, "KeyType": kind} for name, kind in zip(keys, ("HASH", "RANGE"), strict=True)]


def _index(name: str, index: dict[str, Any]) -> dict[str, Any]:
    return {
        "IndexName": name.removeprefix(_INDEX),
        "KeySchema": _schema(index["keys"]),
        "Projection": {"ProjectionType": index["projection"]},
    }
