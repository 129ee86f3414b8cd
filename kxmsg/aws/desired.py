"""Desired: every resource that the topology and the subscriptions ask for, as data. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, Final

from kxmsg.aws.names import Names
from kxmsg.aws.patterns import LONGEST, event_patterns, size
from kxmsg.aws.plan import Identity, Resource
from kxmsg.errors import ConfigError
from kxmsg.topology import (
    BLOBS,
    CLAIM_DAYS,
    CLAIMS,
    EVENTS,
    QueueSpec,
    Rule,
    SubscriptionSpec,
    TableSpec,
    TopicSpec,
    Topology,
)

RETENTION: Final = 14 * 24 * 3600
"""Seconds that a queue keeps a message: SQS's longest."""

LONG_POLL: Final = 20
"""Seconds: SQS's longest."""

DELIVERY: Final[Mapping[str, int]] = {"MaximumRetryAttempts": 185, "MaximumEventAgeInSeconds": 24 * 3600}
"""How long EventBridge tries to deliver to a target: its longest."""

TOPICS_SID, RULES_SID = "KxmsgTopics", "KxmsgRules"
QUEUE_TARGET: Final = "queue"

EXPIRY: Final = "expiresAt"
_AGAIN: Final = "run 'kxmsg provision' again"

PUBLIC_ACCESS: Final = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")


@dataclass(frozen=True, slots=True)
class Route:
    """Events that go to targets of a subscription's own: a rule with a whole event pattern, targets as (id, ARN)."""

    name: str
    pattern: Mapping[str, Any]
    targets: tuple[tuple[str, str], ...]


def desired(topology: Topology, names: Names, rules: Sequence[Rule], routes: Sequence[Route] = ()) -> list[Resource]:
    """Every resource, none twice. Raises :class:`~kxmsg.errors.ConfigError` for what AWS could not take."""
    fed = frozenset((EVENTS, *(rule.queue for rule in rules)))
    resources = [
        *(resource for spec in topology.queues for resource in _queues(spec, topology, names, fed)),
        *(_topic(spec, names) for spec in topology.topics),
        *(_subscription(spec, names) for spec in topology.subscriptions),
        Resource("event bus", names.bus),
        *_rules(topology, names, rules),
        *(_route(route, names) for route in routes),
        *(_table(spec, names) for spec in topology.tables),
        _bucket(names),
        Resource("secret", names.secret, {}),
    ]
    _check(resources)
    return resources


def _queues(spec: QueueSpec, topology: Topology, names: Names, fed: frozenset[str]) -> tuple[Resource, Resource]:
    """The dead-letter queue and the queue itself; ``fed`` are the queues of rules."""
    common: dict[str, Any] = {
        "MessageRetentionPeriod": RETENTION,
        "ReceiveMessageWaitTimeSeconds": LONG_POLL,
        "SqsManagedSseEnabled": True,
    }
    if spec.fifo:
        common |= {
            "FifoQueue": True,
            "ContentBasedDeduplication": False,
            "DeduplicationScope": "messageGroup",
            "FifoThroughputLimit": "perMessageGroupId",
        }
    fixed = {"FifoQueue": f"delete the queue, and a minute later {_AGAIN}"}
    from_rules = _allow_rules(names) if spec.name in fed else {}
    dead = Resource(
        "queue",
        names.queue(spec.dlq),
        common
        | {"RedriveAllowPolicy": {"redrivePermission": "byQueue", "sourceQueueArns": [names.queue_arn(spec.name)]}}
        | _policy(names, spec.dlq, from_rules if not spec.fifo else {}),
        {"arn": names.queue_arn(spec.dlq)},
        fixed,
    )
    redrive = {"deadLetterTargetArn": names.queue_arn(spec.dlq), "maxReceiveCount": spec.max_receives}
    senders = from_rules | _allow_topics(spec, topology, names)
    alive = Resource(
        "queue",
        names.queue(spec.name),
        common
        | {"VisibilityTimeout": ceil(spec.visibility), "RedrivePolicy": redrive}
        | _policy(names, spec.name, senders),
        {"arn": names.queue_arn(spec.name)},
        fixed,
        after=(dead.identity,),
    )
    return dead, alive


def _allow_topics(spec: QueueSpec, topology: Topology, names: Names) -> dict[str, tuple[str, dict[str, Any]]]:
    arns = [names.topic_arn(one.topic) for one in topology.subscriptions if one.queue == spec.name]
    if not arns:
        return {}
    return {TOPICS_SID: ("sns.amazonaws.com", {"ArnEquals": {"aws:SourceArn": sorted(arns)}})}


def _allow_rules(names: Names) -> dict[str, tuple[str, dict[str, Any]]]:
    """Any rule of ours on our own bus: each by its ARN would pass the policy's 8192 bytes at some 60 rules.

    A rule made later may also deliver at once, where a changed policy takes up to a minute (SetQueueAttributes); what
    EventBridge may not deliver it doesn't try again ("Using dead-letter queues").
    """
    arn = f"arn:{names.partition}:events:{names.region}:{names.account}:rule/{names.bus}/{names.prefix}-*"
    return {RULES_SID: ("events.amazonaws.com", {"ArnLike": {"aws:SourceArn": arn}})}


