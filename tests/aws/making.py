"""Makes queues, topics, subscriptions and rules at the emulator, with the attributes that the adapters expect."""

from collections.abc import Mapping

import orjson

from kxmsg.aws.names import Names
from kxmsg.aws.retrying import Retrying
from kxmsg.topology import QueueSpec, Rule


async def make_queue(api: Retrying, names: Names, spec: QueueSpec) -> None:
    """The queue, empty, and its dead-letter queue."""
    fifo = {"FifoQueue": "true"} if spec.fifo else {}
    await api.call("sqs", "CreateQueue", {"QueueName": names.queue(spec.dlq), "Attributes": fifo})
    redrive = {"deadLetterTargetArn": names.queue_arn(spec.dlq), "maxReceiveCount": spec.max_receives}
    attributes = {**fifo, "RedrivePolicy": orjson.dumps(redrive).decode()}
    await api.call("sqs", "CreateQueue", {"QueueName": names.queue(spec.name), "Attributes": attributes})


async def make_topic(api: Retrying, names: Names, name: str) -> None:
    attributes = {"FifoTopic": "true"} if name.endswith(".fifo") else {}
    await api.call("sns", "CreateTopic", {"Name": names.topic(name), "Attributes": attributes})


async def subscribe(api: Retrying, names: Names, topic: str, queue: str, wanted: Mapping[str, tuple[str, ...]]) -> None:
    attributes = {"RawMessageDelivery": "true"}
    if wanted:
        attributes["FilterPolicy"] = orjson.dumps(dict(wanted)).decode()
    payload = {"TopicArn": names.topic_arn(topic), "Protocol": "sqs", "Endpoint": names.queue_arn(queue)}
    await api.call("sns", "Subscribe", {**payload, "Attributes": attributes})


async def make_rule(api: Retrying, names: Names, rule: Rule) -> None:
    """The rule, on a bus that exists, with its queue as target."""
    wanted = {"source": sorted(rule.sources), "detail-type": sorted(rule.detail_types)}
    pattern = {name: values for name, values in wanted.items() if values}
    on = {"EventBusName": names.bus}
    await api.call(
        "events", "PutRule", {"Name": names.rule(rule), "EventPattern": orjson.dumps(pattern).decode(), **on}
    )
    target = {"Id": "queue", "Arn": names.queue_arn(rule.queue)}
    await api.call("events", "PutTargets", {"Rule": names.rule(rule), "Targets": [target], **on})
