"""Names: what AWS allows comes out, or an error that says what to shorten."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kxmsg.aws.names import LONGEST_PREFIX, Names
from kxmsg.errors import ConfigError
from kxmsg.topology import TOPOLOGY, Rule

names = Names("kx", "123456789012", "eu-central-1")

prefixes = st.from_regex(rf"[A-Za-z0-9][A-Za-z0-9_-]{{0,{LONGEST_PREFIX - 1}}}", fullmatch=True)
accounts = st.from_regex(r"[0-9]{12}", fullmatch=True)


def rule(name: str, *sources: str, queue: str = "events") -> Rule:
    return Rule(name, frozenset(sources), frozenset(), queue)


def test_the_prefix_heads_every_name_and_fifo_ends_it() -> None:
    assert names.queue("render") == "kx-render"
    assert names.queue("sequence.fifo") == "kx-sequence.fifo"
    assert names.topic("outbound.fifo") == "kx-outbound.fifo"
    assert names.table("logs") == "kx-logs"
    assert names.bus == "kx-bus"
    assert names.bucket("claims") == "kx-claims-123456789012-eu-central-1"


def test_arns_name_partition_region_and_account() -> None:
    assert names.queue_arn("sequence.fifo") == "arn:aws:sqs:eu-central-1:123456789012:kx-sequence.fifo"
    assert names.topic_arn("outbound") == "arn:aws:sns:eu-central-1:123456789012:kx-outbound"
    assert names.table_arn("logs") == "arn:aws:dynamodb:eu-central-1:123456789012:table/kx-logs"
    assert names.bus_arn == "arn:aws:events:eu-central-1:123456789012:event-bus/kx-bus"
    assert names.rule_arn(rule("shop")) == "arn:aws:events:eu-central-1:123456789012:rule/kx-bus/kx-shop"
    assert names.bucket_arn("claims") == "arn:aws:s3:::kx-claims-123456789012-eu-central-1"


@pytest.mark.parametrize(
    ("region", "partition"), [("us-gov-west-1", "aws-us-gov"), ("cn-north-1", "aws-cn"), ("us-east-1", "aws")]
)
def test_the_region_tells_the_partition(region: str, partition: str) -> None:
    assert Names("kx", "123456789012", region).queue_arn("q").split(":")[:4] == ["arn", partition, "sqs", region]


@given(prefixes, accounts)
def test_every_prefix_that_is_accepted_serves_the_whole_topology(prefix: str, account: str) -> None:
    longest = Names(prefix, account, "ap-southeast-2")
    for spec in TOPOLOGY.queues:
        for name in (spec.name, spec.dlq):
            assert re.fullmatch(r"(?=.{1,80}$)[A-Za-z0-9_-]+(\.fifo)?", longest.queue(name))
    for topic in TOPOLOGY.topics:
        assert longest.topic(topic.name).endswith(topic.name)
    for table in TOPOLOGY.tables:
        assert longest.table(table.name).endswith(table.name)
    assert longest.bus


@pytest.mark.parametrize("prefix", ["", "-kx", "kx.1", "kx prod", "küx", "x" * (LONGEST_PREFIX + 1)])
def test_a_prefix_that_can_head_no_name_is_refused(prefix: str) -> None:
    with pytest.raises(ConfigError, match="KXMSG_PREFIX"):
        Names(prefix, "123456789012", "eu-central-1")


@pytest.mark.parametrize("queue", ["q" * 78, "a.b", "sequence.fifo.old"])
def test_a_users_queue_that_sqs_would_refuse_is_named(queue: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(f"kx-{queue}: an SQS queue can't be called so")):
        names.queue(queue)


def test_a_bucket_is_lower_case_and_has_no_underscore() -> None:
    assert Names("My_App", "123456789012", "us-east-1").bucket("claims") == "my-app-claims-123456789012-us-east-1"


def test_a_bucket_with_too_long_a_name_asks_for_a_shorter_prefix() -> None:
    with pytest.raises(ConfigError, match="shorten KXMSG_PREFIX"):
        Names("x" * LONGEST_PREFIX, "123456789012", "ap-southeast-2").bucket("claims")


def test_a_rule_keeps_a_name_that_is_allowed() -> None:
    assert names.rule(rule("acme.orders")) == "kx-acme.orders"


def test_a_rules_name_does_not_change_with_what_it_wants() -> None:
    assert names.rule(rule("ä", "one")) == names.rule(rule("ä", "two", queue="other"))


@given(prefixes, st.text(min_size=1, max_size=300), st.text(min_size=1, max_size=300))
def test_rules_of_different_names_have_different_names_that_are_allowed(prefix: str, one: str, two: str) -> None:
    made = Names(prefix, "123456789012", "eu-central-1")
    for name in (one, two):
        assert re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", made.rule(rule(name)))
    assert (made.rule(rule(one)) == made.rule(rule(two))) == (one == two)
