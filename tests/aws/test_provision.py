"""``kxmsg provision``: make, differ, mend; twice, by two, with refusals."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import orjson
import pytest

from kxmsg.aws.account import Account
from kxmsg.aws.control import Calls, Control
from kxmsg.aws.desired import Route, desired
from kxmsg.aws.errors import AwsError
from kxmsg.aws.names import Names
from kxmsg.aws.plan import Resource
from kxmsg.aws.provision import ROUNDS, Provisioner
from kxmsg.aws.resources import tables
from kxmsg.aws.resources.buckets import Buckets
from kxmsg.aws.resources.keeper import pages
from kxmsg.errors import StartError
from kxmsg.topology import EVENTS, LOGS, OUTBOUND, TOPOLOGY, QueueSpec, Rule, SubscriptionSpec
from tests.aws.emulator import Emulator
from tests.aws.responder import json_reply, responding
from tests.aws.scripted import no_pause

ORDERS = Rule("orders", frozenset({"orders"}), frozenset({"OrderShipped"}), EVENTS)
STOCK = Rule("stock", frozenset({"stock"}), frozenset(), EVENTS)


class Mishaps:
    """Calls of which the first of an operation fail as told; ``after`` they are executed, where that is said."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self.owed: dict[str, list[AwsError]] = {}
        self.after: set[str] = set()
        self.made: list[str] = []

    def fail(self, service: str, operation: str, code: str, message: str = "", *, times: int = 1) -> None:
        self.owed[operation] = [AwsError(service, operation, code, message) for _ in range(times)]

    async def call(self, service: str, operation: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        self.made.append(operation)
        owed = self.owed.get(operation)
        if owed:
            if operation in self.after:
                await self._calls.call(service, operation, payload)
            raise owed.pop()
        return await self._calls.call(service, operation, payload)


class Recorded:
    """Calls that get these answers in turn."""

    def __init__(self, *answers: dict[str, Any]) -> None:
        self._answers = list(answers)
        self.payloads: list[Mapping[str, Any]] = []

    async def call(self, service: str, operation: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        self.payloads.append(payload)
        return self._answers.pop(0)


@pytest.fixture
async def calls(aws_env: Emulator) -> AsyncIterator[Mishaps]:
    control = Control(Account(), sleep=no_pause)
    yield Mishaps(control)
    await control.close()


class Site:
    """One prefix at the emulator; ``lines`` is what was reported."""

    def __init__(self, calls: Calls, names: Names) -> None:
        self.calls = calls
        self.names = names
        self.lines: list[str] = []

    def provisioner(self, *rules: Rule, routes: tuple[Route, ...] = ()) -> Provisioner:
        wanted = desired(TOPOLOGY, self.names, rules or (ORDERS,), routes)
        return self.of(wanted)

    def of(self, wanted: list[Resource]) -> Provisioner:
        return Provisioner(self.calls, self.names.prefix, wanted, self.lines.append, sleep=no_pause)

    async def plan(self, *rules: Rule) -> list[str]:
        return [str(change) for change in await self.provisioner(*rules).plan()]

    def part(self, *names: str) -> list[Resource]:
        """Only the resources of these logical names, of any kind."""
        known = {f"{self.names.prefix}-{name}" for name in names}
        return [one for one in desired(TOPOLOGY, self.names, [ORDERS]) if one.name in known]


@pytest.fixture
def site(calls: Mishaps, names: Names) -> Site:
    return Site(calls, names)


# ------------------------------------------------------------------------------------------- make, differ, mend


async def test_what_is_not_there_is_planned_made_and_then_as_it_should_be(site: Site) -> None:
    before = await site.plan()
    assert len(before) == len(desired(TOPOLOGY, site.names, [ORDERS]))
    assert all(line.startswith("+ ") for line in before)
    assert await site.provisioner().apply() == len(before)
    assert sorted(site.lines) == sorted(before)
    assert await site.plan() == []


async def test_a_second_run_changes_nothing_and_makes_no_changing_call(site: Site, calls: Mishaps) -> None:
    await site.provisioner().apply()
    calls.made.clear()
    assert await site.provisioner().apply() == 0
    assert [name for name in calls.made if not name.startswith(("Get", "List", "Describe", "Head"))] == []


async def test_two_at_a_time_both_succeed(site: Site) -> None:
    await asyncio.gather(site.provisioner().apply(), site.provisioner().apply())
    assert await site.plan() == []


async def test_a_queue_changed_by_hand_is_named_and_mended(site: Site, calls: Mishaps) -> None:
    await site.provisioner().apply()
    name = site.names.queue("render")
    url = (await calls.call("sqs", "GetQueueUrl", {"QueueName": name}))["QueueUrl"]
    changed = {"VisibilityTimeout": "60", "SqsManagedSseEnabled": "false"}
    await calls.call("sqs", "SetQueueAttributes", {"QueueUrl": url, "Attributes": changed})
    lines = [f"~ queue {name}: SqsManagedSseEnabled: false → true", f"~ queue {name}: VisibilityTimeout: 60 → 30"]
    assert await site.plan() == lines
    site.lines.clear()
    assert await site.provisioner().apply() == 2
    assert site.lines == lines
    assert await site.plan() == []


async def test_a_bare_queue_gets_all_its_attributes(site: Site, calls: Mishaps) -> None:
    name = site.names.queue("events")
    await calls.call("sqs", "CreateQueue", {"QueueName": name, "Attributes": {}})
    lines = [line for line in await site.plan() if f" queue {name}: " in line]
    assert [line.split(": ")[1] for line in lines] == [
        "MessageRetentionPeriod",
        "ReceiveMessageWaitTimeSeconds",
        "SqsManagedSseEnabled",
        "RedrivePolicy",
        "Policy",
    ]
    await site.provisioner().apply()
    assert await site.plan() == []


async def test_a_topic_changed_by_hand_is_named_and_mended(site: Site, calls: Mishaps) -> None:
    await site.provisioner().apply()
    change = {"AttributeName": "FifoThroughputScope", "AttributeValue": "Topic"}
    await calls.call("sns", "SetTopicAttributes", {"TopicArn": site.names.topic_arn("outbound.fifo"), **change})
    name = site.names.topic("outbound.fifo")
    assert await site.plan() == [f'~ topic {name}: FifoThroughputScope: "Topic" → "MessageGroup"']
    await site.provisioner().apply()
    assert await site.plan() == []


async def test_a_subscription_without_a_filter_takes_everything(site: Site) -> None:
    topology = TOPOLOGY.plus(QueueSpec("audit"), (SubscriptionSpec(OUTBOUND, "audit"),))
    provisioner = site.of(desired(topology, site.names, [ORDERS]))
    await provisioner.apply()
    assert await provisioner.plan() == []


async def test_a_statement_of_somebody_else_stays_in_a_queues_policy(site: Site, calls: Mishaps) -> None:
    await site.provisioner().apply()
    name = site.names.queue("fanout")
    url = (await calls.call("sqs", "GetQueueUrl", {"QueueName": name}))["QueueUrl"]
    theirs = {"Sid": "Theirs", "Effect": "Deny", "Principal": "*", "Action": "sqs:*", "Resource": "*"}
    policy = orjson.dumps({"Version": "2012-10-17", "Statement": theirs}).decode()
    await calls.call("sqs", "SetQueueAttributes", {"QueueUrl": url, "Attributes": {"Policy": policy}})
    [line] = await site.plan()
    assert line.startswith(f"~ queue {name}: Policy: none → ")
    await site.provisioner().apply()
    got = await calls.call("sqs", "GetQueueAttributes", {"QueueUrl": url, "AttributeNames": ["Policy"]})
    statements = orjson.loads(got["Attributes"]["Policy"])["Statement"]
    assert [one["Sid"] for one in statements] == ["Theirs", "KxmsgTopics"]
    assert await site.plan() == []


async def test_a_queue_with_a_key_of_the_operators_counts_as_encrypted(site: Site, calls: Mishaps) -> None:
    await site.provisioner().apply()
    url = (await calls.call("sqs", "GetQueueUrl", {"QueueName": site.names.queue("render")}))["QueueUrl"]
    changed = {"SqsManagedSseEnabled": "false", "KmsMasterKeyId": "alias/theirs"}
    await calls.call("sqs", "SetQueueAttributes", {"QueueUrl": url, "Attributes": changed})
    assert await site.plan() == []


async def test_a_filter_taken_off_a_subscription_is_named_and_put_back(site: Site, calls: Mishaps) -> None:
    await site.provisioner().apply()
    topic = {"TopicArn": site.names.topic_arn(OUTBOUND)}
    [one] = (await calls.call("sns", "ListSubscriptionsByTopic", topic))["Subscriptions"]
    change = {"AttributeName": "FilterPolicy", "AttributeValue": "{}"}
    await calls.call("sns", "SetSubscriptionAttributes", {"SubscriptionArn": one["SubscriptionArn"], **change})
    name = f"{site.names.topic('outbound')} to {site.names.queue('fanout')}"
    assert await site.plan() == [f'~ subscription {name}: FilterPolicy: {{}} → {{"targetChannel":["WebSocket"]}}']
    await site.provisioner().apply()
    assert await site.plan() == []


async def test_a_surplus_subscription_goes_and_other_peoples_stay(site: Site, calls: Mishaps) -> None:
    """Of the queues that are wanted, that is: one that kxmsg doesn't know may be a worker's of somebody's own."""
    await site.provisioner().apply()
    topic = site.names.topic_arn(OUTBOUND)
    for queue in (site.names.queue_arn("render"), site.names.queue_arn("theirs")):
        await calls.call("sns", "Subscribe", {"TopicArn": topic, "Protocol": "sqs", "Endpoint": queue})
    name = f"{site.names.topic('outbound')} to {site.names.queue('render')}"
    assert await site.plan() == [f"- subscription {name}: not wanted any more"]
    assert await site.provisioner().apply() == 1
    listed = (await calls.call("sns", "ListSubscriptionsByTopic", {"TopicArn": topic}))["Subscriptions"]
    left = {one["Endpoint"] for one in listed}
    assert left == {site.names.queue_arn("fanout"), site.names.queue_arn("theirs")}


async def test_a_rule_of_an_earlier_configuration_goes_and_other_peoples_stay(site: Site, calls: Mishaps) -> None:
    """Ours is what has our tag."""
    await site.provisioner(ORDERS, STOCK).apply()
    bus = {"EventBusName": site.names.bus}
    theirs = f"{site.names.prefix}-theirs"
    await calls.call("events", "PutRule", {"Name": theirs, "EventPattern": '{"source":["x"]}', **bus})
    name = site.names.rule(STOCK)
    assert await site.plan(ORDERS) == [f"- rule {name}: not wanted any more"]
    await site.provisioner(ORDERS).apply()
    left = [one["Name"] for one in (await calls.call("events", "ListRules", bus))["Rules"]]
    assert sorted(left) == sorted([theirs, site.names.rule(ORDERS)])


async def test_a_rule_whose_pattern_state_and_targets_changed_is_mended(site: Site, calls: Mishaps) -> None:
    await site.provisioner().apply()
    name, bus = site.names.rule(ORDERS), {"EventBusName": site.names.bus}
    await calls.call(
        "events", "PutRule", {"Name": name, "EventPattern": '{"source":["x"]}', "State": "DISABLED", **bus}
    )
    await calls.call("events", "RemoveTargets", {"Rule": name, "Ids": ["queue"], **bus})
    old = {"Id": "old", "Arn": site.names.queue_arn("render")}
    await calls.call("events", "PutTargets", {"Rule": name, "Targets": [old], **bus})
    lines = await site.plan()
    assert [line.split(": ")[1] for line in lines] == ["EventPattern", "State", "target queue", "target old"]
    await site.provisioner().apply()
    assert await site.plan() == []


async def test_a_route_is_a_rule_with_its_own_targets(site: Site, calls: Mishaps) -> None:
    route = Route("audit", {"source": ["orders"]}, (("one", site.names.queue_arn("theirs")),))
    provisioner = site.provisioner(ORDERS, routes=(route,))
    await provisioner.apply()
    assert await provisioner.plan() == []
    of = {"Rule": f"{site.names.prefix}-audit", "EventBusName": site.names.bus}
    [target] = (await calls.call("events", "ListTargetsByRule", of))["Targets"]
    assert (target["Id"], target["Arn"]) == ("one", site.names.queue_arn("theirs"))


async def test_a_table_without_index_expiry_recovery_and_protection_gets_them(site: Site, calls: Mishaps) -> None:
    name = site.names.table("channels")
    keys = [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}]
    types = [{"AttributeName": one["AttributeName"], "AttributeType": "S"} for one in keys]
    capacity = {"ProvisionedThroughput": {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}}
    table = {"TableName": name, "KeySchema": keys, "AttributeDefinitions": types, **capacity}
    await calls.call("dynamodb", "CreateTable", table)
    provisioner = site.of(site.part("channels"))
    assert [change.attribute for change in await provisioner.plan()] == [
        "BillingMode",
        "DeletionProtectionEnabled",
        "index by1",
        "TimeToLive",
        "PointInTimeRecovery",
    ]
    assert await provisioner.apply() == 5
    assert await provisioner.plan() == []


async def test_a_table_with_other_keys_is_an_error_with_the_remedy_and_stays_as_it_is(
    site: Site, calls: Mishaps
) -> None:
    name = site.names.table(LOGS)
    table = {
        "TableName": name,
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "N"}],
        "BillingMode": "PAY_PER_REQUEST",
    }
    await calls.call("dynamodb", "CreateTable", table)
    provisioner = site.of(site.part(LOGS))
    with pytest.raises(StartError, match="save its items, delete the table") as refused:
        await provisioner.apply()
    assert str(refused.value).startswith(f'table {name}: keys: ["id (N)"] → ["pk","sk"]; AWS can\'t change that')
    assert [change.action for change in await provisioner.plan()] == ["refuse"]


