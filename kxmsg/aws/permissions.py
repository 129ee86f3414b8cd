"""Permissions: what the role of each worker type, and of the API, must be allowed. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from kxmsg.aws.names import Names
from kxmsg.topology import (
    BLOBS,
    CHANNELS,
    CLAIMS,
    CONNECTIONS,
    FANOUT_CHUNK,
    LOGS,
    OUTBOUND,
    OUTBOUND_FIFO,
    RENDER,
    SCHEDULE,
    SEQUENCE,
    STORAGE,
    Topology,
)

LOOK_UP: Final = ("sqs:GetQueueUrl", "sqs:GetQueueAttributes")
SEND: Final = (*LOOK_UP, "sqs:SendMessage")
RECEIVE: Final = (*LOOK_UP, "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility")
PUBLISH: Final = ("sns:Publish",)
PUT_EVENTS: Final = ("events:PutEvents",)
CHECK: Final = ("dynamodb:GetItem",)
CHECK_BUS: Final = ("events:DescribeEventBus",)
READ: Final = (*CHECK, "dynamodb:BatchGetItem", "dynamodb:Query")
QUERY: Final = ("dynamodb:Query",)
WRITE: Final = (
    "dynamodb:PutItem",
    "dynamodb:UpdateItem",
    "dynamodb:DeleteItem",
    "dynamodb:BatchWriteItem",
    "dynamodb:ConditionCheckItem",
)
SECRET: Final = ("secretsmanager:GetSecretValue",)
CLAIM: Final = ("s3:GetObject", "s3:PutObject")
LIST: Final = ("s3:ListBucket",)
"""Without it S3 says 403, not 404, of a key that is not there (GetObject, "Permissions")."""


@dataclass(frozen=True, slots=True)
class Uses:
    """What a process works with beside the queues that it receives from, by logical names."""

    sends: tuple[str, ...] = ()
    publishes: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    events: bool = False
    secrets: bool = False


API, GATEWAY = "api", "gateway"

USES: Final[Mapping[str, Uses]] = {
    "event-consumer": Uses(sends=(RENDER,)),
    "template-renderer": Uses(sends=(SEQUENCE, STORAGE), writes=(SCHEDULE,)),
    "sequence-processor": Uses(publishes=(OUTBOUND_FIFO,), reads=(CHANNELS,), writes=(LOGS,), events=True),
    "storage-writer": Uses(publishes=(OUTBOUND,), reads=(CHANNELS,), writes=(LOGS,), events=True),
    "fanout": Uses(
        sends=(FANOUT_CHUNK,), reads=(CHANNELS, LOGS), writes=(CONNECTIONS, SCHEDULE), events=True, secrets=True
    ),
    "scheduler": Uses(sends=(SEQUENCE, STORAGE, FANOUT_CHUNK), writes=(SCHEDULE, CHANNELS, LOGS), events=True),
    API: Uses(
        sends=(SEQUENCE, STORAGE),
        publishes=(OUTBOUND, OUTBOUND_FIFO),
        writes=(LOGS, CHANNELS, CONNECTIONS, SCHEDULE),
        events=True,
        secrets=True,
    ),
    GATEWAY: Uses(secrets=True),
}


def needed(process: str, topology: Topology, names: Names) -> dict[str, tuple[str, ...]]:
    """Actions by resource ARN, for a worker type or the API. Raises KeyError for any other."""
    actions: dict[str, tuple[str, ...]] = {}
    for arn, allowed in _needed(process, topology, names):
        actions[arn] = tuple(dict.fromkeys((*actions.get(arn, ()), *allowed)))
    return actions


def _needed(process: str, topology: Topology, names: Names) -> Iterator[tuple[str, tuple[str, ...]]]:
    uses = USES[process]
    if uses.secrets:
        yield names.secret_arn, SECRET
    if process == GATEWAY:
        return
    received = [name for worker in topology.workers if worker.name == process for name in worker.queues]
    for name in received:
        yield names.queue_arn(name), RECEIVE
        yield names.queue_arn(topology.queue(name).dlq), SEND
    for name in uses.sends:
        yield names.queue_arn(name), SEND
    for name in uses.publishes:
        yield names.topic_arn(name), PUBLISH
    yield names.bus_arn, CHECK_BUS
    if uses.events:
        yield names.bus_arn, PUT_EVENTS
    yield from _of_tables(uses, topology, names)
    yield f"{names.bucket_arn(BLOBS)}/{CLAIMS}*", CLAIM
    yield names.bucket_arn(BLOBS), LIST


def _of_tables(uses: Uses, topology: Topology, names: Names) -> Iterator[tuple[str, tuple[str, ...]]]:
    for spec in topology.tables:  # at start each process sees to it that all tables, and the bus, are there
        yield names.table_arn(spec.name), CHECK
    for name in (*uses.reads, *uses.writes):
        yield names.table_arn(name), READ
        if topology.table(name).indexes:
            yield f"{names.table_arn(name)}/index/*", QUERY
    for name in uses.writes:
        yield names.table_arn(name), WRITE
