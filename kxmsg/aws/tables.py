"""DynamoTables: the Tables port on DynamoDB."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from kxmsg.aws.errors import AwsError
from kxmsg.aws.expressions import (
    Request,
    check_key,
    cursor_of,
    key_attributes,
    put_item,
    query_request,
    selects_nothing,
    write_request,
)
from kxmsg.aws.marshal import Attribute
from kxmsg.aws.refusals import cancellation, found_item, item_of, refusal
from kxmsg.aws.retrying import Retrying
from kxmsg.errors import BackendError, Permanent, Transient
from kxmsg.ports import Delete, Failure, Item, Key, Page, Put, Query, TransactItem, Update, Write
from kxmsg.retry import Backoff
from kxmsg.topology import TableSpec, Topology

T = TypeVar("T")
R = TypeVar("R")

GET_BATCH: Final = 100
"""Keys of one BatchGetItem, as its API reference has it."""

WRITE_BATCH: Final = 25
"""Items of one BatchWriteItem."""

TRANSACTION_ITEMS: Final = 100

PARALLEL: Final = 8
"""Requests of one call that are under way at once."""

ROUNDS: Final = 4
"""Tries of what batches leave unprocessed: of writes, and of reads that get no further."""

_BACKOFF: Final = Backoff(base=0.05, cap=2.0)


@dataclass(frozen=True, slots=True)
class _Entry:
    """A write of a batch. ``index`` is its position in the call, ``table`` its name in the account."""

    index: int
    table: str
    key: Key
    request: Request


class DynamoTables:
    """See :class:`~kxmsg.ports.Tables`. ``table_name`` gives the name in the account of a table of the topology.

    A condition, an increment or a transaction whose answer was lost is not repeated but raises Transient: the caller
    reads what stands there. Expired items are read as any other until DynamoDB deletes them, up to days later ("Using
    time to live" in its Developer Guide).
    """

    def __init__(
        self,
        calls: Retrying,
        topology: Topology,
        table_name: Callable[[str], str],
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._calls = calls
        self._sleep = sleep
        self._specs = {spec.name: spec for spec in topology.tables}
        self._names = {name: table_name(name) for name in self._specs}

    # -------------------------------------------------------------------------------------------------- reads

    async def get(self, table: str, key: Key, *, consistent: bool = False) -> Item | None:
        name = self._name(table)
        request: Request = {"TableName": name, "Key": key_attributes(table, key)}
        if consistent:
            request["ConsistentRead"] = True
        answer = await self._call("GetItem", request, name)
        return found_item(answer.get("Item"), _resource(name))

    async def get_many(self, table: str, keys: Sequence[Key], *, consistent: bool = False) -> list[Item | None]:
        name = self._name(table)
        for key in keys:
            check_key(table, key)

        async def read(chunk: Sequence[Key]) -> tuple[list[Item], list[Key]]:
            return await self._read_batch(name, chunk, consistent=consistent)

        found: dict[Key, Item] = {}
        waiting = list(dict.fromkeys(keys))  # DynamoDB refuses a request that has a key twice
        fruitless = 0
        while waiting:
            left: list[Key] = []
            for outcome in await _in_waves(read, _chunks(waiting, GET_BATCH)):
                if isinstance(outcome, BackendError):
                    raise outcome
                items, unprocessed = outcome
                found.update((Key(item["pk"], item["sk"]), item) for item in items)
                left += unprocessed
            # What is over 16 MB comes in parts, each with some progress; no progress is a table under too much load.
            fruitless = fruitless + 1 if len(left) == len(waiting) else 0
            if fruitless == ROUNDS:
                raise Transient(f"{_resource(name)}: {len(left)} keys stayed unprocessed after {ROUNDS} tries")
            waiting = left
            if waiting:
                await self._sleep(_BACKOFF.delay(fruitless))
        return [found.get(key) for key in keys]

    async def query(self, table: str, query: Query) -> Page:
        request = self._query(table, query)
        if selects_nothing(query):
            return Page([])
        name = self._names[table]
        answer = await self._call("Query", request, name)
        items = [item_of(attributes, _resource(name)) for attributes in answer["Items"]]
        last = found_item(answer.get("LastEvaluatedKey"), _resource(name))
        return Page(items, cursor_of(query, last) if last else None)

    async def count(self, table: str, query: Query) -> int:
        request = self._query(table, replace(query, fields=None, limit=None))
        if selects_nothing(query):
            return 0
        request["Select"] = "COUNT"
        count = 0
        while True:
            answer = await self._call("Query", request, self._names[table])
            count += int(answer["Count"])
            if not (last := answer.get("LastEvaluatedKey")):
                return count
            request["ExclusiveStartKey"] = last

    # ------------------------------------------------------------------------------------------------- writes

    async def write(self, write: Write) -> Item | None:
        name = self._name(write.table)
        kind, request = write_request(name, write)
        if isinstance(write, Update):
            request["ReturnValues"] = "ALL_NEW"
        elif isinstance(write, Delete):
            request["ReturnValues"] = "ALL_OLD"
        once = write.condition is not None or (isinstance(write, Update) and bool(write.add))
        answer = await self._call(f"{kind}Item", request, name, safe=not once)
        return found_item(answer.get("Attributes"), _resource(name))

    async def transact(self, items: Sequence[TransactItem]) -> None:
        if not 1 <= len(items) <= TRANSACTION_ITEMS:
            raise Permanent(f"a transaction has 1 to {TRANSACTION_ITEMS} items, not {len(items)}")
        groups = {item.table: self._spec(item.table).group for item in items}
        if len(set(groups.values())) > 1:
            tables = ", ".join(f"{table} is in {group}" for table, group in groups.items())
            raise Permanent(f"a transaction stays in one table group: {tables}")
        names = [self._names[item.table] for item in items]
        members = [dict((write_request(name, item),)) for name, item in zip(names, items, strict=True)]
        try:
            await self._calls.call("dynamodb", "TransactWriteItems", {"TransactItems": members}, safe=False)
        except AwsError as error:
            if error.code == "TransactionCanceledException":
                raise cancellation(error, [_resource(name) for name in names]) from error
            raise refusal(error, _resource(*names)) from error

    async def write_many(self, writes: Sequence[Put | Delete]) -> list[Failure]:
        if any(write.condition is not None for write in writes):
            raise Permanent("a batch takes no conditions")
        waiting, failures = self._entries(writes)
        for attempt in range(ROUNDS):
            if not waiting:
                break
            if attempt:
                await self._sleep(_BACKOFF.delay(attempt))
            chunks = _chunks(waiting, WRITE_BATCH)
            outcomes = await _in_waves(self._write_batch, chunks)
            errors = [outcome for outcome in outcomes if isinstance(outcome, BackendError)]
            if attempt == 0 and len(errors) == len(chunks):
                raise errors[0]
            waiting, failed = _sorted_out(chunks, outcomes)
            failures += failed
        failures += [Failure(entry.index, "unprocessed") for entry in waiting]
        return sorted(failures, key=lambda failure: failure.index)

    # -------------------------------------------------------------------------------------------------- parts

    def _spec(self, table: str) -> TableSpec:
        try:
            return self._specs[table]
        except KeyError:
            raise Permanent(f"there is no table {table!r}") from None

    def _name(self, table: str) -> str:
        return self._names[self._spec(table).name]

    def _query(self, table: str, query: Query) -> Request:
        if query.index is not None and query.index not in self._spec(table).indexes:
            raise Permanent(f"{table} has no index {query.index!r}")
        return query_request(table, self._name(table), query)

    async def _call(self, operation: str, request: Request, name: str, *, safe: bool = True) -> dict[str, Any]:
        try:
            return await self._calls.call("dynamodb", operation, request, safe=safe)
        except AwsError as error:
            raise refusal(error, _resource(name)) from error

    async def _read_batch(self, name: str, keys: Sequence[Key], *, consistent: bool) -> tuple[list[Item], list[Key]]:
        """The items that are there, and the keys left unprocessed."""
        wanted: Request = {"Keys": [key_attributes(name, key) for key in keys]}
        if consistent:
            wanted["ConsistentRead"] = True
        answer = await self._call("BatchGetItem", {"RequestItems": {name: wanted}}, name)
        found = (answer.get("Responses") or {}).get(name, ())
        left = (answer.get("UnprocessedKeys") or {}).get(name, {}).get("Keys", ())
        return [item_of(attributes, _resource(name)) for attributes in found], [_key(attributes) for attributes in left]

    def _entries(self, writes: Sequence[Put | Delete]) -> tuple[list[_Entry], list[Failure]]:
        """The last write of each key, since DynamoDB refuses a batch with a key twice; and what can't be sent."""
        entries: dict[tuple[str, Key], _Entry] = {}
        failures: list[Failure] = []
        for index, write in enumerate(writes):
            try:
                name = self._name(write.table)
                if isinstance(write, Put):
                    request: Request = {"PutRequest": {"Item": put_item(write)}}
                    key = Key(write.item["pk"], write.item["sk"])
                else:
                    request = {"DeleteRequest": {"Key": key_attributes(write.table, write.key)}}
                    key = write.key
            except Permanent as error:
                failures.append(Failure(index, "invalid", str(error), retryable=False))
            else:
                entries[name, key] = _Entry(index, name, key, request)
        return list(entries.values()), failures

    async def _write_batch(self, entries: Sequence[_Entry]) -> tuple[list[_Entry], list[Failure]]:
        """What is left unprocessed, and what is refused. Raises BackendError where nothing was done.

        For one entry at fault DynamoDB refuses the whole batch and doesn't say which, so then each goes alone.
        """
        requests: dict[str, list[Request]] = {}
        for entry in entries:
            requests.setdefault(entry.table, []).append(entry.request)
        try:
            answer = await self._calls.call("dynamodb", "BatchWriteItem", {"RequestItems": requests}, safe=True)
        except AwsError as error:
            refused = refusal(error, _resource(*requests))
            if error.code != "ValidationException":
                raise refused from error
            if len(entries) == 1:
                return [], [Failure(entries[0].index, "invalid", str(refused), retryable=False)]
            chunks = _chunks(entries, 1)
            return _sorted_out(chunks, await _in_waves(self._write_batch, chunks))
        left = {
            (name, _key(request["PutRequest"]["Item"] if "PutRequest" in request else request["DeleteRequest"]["Key"]))
            for name, unprocessed in (answer.get("UnprocessedItems") or {}).items()
            for request in unprocessed
        }
        return [entry for entry in entries if (entry.table, entry.key) in left], []


def _resource(*names: str) -> str:
    return f"table {', '.join(dict.fromkeys(names))}"


def _key(attributes: Mapping[str, Attribute]) -> Key:
    return Key(attributes["pk"]["S"], attributes["sk"]["S"])


def _sorted_out(
    chunks: Iterable[Sequence[_Entry]], outcomes: Iterable[tuple[list[_Entry], list[Failure]] | BackendError]
) -> tuple[list[_Entry], list[Failure]]:
    """What is left and what failed, of all chunks together."""
    left: list[_Entry] = []
    failures: list[Failure] = []
    for chunk, outcome in zip(chunks, outcomes, strict=True):
        if isinstance(outcome, BackendError):
            retryable = isinstance(outcome, Transient)
            failures += [Failure(entry.index, "unavailable", str(outcome), retryable) for entry in chunk]
        else:
            left += outcome[0]
            failures += outcome[1]
    return left, failures


def _chunks(entries: Sequence[T], size: int) -> list[Sequence[T]]:
    return [entries[start : start + size] for start in range(0, len(entries), size)]


async def _in_waves(call: Callable[[T], Awaitable[R]], arguments: Sequence[T]) -> list[R | BackendError]:
    """The outcome of each call, some of them at once; raises what is no BackendError when its wave has ended.

    After a wave with a BackendError no more calls are made: it is the outcome of the rest as well.
    """
    outcomes: list[R | BackendError] = []
    for wave in _chunks(arguments, PARALLEL):
        stopped: BackendError | None = None
        for outcome in await asyncio.gather(*map(call, wave), return_exceptions=True):
            if isinstance(outcome, BackendError):
                stopped = outcome
            elif isinstance(outcome, BaseException):
                raise outcome
            outcomes.append(outcome)
        if stopped is not None:
            return [*outcomes, *[stopped] * (len(arguments) - len(outcomes))]
    return outcomes
