"""What DynamoDB does and the emulator doesn't, played by a responder over HTTP: parts undone, throttles, reasons."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest

from kxmsg.aws.marshal import marshal_item
from kxmsg.aws.retrying import ATTEMPTS
from kxmsg.aws.tables import ROUNDS, DynamoTables
from kxmsg.aws.wire.client import WireApi
from kxmsg.errors import BackendError, ConditionFailed, InvalidInput, Permanent, TransactionCancelled, Transient
from kxmsg.ports import ABSENT, PRESENT, Check, Delete, Key, Put, Query, Update, Write
from kxmsg.topology import CHANNELS, LOGS, TOPOLOGY
from tests.aws.responder import Mishap, Reply, Responder, json_reply, responding
from tests.aws.scripted import NAMES, retrying
from tests.aws.test_tables import At

TABLE = NAMES.table(LOGS)
TOO_LARGE = "Item size has exceeded the maximum allowed size"


def error(code: str, message: str = "", *, status: int = 400, **members: Any) -> Reply:
    return json_reply(status, {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": message, **members})


def done(**members: Any) -> Reply:
    return json_reply(200, members)


def keys(*sks: str) -> list[Key]:
    return [Key("p", sk) for sk in sks]


def items(*sks: str) -> list[dict[str, Any]]:
    return [marshal_item({"pk": "p", "sk": sk}) for sk in sks]


def puts(count: int) -> list[Put | Delete]:
    return [Put(LOGS, {"pk": "p", "sk": f"{n:02}"}) for n in range(count)]


def unprocessed(*sks: str) -> dict[str, Any]:
    return {TABLE: [{"PutRequest": {"Item": item}} for item in items(*sks)]}


class Player:
    """Tables at a responder, and the pauses that they make between tries."""

    def __init__(self, responder: Responder, api: WireApi) -> None:
        self.tables = DynamoTables(retrying(api), TOPOLOGY, NAMES.table, sleep=self._pause)
        self.pauses: list[float] = []
        self._responder = responder

    async def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)

    @property
    def operations(self) -> list[str]:
        return [request.headers["x-amz-target"].partition(".")[2] for request in self._responder.requests]

    @property
    def payloads(self) -> list[Any]:
        return [orjson.loads(request.body) for request in self._responder.requests]


@asynccontextmanager
async def played(*replies: Reply | Mishap) -> AsyncIterator[Player]:
    async with responding(*replies) as responder:
        api = WireApi(At(responder.url))
        yield Player(responder, api)
        await api.close()


# ---------------------------------------------------------------------------------------------------- batches


async def test_unprocessed_keys_are_asked_for_alone() -> None:
    left = {TABLE: {"Keys": items("b", "c"), "ConsistentRead": True}}
    first = done(Responses={TABLE: items("a")}, UnprocessedKeys=left)
    second = done(Responses={TABLE: items("c")}, UnprocessedKeys={})
    async with played(first, second) as player:
        found = await player.tables.get_many(LOGS, keys("c", "a", "b"), consistent=True)
    assert found == [{"pk": "p", "sk": "c"}, {"pk": "p", "sk": "a"}, None]
    assert player.payloads[1] == {"RequestItems": {TABLE: {"Keys": items("b", "c"), "ConsistentRead": True}}}
    assert len(player.pauses) == 1


async def test_reads_that_get_no_further_end() -> None:
    nothing = done(Responses={}, UnprocessedKeys={TABLE: {"Keys": items("a", "b")}})
    async with played(nothing) as player:
        with pytest.raises(Transient, match=f"table {TABLE}: 2 keys stayed unprocessed"):
            await player.tables.get_many(LOGS, keys("a", "b"))
    assert player.operations == ["BatchGetItem"] * ROUNDS


async def test_reads_that_get_on_go_on() -> None:
    """An answer ends at 16 MB, so that a hundred large items take more rounds than a table in trouble gets."""
    names = [f"{n}" for n in range(2 * ROUNDS)]
    replies = [
        done(Responses={TABLE: items(name)}, UnprocessedKeys={TABLE: {"Keys": items(*names[n + 1 :])}})
        for n, name in enumerate(names)
    ]
    async with played(*replies[:-1], done(Responses={TABLE: items(names[-1])}, UnprocessedKeys={})) as player:
        assert None not in await player.tables.get_many(LOGS, keys(*names))
    assert len(player.operations) == len(names)


async def test_unprocessed_writes_are_repeated_alone_and_told_by_position_at_last() -> None:
    replies = [done(UnprocessedItems=unprocessed(*left)) for left in (["02", "05", "07"], ["05", "07"], ["07"])]
    async with played(*replies) as player:
        (failure,) = await player.tables.write_many(puts(10))
    assert (failure.index, failure.code, failure.retryable) == (7, "unprocessed", True)
    sizes = [len(payload["RequestItems"][TABLE]) for payload in player.payloads]
    assert sizes == [10, 3, 2, 1]
    assert len(player.pauses) == ROUNDS - 1


async def test_unprocessed_deletes_are_told_by_position() -> None:
    left = {TABLE: [{"DeleteRequest": {"Key": items("b")[0]}}]}
    async with played(done(UnprocessedItems=left)) as player:
        (failure,) = await player.tables.write_many([Delete(LOGS, key) for key in keys("a", "b")])
    assert failure.index == 1


async def test_a_throttled_batch_is_repeated_whole() -> None:
    throttled = error("ProvisionedThroughputExceededException")
    async with played(throttled, throttled, done(UnprocessedItems={})) as player:
        assert await player.tables.write_many(puts(3)) == []
    assert player.operations == ["BatchWriteItem"] * 3


async def test_a_batch_of_which_nothing_was_done_raises() -> None:
    async with played(error("InternalServerError", status=500)) as player:
        with pytest.raises(Transient, match=f"table {TABLE}: .*InternalServerError"):
            await player.tables.write_many(puts(3))
    assert player.operations == ["BatchWriteItem"] * ATTEMPTS


async def test_requests_that_fail_beside_others_are_failures_of_their_entries() -> None:
    """Eight requests go at once. The first eight are done, the next are denied, so that the last is not made."""
    async with played(*[done(UnprocessedItems={})] * 8, error("AccessDeniedException", "no")) as player:
        failures = await player.tables.write_many(puts(16 * 25 + 2))
    assert [failure.index for failure in failures] == list(range(200, 402))
    assert {(failure.code, failure.retryable) for failure in failures} == {("unavailable", False)}
    assert "dynamodb:BatchWriteItem" in failures[-1].message
    assert len(player.operations) == 16


async def test_a_batch_of_which_some_was_done_does_not_raise() -> None:
    async with played(done(UnprocessedItems=unprocessed("01")), error("AccessDeniedException", "no")) as player:
        (failure,) = await player.tables.write_many(puts(3))
    assert (failure.index, failure.code, failure.retryable) == (1, "unavailable", False)


async def test_a_read_ends_with_the_first_requests_that_fail() -> None:
    async with played(error("AccessDeniedException", "no")) as player:
        with pytest.raises(Permanent, match=f"table {TABLE}: .*dynamodb:BatchGetItem"):
            await player.tables.get_many(LOGS, keys(*(f"{n}" for n in range(1000))))
    assert len(player.operations) == 8


async def test_each_entry_of_a_refused_batch_has_its_own_outcome() -> None:
    refused = error("ValidationException", TOO_LARGE)
    replies = [refused, done(UnprocessedItems={}), refused, done(UnprocessedItems=unprocessed("02"))]
    async with responding(*replies, done(UnprocessedItems={})) as responder:
        api = WireApi(At(responder.url), connections=1)
        failures = await Player(responder, api).tables.write_many(puts(3))
        await api.close()
    assert [(failure.index, failure.code, failure.retryable) for failure in failures] == [(1, "invalid", False)]
    assert len(responder.requests) == 5


# ----------------------------------------------------------------------------------------------- single writes


@pytest.mark.parametrize("found", [{"pk": "p", "sk": "s", "n": 1}, None])
async def test_a_failed_condition_brings_what_stands_there(found: dict[str, Any] | None) -> None:
    members: dict[str, Any] = {"Item": marshal_item(found)} if found else {}
    async with played(error("ConditionalCheckFailedException", "The conditional request failed", **members)) as player:
        with pytest.raises(ConditionFailed) as failed:
            await player.tables.write(Put(LOGS, {"pk": "p", "sk": "s"}, ABSENT))
    assert failed.value.item == found
    assert player.operations == ["PutItem"]


@pytest.mark.parametrize(
    "code", ["TransactionConflictException", "TransactionInProgressException", "ThrottlingException"]
)
async def test_a_conditional_write_that_was_not_executed_is_repeated(code: str) -> None:
    async with played(error(code), done()) as player:
        await player.tables.write(Put(LOGS, {"pk": "p", "sk": "s"}, ABSENT))
    assert player.operations == ["PutItem"] * 2


async def test_a_conflict_that_lasts_is_transient() -> None:
    async with played(error("TransactionConflictException", "Transaction is ongoing for the item")) as player:
        with pytest.raises(Transient, match=f"table {TABLE}: .*ongoing"):
            await player.tables.write(Update(LOGS, Key("p", "s"), set={"n": 1}))
    assert player.operations == ["UpdateItem"] * ATTEMPTS


@pytest.mark.parametrize("mishap", ["close", "reset", error("InternalServerError", status=500), Reply(cut=True)])
@pytest.mark.parametrize(
    ("write", "calls"),
    [
        (Put(LOGS, {"pk": "p", "sk": "s"}), ATTEMPTS),
        (Delete(LOGS, Key("p", "s")), ATTEMPTS),
        (Update(LOGS, Key("p", "s"), set={"n": 1}), ATTEMPTS),
        (Put(LOGS, {"pk": "p", "sk": "s"}, ABSENT), 1),
        (Delete(LOGS, Key("p", "s"), PRESENT), 1),
        (Update(LOGS, Key("p", "s"), add={"n": 1}), 1),
    ],
    ids=["put", "delete", "set", "put if absent", "delete if present", "add"],
)
async def test_an_unclear_outcome_is_repeated_where_twice_is_as_good_as_once(
    write: Write, calls: int, mishap: Reply | Mishap
) -> None:
    async with played(mishap) as player:
        with pytest.raises(Transient, match=f"table {TABLE}: "):
            await player.tables.write(write)
    assert len(player.operations) == calls


async def test_an_answer_that_does_not_come_is_transient() -> None:
    async with responding("hang") as responder:
        api = WireApi(At(responder.url), timeout=0.05)
        with pytest.raises(Transient, match="Timeout"):
            await Player(responder, api).tables.write(Put(LOGS, {"pk": "p", "sk": "s"}, ABSENT))
        await api.close()
    assert len(responder.requests) == 1


@pytest.mark.parametrize(
    ("reply", "complaint"),
    [
        (error("ResourceNotFoundException", "Requested resource not found"), "run 'kxmsg provision'"),
        (error("AccessDeniedException", "is not authorized"), "allow dynamodb:PutItem on it"),
        (error("ValidationException", TOO_LARGE), "too large: Item size"),
        (
            error(
                "ValidationException",
                "One or more parameter values were invalid: Size limit exceeded for Index Key by1sk "
                "Actual Size: 1025 bytes Max Size: 1024 bytes IndexName: by1",
            ),
            "Index Key by1sk",
        ),
    ],
    ids=["missing", "denied", "too large", "index key too long"],
)
async def test_what_repeating_cannot_help_names_the_table_and_the_remedy(reply: Reply, complaint: str) -> None:
    async with played(reply) as player:
        with pytest.raises(Permanent, match=f"table {TABLE}: .*{complaint}"):
            await player.tables.write(Put(LOGS, {"pk": "p", "sk": "s"}))
    assert player.operations == ["PutItem"]


async def test_no_value_that_dynamodb_quotes_is_in_the_errors_text() -> None:
    message = "1 validation error detected: Value '{secret=x}' at 'item' failed to satisfy constraint: ..."
    async with played(error("ValidationException", message)) as player:
        with pytest.raises(Permanent) as refused:
            await player.tables.write(Put(LOGS, {"pk": "p", "sk": "s"}))
    assert "secret" not in str(refused.value)
    assert "failed to satisfy constraint" in str(refused.value)


# ------------------------------------------------------------------------------------------------- transactions

TRANSACTION = (
    Check(LOGS, Key("p", "a"), PRESENT),
    Put(LOGS, {"pk": "p", "sk": "b"}, ABSENT),
    Update(LOGS, Key("p", "c"), add={"n": 1}),
)


def cancelled(*reasons: dict[str, Any]) -> Reply:
    codes = ", ".join(reason.get("Code", "None") for reason in reasons)
    message = f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]"
    # The API reference has "Message" in the shape; over the wire it is "Message" beside the reasons.
    return json_reply(
        400,
        {
            "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
            "Message": message,
            "CancellationReasons": list(reasons),
        },
    )


NONE = {"Code": "None"}


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("ConditionalCheckFailed", "condition"),
        ("TransactionConflict", "conflict"),
        ("ThrottlingError", "throttled"),
        ("ProvisionedThroughputExceeded", "throttled"),
        ("ItemCollectionSizeLimitExceeded", "other"),
        ("SomethingNew", "other"),
    ],
)
async def test_each_reason_of_a_cancellation_is_told_by_item(code: str, expected: str) -> None:
    async with played(cancelled(NONE, {"Code": code, "Message": "why"}, NONE)) as player:
        with pytest.raises(TransactionCancelled) as refused:
            await player.tables.transact(TRANSACTION)
    assert [reason.code for reason in refused.value.reasons] == ["none", expected, "none"]
    assert player.operations == ["TransactWriteItems"], "the caller knows what to make of the reasons"


async def test_a_failed_condition_of_a_transaction_brings_its_item() -> None:
    item = {"pk": "p", "sk": "b", "seq": 7}
    failed = {"Code": "ConditionalCheckFailed", "Item": marshal_item(item), "Message": "The conditional request failed"}
    async with played(cancelled({**failed, "Item": {}}, failed, NONE)) as player:
        with pytest.raises(TransactionCancelled) as refused:
            await player.tables.transact(TRANSACTION)
    assert [reason.item for reason in refused.value.reasons] == [None, item, None]


@pytest.mark.parametrize(
    ("code", "message", "complaint"),
    [
        (
            "ValidationError",
            "Item size to update has exceeded the maximum allowed size",
            "item 2 of a transaction: too large",
        ),
        ("ValidationError", "An operand in the update expression has an incorrect data type", "incorrect data type"),
        ("AccessDenied", "is not authorized", "allow dynamodb:PutItem, dynamodb:UpdateItem"),
    ],
)
async def test_an_item_at_fault_makes_a_transaction_permanent(code: str, message: str, complaint: str) -> None:
    """Else an append would try it again for ever. A condition that failed beside it does not matter then."""
    reasons = ({"Code": "ConditionalCheckFailed"}, NONE, {"Code": code, "Message": message})
    async with played(cancelled(*reasons)) as player:
        with pytest.raises(Permanent, match=f"table {TABLE}: .*{complaint}"):
            await player.tables.transact(TRANSACTION)


@pytest.mark.parametrize("reasons", [[], [NONE]])
async def test_a_cancellation_without_a_reason_for_each_item_is_read_again(reasons: Sequence[dict[str, Any]]) -> None:
    async with played(cancelled(*reasons)) as player:
        with pytest.raises(Transient, match="without a reason for each"):
            await player.tables.transact(TRANSACTION)


@pytest.mark.parametrize("mishap", ["close", "reset", error("InternalServerError", status=500), Reply(cut=True)])
async def test_a_transaction_of_unclear_outcome_is_not_repeated(mishap: Reply | Mishap) -> None:
    async with played(mishap) as player:
        with pytest.raises(Transient, match=f"table {TABLE}: "):
            await player.tables.transact(TRANSACTION)
    assert player.operations == ["TransactWriteItems"]


async def test_a_transaction_over_4_mb_is_too_large() -> None:
    message = "Transaction request exceeds the 4MB transaction size limit"
    async with played(error("ValidationException", message)) as player:
        with pytest.raises(Permanent, match=f"table {TABLE}: too large"):
            await player.tables.transact(TRANSACTION)


async def test_a_transaction_relies_on_no_token() -> None:
    async with played(done()) as player:
        await player.tables.transact(TRANSACTION)
    (payload,) = player.payloads
    assert set(payload) == {"TransactItems"}
    assert [list(member) for member in payload["TransactItems"]] == [["ConditionCheck"], ["Put"], ["Update"]]


# ------------------------------------------------------------------------------------------------------ queries


async def test_an_index_may_be_behind_and_a_page_empty_with_more_to_come() -> None:
    """ "A Query can return an empty result set and a LastEvaluatedKey" (Query in the API reference)."""
    key = {"by1pk": "p", "by1sk": "1", "pk": "q", "sk": "s"}
    old = {**key, "n": 1}
    empty = done(Items=[], Count=0, LastEvaluatedKey=marshal_item(key))
    async with played(empty, done(Items=[marshal_item(old)], Count=1)) as player:
        first = await player.tables.query(CHANNELS, Query("p", index="by1"))
        assert first.items == []
        assert first.cursor is not None
        second = await player.tables.query(CHANNELS, Query("p", index="by1", cursor=first.cursor))
    assert (second.items, second.cursor) == ([old], None)
    assert player.payloads[1]["ExclusiveStartKey"] == marshal_item(key)


async def test_a_count_goes_through_all_pages() -> None:
    key = {"pk": "p", "sk": "3"}
    async with played(done(Count=3, ScannedCount=3, LastEvaluatedKey=marshal_item(key)), done(Count=2)) as player:
        assert await player.tables.count(LOGS, Query("p", limit=1, fields=["x"])) == 5
    assert [payload.get("ExclusiveStartKey") for payload in player.payloads] == [None, marshal_item(key)]
    assert all(payload["Select"] == "COUNT" for payload in player.payloads)
    assert not any({"Limit", "ProjectionExpression"} & set(payload) for payload in player.payloads)


@pytest.mark.parametrize(
    "message",
    [
        "The provided starting key is outside query boundaries based on provided conditions",
        "The provided starting key is invalid",
    ],
)
async def test_a_cursor_that_dynamodb_refuses_is_the_callers_fault(message: str) -> None:
    async with played(done(Items=[], LastEvaluatedKey=items("a")[0]), error("ValidationException", message)) as player:
        cursor = (await player.tables.query(LOGS, Query("p"))).cursor
        with pytest.raises(InvalidInput, match="another query"):
            await player.tables.query(LOGS, Query("p", begins="b", cursor=cursor))


async def test_an_unreachable_dynamodb_is_transient() -> None:
    async with responding(Reply()) as responder:
        url = responder.url
    api = WireApi(At(url))
    with pytest.raises(BackendError, match=f"table {TABLE}: .*Unreachable") as raised:
        await DynamoTables(retrying(api), TOPOLOGY, NAMES.table).get(LOGS, Key("p", "s"))
    assert isinstance(raised.value, Transient)
    await api.close()
