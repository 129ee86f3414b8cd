"""DynamoTables: the contract over HTTP at the emulator, through the wire and the SDK; losses; requests counted."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from hypothesis import given, settings
from hypothesis import strategies as st

from kxmsg.aws.account import Account
from kxmsg.aws.api import AwsApi, Service
from kxmsg.aws.names import Names
from kxmsg.aws.retrying import Retrying
from kxmsg.aws.sdk import SdkApi
from kxmsg.aws.tables import DynamoTables
from kxmsg.aws.wire.client import WireApi
from kxmsg.errors import InvalidInput, Permanent, Transient
from kxmsg.ports import ABSENT, Delete, Item, Key, Put, Query, Tables, Update, Write
from kxmsg.sigv4 import Credentials
from kxmsg.topology import CHANNELS, LOGS, TOPOLOGY, TableSpec
from tests.aws.emulator import REGION, Emulator
from tests.aws.scripted import Losing, retrying
from tests.contracts.table_queries import INDEX
from tests.contracts.table_suite import sort_keys, store, walk
from tests.contracts.tables import TablesContract
from tests.embedded.test_tables import QUERIES, WRITES, Model, key_of, model_outcome, outcome, select

CREDENTIALS = Credentials("test", "test")


@dataclass
class At:
    """An account whose services are all at one URL."""

    url: str
    region: str = REGION

    async def credentials(self) -> Credentials:
        return CREDENTIALS

    def endpoint(self, service: str) -> str:
        return self.url


@dataclass
class Counting:
    """An AwsApi that keeps the operations and payloads that another one is asked."""

    api: AwsApi
    operations: list[str] = field(default_factory=list)
    payloads: list[Mapping[str, Any]] = field(default_factory=list)

    async def call(
        self, service: Service, operation: str, payload: Mapping[str, Any], *, timeout: float | None = None
    ) -> dict[str, Any]:
        self.operations.append(operation)
        self.payloads.append(payload)
        return await self.api.call(service, operation, payload, timeout=timeout)

    async def close(self) -> None:
        await self.api.close()


def key_schema(partition: str, sort: str) -> list[dict[str, str]]:
    return [{"AttributeName": partition, "KeyType": "HASH"}, {"AttributeName": sort, "KeyType": "RANGE"}]


async def make_table(api: AwsApi, name: str, spec: TableSpec) -> None:
    """The table with its indexes and its time to live."""
    attributes = ["pk", "sk", *(f"{index}{part}" for index in spec.indexes for part in ("pk", "sk"))]
    indexes = [
        {
            "IndexName": index,
            "KeySchema": key_schema(f"{index}pk", f"{index}sk"),
            "Projection": {"ProjectionType": "ALL"},
        }
        for index in spec.indexes
    ]
    payload = {
        "TableName": name,
        "AttributeDefinitions": [{"AttributeName": attribute, "AttributeType": "S"} for attribute in attributes],
        "KeySchema": key_schema("pk", "sk"),
        "BillingMode": "PAY_PER_REQUEST",
    }
    await api.call("dynamodb", "CreateTable", {**payload, "GlobalSecondaryIndexes": indexes} if indexes else payload)
    ttl = {"AttributeName": "expiresAt", "Enabled": True}
    await api.call("dynamodb", "UpdateTimeToLive", {"TableName": name, "TimeToLiveSpecification": ttl})


@pytest.fixture(scope="session")
def made(emulator: Emulator) -> Names:
    """Names of tables that the tests of this process share: each test has partitions of its own."""
    names = Names(f"t-{uuid4().hex[:12]}", emulator.account, emulator.region)

    async def make() -> None:
        api = WireApi(At(emulator.url))
        for spec in TOPOLOGY.tables:
            await make_table(api, names.table(spec.name), spec)
        await api.close()

    asyncio.run(make())
    return names


@pytest.fixture
async def wire(emulator: Emulator) -> AsyncIterator[WireApi]:
    api = WireApi(At(emulator.url))
    yield api
    await api.close()


@pytest.fixture
def pk() -> str:
    return f"tables#{uuid4().hex}"


class AtEmulator(TablesContract):
    @pytest.mark.parametrize("value", ["", 7, None])
    async def test_an_index_attribute_must_be_fit_for_a_key(self, tables: Tables, pk: str, value: Any) -> None:
        """Without one that is too long: ministack takes it, where DynamoDB says "Size limit exceeded for Index Key"
        (test_table_failures; "Quotas in Amazon DynamoDB", sort key length)."""
        await super().test_an_index_attribute_must_be_fit_for_a_key(tables, pk, value)


class TestThroughTheWire(AtEmulator):
    @pytest.fixture
    def tables(self, wire: WireApi, made: Names) -> Tables:
        return DynamoTables(Retrying(wire), TOPOLOGY, made.table)


@pytest_asyncio.fixture(scope="class", loop_scope="class")
async def sdk(emulator: Emulator) -> AsyncIterator[SdkApi]:
    """One client for all tests of a class: to make one takes a quarter of a second."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in emulator.environment.items():
            patch.setenv(name, value)
        api = SdkApi(Account())
        yield api
        await api.close()