async def test_a_bucket_made_public_and_without_our_lifecycle_is_mended(site: Site, calls: Mishaps) -> None:
    await site.provisioner().apply()
    bucket = {"Bucket": site.names.bucket("blobs")}
    theirs = {"ID": "theirs", "Status": "Enabled", "Filter": {"Prefix": "x/"}, "Expiration": {"Days": 1}}
    await calls.call("s3", "DeletePublicAccessBlock", bucket)
    await calls.call("s3", "PutBucketLifecycleConfiguration", {**bucket, "LifecycleConfiguration": {"Rules": [theirs]}})
    assert [line.split(": ")[1] for line in await site.plan()] == ["PublicAccessBlock", "Lifecycle"]
    await site.provisioner().apply()
    assert await site.plan() == []
    rules = (await calls.call("s3", "GetBucketLifecycleConfiguration", bucket))["Rules"]
    assert [one["ID"] for one in rules] == ["theirs", "kxmsg-claims"]


async def test_a_lifecycle_rule_of_ours_that_was_switched_off_is_switched_on(site: Site, calls: Mishaps) -> None:
    [bucket] = [one for one in desired(TOPOLOGY, site.names, []) if one.kind == "bucket"]
    provisioner = site.of([bucket])
    await provisioner.apply()
    off = {"ID": "kxmsg-claims", "Status": "Disabled", "Filter": {"Prefix": "claims/"}, "Expiration": {"Days": 29}}
    await calls.call(
        "s3", "PutBucketLifecycleConfiguration", {"Bucket": bucket.name, "LifecycleConfiguration": {"Rules": [off]}}
    )
    assert [change.attribute for change in await provisioner.plan()] == ["Lifecycle"]
    await provisioner.apply()
    assert await provisioner.plan() == []


