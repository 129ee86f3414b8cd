"""What there should be, what differs, and in which order it is made. Pure."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kxmsg.aws.desired import Route, desired
from kxmsg.aws.names import Names
from kxmsg.aws.patterns import LONGEST, event_patterns, size
from kxmsg.aws.permissions import USES, needed
from kxmsg.aws.plan import Attributes, Change, Identity, Resource, differences, in_order, plan
from kxmsg.errors import ConfigError
from kxmsg.matching import Pattern
from kxmsg.topology import (
    CHANNELS,
    EVENTS,
    FANOUT,
    OUTBOUND,
    RENDER,
    SEQUENCE,
    TOPOLOGY,
    QueueSpec,
    Rule,
    SubscriptionSpec,
)

NAMES = Names("kx", "123456789012", "eu-central-1")
SQS = "arn:aws:sqs:eu-central-1:123456789012"


def rule(name: str = "orders", sources: str = "orders", kinds: str = "OrderShipped") -> Rule:
    return Rule(name, frozenset(sources.split()), frozenset(kinds.split()), EVENTS)


def wanted(*rules: Rule, routes: tuple[Route, ...] = ()) -> dict[Identity, Resource]:
    return {one.identity: one for one in desired(TOPOLOGY, NAMES, rules or (rule(),), routes)}


def as_wanted(resources: dict[Identity, Resource]) -> dict[Identity, Attributes | None]:
    return {one.identity: dict(one.attributes) for one in resources.values()}


# ------------------------------------------------------------------------------------------------ what is wanted


def test_every_part_of_the_topology_is_wanted_once() -> None:
    kinds = [kind for kind, _ in wanted()]
    assert {kind: kinds.count(kind) for kind in kinds} == {
        "queue": 2 * len(TOPOLOGY.queues),
        "topic": len(TOPOLOGY.topics),
        "subscription": len(TOPOLOGY.subscriptions),
        "event bus": 1,
        "rule": 1,
        "table": len(TOPOLOGY.tables),
        "bucket": 1,
        "secret": 1,
    }


def test_a_queue_has_its_dead_letter_queue_long_polls_and_the_longest_retention() -> None:
    assert wanted()["queue", "kx-render"].attributes == {
        "MessageRetentionPeriod": 1_209_600,
        "ReceiveMessageWaitTimeSeconds": 20,
        "SqsManagedSseEnabled": True,
        "VisibilityTimeout": 30,
        "RedrivePolicy": {"deadLetterTargetArn": f"{SQS}:kx-render-dlq", "maxReceiveCount": 10},
    }


def test_a_dead_letter_queue_serves_its_own_queue_alone() -> None:
    policy = {"redrivePermission": "byQueue", "sourceQueueArns": [f"{SQS}:kx-render"]}
    assert wanted()["queue", "kx-render-dlq"].attributes["RedriveAllowPolicy"] == policy


@pytest.mark.parametrize("name", ["kx-sequence.fifo", "kx-sequence-dlq.fifo"])
def test_a_fifo_queue_is_made_for_throughput_by_group_and_gets_its_deduplication_ids(name: str) -> None:
    attributes = wanted()["queue", name].attributes
    assert {
        "FifoQueue": True,
        "ContentBasedDeduplication": False,
        "DeduplicationScope": "messageGroup",
        "FifoThroughputLimit": "perMessageGroupId",
    }.items() <= attributes.items()


def test_a_fraction_of_a_second_of_visibility_is_rounded_up() -> None:
    topology = TOPOLOGY.plus(QueueSpec("audit", visibility=0.5))
    queues = {one.name: one for one in desired(topology, NAMES, [])}
    assert queues["kx-audit"].attributes["VisibilityTimeout"] == 1


def test_a_queue_takes_messages_of_its_own_topic_and_of_nothing_else() -> None:
    assert wanted()["queue", "kx-fanout.fifo"].attributes["Policy"] == {
        "KxmsgTopics": {
            "Sid": "KxmsgTopics",
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": f"{SQS}:kx-fanout.fifo",
            "Condition": {"ArnEquals": {"aws:SourceArn": ["arn:aws:sns:eu-central-1:123456789012:kx-outbound.fifo"]}},
        }
    }
    assert "Policy" not in wanted()["queue", "kx-render"].attributes


@pytest.mark.parametrize("name", ["kx-events", "kx-events-dlq"])
def test_rules_of_our_own_bus_may_deliver_and_leave_what_they_could_not(name: str) -> None:
    statement = wanted()["queue", name].attributes["Policy"]["KxmsgRules"]
    assert statement["Principal"] == {"Service": "events.amazonaws.com"}
    arn = "arn:aws:events:eu-central-1:123456789012:rule/kx-bus/kx-*"
    assert statement["Condition"] == {"ArnLike": {"aws:SourceArn": arn}}


def test_a_rule_delivers_for_a_day_and_then_to_the_dead_letter_queue() -> None:
    assert wanted()["rule", "kx-orders"].attributes == {
        "EventPattern": {"source": ["orders"], "detail-type": ["OrderShipped"]},
        "State": "ENABLED",
        "target queue": {
            "Arn": f"{SQS}:kx-events",
            "RetryPolicy": {"MaximumRetryAttempts": 185, "MaximumEventAgeInSeconds": 86_400},
            "DeadLetterConfig": {"Arn": f"{SQS}:kx-events-dlq"},
        },
    }


def test_only_a_fifo_target_has_a_group() -> None:
    route = Route("audit", {"source": ["a"]}, (("one", f"{SQS}:theirs"), ("two", f"{SQS}:theirs.fifo")))
    attributes = wanted(routes=(route,))["rule", "kx-audit"].attributes
    assert "SqsParameters" not in attributes["target one"]
    assert attributes["target two"]["SqsParameters"] == {"MessageGroupId": "kxmsg"}
    assert attributes["EventPattern"] == {"source": ["a"]}


def test_a_rule_to_a_fifo_queue_has_no_dead_letter_queue() -> None:
    """EventBridge takes standard queues only ("Using dead-letter queues to process undelivered events")."""
    to_fifo = Rule("x", frozenset({"x"}), frozenset(), SEQUENCE)
    resources = wanted(to_fifo)
    assert "DeadLetterConfig" not in resources["rule", "kx-x"].attributes["target queue"]
    assert "Policy" not in resources["queue", "kx-sequence-dlq.fifo"].attributes


def test_a_table_has_its_indexes_expires_and_is_protected() -> None:
    assert wanted()["table", "kx-channels"].attributes == {
        "keys": ["pk", "sk"],
        "BillingMode": "PAY_PER_REQUEST",
        "DeletionProtectionEnabled": True,
        "index by1": {"keys": ["by1pk", "by1sk"], "projection": "ALL"},
        "TableStatus": "ACTIVE",
        "TimeToLive": "expiresAt",
        "PointInTimeRecovery": True,
    }


def test_a_subscription_delivers_raw_what_its_filter_takes() -> None:
    assert wanted()["subscription", "kx-outbound to kx-fanout"].attributes == {
        "RawMessageDelivery": True,
        "FilterPolicy": {"targetChannel": ["WebSocket"]},
        "FilterPolicyScope": "MessageAttributes",
    }


def test_a_worker_of_ones_own_has_its_queue_and_subscription() -> None:
    topology = TOPOLOGY.plus(QueueSpec("audit"), (SubscriptionSpec(OUTBOUND, "audit"),))
    identities = {one.identity for one in desired(topology, NAMES, [])}
    assert {("queue", "kx-audit"), ("queue", "kx-audit-dlq"), ("subscription", "kx-outbound to kx-audit")} <= identities


def test_two_rules_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigError, match="rule kx-orders: two rules would be called so"):
        wanted(rule(), routes=(Route("orders", {"source": ["x"]}, ()),))


def test_a_pattern_of_ones_own_that_is_too_long_is_refused() -> None:
    with pytest.raises(ConfigError, match="rule kx-audit: its event pattern has more than 2048 characters"):
        wanted(routes=(Route("audit", {"source": ["x" * LONGEST]}, ()),))


# ----------------------------------------------------------------------------------------------------- patterns


def test_a_rule_for_anything_makes_the_others_of_its_queue_needless() -> None:
    anything = Rule("any", frozenset(), frozenset(), EVENTS)
    assert event_patterns([rule(), anything]) == {"any": {"source": [{"prefix": ""}]}}


def test_a_pattern_that_would_be_too_long_takes_every_detail_type() -> None:
    long = rule(kinds=" ".join(f"detail-type-{number:03}" for number in range(200)))
    assert event_patterns([long]) == {"orders": {"source": ["orders"]}}


_WORDS = st.sampled_from(["a", "b", "c"])
_KINDS = st.frozensets(st.sampled_from(["k", "l", "m"]), max_size=3)


@given(
    of_source=st.dictionaries(_WORDS, _KINDS),
    of_any=st.none() | _KINDS,
    source=_WORDS,
    kind=st.sampled_from(["k", "l", "m", "n"]),
)
def test_an_event_matches_one_pattern_where_any_rule_accepts_it(
    of_source: dict[str, frozenset[str]], of_any: frozenset[str] | None, source: str, kind: str
) -> None:
    """EventBridge would send it once for each."""
    rules = [Rule(name, frozenset({name}), kinds, EVENTS) for name, kinds in of_source.items()]
    rules += [] if of_any is None else [Rule("any", frozenset(), of_any, EVENTS)]
    patterns = event_patterns(rules)
    event: dict[str, Any] = {"source": source, "detail-type": kind, "detail": {}}
    matched = [name for name, pattern in patterns.items() if Pattern(pattern).matches(event)]
    assert len(matched) == any(one.accepts(source, kind) for one in rules)
    assert all(size(pattern) <= LONGEST for pattern in patterns.values())


# -------------------------------------------------------------------------------------------------- differences


def test_where_nothing_is_everything_is_made_in_the_order_of_what_it_needs() -> None:
    resources = wanted()
    changes = plan(list(resources.values()), dict.fromkeys(resources))
    assert {change.action for change in changes} == {"create"}
    ordered = [one.identity for one in in_order(resources.values())]
    assert sorted(ordered) == sorted(resources)
    assert all(ordered.index(needs) < ordered.index(one.identity) for one in resources.values() for needs in one.after)


def test_where_all_is_as_it_should_be_there_is_nothing_to_change() -> None:
    resources = wanted()
    assert plan(list(resources.values()), as_wanted(resources)) == []


def test_a_change_is_one_line_that_names_the_attribute() -> None:
    resources = wanted()
    found = as_wanted(resources)
    found["queue", "kx-render"] = {**resources["queue", "kx-render"].attributes, "VisibilityTimeout": 60}
    [change] = plan(list(resources.values()), found)
    assert str(change) == "~ queue kx-render: VisibilityTimeout: 60 → 30"


def test_a_target_that_nobody_wants_is_taken_off_its_rule() -> None:
    resource = wanted()["rule", "kx-orders"]
    [change] = differences(resource, {**resource.attributes, "target old": {"Arn": "arn:aws:sqs:x:1:old"}})
    assert str(change) == '~ rule kx-orders: target old: {"Arn":"arn:aws:sqs:x:1:old"} → none'


@pytest.mark.parametrize(
    ("identity", "attribute", "was", "remedy"),
    [
        (("table", "kx-logs"), "keys", ["id"], "save its items, delete the table"),
        (("table", "kx-channels"), "index by1", {"keys": ["x"], "projection": "ALL"}, "delete the index"),
        (("table", "kx-logs"), "TimeToLive", "ttl", "disable it, and in an hour"),
        (("queue", "kx-sequence.fifo"), "FifoQueue", False, "delete the queue"),
        (("topic", "kx-outbound.fifo"), "FifoTopic", False, "delete the topic"),
    ],
)
def test_what_aws_can_not_change_is_refused_with_the_remedy(
    identity: Identity, attribute: str, was: object, remedy: str
) -> None:
    resource = wanted()[identity]
    [change] = differences(resource, {**resource.attributes, attribute: was})
    assert change.action == "refuse"
    assert str(change).startswith(f"! {identity[0]} {identity[1]}: {attribute}: ")
    assert remedy in str(change)
    assert "run 'kxmsg provision' again" in str(change)


@pytest.mark.parametrize("attribute", ["index by1", "TimeToLive"])
def test_what_a_table_lacks_is_added(attribute: str) -> None:
    resource = wanted()["table", "kx-channels"]
    found = {name: value for name, value in resource.attributes.items() if name != attribute}
    assert differences(resource, found) == [Change("change", resource, attribute, None, resource.attributes[attribute])]


def test_a_surplus_rule_is_a_line_of_its_own() -> None:
    assert str(plan([], {}, [Resource("rule", "kx-old")])[0]) == "- rule kx-old: not wanted any more"


_VALUES = st.none() | st.booleans() | st.integers() | st.text(max_size=3)
_ATTRIBUTES = st.dictionaries(st.sampled_from("abcd"), _VALUES.filter(lambda value: value is not None))


@given(to=_ATTRIBUTES, found=_ATTRIBUTES, fixed=st.sets(st.sampled_from("abcd")))
def test_after_the_changes_only_what_was_refused_differs(
    to: dict[str, Any], found: dict[str, Any], fixed: set[str]
) -> None:
    resource = Resource("table", "kx-x", to, fixed=dict.fromkeys(fixed, "see to it"))
    after = dict(found)
    changes = differences(resource, found)
    for change in changes:
        assert change.attribute is not None
        if change.action == "change":
            after[change.attribute] = change.to
    left = {name: value for name, value in after.items() if value is not None}
    refused = {change.attribute for change in changes if change.action == "refuse"}
    assert refused <= fixed
    assert {name for name in {*left, *to} if left.get(name) != to.get(name)} == refused


def test_what_waits_for_each_other_is_refused() -> None:
    one = Resource("queue", "one", after=(("queue", "two"),))
    two = Resource("queue", "two", after=(("queue", "one"),))
    with pytest.raises(ValueError, match="queue one, queue two"):
        in_order([one, two])


# -------------------------------------------------------------------------------------------------- permissions


def test_every_worker_type_has_permissions_and_so_have_api_and_gateway() -> None:
    assert set(USES) == {spec.name for spec in TOPOLOGY.workers} | {"api", "gateway"}


@pytest.mark.parametrize("process", sorted(USES))
def test_a_process_needs_only_what_is_provisioned(process: str) -> None:
    known = {NAMES.bus_arn, NAMES.bucket_arn("blobs"), f"{NAMES.bucket_arn('blobs')}/claims/*", NAMES.secret_arn}
    known |= {NAMES.queue_arn(name) for spec in TOPOLOGY.queues for name in (spec.name, spec.dlq)}
    known |= {NAMES.topic_arn(spec.name) for spec in TOPOLOGY.topics}
    known |= {NAMES.table_arn(spec.name) for spec in TOPOLOGY.tables}
    known |= {f"{NAMES.table_arn(CHANNELS)}/index/*"}
    assert set(needed(process, TOPOLOGY, NAMES)) <= known


def test_a_worker_receives_from_its_queues_and_sends_where_it_has_to() -> None:
    actions = needed("event-consumer", TOPOLOGY, NAMES)
    assert "sqs:ReceiveMessage" in actions[NAMES.queue_arn(EVENTS)]
    assert "sqs:ReceiveMessage" not in actions[NAMES.queue_arn(RENDER)]
    assert "sqs:SendMessage" in actions[NAMES.queue_arn("events-dlq")]
    assert NAMES.queue_arn(FANOUT) not in actions


@pytest.mark.parametrize("process", sorted(USES))
def test_the_how_to_tells_what_a_process_uses(process: str) -> None:
    page = (Path(__file__).parents[2] / "docs/how-to/aws.md").read_text()
    [row] = [line for line in page.splitlines() if line.startswith(f"| `{process}` |")]
    cells = [tuple(re.findall(r"`([^`]+)`", cell)) for cell in row.split("|")[2:7]]
    uses = USES[process]
    received = tuple(name for spec in TOPOLOGY.workers if spec.name == process for name in spec.queues)
    assert cells == [received, uses.sends, uses.publishes, uses.reads, uses.writes]
    assert [cell.strip() for cell in row.split("|")[7:9]] == [
        "yes" if one else "-" for one in (uses.events, uses.secrets)
    ]


@pytest.mark.parametrize("process", sorted(USES))
def test_the_how_to_names_every_action(process: str) -> None:
    page = (Path(__file__).parents[2] / "docs/how-to/aws.md").read_text()
    named = {action for actions in needed(process, TOPOLOGY, NAMES).values() for action in actions}
    assert [action for action in sorted(named) if f"`{action}`" not in page] == []
