"""Promises: what must hold after a run, and how many calls it may have made."""

from collections import Counter
from typing import Final

import orjson

from tests.aws.chaos.load import CHANNELS, mark_in
from tests.aws.chaos.run import Run


def broken(run: Run) -> list[str]:
    """The promises that do not hold, in words; none is what it should be."""
    problems: list[str] = []
    if run.left:
        problems.append(f"not empty: {run.left}, dead letters {dict(run.dead)}")
    for name, entries in run.stored.items():
        numbers = [entry.sequence for entry in entries]
        if numbers != list(range(1, run.heads[name] + 1)):
            problems.append(f"{name}: numbers {numbers} up to {run.heads[name]}")
        idents = Counter(entry.envelope.id for entry in entries)
        problems += [f"{name}: {ident} stored {count} times" for ident, count in idents.items() if count > 1]
    for name in run.stored.keys() - {"auditor"}:
        problems += _kept(run, name)
    return problems + _echoed(run) + _in_order(run) + _pushed(run)


def _kept(run: Run, name: str) -> list[str]:
    stored = Counter(mark_in(str(entry.envelope.payload)) for entry in run.stored[name])
    accepted = run.load.accepted[name]
    return [
        *(f"{name}: {mark} is lost" for mark in sorted(accepted - stored.keys())),
        *(f"{name}: {mark} stored {count} times" for mark, count in stored.items() if count > 1),
        *(f"{name}: {mark} was never sent" for mark in sorted(stored.keys() - accepted - run.load.unclear)),
    ]


def _echoed(run: Run) -> list[str]:
    told = Counter(str(entry.envelope.payload["content"]) for entry in run.stored["auditor"])
    messages = {entry.envelope.id for name in CHANNELS for entry in run.stored[name]}
    return [
        *(f"auditor: not told of {ident}" for ident in sorted(messages - told.keys())),
        *(f"auditor: told {count} times of {ident}" for ident, count in told.items() if count > 1),
        *(f"auditor: told of {ident}, which is not stored" for ident in sorted(told.keys() - messages)),
    ]


def _in_order(run: Run) -> list[str]:
    """What was dead-lettered let its group go on, and came later."""
    problems: list[str] = []
    for (channel, user), spoken in run.load.spoken.items():
        mine = set(spoken) - run.buried
        stored = [mark_in(str(entry.envelope.payload)) for entry in run.stored[channel]]
        if [mark for mark in stored if mark in mine] != [mark for mark in spoken if mark in mine]:
            problems.append(f"{channel}: {user}'s lines are out of order")
    return problems


def _pushed(run: Run) -> list[str]:
    """What a connection got of a channel's ordered entries begins with the first and leaves none out.

    What was dead-lettered on its way may come later or, where the connection was cut in between, not at all.
    """
    problems: list[str] = []
    if any(name.startswith("fanout") for name in run.dead):
        return problems
    for connection, frames in run.proxy.frames.items():
        for channel in CHANNELS:
            ordered = [one.sequence for one in run.stored[channel] if one.envelope.ordering == "fifo"]
            got = dict.fromkeys(
                frame["sequenceNumber"]
                for frame in map(orjson.loads, frames)
                if frame["targetKey"] == f"channel#{channel}" and "sequenceNumber" in frame  # signals have none
            )
            first = [number for number in got if number in set(ordered)]
            if first != ordered[: len(first)]:
                problems.append(f"{connection}: {channel}: got {first} of {ordered}")
    return problems


NOTIFICATION: Final = 26
"""Calls that a notification takes where it is alone in every batch and nothing fails: put 1; consumed and rendered 3
each (receive, send, delete); recorded 6 (receive, head, append, publish, own event, delete); fanned out 3 (receive,
subscribers, delete), a broadcast by 4 chunks, which are 1 + 4 x 3 more, less the one query."""

MESSAGE: Final = 38
"""The same of a message in a channel, which enters by 3 (participant, id, send) or as above, is fanned out as above,
and has an echo: consumed 3, rendered 3, fired 7 (due, lease read and written, send, delete, due), recorded 5, fanned
out 3. It leaves room for two leases extended."""

CLOCK: Final = 30
"""Calls in a second whether there is work or not: 16 shards looked at, 7 queues polled, and redriven from."""


def most_calls(run: Run) -> float:
    """How many calls are in order: each made until it succeeds, 1 / (1 - p) times on average.

    What batches save pays for the stages that are repeated as a whole. Levels that repeat each other's repeats (a call
    4 times, what is sent 5 times, an append 20 times, a message 10 times) would come to a multiple of it.
    """
    messages = sum(len(run.stored[channel]) for channel in CHANNELS)
    notifications = sum(map(len, run.stored.values())) - messages - len(run.stored["auditor"])
    work = MESSAGE * messages + NOTIFICATION * notifications + CLOCK * run.seconds
    return work / (1 - run.proxy.chance)