async def test_a_bucket_without_encryption_gets_it(site: Site, calls: Mishaps) -> None:
    """One of before 2023, whose default was none ("Setting default server-side encryption")."""
    [bucket] = [one for one in desired(TOPOLOGY, site.names, []) if one.kind == "bucket"]
    provisioner = site.of([bucket])
    await provisioner.apply()
    calls.fail("s3", "GetBucketEncryption", "ServerSideEncryptionConfigurationNotFoundError")
    assert await provisioner.apply() == 1
    assert site.lines[-1] == f"~ bucket {bucket.name}: Encryption: false → true"
    assert "PutBucketEncryption" in calls.made


@pytest.mark.parametrize(
    ("region", "more"),
    [("us-east-1", {}), ("eu-west-1", {"CreateBucketConfiguration": {"LocationConstraint": "eu-west-1"}})],
)
async def test_a_bucket_is_made_in_its_region(region: str, more: Mapping[str, Any]) -> None:
    """Amazon S3 API, CreateBucket: us-east-1 is where nothing is said, and may not be said."""
    recorded = Recorded({}, {})
    [bucket] = [one for one in desired(TOPOLOGY, Names("kx", "123456789012", region), []) if one.kind == "bucket"]
    await Buckets(recorded, "kx").create(bucket)
    assert recorded.payloads[0] == {"Bucket": f"kx-blobs-123456789012-{region}", **more}
    assert recorded.payloads[1]["ExpectedBucketOwner"] == "123456789012"