# aiohttp prefers a stream to a body of a megabyte; aiobotocore has bytes.
@pytest.mark.filterwarnings("ignore:Sending a large body directly:ResourceWarning")
@pytest.mark.asyncio(loop_scope="class")
class TestThroughTheSdk(AtEmulator):
    @pytest.fixture
    def tables(self, sdk: SdkApi, made: Names) -> Tables:
        return DynamoTables(Retrying(sdk), TOPOLOGY, made.table)


# ----------------------------------------------------------------------------------------- compared with a model


@settings(max_examples=25, deadline=None)
@given(
    steps=st.lists(WRITES | st.lists(WRITES, min_size=1, max_size=4, unique_by=key_of), max_size=12),
    queries=st.lists(QUERIES, max_size=5),
)
def test_it_does_what_a_dict_would(emulator: Emulator, steps: list[Write | list[Write]], queries: list[Query]) -> None:
    """The model that the embedded tables are compared with. Where an index holds two of one place, either is first."""

    def in_index(item: Item, query: Query) -> tuple[str, ...]:
        return (item["sk" if query.index is None else f"{query.index}sk"], item["pk"], item["sk"])

    async def compare() -> None:
        api = WireApi(At(emulator.url))
        names = Names(f"t-{uuid4().hex[:12]}", emulator.account, emulator.region)
        await make_table(api, names.table(CHANNELS), TOPOLOGY.table(CHANNELS))
        tables = DynamoTables(Retrying(api), TOPOLOGY, names.table)
        model: Model = {}
        for step in steps:
            assert await outcome(tables, step) == model_outcome(model, step)
        for query in queries:
            expected = select(model, query)
            found = await walk(tables, CHANNELS, query)
            assert [in_index(item, query)[0] for item in found] == [in_index(item, query)[0] for item in expected]
            assert sorted(found, key=lambda item: in_index(item, query)) == sorted(
                expected, key=lambda item: in_index(item, query)
            )
            assert await tables.count(CHANNELS, query) == len(expected)
        assert await tables.get_many(CHANNELS, [Key(*key) for key in model]) == list(model.values())
        await api.call("dynamodb", "DeleteTable", {"TableName": names.table(CHANNELS)})
        await api.close()

    asyncio.run(compare())


# ------------------------------------------------------------------------------------------------ requests, counted


@pytest.fixture
def counting(wire: WireApi) -> Counting:
    return Counting(wire)


@pytest.fixture
def tables(counting: Counting, made: Names) -> DynamoTables:
    return DynamoTables(Retrying(counting), TOPOLOGY, made.table)


