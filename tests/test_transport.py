"""Batches, partial failures, sizes."""

from collections.abc import Sequence

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kxmsg.claims import MAX_BODY
from kxmsg.codecs.envelope import decode_bundle, decode_parcel
from kxmsg.errors import Permanent, Transient
from kxmsg.keys import group_id, tenant_group
from kxmsg.model.event import Event
from kxmsg.ports import Failure, Outgoing
from kxmsg.testing.virtual import run
from kxmsg.transport import (
    ATTEMPTS,
    bundle_messages,
    parcel_messages,
    publish_all,
    put_all,
    send,
    send_all,
)
from tests.product import DESK, USER, RecordingBus, bundle, envelope


class ScriptedQueue:
    """Takes what its script lets it: for each message offered, in turn, ``ok``, ``again`` or ``never``; then all."""

    name = "scripted"
    fifo = True
    batch_limit = 3

    def __init__(self, script: Sequence[str] = ()) -> None:
        self.script = list(script)
        self.taken: list[Outgoing] = []
        self.calls: list[list[Outgoing]] = []

    async def send(self, messages: Sequence[Outgoing]) -> list[Failure]:
        self.calls.append(list(messages))
        failures: list[Failure] = []
        for index, message in enumerate(messages):
            match self.script.pop(0) if self.script else "ok":
                case "ok":
                    self.taken.append(message)
                case "again":
                    failures.append(Failure(index, "internal"))
                case "never":
                    failures.append(Failure(index, "invalid", retryable=False))
        return failures

    publish = send


def ordered(number: int, group: str) -> Outgoing:
    return Outgoing(str(number).encode(), group, dedup=str(number))


groups = st.lists(st.sampled_from("abc"), max_size=10)
scripts = st.lists(st.sampled_from(["ok", "ok", "again", "never"]), max_size=12)


@given(groups, scripts)
def test_order_within_a_group_survives_any_failures(names: list[str], script: list[str]) -> None:
    queue, messages = ScriptedQueue(script), [ordered(n, group) for n, group in enumerate(names)]
    try:
        lost = {failure.index for failure in run(send_all(queue, messages))}  # type: ignore[arg-type] # half a queue
    except Transient:
        lost = None
    for call in queue.calls:
        assert len(call) <= queue.batch_limit
        assert len({message.group for message in call}) == len(call), "a batch holds one message of each group"
    for name in set(names):
        mine = [message for message in queue.taken if message.group == name]
        assert mine == sorted(mine, key=lambda message: int(message.body)), "in order"
        assert len(mine) == len(set(map(id, mine))), "once"
    if lost is not None:
        assert {int(message.body) for message in queue.taken} == set(range(len(names))) - lost


def test_only_what_failed_is_repeated() -> None:
    queue = ScriptedQueue(["ok", "again", "ok"])
    messages = [Outgoing(b"1"), Outgoing(b"2"), Outgoing(b"3")]
    assert run(send_all(queue, messages)) == []  # type: ignore[arg-type] # half a queue
    assert queue.calls == [messages, [messages[1]]]


def test_what_can_not_be_taken_is_told_by_its_position() -> None:
    queue = ScriptedQueue(["ok", "again", "ok", "ok", "never"])
    failures = run(publish_all(queue, [Outgoing(b"%d" % n) for n in range(4)]))
    assert [(failure.index, failure.code) for failure in failures] == [(3, "invalid")]


def test_sending_one_request_raises_for_what_can_not_be_taken() -> None:
    with pytest.raises(Permanent, match="queue scripted: invalid"):
        run(send(ScriptedQueue(["never"]), [Outgoing(b"1")]))  # type: ignore[arg-type] # as above


def test_a_queue_that_takes_nothing_is_given_up() -> None:
    queue = ScriptedQueue(["again"] * 100)
    with pytest.raises(Transient, match="queue scripted: 2 messages"):
        run(send_all(queue, [Outgoing(b"1"), Outgoing(b"2")]))  # type: ignore[arg-type] # as above
    assert len(queue.calls) == ATTEMPTS