async def test_lists_are_read_to_their_last_page() -> None:
    recorded = Recorded({"Rules": [1, 2], "NextToken": "more"}, {"Rules": [3]})
    assert [one async for one in pages(recorded, "events", "ListRules", {"EventBusName": "b"}, "Rules")] == [1, 2, 3]
    assert recorded.payloads == [{"EventBusName": "b"}, {"EventBusName": "b", "NextToken": "more"}]


async def test_what_is_made_is_tagged(site: Site, calls: Mishaps) -> None:
    await site.of(site.part("render", "render-dlq")).apply()
    url = (await calls.call("sqs", "GetQueueUrl", {"QueueName": site.names.queue("render")}))["QueueUrl"]
    tags = (await calls.call("sqs", "ListQueueTags", {"QueueUrl": url}))["Tags"]
    assert tags["kxmsg:prefix"] == site.names.prefix
    assert "kxmsg:version" in tags


# ---------------------------------------------------------------------------- what AWS does and the emulator doesn't


async def test_a_queue_deleted_a_moment_ago_is_waited_for(site: Site, calls: Mishaps) -> None:
    """Amazon SQS API, CreateQueue: "You must wait 60 seconds after deleting a queue"."""
    calls.fail("sqs", "CreateQueue", "QueueDeletedRecently", "You must wait 60 seconds", times=20)
    assert await site.of(site.part("render-dlq")).apply() == 1
    name = site.names.queue("render-dlq")
    waiting = f"  queue {name}: waiting, it was deleted less than a minute ago"
    assert site.lines == [waiting, f"+ queue {name}"]