async def test_a_batch_is_as_few_requests_as_there_can_be(tables: DynamoTables, counting: Counting, pk: str) -> None:
    items = [{"pk": pk, "sk": f"{n:03}"} for n in range(250)]
    assert await tables.write_many([Put(LOGS, item) for item in items]) == []
    assert counting.operations == ["BatchWriteItem"] * 10
    counting.operations.clear()
    keys = [Key(pk, item["sk"]) for item in items]
    assert await tables.get_many(LOGS, [*keys, *keys[:100]]) == [*items, *items[:100]]
    assert counting.operations == ["BatchGetItem"] * 3
    counting.operations.clear()
    assert await tables.get_many(LOGS, []) == []
    assert await tables.write_many([]) == []
    assert counting.operations == []


async def test_everything_else_is_one_request(tables: DynamoTables, counting: Counting, pk: str) -> None:
    await tables.write(Put(LOGS, {"pk": pk, "sk": "a", "n": 1}, ABSENT))
    await tables.write(Update(LOGS, Key(pk, "a"), add={"n": 1}))
    await tables.get(LOGS, Key(pk, "a"))
    await tables.query(LOGS, Query(pk))
    await tables.query(LOGS, Query(pk, first="b", last="a"))
    await tables.count(LOGS, Query(pk, first="b", last="a"))
    await tables.count(LOGS, Query(pk))
    await tables.transact([Delete(LOGS, Key(pk, "a")), Put(LOGS, {"pk": pk, "sk": "b"})])
    await tables.write(Delete(LOGS, Key(pk, "b")))
    assert counting.operations == [
        "PutItem", "UpdateItem", "GetItem", "Query", "Query", "TransactWriteItems", "DeleteItem",
    ]  # fmt: skip


async def test_a_key_written_twice_in_a_batch_is_sent_once(tables: DynamoTables, counting: Counting, pk: str) -> None:
    """BatchWriteItem "rejects the entire batch" that has an item twice (API reference)."""
    puts = [Put(LOGS, {"pk": pk, "sk": "a", "n": n}) for n in range(30)]
    assert await tables.write_many(puts) == []
    assert counting.operations == ["BatchWriteItem"]
    assert await tables.get(LOGS, Key(pk, "a"), consistent=True) == puts[-1].item


async def test_reads_are_consistent_only_where_they_are_asked_to_be(
    tables: DynamoTables, counting: Counting, pk: str
) -> None:
    for consistent in (False, True):
        counting.payloads.clear()
        await tables.get(LOGS, Key(pk, "a"), consistent=consistent)
        await tables.get_many(LOGS, [Key(pk, "a")], consistent=consistent)
        await tables.query(LOGS, Query(pk, consistent=consistent))
        await tables.count(LOGS, Query(pk, consistent=consistent))
        assert all(("ConsistentRead': True" in str(payload)) is consistent for payload in counting.payloads)
    counting.payloads.clear()
    await tables.query(CHANNELS, Query(pk, index=INDEX))
    assert "ConsistentRead" not in counting.payloads[0], "an index has no consistent reads"


async def test_one_entry_at_fault_does_not_keep_the_others_of_its_batch(
    tables: DynamoTables, counting: Counting, pk: str
) -> None:
    """BatchWriteItem refuses all of a batch for an item over 400 KB, without naming it (API reference)."""
    items = [{"pk": pk, "sk": f"{n}", "x": "x" * (410_000 if n == 2 else 1)} for n in range(5)]
    (failure,) = await tables.write_many([Put(LOGS, item) for item in items])
    assert (failure.index, failure.code, failure.retryable) == (2, "invalid", False)
    assert "too large" in failure.message
    assert counting.operations == ["BatchWriteItem"] * 6
    assert sort_keys(await walk(tables, LOGS, Query(pk, consistent=True))) == ["0", "1", "3", "4"]


# ------------------------------------------------------------------------------------- what the emulator tells more


async def test_an_expired_item_is_read_until_dynamodb_deletes_it(tables: DynamoTables, pk: str) -> None:
    """ "Items are deleted within a few days"; until then reads give them ("Using time to live")."""
    item = {"pk": pk, "sk": "a", "expiresAt": 1_000_000_000}
    await tables.write(Put(LOGS, item))
    assert await tables.get(LOGS, Key(pk, "a"), consistent=True) == item
    assert (await tables.query(LOGS, Query(pk, consistent=True))).items == [item]


