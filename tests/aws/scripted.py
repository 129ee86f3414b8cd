"""Calls whose answers the test gives: what AWS does and the emulator doesn't."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

from kxmsg.aws.api import AwsApi, Service
from kxmsg.aws.errors import AwsError
from kxmsg.aws.names import Names
from kxmsg.aws.retrying import Retrying

NAMES = Names("kx", "123456789012", "eu-central-1")

Answer: TypeAlias = dict[str, Any] | AwsError | Callable[[], Awaitable[dict[str, Any]]]


class Scripted:
    """An AwsApi that gives these answers in turn, and keeps what it was asked; a queue's URL is not part of either."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.operations: list[str] = []
        self.payloads: list[dict[str, Any]] = []
        self.timeouts: list[float | None] = []

    async def call(
        self, service: Service, operation: str, payload: Mapping[str, Any], *, timeout: float | None = None
    ) -> dict[str, Any]:
        if operation == "GetQueueUrl":
            return {"QueueUrl": f"https://sqs.example/{payload['QueueName']}"}
        self.operations.append(operation)
        self.payloads.append(dict(payload))
        self.timeouts.append(timeout)
        answer = self.answers.pop(0)
        if isinstance(answer, AwsError):
            raise answer
        return answer if isinstance(answer, dict) else await answer()

    async def close(self) -> None:
        pass


class Losing:
    """An AwsApi that executes calls by another one, and loses the answers to the first of each operation named."""

    def __init__(self, api: AwsApi | Retrying, *operations: str) -> None:
        self._api = api
        self._owed = set(operations)

    async def call(
        self, service: Service, operation: str, payload: Mapping[str, Any], *, timeout: float | None = None
    ) -> dict[str, Any]:
        answer = await self._api.call(service, operation, payload, timeout=timeout)
        if operation in self._owed:
            self._owed.remove(operation)
            raise AwsError(service, operation, "Reset", "the connection was closed", unclear=True)
        return answer

    async def close(self) -> None:
        pass


def retrying(api: AwsApi) -> Retrying:
    """As the product calls it, but without pauses."""
    return Retrying(api, sleep=no_pause)


async def no_pause(_: float) -> None:
    await asyncio.sleep(0)


def failed(index: int, code: str, message: str = "", *, blamed: bool = False) -> dict[str, Any]:
    """An entry of a batch's answer that failed."""
    return {"Id": str(index), "Code": code, "Message": message, "SenderFault": blamed}


def done(*indexes: int) -> list[dict[str, Any]]:
    """Entries of a batch's answer that were done."""
    return [{"Id": str(index)} for index in indexes]
