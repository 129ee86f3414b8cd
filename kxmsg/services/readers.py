"""Readers: who has not read an entry yet."""

from collections.abc import Iterable

from kxmsg.model.connection import Place
from kxmsg.model.envelope import Entry
from kxmsg.storage.marks import Marks, Reader
from kxmsg.storage.read_cursors import ReadCursors


class Readers:
    """What readers have read: notifications one by one, messages up to a number."""

    def __init__(self, marks: Marks, cursors: ReadCursors) -> None:
        self._marks = marks
        self._cursors = cursors

    async def unread(self, readers: Iterable[Reader], place: Place, entry: Entry) -> set[Reader]:
        """Those who have not read the entry: one read, or none for no readers."""
        asked = sorted(set(readers))
        if not asked:
            return set()
        if entry.envelope.kind == "notification":
            return await self._marks.unread_by(asked, place, entry.sequence)
        return await self._cursors.unread_by(asked, place.target, entry.sequence)
