"""The fast wire against the emulator: what it sends is understood, and what comes back is, for every service."""

import hashlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from kxmsg.aws.account import Account
from kxmsg.aws.errors import AwsError
from kxmsg.aws.names import Names
from kxmsg.aws.sdk import SdkApi
from kxmsg.aws.wire.client import WireApi
from tests.aws.emulator import Emulator


@pytest.fixture
async def wire(aws_env: Emulator) -> AsyncIterator[WireApi]:
    client = WireApi(Account())
    yield client
    await client.close()


async def make_queue(wire: WireApi, name: str) -> str:
    url: str = (await wire.call("sqs", "CreateQueue", {"QueueName": name}))["QueueUrl"]
    return url


async def test_messages_go_through_a_queue(wire: WireApi, names: Names) -> None:
    queue = {"QueueUrl": await make_queue(wire, f"{names.prefix}-q")}
    entries = [{"Id": str(number), "MessageBody": f"body é {number}"} for number in range(10)]
    sent = await wire.call("sqs", "SendMessageBatch", {**queue, "Entries": entries})
    assert sorted(each["Id"] for each in sent["Successful"]) == [str(number) for number in range(10)]
    received: dict[str, dict[str, Any]] = {}
    while len(received) < len(entries):
        answer = await wire.call("sqs", "ReceiveMessage", {**queue, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 1})
        received |= {message["Body"]: message for message in answer.get("Messages", [])}
    assert sorted(received) == [entry["MessageBody"] for entry in entries]
    receipts = [
        {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]}
        for number, message in enumerate(received.values())
    ]
    deleted = await wire.call("sqs", "DeleteMessageBatch", {**queue, "Entries": receipts})
    assert len(deleted["Successful"]) == len(entries)


async def test_a_missing_queue_has_the_name_that_the_sdk_path_gives_it(wire: WireApi, aws_env: Emulator) -> None:
    call = ("sqs", "SendMessage", {"QueueUrl": f"{aws_env.url}/{aws_env.account}/nowhere", "MessageBody": "x"})
    sdk = SdkApi(Account())
    errors = []
    for api in (wire, sdk):
        with pytest.raises(AwsError) as caught:
            await api.call(*call)  # type: ignore[arg-type] # a tuple's first member is no literal
        errors.append((caught.value.code, caught.value.status, caught.value.unclear))
    await sdk.close()
    assert errors[0] == errors[1] == ("QueueDoesNotExist", 400, False)


async def test_items_go_through_a_table(wire: WireApi, names: Names) -> None:
    table = {"TableName": f"{names.prefix}-t"}
    keys = {
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "BillingMode": "PAY_PER_REQUEST",
    }
    await wire.call("dynamodb", "CreateTable", table | keys)
    item = {"pk": {"S": "é"}, "n": {"N": "1.5"}}
    assert await wire.call("dynamodb", "PutItem", {**table, "Item": item}) == {}
    assert (await wire.call("dynamodb", "GetItem", {**table, "Key": {"pk": {"S": "é"}}}))["Item"] == item
    condition = {"ConditionExpression": "attribute_not_exists(pk)", "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
    with pytest.raises(AwsError) as caught:
        await wire.call("dynamodb", "PutItem", {**table, "Item": item, **condition})
    assert caught.value.code == "ConditionalCheckFailedException"
    assert caught.value.details["Item"] == item


async def test_events_are_put(wire: WireApi) -> None:
    entry = {"Source": "tests", "DetailType": "wire", "Detail": "{}", "EventBusName": "default"}
    answer = await wire.call("events", "PutEvents", {"Entries": [entry]})
    assert answer["FailedEntryCount"] == 0
    assert answer["Entries"][0]["EventId"]


async def test_messages_are_published_with_their_attributes(wire: WireApi, names: Names) -> None:
    queue = await make_queue(wire, f"{names.prefix}-q")
    attributes = {"QueueUrl": queue, "AttributeNames": ["QueueArn"]}
    arn = (await wire.call("sqs", "GetQueueAttributes", attributes))["Attributes"]["QueueArn"]
    sdk = SdkApi(Account())
    topic = (await sdk.call("sns", "CreateTopic", {"Name": f"{names.prefix}-t"}))["TopicArn"]
    subscription = {"TopicArn": topic, "Protocol": "sqs", "Endpoint": arn, "Attributes": {"RawMessageDelivery": "true"}}
    await sdk.call("sns", "Subscribe", subscription)
    await sdk.close()
    body = '{"text": "a & b = é % + <c>"}'
    entry = {
        "Id": "0",
        "Message": body,
        "MessageAttributes": {"kind": {"DataType": "String", "StringValue": "x & y"}},
    }
    answer = await wire.call("sns", "PublishBatch", {"TopicArn": topic, "PublishBatchRequestEntries": [entry]})
    assert [each["Id"] for each in answer["Successful"]] == ["0"]
    assert answer["Failed"] == []
    poll = {"QueueUrl": queue, "WaitTimeSeconds": 10, "MessageAttributeNames": ["All"]}
    message = (await wire.call("sqs", "ReceiveMessage", poll, timeout=20))["Messages"][0]
    assert message["Body"] == body
    assert message["MD5OfBody"] == hashlib.md5(body.encode()).hexdigest()  # noqa: S324 - SQS's own choice
    assert message["MessageAttributes"]["kind"]["StringValue"] == "x & y"


async def test_a_missing_topic_is_told(wire: WireApi, aws_env: Emulator) -> None:
    arn = f"arn:aws:sns:{aws_env.region}:{aws_env.account}:nowhere"
    entries = [{"Id": "0", "Message": "x"}]
    with pytest.raises(AwsError) as caught:
        await wire.call("sns", "PublishBatch", {"TopicArn": arn, "PublishBatchRequestEntries": entries})
    assert (caught.value.code, caught.value.unclear) == ("NotFound", False)