async def test_the_wait_for_a_queue_ends(site: Site, calls: Mishaps) -> None:
    calls.fail("sqs", "CreateQueue", "QueueDeletedRecently", "You must wait 60 seconds", times=1000)
    with pytest.raises(StartError, match="QueueDeletedRecently"):
        await site.of(site.part("render-dlq")).apply()
    assert calls.made.count("CreateQueue") == ROUNDS


@pytest.mark.parametrize(
    ("service", "operation", "code", "message", "part"),
    [
        ("sqs", "CreateQueue", "QueueNameExists", "", "render-dlq"),
        ("sns", "CreateTopic", "InvalidParameter", "Topic already exists with different tags", "outbound"),
        ("events", "CreateEventBus", "ResourceAlreadyExistsException", "", "bus"),
        ("dynamodb", "CreateTable", "ResourceInUseException", "", "logs"),
    ],
)
async def test_what_somebody_else_made_meanwhile_is_looked_at_again(
    site: Site, calls: Mishaps, service: str, operation: str, code: str, message: str, part: str
) -> None:
    calls.fail(service, operation, code, message)
    calls.after.add(operation)
    provisioner = site.of(site.part(part))
    await provisioner.apply()
    assert "waiting, somebody else is making" in site.lines[0]
    assert await provisioner.plan() == []


