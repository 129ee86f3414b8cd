"""From event to frame through every process, as a new user tries it."""

import asyncio
import signal
from pathlib import Path

import orjson
import pytest

from kxmsg.bootstrap import App, open_app
from kxmsg.model.connection import Place
from kxmsg.model.target import BROADCAST, EVERYBODY, Target
from kxmsg.testing.stack import Stack
from kxmsg.testing.until import until
from tests.e2e.clients import ask, frame, rest, socket, token
from tests.e2e.conftest import CONFIG

SAMPLES = {
    "user#ana": CONFIG / "orders/samples/order-shipped.json",
    "client#acme": CONFIG / "incidents/samples/incident-opened.json",
    "channel#lead-desk": CONFIG / "leads/samples/lead-created.json",
    "broadcast": CONFIG / "maintenance/samples/maintenance-scheduled.json",
}


async def test_dev_shows_what_emit_sends_for_each_target_type_and_keeps_it(dev: Stack) -> None:
    """What ``listen`` prints is what ``emit`` sent; after a restart all of it is still there."""
    async with socket(dev, "ana", "acme") as ana:
        status, _, err = await dev.run("emit", *map(str, SAMPLES.values()))
        assert status == 0, err
        shown = [await frame(ana) for _ in SAMPLES]
    assert {one["targetKey"]: one["sequenceNumber"] for one in shown} == dict.fromkeys(SAMPLES, 1)
    assert await dev.terminate(number=signal.SIGINT) == [0]

    await dev.start("dev")
    await dev.ready()
    status, body = await rest(dev, "GET", "/notifications", await token(dev, "ana", "acme"))
    assert status == 200
    assert {one["targetKey"] for one in body["notifications"]} == {"user#ana", "client#acme", "broadcast"}
    async with socket(dev, "ana", "acme") as ana:
        heads = (await ask(ana, action="ping", id=1))["heads"]
    assert {key: head["sequenceNumber"] for key, head in heads.items()} == dict.fromkeys(SAMPLES, 1)


async def test_listen_prints_one_line_per_frame_and_ends_after_as_many_as_asked(dev: Stack) -> None:
    """``kxmsg listen --count`` is enough to script with."""
    listening = asyncio.create_task(dev.run("listen", "--user", "ana", "--tenant", "acme", "--count", "2", "--json"))
    await _until_connected(dev, "user#ana")
    await dev.run("emit", str(SAMPLES["user#ana"]), str(SAMPLES["client#acme"]))
    status, out, _ = await listening
    assert status == 0
    assert {orjson.loads(line)["targetKey"] for line in out.splitlines()} == {"user#ana", "client#acme"}


async def test_separate_processes_do_the_same_on_one_folder(stack: Stack) -> None:
    """One process per line of the Procfile: events, chat between two devices and two users, REST."""
    assert (await rest(stack, "GET", "/health"))[0] == 200
    status, body = await rest(stack, "GET", "/ready")
    assert (status, body["checks"]) == (200, {"tables": "ok", "queues": "ok"})
    async with socket(stack, "ana", "acme", query="?threadId=lead-desk") as ana:
        status, _ = await rest(
            stack, "POST", "/channels/lead-desk/join", await token(stack, "bo", "acme"), json={"userName": "Bo"}
        )
        assert status == 200
        async with socket(stack, "bo", "acme") as bo, socket(stack, "ana", "acme") as ana_too:
            assert (await stack.run("emit", *map(str, SAMPLES.values())))[0] == 0
            seen = {(await frame(ana))["targetKey"] for _ in SAMPLES}
            assert seen == set(SAMPLES)
            assert {(await frame(bo))["targetKey"] for _ in range(3)} == set(SAMPLES) - {"user#ana"}
            assert {(await frame(ana_too))["targetKey"] for _ in SAMPLES} == set(SAMPLES)

            acked = await ask(ana, action="message.send", id="m1", threadId="lead-desk", text="I take it")
            assert acked["type"] == "ack"
            for other in (bo, ana_too):
                shown = await frame(other)
                assert (shown["message"], shown["senderId"], shown["sequenceNumber"]) == ("I take it", "ana", 2)
                assert shown["messageId"] == acked["messageId"]

            payload = {"chatId": "lead-desk", "content": "Thanks", "eventType": "chat"}
            answer = await ask(bo, action="sendMessage", id=7, messageType="fifo", payload=payload)
            assert answer["type"] == "ack"
            assert (await frame(ana))["message"] == "Thanks"