def _policy(names: Names, queue: str, senders: Mapping[str, tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    """The attribute ``Policy`` as statements by their Sid; none where nothing but kxmsg itself sends."""
    if not senders:
        return {}
    return {
        "Policy": {
            sid: {
                "Sid": sid,
                "Effect": "Allow",
                "Principal": {"Service": service},
                "Action": "sqs:SendMessage",
                "Resource": names.queue_arn(queue),
                "Condition": condition,
            }
            for sid, (service, condition) in senders.items()
        }
    }


def _topic(spec: TopicSpec, names: Names) -> Resource:
    fifo = {"FifoTopic": True, "ContentBasedDeduplication": False, "FifoThroughputScope": "MessageGroup"}
    return Resource(
        "topic",
        names.topic(spec.name),
        fifo if spec.fifo else {},
        {"arn": names.topic_arn(spec.name)},
        {"FifoTopic": f"delete the topic, and {_AGAIN}"},
    )


def _subscription(spec: SubscriptionSpec, names: Names) -> Resource:
    topic, queue = names.topic(spec.topic), names.queue(spec.queue)
    return Resource(
        "subscription",
        f"{topic} to {queue}",
        {
            "RawMessageDelivery": True,
            "FilterPolicy": {name: list(values) for name, values in spec.filter.items()},
            "FilterPolicyScope": "MessageAttributes",
        },
        {"topic": names.topic_arn(spec.topic), "queue": names.queue_arn(spec.queue)},
        after=(("topic", topic), ("queue", queue)),
    )


def _rules(topology: Topology, names: Names, rules: Sequence[Rule]) -> Iterable[Resource]:
    patterns = event_patterns(rules)
    for rule in rules:
        if rule.name in patterns:
            spec = topology.queue(rule.queue)
            target = _target(names.queue_arn(spec.name))
            needed: tuple[Identity, ...] = (("queue", names.queue(spec.name)),)
            if not spec.fifo:  # EventBridge takes no FIFO queue for dead letters ("Using dead-letter queues")
                target["DeadLetterConfig"] = {"Arn": names.queue_arn(spec.dlq)}
            yield _rule(names, names.rule(rule), patterns[rule.name], {QUEUE_TARGET: target}, needed)


def _route(route: Route, names: Names) -> Resource:
    name = names.rule(Rule(route.name, frozenset(), frozenset(), ""))
    return _rule(names, name, route.pattern, {ident: _target(arn) for ident, arn in route.targets})


def _rule(
    names: Names,
    name: str,
    pattern: Mapping[str, Any],
    targets: Mapping[str, Mapping[str, Any]],
    needed: tuple[Identity, ...] = (),
) -> Resource:
    return Resource(
        "rule",
        name,
        {"EventPattern": pattern, "State": "ENABLED"} | {target_name(ident): to for ident, to in targets.items()},
        {"bus": names.bus},
        after=(("event bus", names.bus), *needed),
    )


def target_name(ident: str) -> str:
    """The attribute of a rule that is its target of this id."""
    return f"target {ident}"


def _target(arn: str) -> dict[str, Any]:
    target: dict[str, Any] = {"Arn": arn, "RetryPolicy": dict(DELIVERY)}
    if arn.split(":")[2] == "sqs" and arn.endswith(".fifo"):
        target["SqsParameters"] = {"MessageGroupId": "kxmsg"}
    return target


def _table(spec: TableSpec, names: Names) -> Resource:
    indexes = {index_name(name): {"keys": [f"{name}pk", f"{name}sk"], "projection": "ALL"} for name in spec.indexes}
    return Resource(
        "table",
        names.table(spec.name),
        {
            "keys": ["pk", "sk"],
            "BillingMode": "PAY_PER_REQUEST",
            "DeletionProtectionEnabled": True,
            **indexes,
            "TableStatus": "ACTIVE",
            "TimeToLive": EXPIRY,
            "PointInTimeRecovery": True,
        },
        fixed={
            "keys": f"save its items, delete the table, and {_AGAIN}",
            **dict.fromkeys(indexes, f"delete the index, and {_AGAIN}"),
            "TimeToLive": f"disable it, and in an hour {_AGAIN}",
        },
    )


def index_name(name: str) -> str:
    """The attribute of a table that is its secondary index of this name."""
    return f"index {name}"


def _bucket(names: Names) -> Resource:
    return Resource(
        "bucket",
        names.bucket(BLOBS),
        {
            "PublicAccessBlock": dict.fromkeys(PUBLIC_ACCESS, True),
            "Encryption": True,
            "Lifecycle": {"Prefix": CLAIMS, "Days": CLAIM_DAYS},
        },
        {"owner": names.account, "region": names.region},
    )


def _check(resources: Iterable[Resource]) -> None:
    problems = []
    known: set[Identity] = set()
    for one in resources:
        if one.identity in known:
            problems.append(f"{one}: two {one.kind}s would be called so; rename the source or subscription of one")
        known.add(one.identity)
        if one.kind == "rule" and size(one.attributes["EventPattern"]) > LONGEST:
            problems.append(f"{one}: its event pattern has more than {LONGEST} characters; make the pattern shorter")
    if problems:
        raise ConfigError(problems)