def test_a_message_that_always_fails_does_not_keep_others_from_being_sent() -> None:
    queue = ScriptedQueue()
    stubborn = ordered(0, "a")
    rest = [ordered(n, str(n)) for n in range(1, 20)]
    taking = queue.send

    async def refusing(messages: Sequence[Outgoing]) -> list[Failure]:
        queue.script = ["again" if message is stubborn else "ok" for message in messages]
        return await taking(messages)

    queue.send = refusing  # type: ignore[method-assign] # a queue with a mind of its own
    with pytest.raises(Transient):
        run(send_all(queue, [stubborn, *rest]))  # type: ignore[arg-type] # half a queue
    assert queue.taken == rest


def test_events_that_failed_are_repeated_alone() -> None:
    bus = RecordingBus()
    fussy = iter([Failure(0, "internal")])
    bus.refuse = lambda event: next(fussy, None) if event.detail_type == "b" else None
    assert run(put_all(bus, [Event("s", kind, {}) for kind in "abc"])) == []
    assert bus.kinds == ["a", "c", "b"]


# ---------------------------------------------------------------------------------------------- what is sent


def test_envelopes_of_one_target_travel_together_in_their_order() -> None:
    mine = [envelope(str(n), DESK, trace="00-t") for n in range(3)]
    other = envelope("x", DESK, tenant="globex")
    first, second = parcel_messages([mine[0], other, mine[1], mine[2]])
    assert decode_parcel(first.body).envelopes == tuple(mine)
    assert decode_parcel(second.body).envelopes == (other,)
    assert first.group == group_id("acme", DESK) != second.group
    assert first.attributes == {"traceparent": "00-t"}
    assert first.dedup


def test_what_has_no_order_is_grouped_by_tenant_for_fairness() -> None:
    (message,) = parcel_messages([envelope("a")])
    assert (message.group, message.dedup) == (tenant_group("acme"), None)


def test_the_same_parcel_has_the_same_deduplication_id_and_another_another() -> None:
    made = [parcel_messages([envelope(ident, DESK) for ident in ids])[0].dedup for ids in ("ab", "ab", "ba", "abc")]
    assert made[0] == made[1]
    assert len(set(made)) == 3


def test_bundles_of_other_numbers_are_no_duplicates_of_each_other() -> None:
    whole = bundle(DESK, [envelope(str(n), DESK) for n in range(4)])
    one, two, three, four = whole.entries
    parts = [whole.only((one, two, four)), whole.only((one, three, four)), whole]
    assert len({message.dedup for part in parts for message in bundle_messages(part)}) == 3


@given(st.lists(st.integers(1, MAX_BODY // 2), min_size=1, max_size=8))
def test_what_is_too_large_for_one_message_is_split_in_order(sizes: list[int]) -> None:
    envelopes = [envelope(str(n), DESK, payload={"content": "x" * size}) for n, size in enumerate(sizes)]
    parcels = parcel_messages(envelopes)
    assert [one for message in parcels for one in decode_parcel(message.body).envelopes] == envelopes
    committed = bundle(DESK, envelopes)
    bundles = bundle_messages(committed)
    assert [entry for message in bundles for entry in decode_bundle(message.body).entries] == list(committed.entries)
    for messages in (parcels, bundles):
        assert all(len(message.body) <= MAX_BODY for message in messages)
        assert len({message.group for message in messages}) == 1
        assert len({message.dedup for message in messages}) == len(messages)


def test_outbound_attributes_let_others_filter() -> None:
    committed = bundle(USER, [envelope("a", payload={"priority": "urgent"}, trace="00-t")], ordering="standard")
    (message,) = bundle_messages(committed)
    assert message.attributes == {
        "targetChannel": "WebSocket",
        "tenantId": "acme",
        "kind": "notification",
        "priority": "urgent",
        "traceparent": "00-t",
    }
    assert orjson.loads(message.body)["target"] == "user#ana"
