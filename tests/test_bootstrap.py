"""The composition root: what it opens, refuses, makes late and closes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kxmsg.bootstrap import App, memory_app, open_app
from kxmsg.errors import ConfigError, StartError
from kxmsg.model.event import Event
from kxmsg.ports import Key, Outgoing, Put
from kxmsg.settings import Settings
from kxmsg.topology import CHANNELS, EVENTS, STORAGE, TOPOLOGY, QueueSpec
from tests.product import CONFIG

ANYTHING = """
eventSubscriptions:
  - name: all
    eventPattern: { detail: { urgent: [true] } }
    notificationMapping: { boom: { targetType: user, userId: ana, content: x } }
  - name: some
    eventPattern: { source: [a], detail-type: [one] }
    notificationMapping: { one: { targetType: user, userId: ana, content: x } }
"""


def settings(tmp_path: Path, **changes: object) -> Settings:
    return Settings(config=CONFIG, data=tmp_path / "data", durability="normal").model_copy(update=changes)


async def test_what_one_process_wrote_another_finds(tmp_path: Path) -> None:
    async with open_app(settings(tmp_path)) as app:
        await app.queue(STORAGE).send([Outgoing(b"kept")])
        await app.tables.write(Put(CHANNELS, {"pk": "a", "sk": "b", "n": 1}))
    async with open_app(settings(tmp_path)) as app:
        assert [one.body for one in await app.queue(STORAGE).receive(1, wait=0, visibility=1)] == [b"kept"]
        assert await app.tables.get(CHANNELS, Key("a", "b")) == {"pk": "a", "sk": "b", "n": 1}


async def test_the_data_folder_is_this_users_alone(tmp_path: Path) -> None:
    async with open_app(settings(tmp_path)):
        assert (tmp_path / "data").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("below", ["data", "data/deeper"])
async def test_a_data_folder_that_can_not_be_made_stops_the_start(tmp_path: Path, below: str) -> None:
    (tmp_path / "data").write_text("a file is in its place")
    with pytest.raises(StartError, match=r"data.*can't be made.*KXMSG_DATA"):
        async with open_app(settings(tmp_path, data=tmp_path / below)):
            pass


async def test_aws_without_a_region_stops_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    with pytest.raises(StartError, match="AWS_REGION"):
        async with open_app(settings(tmp_path, backend="aws")):
            pass


def test_gateways_of_api_gateway_need_the_aws_backend(tmp_path: Path) -> None:
    hosted = "main=https://abc.execute-api.eu-west-1.amazonaws.com/prod"
    app = memory_app(settings=settings(tmp_path, gateways=[hosted]))
    with pytest.raises(StartError, match=r"KXMSG_GATEWAYS: main: .*KXMSG_BACKEND=aws"):
        app.gateway  # noqa: B018 - made when it is asked for


async def test_a_mistake_in_the_subscriptions_stops_the_start_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "bad.yaml").write_text("eventSubscriptions:\n  - nam: x\n")
    app = memory_app(settings=settings(tmp_path, config=tmp_path / "config"))
    for prepare in (app.prepare, app.prepare_to_serve):
        with pytest.raises(ConfigError, match=r"bad\.yaml:2:5"):
            await prepare()
    await app.close()


async def test_a_gateway_without_an_address_stops_the_start(tmp_path: Path) -> None:
    app = memory_app(settings=settings(tmp_path, gateways=["eu"]))
    with pytest.raises(StartError, match="KXMSG_GATEWAYS"):
        _ = app.gateway
    await app.close()


async def test_a_damaged_secret_stops_the_start(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "secrets"
    folder.mkdir(parents=True)
    (folder / "signing-key.pem").write_text("nonsense")
    app = memory_app(settings=settings(tmp_path))
    with pytest.raises(StartError, match=r"signing-key\.pem is damaged"):
        await app.prepare_to_serve()
    await app.close()


async def test_ready_checks_answer_and_fail_with_what_they_check(tmp_path: Path) -> None:
    app = memory_app(settings=settings(tmp_path))
    assert set(app.checks) == {"tables", "queues"}
    for check in app.checks.values():
        await check()
    await app.close()
    for check in app.checks.values():
        with pytest.raises(Exception, match="closed"):
            await check()


async def events_of(app: App, *events: Event) -> int:
    assert await app.bus.put(events) == []
    return len(await app.queue(EVENTS).receive(10, wait=0, visibility=30))


async def test_the_bus_brings_what_any_subscription_may_want_once(tmp_path: Path) -> None:
    """A pattern that names no source asks for events of every one."""
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "all.yaml").write_text(ANYTHING)
    app = memory_app(settings=settings(tmp_path, config=tmp_path / "config"))
    assert app.bus.matches("b", "boom")
    assert await events_of(app, Event("b", "boom", {"urgent": True}), Event("a", "one", {})) == 2
    await app.close()


async def test_the_bus_drops_what_no_subscription_can_want(tmp_path: Path) -> None:
    app = memory_app(settings=settings(tmp_path))
    assert await events_of(app, Event("com.acme.orders", "order.lost", {}), Event("b", "boom", {})) == 0
    await app.close()


def test_a_worker_starts_without_what_only_others_need() -> None:
    """Web frameworks, HTTP clients and cryptography would take most of its start."""
    code = (
        "import sys; from kxmsg.cli.serve import find_worker; from kxmsg.topology import TOPOLOGY;"
        "[find_worker(spec.name) for spec in TOPOLOGY.workers];"
        "print(*{'aiohttp', 'fastapi', 'uvicorn', 'websockets', 'jwt', 'cryptography', 'aioboto3'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603 - ours
    assert done.stdout.split() == []


TARGETS = """
eventSubscriptions:
  - name: audited
    eventPattern: { source: [a], detail: { amount: [{ numeric: [">", 100] }] } }
    targets:
      - { id: mine, arn: "arn:aws:sqs:eu-west-1:123456789012:kx-notifications-mine" }
      - { id: audit, arn: "arn:aws:sqs:eu-west-1:123456789012:kx-notifications-audit" }
      - { id: archive, arn: "arn:aws:lambda:eu-west-1:123456789012:function:archive" }
"""


async def test_a_subscriptions_events_also_go_to_its_targets_as_far_as_they_are_queues_here(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A queue may be another process's worker's, and come later."""
    (tmp_path / "targets.yaml").write_text(TARGETS)
    given = settings(tmp_path, config=tmp_path)
    async with open_app(given, TOPOLOGY.plus(QueueSpec("mine"))) as app:
        await app.prepare()
        told = [line for line in capsys.readouterr().out.splitlines() if "a target gets no events" in line]
        assert len(told) == 2
        assert all(part in told[0] for part in ("no such queue yet", "subscription=audited", "target=audit"))
        assert all(part in told[1] for part in ("only queues", "subscription=audited", "target=archive"))
        async with open_app(given, TOPOLOGY.plus(QueueSpec("audit"))) as other:
            assert await app.bus.put([Event("a", "paid", {"amount": 101}), Event("a", "paid", {"amount": 99})]) == []
            for queue in (app.queue("mine"), other.queue("audit")):
                (delivery,) = await queue.receive(10, wait=0, visibility=1)
                assert b'"amount":101' in delivery.body
        assert await app.queue(EVENTS).receive(10, wait=0, visibility=1) == [], "there is no mapping for them"
        assert app.bus.matches("a", "paid")
        assert not app.bus.matches("b", "paid")
