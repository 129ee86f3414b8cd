"""Notifier: notifications that callers send, on their way to be numbered."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson
from ulid_transform import ulid_to_timestamp

from kxmsg.errors import Forbidden, InvalidInput, TooLarge
from kxmsg.keys import derived_id
from kxmsg.model.connection import Place
from kxmsg.model.envelope import MAX_PAYLOAD, Envelope
from kxmsg.model.notification import DISPLAY, VARIANTS, with_variants
from kxmsg.model.principal import Principal
from kxmsg.model.target import BROADCAST, EVERYBODY, Target, check_id
from kxmsg.policy import Action, allowed
from kxmsg.ports import Clock, Queue
from kxmsg.storage.due import Due
from kxmsg.subscriptions.fields import FIELDS, check_field, seconds
from kxmsg.telemetry import current_trace, new_trace
from kxmsg.transport import parcel_messages, send

MAX_TARGETS: Final = 100
"""Users, or clients, that one call may name."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What was accepted, one for each log; ``later``: it waits until it is due."""

    envelopes: list[Envelope]
    later: bool


class Notifier:
    """Sends notifications. ``locale`` is the one whose text readers of a language that has none are shown."""

    def __init__(self, queue: Queue, due: Due, clock: Clock, locale: str) -> None:
        self._queue = queue
        self._due = due
        self._clock = clock
        self._locale = locale

    async def send(self, who: Principal, fields: Mapping[str, Any], ident: str) -> Sent:
        """Send what ``fields``, those of a template, say; durable when this returns.

        ``ident`` is a fresh ULID, or that of the first try. Raises Forbidden, InvalidInput, TooLarge.
        """
        given = {name: value for name, value in fields.items() if value is not None and name in FIELDS}
        payload = with_content({}, {name: given.get(name) for name in DISPLAY}, self._locale)
        for name, value in given.items():
            if fault := check_field(name, value):
                raise InvalidInput(fault)
        if given.get("tenantId", who.tenant) != who.tenant:
            raise Forbidden("tenantId is not the token's tenant")
        sender = check_id(str(given.get("senderId", who.user)), "senderId")
        if sender != who.user and not allowed(who.roles, Action.ACT_FOR_OTHERS):
            raise Forbidden("senderId is not the token's user", code="foreign_sender")
        places = _places(who, given)
        payload["senderId"] = sender
        now = self._clock.now()
        wait = seconds(given.get("deliverAfter") or 0)
        envelopes = [
            Envelope(
                id=_ident(ident, place) if len(places) > 1 else ident,
                tenant=place.tenant,
                target=place.target,
                kind="notification",
                ordering="standard",
                payload=payload,
                created_at=int((now + wait) * 1000),
                trace=current_trace() or new_trace(),
                expires_at=int(now + wait + seconds(given["ttl"])) if "ttl" in given else None,
            )
            for place in places
        ]
        if wait > 0:
            await self._due.put(now + wait, envelopes)
        else:
            await send(self._queue, parcel_messages(envelopes))
        return Sent(envelopes, wait > 0)


def _places(who: Principal, given: Mapping[str, Any]) -> list[Place]:
    """The logs that are addressed; raises Forbidden for those that are not the caller's to write to."""
    match given.get("targetType"):
        case "user":
            places = [Place(who.tenant, Target.of("user", _id(given, "userId")))]
        case "client":
            client = _id(given, "clientId") if "clientId" in given else who.tenant
            users = [Target.of("user", str(user)) for user in _few(given, "targetUserIds")]
            places = [Place(client, user) for user in users or [Target.of("client", client)]]
        case "broadcast":
            clients = [Target.of("client", str(client)) for client in _few(given, "targetClientIds")]
            places = [Place(client.id, client) for client in clients] or [Place(EVERYBODY, BROADCAST)]
        case other:
            raise InvalidInput(f"targetType must be user, client or broadcast, not {other!r}")
    own = all(place.tenant == who.tenant for place in places)
    if not allowed(who.roles, Action.ADDRESS_ANYONE if own else Action.WRITE_BROADCAST):
        raise Forbidden("your roles may not send to these readers")
    return list(dict.fromkeys(places))


def _id(given: Mapping[str, Any], name: str) -> str:
    if name not in given:
        raise InvalidInput(f"{name} is missing: it says for whom the notification is")
    return str(given[name])


def _few(given: Mapping[str, Any], name: str) -> list[Any]:
    named: list[Any] = given.get(name) or []
    if len(named) > MAX_TARGETS:
        raise InvalidInput(f"{name} may have {MAX_TARGETS} ids, not {len(named)}; address the client or everybody")
    if name in given and not named:
        raise InvalidInput(f"{name} is empty: nobody would get it")
    return named


def _ident(ident: str, place: Place) -> str:
    """Of the same time as ``ident``, and the same at every try."""
    return derived_id(ulid_to_timestamp(ident) / 1000, ident, place.tenant, place.target.key)


def with_content(payload: Mapping[str, Any], content: Mapping[str, Any], locale: str) -> dict[str, Any]:
    """A stored payload with other content, fields of :data:`DISPLAY`; None takes one away. ``locale`` as of Notifier.

    Raises InvalidInput for what a field can't be, TooLarge for more than readers can take.
    """
    for name, value in content.items():
        if value is not None and (fault := check_field(name, value)):
            raise InvalidInput(fault)
    kept = {name: value for name, value in payload.items() if name != VARIANTS}
    variants = {
        tag: {name: text for name, text in texts.items() if name not in content}
        for tag, texts in payload.get(VARIANTS, {}).items()
    }
    merged = {name: value for name, value in {**kept, **content}.items() if value is not None}
    if not merged.get("content"):
        raise InvalidInput("content must be a text that is not empty")
    whole = with_variants({**merged, VARIANTS: variants}, locale)
    try:
        size = len(orjson.dumps(whole))
    except orjson.JSONEncodeError as error:
        raise InvalidInput(f"the notification can't be written as JSON: {error}") from error
    if size > MAX_PAYLOAD:
        raise TooLarge(f"the notification is longer than {MAX_PAYLOAD} bytes")
    return whole
