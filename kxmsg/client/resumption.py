"""Resumption: what a client missed while it was away, before what comes live. Each entry and each change once."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from typing import Any, Final, TypeAlias

from kxmsg.client.positions import Position, Positions, is_change, is_numbered
from kxmsg.client.records import Frame
from kxmsg.errors import Refusal

AT_ONCE: Final = 8
"""Logs whose missed frames are asked for at the same time."""

MAX_SENT: Final = 1000
"""Messages of the program's own that are remembered: their frames, which the connection that sent them did not get,
are not for it either."""

Ask: TypeAlias = Callable[[Frame], Awaitable[Frame]]
"""Sends a frame and returns its answer; raises the Refusal that is answered."""


class Resumption:
    """Stands between the frames that arrive and the program, to which ``give`` hands them.

    ``look`` is called where it should be asked at once where the logs stand, and :meth:`catch_up` be called with that.
    It can't be told what was missed where the log was erased, where it was too much, or where the channel is not the
    user's any more: then the program gets ``{"type": "resync", "targetKey", "reason"}`` and reads the state anew.
    """

    def __init__(
        self, give: Callable[[Frame], None], look: Callable[[], None], known: Mapping[str, Position] | None = None
    ) -> None:
        self.positions = Positions(known)
        self._give = give
        self._look = look
        self._away = False
        self._met = bool(known)
        self._held: dict[str, list[Frame]] = {}
        self._sent: OrderedDict[str, None] = OrderedDict()

    @property
    def waiting(self) -> int:
        """How many frames are held back."""
        return sum(map(len, self._held.values()))

    def connected(self) -> None:
        """A connection stands. What the last one left unfinished begins anew."""
        self._held.clear()
        self._away = self._met

    def arrived(self, frame: Frame) -> None:
        """Take a frame that was pushed."""
        if not is_numbered(frame):
            self._give(frame)
            return
        target = frame["targetKey"]
        if self._away or target in self._held:
            self._held.setdefault(target, []).append(frame)
            return
        self._show(frame)

    def acknowledged(self, answer: Frame) -> None:
        """Something was done for the program; it is not told of it once more."""
        if "revision" in answer:
            self.positions.settle_change(f"channel#{answer.get('channelId')}", int(answer["revision"]))
        elif "messageId" in answer:
            self._sent[str(answer["messageId"])] = None
            if len(self._sent) > MAX_SENT:
                self._sent.popitem(last=False)

    def subscribed(self, target: str, page: Frame) -> None:
        """The program has subscribed to a log."""
        if not self._knows(target):
            self.positions.meet(target, *_standing(page))

    async def catch_up(self, heads: Mapping[str, Frame], ask: Ask, room: Callable[[], Awaitable[None]]) -> None:
        """Make up for what is missing where the logs stand at ``heads``.

        ``room`` waits until the program can take more. Raises what ``ask`` raises, but for refusals.
        """
        away, self._away, self._met = self._away, False, True
        behind = [target for target in self.positions.all() if away and target not in heads]
        for target, head in heads.items():
            position = self.positions.get(target)
            if position is None and away:
                self._resync(target, "new")
            if position is None or not (away or self._knows(target)):
                self.positions.meet(target, *_standing(head))
            elif _is_behind(position, *_standing(head)):
                behind.append(target)
        for target in behind:
            self._held.setdefault(target, [])
        for target in [one for one in self._held if one not in behind]:
            self._release(target)
        turns = asyncio.Semaphore(AT_ONCE)
        await _all(self._resume(target, ask, room, turns) for target in behind)

    async def _resume(
        self, target: str, ask: Ask, room: Callable[[], Awaitable[None]], turns: asyncio.Semaphore
    ) -> None:
        async with turns:
            more = True
            while more and (position := self.positions.get(target)) is not None:
                await room()
                try:
                    page = await ask(_request(target, position))
                except Refusal as refused:
                    self.positions.forget(target)
                    self._resync(target, refused.code)
                else:
                    self._take(target, page)
                    more = bool(page["more"])
        self._release(target)

    def _take(self, target: str, page: Frame) -> None:
        """Give what a page tells."""
        if not page["recovered"]:
            self.positions.restart(target, *_standing(page))
            self._resync(target, page["reason"])
            return
        for frame in (*page["changes"], *page["entries"]):
            self._offer(frame)
        self.positions.advance(target, *_standing(page), gone=page["gone"])

    def _release(self, target: str) -> None:
        """Give what was pushed meanwhile."""
        for frame in self._held.pop(target):
            self._show(frame)

    def _show(self, frame: Frame) -> None:
        """Give what was pushed. A change that comes before its entry is left out: the entry will show it."""
        target = frame["targetKey"]
        if self.positions.is_other(frame):
            self.positions.forget(target)
            self._resync(target, "epoch_changed")
        early = self.positions.is_early(frame) and not self._is_own(frame)
        if early or not self._knows(target):
            self._look()
        if not early:
            self._offer(frame)

    def _offer(self, frame: Frame) -> None:
        """Give a frame, if it is new, and not a message of the program's own as that was sent."""
        if self.positions.is_new(frame):
            changed = "revision" in frame and not self.positions.has_change(frame["targetKey"], frame["revision"])
            if is_change(frame) or changed or not self._is_own(frame):
                self._give(frame)

    def _is_own(self, frame: Frame) -> bool:
        return frame.get("messageId") in self._sent

    def _resync(self, target: str, reason: str) -> None:
        self._give({"type": "resync", "targetKey": target, "reason": reason})

    def _knows(self, target: str) -> bool:
        """Whether it is known where the program stands, also in the log's changes."""
        position = self.positions.get(target)
        return position is not None and position.revision is not None


def _request(target: str, position: Position) -> Frame:
    known = {
        "epoch": position.epoch,
        "afterSequence": position.sequence,
        "afterRevision": position.revision,
        "seenSequence": position.seen if position.seen > position.sequence else None,
    }
    given = {name: value for name, value in known.items() if value is not None}
    return {"action": "subscribe", "targetKey": target, **given}


def _is_behind(position: Position, epoch: str | None, sequence: int, revision: int) -> bool:
    if position.epoch != epoch or position.revision is None:
        return True
    return position.sequence < sequence or position.revision < revision


def _standing(told: Mapping[str, Any]) -> tuple[str | None, int, int]:
    """Epoch, number and revision of a head, or of a page."""
    return told["epoch"], told["sequenceNumber"], told["revision"]


async def _all(works: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Do them at the same time; where one fails, the others end."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
