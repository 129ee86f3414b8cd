"""Keeper: what can be done with resources of one kind."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from importlib.metadata import version
from typing import Any, Final, Protocol

from kxmsg.aws.control import Calls
from kxmsg.aws.plan import Attributes, Change, Resource

Sleep = Callable[[float], Awaitable[None]]

PREFIX_TAG: Final = "kxmsg:prefix"
VERSION_TAG: Final = "kxmsg:version"

ABSENT: Final = frozenset(
    (
        "QueueDoesNotExist",
        "NotFound",
        "NotFoundException",
        "ResourceNotFoundException",
        "TableNotFoundException",
        "NoSuchBucket",
        "404",
    )
)
"""Codes of "there is no such thing", of all services."""


class Keeper(Protocol):
    """Every method raises :class:`~kxmsg.aws.errors.AwsError`."""

    async def read(self, resource: Resource) -> Attributes | None:
        """Its attributes, of those wanted or to be taken away.

        None, or an error with a code of :data:`ABSENT`, where it is not there.
        """
        ...

    async def create(self, resource: Resource) -> Attributes:
        """Make it; returns the attributes that it has by that. Others are left to :meth:`change`."""
        ...

    async def change(self, resource: Resource, changes: Sequence[Change]) -> None:
        """Change these attributes, none of them fixed."""
        ...


def tags(prefix: str) -> dict[str, str]:
    """What tells whose a resource is, and by which version it was made."""
    return {PREFIX_TAG: prefix, VERSION_TAG: version("kxmsg")}


def tag_list(prefix: str) -> list[dict[str, str]]:
    """:func:`tags` as most services want them."""
    return [{"Key": name, "Value": value} for name, value in tags(prefix).items()]


async def pages(
    calls: Calls, service: str, operation: str, payload: Mapping[str, Any], member: str
) -> AsyncIterator[Any]:
    """The entries of a list, over all its pages."""
    token: dict[str, str] = {}
    while True:
        answer = await calls.call(service, operation, {**payload, **token})
        for entry in answer.get(member) or ():
            yield entry
        if not answer.get("NextToken"):
            return
        token = {"NextToken": answer["NextToken"]}


async def until(
    condition: Callable[[], Awaitable[str | None]], *, seconds: float, pause: float = 2, sleep: Sleep = asyncio.sleep
) -> str | None:
    """Wait until ``condition`` returns None; else, after about so many seconds, what it returned last."""
    for _ in range(round(seconds / pause)):
        state = await condition()
        if state is None:
            return None
        await sleep(pause)
    return await condition()