async def test_a_change_refused_because_it_is_done_already_is_done(site: Site, calls: Mishaps) -> None:
    """Amazon DynamoDB API, UpdateTimeToLive: a second call within the hour is a ValidationException."""
    calls.fail("dynamodb", "UpdateTimeToLive", "ValidationException", "TimeToLive is already enabled", times=1)
    calls.fail("dynamodb", "UpdateContinuousBackups", "ValidationException", times=0)
    provisioner = site.of(site.part(LOGS))
    with pytest.raises(StartError, match="TimeToLive is already enabled"):
        await provisioner.apply()  # nobody had: it is an error
    await provisioner.apply()
    table = {"TableName": site.names.table(LOGS)}
    recovery = {"PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": False}}
    await calls.call("dynamodb", "UpdateContinuousBackups", {**table, **recovery})
    calls.fail("dynamodb", "UpdateContinuousBackups", "ValidationException")
    calls.after.add("UpdateContinuousBackups")
    await provisioner.apply()
    assert await provisioner.plan() == []


async def test_backups_of_a_new_table_are_waited_for(site: Site, calls: Mishaps) -> None:
    """Amazon DynamoDB API, UpdateContinuousBackups: ContinuousBackupsUnavailableException until they are enabled."""
    calls.fail("dynamodb", "UpdateContinuousBackups", "ContinuousBackupsUnavailableException", times=3)
    provisioner = site.of(site.part(LOGS))
    assert await provisioner.apply() == 1
    assert await provisioner.plan() == []


async def test_what_was_just_made_may_be_invisible_for_a_while(site: Site, calls: Mishaps) -> None:
    """Amazon DynamoDB API, DescribeTable: it "might return a ResourceNotFoundException" just after CreateTable."""
    calls.fail("dynamodb", "DescribeTable", "ResourceNotFoundException", times=2)
    provisioner = site.of(site.part(LOGS))
    await provisioner.apply()
    assert site.lines[-1] == f"  table {site.names.table(LOGS)}: waiting, AWS does not show it everywhere yet"
    assert await provisioner.plan() == []