async def test_what_is_not_allowed_is_refused_with_its_proper_answer(stack: Stack) -> None:
    """No token, a foreign channel, a malformed frame, a closed route: each has its refusal."""
    assert (await rest(stack, "GET", "/notifications"))[0] == 401
    member = await token(stack, "eve", "other", "member")
    assert (await rest(stack, "POST", "/events", member, json={}))[0] == 400
    event = {"source": "x", "detail-type": "y", "detail": {}}
    assert (await rest(stack, "POST", "/events", member, json=event))[0] == 403
    assert (await rest(stack, "POST", "/_gateway/connect", member, json={}))[0] == 403
    async with socket(stack, "ana", "acme", query="?threadId=private"), socket(stack, "eve", "other") as eve:
        foreign = await ask(eve, action="message.send", id=1, threadId="private", text="hello")
        missing = await ask(eve, action="message.send", id=1, threadId="nowhere", text="hello")
        assert foreign["code"] == missing["code"] == "channel_not_found"
        await eve.send("{")
        assert (await frame(eve))["code"] == "malformed"


EACH = {"embedded": 2500, "aws": 50}
"""Events of each of four kinds at once: 10,000, and what the emulator manages in the same time."""


async def test_many_events_at_once_are_stored_once_and_numbered_without_a_gap(stack: Stack, tmp_path: Path) -> None:
    """Every frame comes, and those of the channel in the order of their numbers."""
    each = EACH[stack.settings.backend]
    events = tmp_path / "events.ndjson"
    samples = [orjson.loads(sample.read_bytes()) for sample in SAMPLES.values()]
    events.write_bytes(b"\n".join(orjson.dumps(sample) for sample in samples))
    async with socket(stack, "ana", "acme", query="?threadId=lead-desk") as ana:
        status, _, err = await stack.run("emit", str(events), "--count", str(each))
        assert (status, f"{4 * each} events accepted" in err) == (0, True)
        numbers: dict[str, list[int]] = {key: [] for key in SAMPLES}
        while sum(map(len, numbers.values())) < 4 * each:
            shown = await frame(ana)
            numbers[shown["targetKey"]].append(shown["sequenceNumber"])
    everything = list(range(1, each + 1))
    assert numbers["channel#lead-desk"] == everything
    assert all(sorted(got) == everything for got in numbers.values())
    async with open_app(stack.settings) as app:
        for tenant, target in (("acme", Target("user", "ana")), (EVERYBODY, BROADCAST)):
            assert (await app.logs.head(tenant, target)).seq == each
        for spec in app.topology.queues:
            assert (await app.queue(spec.dlq).depth()).visible == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_dev_ends_within_five_seconds_with_status_0_and_loses_nothing(dev: Stack, number: signal.Signals) -> None:
    """Told to stop in the middle of many events; the next start delivers the rest."""
    count = {"embedded": 2000, "aws": 200}[dev.settings.backend]
    await dev.run("emit", str(SAMPLES["user#ana"]), "--count", str(count))
    async with asyncio.timeout(5):
        assert await dev.terminate(number=number) == [0]
    await dev.start("dev")
    await dev.ready()
    async with open_app(dev.settings) as app:
        await until(lambda: _reached(app, count))
        entries = await app.logs.read("acme", Target("user", "ana"), limit=3000)
    assert [entry.sequence for entry in entries] == list(range(1, count + 1))
    assert len({entry.envelope.id for entry in entries}) == count


async def _reached(app: App, number: int) -> bool:
    """Whether so many entries stand in ana's log."""
    return (await app.logs.head("acme", Target("user", "ana"))).seq >= number


async def _until_connected(stack: Stack, target: str) -> None:
    """Until somebody is subscribed to ``target``."""
    async with open_app(stack.settings) as app:
        place = Place("acme", Target.parse(target))

        async def subscribed() -> bool:
            return bool((await app.connections.subscribers(place))[0])

        await until(subscribed)
