"""Topology: the queues that ARNs name."""

import pytest

from kxmsg.topology import queue_of


@pytest.mark.parametrize(
    ("arn", "queue"),
    [
        ("arn:aws:sqs:eu-west-1:123456789012:kx-notifications-audit", "audit"),
        ("arn:aws-cn:sqs:cn-north-1:123456789012:kx-notifications-audit.fifo", "audit.fifo"),
        ("arn:aws:sqs:eu-west-1:123456789012:audit", "audit"),
        ("arn:aws:sqs:eu-west-1:123456789012:kx-notificationsaudit", "kx-notificationsaudit"),
        ("arn:aws:lambda:eu-west-1:123456789012:function:audit", None),
        ("arn:aws:states:eu-west-1:123456789012:stateMachine:sqs", None),
    ],
)
def test_an_arn_names_a_queue_by_its_last_part_without_the_prefix(arn: str, queue: str | None) -> None:
    assert queue_of(arn, "kx-notifications") == queue
