"""A process that can't work on AWS says why in one line, with the remedy, and ends at once with status 3."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

from kxmsg.testing.stack import Stack
from kxmsg.topology import TOPOLOGY
from tests.aws.responder import Reply, json_reply, responding
from tests.e2e.conftest import CONFIG

pytestmark = pytest.mark.usefixtures("aws")

PROCESSES = {
    "worker": ("worker", "fanout"),
    "api": ("api",),
    "gateway": ("gateway",),
    "dev": ("dev",),
    "emit": ("emit", str(CONFIG / "orders/samples/order-shipped.json")),
}

SECONDS = 20.0
"""For all of them side by side, most of which is Python's own start."""

CLOSED = "http://127.0.0.1:9"
"""The port of the discard service, which nobody runs."""

UNKNOWN_KEY = Reply(
    403,
    b'<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>'
    b"<Code>InvalidClientTokenId</Code><Message>The security token included in the request is invalid.</Message>"
    b"</Error><RequestId>1</RequestId></ErrorResponse>",
    {"content-type": "text/xml"},
)
"""What STS says of an access key that does not exist, which the emulator would take."""


def stack(tmp_path: Path, **environment: str) -> Stack:
    return Stack(tmp_path / "data", CONFIG, commands={}, environment=environment)


async def reasons(stack: Stack, names: Iterable[str] = PROCESSES) -> dict[str, str]:
    """The line with which each of these processes ended, as it must."""
    chosen = {name: PROCESSES[name] for name in names}
    async with asyncio.timeout(SECONDS):
        ended = await asyncio.gather(*(stack.run(*command) for command in chosen.values()))
    said = {}
    for name, (status, out, err) in zip(chosen, ended, strict=True):
        assert (status, out, "Traceback" in err) == (3, "", False), (name, err)
        (said[name],) = [line for line in err.splitlines() if not line.startswith("{")]  # those are logs
        assert said[name].startswith("kxmsg: "), err
    return said


async def test_wrong_credentials_are_told_after_one_call(tmp_path: Path) -> None:
    async with responding(UNKNOWN_KEY) as sts:
        for line in (await reasons(stack(tmp_path, AWS_ENDPOINT_URL=sts.url))).values():
            assert "InvalidClientTokenId" in line
            assert "check AWS_ACCESS_KEY_ID" in line
        assert len(sts.requests) == len(PROCESSES)


async def test_a_missing_region_is_told(tmp_path: Path) -> None:
    for line in (await reasons(stack(tmp_path, AWS_REGION=""))).values():
        assert line == "kxmsg: no AWS region: set AWS_REGION, or 'region' in the profile"


async def test_an_endpoint_that_nobody_serves_is_told(tmp_path: Path) -> None:
    for line in (await reasons(stack(tmp_path, AWS_ENDPOINT_URL=CLOSED))).values():
        assert CLOSED in line
        assert "check the network, AWS_REGION and AWS_ENDPOINT_URL" in line


async def test_what_is_not_provisioned_is_told_by_its_name(tmp_path: Path) -> None:
    """An event would be taken, and lost, by a bus that is not there."""
    installation = stack(tmp_path)
    prefix = installation.settings.prefix
    said = await reasons(installation)
    for name, resource in {
        "worker": f"queue {prefix}-fanout.fifo",
        "api": f"queue {prefix}-sequence.fifo",
        "gateway": f"secret {prefix}-secrets",
        "dev": f"queue {prefix}-events",
        "emit": f"event bus {prefix}-bus",
    }.items():
        assert said[name].startswith(f"kxmsg: {resource}: "), said
        assert "run 'kxmsg provision'" in said[name]


@dataclass(frozen=True)
class Fault:
    """What one service answers to everything, who minds, and what they say of it."""

    endpoint: str
    code: str
    processes: tuple[str, ...]
    resource: str
    remedy: str
    calls: int
    """Made by one process at most."""


FAULTS = {
    "denied table": Fault(
        "AWS_ENDPOINT_URL_DYNAMODB",
        "AccessDeniedException",
        ("worker", "api", "dev"),
        "table {}-logs",
        "allow dynamodb:GetItem on it",
        len(TOPOLOGY.tables),
    ),
    "unknown key": Fault(
        "AWS_ENDPOINT_URL_DYNAMODB",
        "UnrecognizedClientException",
        ("worker", "api", "dev"),
        "table {}-logs",
        "check AWS_ACCESS_KEY_ID",
        len(TOPOLOGY.tables),
    ),
    "missing secret": Fault(
        "AWS_ENDPOINT_URL_SECRETS_MANAGER",
        "ResourceNotFoundException",
        ("worker", "api", "gateway", "dev"),
        "secret {}-secrets",
        "run 'kxmsg provision'",
        1,
    ),
    "denied bus": Fault(
        "AWS_ENDPOINT_URL_EVENTBRIDGE",
        "AccessDeniedException",
        ("worker", "api", "dev", "emit"),
        "event bus {}-bus",
        "allow events:DescribeEventBus on it",
        1,
    ),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
async def test_one_thing_that_fails_is_told_by_its_name_and_not_tried_again(tmp_path: Path, fault: Fault) -> None:
    """Everything else is there."""
    status, _, err = await stack(tmp_path).run("provision")
    assert (status, err) == (0, "")
    reply = json_reply(400, {"__type": f"com.amazon.coral.service#{fault.code}", "message": "Not for you."})
    async with responding(reply) as service:
        installation = stack(tmp_path, **{fault.endpoint: service.url})
        for line in (await reasons(installation, fault.processes)).values():
            assert line.startswith(f"kxmsg: {fault.resource.format(installation.settings.prefix)}: "), line
            assert fault.code in line
            assert fault.remedy in line
        assert len(service.requests) <= fault.calls * len(fault.processes)


async def test_a_queue_of_ones_own_that_is_not_provisioned_is_told_with_how_to_make_it(tmp_path: Path) -> None:
    installation = stack(tmp_path)
    assert (await installation.run("provision"))[0] == 0
    status, _, err = await installation.run("worker", "examples.audit_worker:worker")
    line = err.splitlines()[-1]
    assert (status, line.startswith(f"kxmsg: queue {installation.settings.prefix}-audit: ")) == (3, True), err
    assert "run 'kxmsg provision' (with --worker for one of your own)" in line