class Slow:
    """Calls to a table that stays in these states, one for each look at it."""

    def __init__(self, calls: Calls, *states: tuple[str, str]) -> None:
        self._calls = calls
        self._states = list(states)

    async def call(self, service: str, operation: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        answer = await self._calls.call(service, operation, payload)
        if operation == "DescribeTable" and self._states:
            table, index = self._states.pop(0)
            answer["Table"]["TableStatus"] = table
            for one in answer["Table"].get("GlobalSecondaryIndexes") or ():
                one["IndexStatus"] = index
        return answer


async def test_a_table_that_is_being_made_is_waited_for(calls: Mishaps, names: Names) -> None:
    slow = Slow(calls, ("CREATING", "CREATING"), ("CREATING", "CREATING"), ("ACTIVE", "CREATING"))
    site = Site(slow, names)
    # The first look finds no table at all, and uses up none of the states.
    await site.of(site.part("channels")).apply()
    name = names.table("channels")
    assert site.lines == [
        f"+ table {name}",
        f"  table {name}: waiting, it is CREATING",
        f"  table {name}: waiting, index by1 is CREATING",
    ]


async def test_the_wait_for_a_table_ends_and_says_how_to_go_on(calls: Mishaps, names: Names) -> None:
    looks = round(tables.ACTIVE_WITHIN)
    site = Site(Slow(calls, *[("CREATING", "CREATING")] * looks), names)
    with pytest.raises(StartError, match=r"it is CREATING for more than 600 s.*run 'kxmsg provision' again"):
        await site.of(site.part("channels")).apply()


async def test_a_target_that_is_not_taken_is_an_error(site: Site, calls: Mishaps) -> None:
    """Amazon EventBridge API, PutTargets: some may fail, in an answer that is otherwise good."""

    class Partial:
        async def call(self, service: str, operation: str, payload: Mapping[str, Any]) -> dict[str, Any]:
            if operation == "PutTargets":
                failed = {"TargetId": "queue", "ErrorCode": "InvalidParameter", "ErrorMessage": "no such queue"}
                return {"FailedEntryCount": 1, "FailedEntries": [failed]}
            return await calls.call(service, operation, payload)

    site.calls = Partial()
    with pytest.raises(StartError, match=r"rule .*-orders: events PutTargets: InvalidParameter: target queue: no such"):
        await site.provisioner().apply()


# ------------------------------------------------------------------------------------------------------ refusals


async def test_a_denied_resource_is_one_line_with_the_remedy(site: Site, calls: Mishaps) -> None:
    calls.fail("dynamodb", "CreateTable", "AccessDeniedException", "not authorized")
    with pytest.raises(StartError) as denied:
        await site.of(site.part(LOGS)).apply()
    name = site.names.table(LOGS)
    assert str(denied.value) == (
        f"table {name}: dynamodb CreateTable: AccessDeniedException: not authorized; "
        "allow dynamodb:CreateTable on it to this process's user or role"
    )


async def test_what_can_be_done_is_done_and_each_failure_is_told(site: Site, calls: Mishaps) -> None:
    calls.fail("sqs", "CreateQueue", "AccessDenied", times=1000)
    with pytest.raises(StartError, match="resources are not as they should be: see to them, and run this again"):
        await site.provisioner().apply()
    assert f"+ table {site.names.table(LOGS)}" in site.lines
    told = [line for line in site.lines if line.startswith("! ")]
    queues = [line for line in told if "allow sqs:CreateQueue" in line]
    assert len(queues) == len(TOPOLOGY.queues)  # the dead-letter queues
    others = [line for line in told if line.endswith("left undone, for what it needs is not there")]
    assert len(told) == len(queues) + len(others)
    assert len(others) == len(TOPOLOGY.queues) + len(TOPOLOGY.subscriptions) + 1


async def test_a_plan_that_may_not_look_says_so(site: Site, calls: Mishaps) -> None:
    calls.fail("events", "DescribeEventBus", "AccessDeniedException")
    with pytest.raises(StartError, match=r"event bus .*-bus: .*allow events:DescribeEventBus"):
        await site.plan()


async def test_what_somebody_else_removed_meanwhile_is_removed(site: Site, calls: Mishaps) -> None:
    await site.provisioner(ORDERS, STOCK).apply()
    calls.fail("events", "DeleteRule", "ResourceNotFoundException")
    assert await site.provisioner(ORDERS).apply() == 1


async def test_a_removal_that_is_denied_is_told(site: Site, calls: Mishaps) -> None:
    await site.provisioner(ORDERS, STOCK).apply()
    calls.fail("events", "DeleteRule", "AccessDeniedException")
    with pytest.raises(StartError, match=r"rule .*-stock: .*allow events:DeleteRule"):
        await site.provisioner(ORDERS).apply()


async def test_nothing_is_removed_while_something_failed(site: Site, calls: Mishaps) -> None:
    await site.provisioner(ORDERS, STOCK).apply()
    calls.fail("sns", "GetTopicAttributes", "AuthorizationError", times=4)
    with pytest.raises(StartError, match="4 resources are not as they should be"):
        await site.provisioner(ORDERS).apply()
    calls.owed.clear()
    assert await site.plan(ORDERS) == [f"- rule {site.names.rule(STOCK)}: not wanted any more"]


async def test_a_throttled_call_is_repeated(aws_env: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    throttled = json_reply(400, {"__type": "com.amazonaws.events#ThrottlingException", "message": "Rate exceeded"})
    async with responding(throttled, throttled, json_reply(200, {"Name": "kx-bus"})) as responder:
        monkeypatch.setenv("AWS_ENDPOINT_URL", responder.url)
        control = Control(Account(), sleep=no_pause)
        assert await control.call("events", "DescribeEventBus", {"Name": "kx-bus"}) == {"Name": "kx-bus"}
        await control.close()
        assert len(responder.requests) == 3