async def test_a_lost_answer_to_a_condition_is_not_asked_again(wire: WireApi, made: Names, pk: str) -> None:
    """It was executed; repeated it would meet its own work and call it somebody else's."""
    put = Put(LOGS, {"pk": pk, "sk": "a"}, ABSENT)
    counting = Counting(Losing(wire, "PutItem"))
    tables = DynamoTables(retrying(counting), TOPOLOGY, made.table)
    with pytest.raises(Transient, match=r"table t-\w+-logs: .*Reset"):
        await tables.write(put)
    assert counting.operations == ["PutItem"]
    assert await tables.get(LOGS, Key(pk, "a"), consistent=True) == put.item


async def test_a_lost_answer_to_an_increment_is_not_asked_again(wire: WireApi, made: Names, pk: str) -> None:
    tables = DynamoTables(retrying(Losing(wire, "UpdateItem")), TOPOLOGY, made.table)
    with pytest.raises(Transient):
        await tables.write(Update(LOGS, Key(pk, "a"), add={"n": 1}))
    assert await tables.get(LOGS, Key(pk, "a"), consistent=True) == {"pk": pk, "sk": "a", "n": 1}


async def test_a_lost_answer_to_a_transaction_is_not_asked_again(wire: WireApi, made: Names, pk: str) -> None:
    counting = Counting(Losing(wire, "TransactWriteItems"))
    tables = DynamoTables(retrying(counting), TOPOLOGY, made.table)
    with pytest.raises(Transient):
        await tables.transact([Update(LOGS, Key(pk, "head"), add={"seq": 1}), Put(LOGS, {"pk": pk, "sk": "1"}, ABSENT)])
    assert counting.operations == ["TransactWriteItems"]
    assert await tables.count(LOGS, Query(pk, consistent=True)) == 2


async def test_what_may_be_done_twice_is_asked_again(wire: WireApi, made: Names, pk: str) -> None:
    losing = Losing(wire, "PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "GetItem", "BatchGetItem", "Query")
    tables = DynamoTables(retrying(losing), TOPOLOGY, made.table)
    item = {"pk": pk, "sk": "a", "n": 1}
    await tables.write(Put(LOGS, item))
    assert await tables.write(Update(LOGS, Key(pk, "a"), set={"n": 2}, remove=["m"])) == item | {"n": 2}
    assert await tables.get(LOGS, Key(pk, "a")) == item | {"n": 2}
    assert await tables.write_many([Put(LOGS, item), Put(LOGS, {"pk": pk, "sk": "b"})]) == []
    assert await tables.get_many(LOGS, [Key(pk, "a")]) == [item]
    assert (await tables.query(LOGS, Query(pk, begins="a"))).items == [item]
    await tables.write(Delete(LOGS, Key(pk, "a")))
    assert await tables.get(LOGS, Key(pk, "a")) is None


async def test_a_cursor_of_another_range_is_the_callers_fault(tables: DynamoTables, pk: str) -> None:
    """ "The provided starting key does not match the range key predicate", says DynamoDB."""
    await store(tables, [{"pk": pk, "sk": f"{n}"} for n in range(3)])
    cursor = (await tables.query(LOGS, Query(pk, limit=1, last="1"))).cursor
    with pytest.raises(InvalidInput, match="another query"):
        await tables.query(LOGS, Query(pk, first="2", cursor=cursor))


async def test_what_others_have_put_into_a_table_is_named(
    tables: DynamoTables, wire: WireApi, made: Names, pk: str
) -> None:
    item = {"pk": {"S": pk}, "sk": {"S": "a"}, "tags": {"SS": ["x"]}}
    await wire.call("dynamodb", "PutItem", {"TableName": made.table(LOGS), "Item": item})
    with pytest.raises(Permanent, match=r"table t-\w+-logs: an attribute of type SS"):
        await tables.get(LOGS, Key(pk, "a"))
