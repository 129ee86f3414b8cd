"""EventBridgeBus: the contract over HTTP at the emulator, and by a script what AWS does and the emulator doesn't."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest

from kxmsg.aws.bus import LARGEST, EventBridgeBus, entry_size
from kxmsg.aws.errors import AwsError
from kxmsg.aws.names import Names
from kxmsg.aws.queues import SqsQueue
from kxmsg.aws.retrying import Retrying
from kxmsg.errors import Permanent, Transient
from kxmsg.model.event import Event
from kxmsg.ports import EventBus, Queue
from kxmsg.topology import QueueSpec, Rule
from tests.aws.making import make_queue, make_rule
from tests.aws.scripted import NAMES, Answer, Scripted, retrying
from tests.contracts.bus import BusContract, MakeBus, rule


class TestAtEmulator(BusContract):
    @pytest.fixture(autouse=True)
    def _forward(self, forward: Callable[[float], None]) -> None:
        self.forward = forward

    async def tick(self, seconds: float) -> None:
        self.forward(seconds)

    @pytest.fixture
    async def make_bus(self, api: Retrying, names: Names) -> AsyncIterator[MakeBus]:
        made: dict[str, SqsQueue] = {}

        async def make(rules: Sequence[Rule]) -> tuple[EventBus, dict[str, Queue]]:
            await api.call("events", "CreateEventBus", {"Name": names.bus})
            for one in rules:
                if one.queue not in made:
                    await make_queue(api, names, QueueSpec(one.queue))
                    made[one.queue] = SqsQueue(api, names, one.queue)
                await make_rule(api, names, one)
            return EventBridgeBus(api, names, rules), dict(made)

        yield make
        for queue in made.values():
            await queue.close()

    async def test_a_time_that_was_given_is_kept(self, make_bus: MakeBus) -> None:
        """The emulator puts its own in its place; AWS keeps it (EventBridge API, PutEventsRequestEntry: Time)."""
        bus, queues = await make_bus([rule("r", "acme")])
        assert await bus.put([Event("acme", "T", {}, time="2024-05-01T12:00:00Z")]) == []
        assert len(await self.events(queues["events"])) == 1


async def test_a_bus_that_is_missing_is_named_with_the_remedy() -> None:
    bus, _ = scripted(AwsError("events", "PutEvents", "ResourceNotFoundException", status=400))
    with pytest.raises(Permanent, match=r"event bus kx-bus: .*kxmsg provision"):
        await bus.put([Event("acme", "T", {})])


# ----------------------------------------------------------------------------------------------------- by script


def scripted(*answers: Answer) -> tuple[EventBridgeBus, Scripted]:
    api = Scripted(*answers)
    return EventBridgeBus(retrying(api), NAMES, [rule("r", "acme", "T")]), api


def put(*ids: str | None) -> dict[str, Any]:
    """An answer with these results: an event's id, an error's code that starts with ``!``, or nothing."""
    results = [{"ErrorCode": name[1:]} if name and name[0] == "!" else {"EventId": name} for name in ids if name]
    return {"FailedEntryCount": sum("ErrorCode" in result for result in results), "Entries": results}


async def test_an_entry_has_what_the_event_has_but_its_id() -> None:
    bus, api = scripted(put("1", "2"))
    events = [
        Event("acme", "T", {"n": 1, "s": "ü"}, id="mine", time="2024-05-01T14:00:00.75+02:00", resources=("arn:a",)),
        Event("acme", "T", {}, account="a", region="r"),
    ]
    assert await bus.put(events) == []
    first = {"EventBusName": "kx-bus", "Source": "acme", "DetailType": "T", "Detail": '{"n":1,"s":"ü"}'}
    assert api.payloads[0]["Entries"] == [
        {**first, "Resources": ["arn:a"], "Time": 1_714_564_800},
        {"EventBusName": "kx-bus", "Source": "acme", "DetailType": "T", "Detail": "{}"},
    ]


async def test_entries_that_fail_are_told_by_position_and_throttles_are_worth_repeating() -> None:
    bus, _ = scripted(put("1", "!ThrottlingException", "!InternalFailure", "!MalformedDetail"))
    events = [Event("", "T", {}), *(Event("acme", "T", {}) for _ in range(5))]
    failures = await bus.put(events)
    assert [(failure.index, failure.code, failure.retryable) for failure in failures] == [
        (0, "malformed", False),
        (2, "ThrottlingException", True),
        (3, "InternalFailure", True),
        (4, "MalformedDetail", False),
        (5, "undone", True),  # the answer has four results for five entries
    ]


async def test_a_batch_is_cut_so_that_no_call_has_256_kb() -> None:
    bus, api = scripted(put("1", "2"), put("3"))
    event = Event("acme", "T", {"text": "x" * (LARGEST // 2 - 20)})
    assert await bus.put([event, event, event]) == []
    assert [len(payload["Entries"]) for payload in api.payloads] == [2, 1]
    for payload in api.payloads:
        assert sum(entry_size(entry) for entry in payload["Entries"]) <= LARGEST


def test_an_entry_counts_as_eventbridge_counts_it() -> None:
    """ "Calculating PutEvents event entry size": 14 bytes for a time, and the UTF-8 of all the rest."""
    entry = {"Source": "é", "DetailType": "T", "Detail": "{}", "EventBusName": "not counted"}
    assert entry_size(entry) == 5
    assert entry_size({**entry, "Time": 1, "Resources": ["arn", "ä"]}) == 5 + 14 + 3 + 2


async def test_an_event_of_the_largest_size_passes_and_one_byte_more_does_not() -> None:
    bus, api = scripted(put("1"))
    room = LARGEST - entry_size({"Source": "acme", "DetailType": "T", "Detail": '{"t":""}'})
    fits, larger = (Event("acme", "T", {"t": "x" * length}) for length in (room, room + 1))
    (failure,) = await bus.put([fits, larger])
    assert (failure.index, failure.code, failure.retryable) == (1, "too_large", False)
    assert len(api.payloads[0]["Entries"]) == 1


@pytest.mark.parametrize(
    "event",
    [
        Event("acme", "T", {"when": object()}),
        Event("acme", "T", {"text": "\ud800"}),
        Event("acme\ud800", "T", {}),
        Event("acme", "T", {}, time="yesterday"),
    ],
    ids=["object", "surrogate", "source", "time"],
)
async def test_what_is_no_event_is_malformed(event: Event) -> None:
    bus, api = scripted()
    (failure,) = await bus.put([event])
    assert (failure.code, failure.retryable) == ("malformed", False)
    assert api.operations == []


async def test_a_throttle_of_the_whole_call_is_repeated_and_then_told() -> None:
    throttled = AwsError("events", "PutEvents", "ThrottlingException", status=400)
    bus, api = scripted(throttled, put("1"))
    assert await bus.put([Event("acme", "T", {})]) == []
    bus, api = scripted(*([throttled] * 4))
    with pytest.raises(Transient, match="event bus kx-bus"):
        await bus.put([Event("acme", "T", {})])
    assert api.answers == []


async def test_matches_tells_whether_any_rule_wants_it() -> None:
    bus, _ = scripted()
    assert bus.matches("acme", "T")
    assert not bus.matches("acme", "U")
    assert not bus.matches("other", "T")


async def test_more_than_a_batch_is_the_callers_fault() -> None:
    bus, _ = scripted()
    with pytest.raises(ValueError, match="at most 10"):
        await bus.put([Event("acme", "T", {})] * 11)
