"""Logs: the numbered entries of every target. Append is the one way in (DESIGN promise 2)."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from secrets import token_hex
from typing import Any, Final, Literal

from kxmsg.codecs.envelope import change_fields, entry_fields
from kxmsg.errors import ConditionFailed, Poison, TransactionCancelled, Transient
from kxmsg.keys import HEAD, RECORD, change_key, entry_key, id_key, log_key, new_id, page_key
from kxmsg.lifetimes import GONE, Sealed, flat
from kxmsg.log import Batch, Head, Refused, refused
from kxmsg.model.envelope import Bundle, Change, Entry, Envelope
from kxmsg.model.target import Target
from kxmsg.ports import ABSENT, Clock, Condition, Item, Key, Put, Tables, TransactItem, Update
from kxmsg.retry import Backoff
from kxmsg.storage.log_reader import Located as Located
from kxmsg.storage.log_reader import LogReader, entry_of
from kxmsg.storage.turns import Turns
from kxmsg.storage.writes import write
from kxmsg.topology import LOGS

ATTEMPTS: Final = 20
"""Tries of one append before it goes back to its queue: contention this long is an outage."""

_HEADS: Final = 50_000

_BACKOFF: Final = Backoff(base=0.01, cap=1.0)


@dataclass(frozen=True, slots=True)
class Amended:
    """What became of a change: the entry as it stands now, and the bundle that tells its readers.

    ``changed`` is False where it stood so already; telling that again does no harm.
    """

    entry: Entry
    bundle: Bundle
    changed: bool


class Logs(LogReader):
    """Every target's log.

    ``days`` maps a kind to the days its entries are kept. The cache of heads only saves reads: a stale one
    cancels the transaction, whose reason brings the true head.
    """

    def __init__(self, tables: Tables, clock: Clock, days: dict[str, int]) -> None:
        super().__init__(tables, clock)
        self._days = days
        self._heads: OrderedDict[str, Head] = OrderedDict()
        self._turns = Turns()

    async def create(self, tenant: str, target: Target) -> None:
        """Make an empty log; a log that exists, or was deleted, stays as it is."""
        item = {"pk": log_key(tenant, target), "sk": HEAD, "seq": 0, "rev": 0, "epoch": new_id(self._clock.now())}
        try:
            await write(self._tables, Put(LOGS, item, ABSENT))
        except ConditionFailed:
            return

    async def append(self, tenant: str, target: Target, envelopes: Sequence[Envelope]) -> Bundle:
        """Number and store ``envelopes``, each once, in their order; returns all of them with their numbers.

        An envelope that was stored before keeps its number and is returned all the same, as it was stored, so that
        what follows the commit happens even if the process died in between. Raises :class:`Poison` where the log can't
        take entries (deleted, or a channel that nobody made), :class:`Transient` after :data:`ATTEMPTS` tries.
        """
        key = log_key(tenant, target)
        async with self._turns.of(key):  # those of one process would only cancel each other, and pay for it
            return await self._append(key, tenant, target, envelopes)

    async def _append(self, key: str, tenant: str, target: Target, envelopes: Sequence[Envelope]) -> Bundle:
        batch = Batch.fold(envelopes)
        head = self._heads.get(key) or await self.head(tenant, target)
        for attempt in range(ATTEMPTS):
            while batch.waiting:
                _check(head, tenant, target)
                batch.since(head.erased)
                if not batch.waiting:
                    break
                outcome = await self._try(key, tenant, batch, head)
                if isinstance(outcome, Head):
                    head = self._remember(key, outcome)
                    continue
                batch.found(outcome.found)
                head = outcome.head or head
                if outcome.again == "later":
                    break
            if not batch.waiting:
                self._remember(key, head)
                await self._recall(key, batch)
                return Bundle(tenant, target, envelopes[0].ordering, head.epoch, batch.entries())
            await asyncio.sleep(_BACKOFF.delay(attempt))
            # In this order: where the ids stand by now, so does the head.
            batch.found(await self._stored(tenant, batch.waiting))
            head = await self.head(tenant, target)
        raise Transient(f"log {key}: {ATTEMPTS} appends in a row were cancelled")

    async def amend(
        self,
        tenant: str,
        target: Target,
        where: int | str,
        change: Callable[[Entry], Envelope | None],
        about: Change,
        with_: Sequence[Put] = (),
    ) -> Amended | None:
        """Change or delete one stored entry, given by its number or id; None where there is no such live one.

        ``change`` gets the entry as it stands and gives its envelope as it is to be, or None to delete it; what it
        raises is raised here. It may be called again, when somebody else was faster. In one transaction the head's
        ``rev`` goes up by one, the entry is written (number and expiry unchanged; deleted, it loses its payload and
        stays as a tombstone), a record of the change is put for those who resume, and ``with_`` is written (at most 90
        puts of the table group ``logs``: its outbox). Where the envelope is as it was, nothing is.

        ``about`` says what the change is; deleting makes its kind ``deleted``. Publishing the bundle, which is not done
        here, is due even where nothing changed, so that a repeat mends what a death has left unsaid:
        :class:`~kxmsg.services.amender.Amender` does both. Raises :class:`Transient` after :data:`ATTEMPTS` tries.
        """
        key = log_key(tenant, target)
        writer = token_hex(8)  # tells one's own write, its answer lost, from somebody else's
        found = where if isinstance(where, int) else await self._sequence(tenant, target, where)
        if found is None:
            return None
        for attempt in range(ATTEMPTS):
            if attempt:
                await asyncio.sleep(_BACKOFF.delay(attempt))
            keys = [Key(key, HEAD), Key(key, entry_key(found))]
            top, item = await self._tables.get_many(LOGS, keys, consistent=True)
            if top is None or item is None or (item.get("writer") != writer and not self._lives(item)):
                return None
            head, entry = Head.of(top), entry_of(item)
            if head.deleted:
                return None
            if item.get("writer") == writer:
                return _amended(tenant, entry, head, about, changed=True)
            wanted = change(entry)
            if wanted == entry.envelope:
                return _amended(tenant, entry, head, about, changed=False)
            new = _changed(entry, wanted, head.rev + 1, about)
            try:
                writes = await self._amendment(tenant, head, item, new, about, writer)
                await self._tables.transact([*writes, *with_])
            except (TransactionCancelled, Transient):
                continue  # whatever it was, the entry as it stands now tells
            return _amended(tenant, new, replace(head, rev=head.rev + 1), about, changed=True)
        raise Transient(f"log {key}: {ATTEMPTS} changes in a row were cancelled")

    async def _amendment(
        self, tenant: str, head: Head, item: Item, new: Entry, about: Change, writer: str
    ) -> list[TransactItem]:
        target, key = new.envelope.target, item["pk"]
        fields: dict[str, Any] = {"rev": new.revision}
        pages: list[Put] = []
        if new.deleted_at is not None and target.type != "channel":
            page = head.lives.page_of(new.sequence)
            (standing,) = await self.pages([(tenant, target, page)]) if page else [None]
            lives, sealed = head.lives.without(new.sequence, standing)
            fields |= lives.fields()
            pages = [_page(key, one) for one in sealed]
        known = ("rev", "seq") if "runs" in fields else ("rev",)
        move = Update(LOGS, Key(key, HEAD), set=fields, condition=_standing(head, *known))
        unchanged = Condition(equals={"id": item["id"], "revision": item.get("revision")})
        stored = {**entry_fields(new), "expiresAt": item["expiresAt"], "writer": writer}
        entry = Put(LOGS, {"pk": key, "sk": item["sk"], **stored}, unchanged)
        record = {
            "pk": key,
            "sk": change_key(new.revision),
            "seq": new.sequence,
            "expiresAt": item["expiresAt"],
            **change_fields(replace(_told(about, new), origin=None)),
        }
        return [move, entry, Put(LOGS, record, ABSENT), *pages]

    async def _try(self, key: str, tenant: str, batch: Batch, head: Head) -> Head | Refused:
        """One transaction: the new head, or what its refusal tells."""
        entries = batch.numbered(head)
        epoch = head.epoch or new_id(self._clock.now())
        seq, at = entries[-1].sequence, entries[-1].envelope.created_at
        stored = [Put(LOGS, self._item(key, entry), ABSENT) for entry in entries]
        fields: dict[str, Any] = {"seq": seq, "at": at}
        lives, pages = head.lives, []
        channel = entries[0].envelope.target.type == "channel"
        if not channel:
            lives, sealed = lives.grown(map(_counts_until, stored), self._clock.now())
            fields |= lives.fields()
            pages = [_page(key, one) for one in sealed]
        if head.exists:
            known = ("seq",) if channel else ("seq", "rev")
            move = Update(LOGS, Key(key, HEAD), set=fields, condition=_standing(head, *known))
        else:
            move = Update(LOGS, Key(key, HEAD), set={**fields, "rev": 0, "epoch": epoch}, condition=ABSENT)
        ids = [
            Put(
                LOGS,
                {
                    "pk": id_key(tenant, entry.envelope.id),
                    "sk": RECORD,
                    "target": entry.envelope.target.key,
                    "seq": entry.sequence,
                    "expiresAt": put.item["expiresAt"],
                },
                ABSENT,
            )
            for entry, put in zip(entries, stored, strict=True)
        ]
        try:
            await self._tables.transact([move, *stored, *ids, *pages])
        except TransactionCancelled as cancelled:
            return refused(cancelled.reasons, entries, head)
        except Transient:  # the reply may be what was lost: the ids tell whether it was applied
            return Refused(None, {}, "later")
        batch.commit(entries)
        return replace(head, seq=seq, epoch=epoch, at=at, lives=lives)

    async def _stored(self, tenant: str, envelopes: Sequence[Envelope]) -> dict[str, int]:
        keys = [Key(id_key(tenant, envelope.id), RECORD) for envelope in envelopes]
        items = await self._tables.get_many(LOGS, keys, consistent=True)
        return {envelope.id: item["seq"] for envelope, item in zip(envelopes, items, strict=True) if item is not None}

    async def _recall(self, key: str, batch: Batch) -> None:
        """What was stored before is told as it stands in the log, whatever the repeat says."""
        entries = [batch.stored[ident] for ident in batch.repeated]
        if entries:
            keys = [Key(key, entry_key(entry.sequence)) for entry in entries]
            items = await self._tables.get_many(LOGS, keys, consistent=True)
            batch.stored.update((item["id"], entry_of(item)) for item in items if item is not None)

    def _item(self, key: str, entry: Entry) -> Item:
        fields = entry_fields(entry)
        fields.setdefault("expiresAt", self._expiry(entry.envelope))
        return {"pk": key, "sk": entry_key(entry.sequence), **fields}

    def _expiry(self, envelope: Envelope) -> int:
        """Where nothing else is said: at a full hour, so that neighbours expire together, as one run of lifetimes."""
        return (envelope.created_at // 1000 + self._days[envelope.kind] * 86_400) // 3600 * 3600

    def _remember(self, key: str, head: Head) -> Head:
        self._heads[key] = head
        self._heads.move_to_end(key)
        if len(self._heads) > _HEADS:
            self._heads.popitem(last=False)
        return head


def _standing(head: Head, *known: Literal["seq", "rev"]) -> Condition:
    """The head's numbers are as we know them: both where its lifetimes are written, which change with either."""
    return Condition(equals={"deleted": None, **{name: getattr(head, name) for name in known}})


def _counts_until(put: Put) -> int:
    """Epoch seconds until which an entry counts as a notification."""
    return int(put.item["expiresAt"]) if put.item["kind"] == "notification" else GONE


def _page(key: str, sealed: Sealed) -> Put:
    fields = {"runs": flat(sealed.runs), "expiresAt": sealed.page.until}
    return Put(LOGS, {"pk": key, "sk": page_key(sealed.page.last), **fields})


def _check(head: Head, tenant: str, target: Target) -> None:
    if head.deleted:
        raise Poison(f"{target.key} of tenant {tenant} was deleted")
    if not head.exists and target.type == "channel":
        raise Poison(f"tenant {tenant} has no channel {target.id!r}; make it with POST /channels, then redrive")


def _changed(entry: Entry, wanted: Envelope | None, revision: int, about: Change) -> Entry:
    if wanted is None:
        return Entry(entry.sequence, replace(entry.envelope, payload={}), revision, about.at, about.at)
    return replace(entry, envelope=wanted, revision=revision, changed_at=about.at)


def _amended(tenant: str, entry: Entry, head: Head, about: Change, *, changed: bool) -> Amended:
    envelope = entry.envelope
    bundle = Bundle(tenant, envelope.target, envelope.ordering, head.epoch, (entry,), _told(about, entry))
    return Amended(entry, bundle, changed)


def _told(about: Change, entry: Entry) -> Change:
    return about if entry.deleted_at is None else replace(about, kind="deleted")
