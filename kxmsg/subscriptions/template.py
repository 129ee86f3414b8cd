"""Template: one notification or message that a mapping makes of an event."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from kxmsg.errors import Refusal
from kxmsg.model.notification import DISPLAY
from kxmsg.model.target import BROADCAST, EVERYBODY, Target, TargetType, check_id
from kxmsg.rendering import FieldsRenderer, RenderError

MappingKind = Literal["notification", "message"]

CONTENT: Final = (*DISPLAY, "senderId", "messageType")
"""Fields that are passed on to the reader."""

ADDRESS: Final = ("targetType", "userId", "clientId", "channelId", "tenantId", "targetUserIds", "targetClientIds")
"""Fields that say for whom."""

TIMING: Final = ("ttl", "deliverAfter")
"""Seconds: how long it is kept, and how long it waits before it enters the path."""

WHEN: Final = "when"
"""A bare expression: nothing is made of an event for which it is false."""

FIELDS: Final = frozenset((*CONTENT, *ADDRESS, *TIMING, WHEN))

PRIORITIES: Final = ("low", "medium", "high", "urgent")
MESSAGE_TYPES: Final = ("chat", "notification", "text", "email")

REQUIRED: Final[dict[str, str]] = {"user": "userId", "client": "clientId", "channel": "channelId"}
"""The field that a target type can't do without."""

_OF_ONE_TYPE: Final[dict[str, TargetType]] = {"targetUserIds": "client", "targetClientIds": "broadcast"}
"""Fields that narrow a target of one type, and would be without effect on any other."""

MAX_SECONDS: Final = 10 * 366 * 86_400

_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "userId": (str, int),
    "clientId": (str, int),
    "channelId": (str, int),
    "tenantId": (str, int),
    "senderId": (str, int),
    "targetUserIds": (list,),
    "targetClientIds": (list,),
    "title": (str,),
    "content": (str,),
    "icon": (str,),
    "category": (str,),
    "actionUrl": (str,),
    "sound": (str,),
    "tags": (list,),
    "displayDuration": (int, float),
    "metadata": (dict,),
    "ttl": (int, float),
    "deliverAfter": (int, float),
}


@dataclass(frozen=True, slots=True)
class Rendered:
    """What a template made of an event, for each log that it goes to. Times in seconds."""

    places: tuple[tuple[str, Target], ...]
    payload: dict[str, Any]
    ttl: float | None
    deliver_after: float


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled template: one function that gives all of its fields, or None where its condition is false."""

    name: str
    kind: MappingKind
    target_type: TargetType
    fill: FieldsRenderer

    def render(self, event: Mapping[str, Any], default_tenant: str) -> Rendered | None:
        """Fill the template, unless its ``when`` is false.

        Raises :class:`RenderError` naming the field where the event doesn't fit.
        """
        try:
            values = self.fill(event)
        except RenderError as error:
            raise RenderError(f"{self.name}: {error}") from error
        if values is None:
            return None
        _check(self.name, values)
        detail = event["detail"]
        tenant = values.get("tenantId") or detail.get("tenantId") or detail.get("clientId") or default_tenant
        try:
            places = tuple(self._places(values, check_id(_ident(tenant), "tenantId")))
        except Refusal as refusal:
            raise RenderError(f"{self.name}: {refusal}") from refusal
        payload = {name: values[name] for name in CONTENT if values.get(name) is not None}
        if self.target_type == "channel":
            payload["channelId"] = places[0][1].id
        return Rendered(places, payload, values.get("ttl"), values.get("deliverAfter") or 0)

    def _places(self, values: Mapping[str, Any], tenant: str) -> list[tuple[str, Target]]:
        match self.target_type:
            case "user":
                return [(tenant, Target.of("user", _ident(values["userId"])))]
            case "channel":
                return [(tenant, Target.of("channel", _ident(values["channelId"])))]
            case "client":
                client = Target.of("client", _ident(values["clientId"]))
                if values.get("targetUserIds") is None:
                    return [(client.id, client)]
                users = [Target.of("user", _ident(user)) for user in values["targetUserIds"]]
                return [(client.id, user) for user in dict.fromkeys(users)]
            case "broadcast":
                if values.get("targetClientIds") is None:
                    return [(EVERYBODY, BROADCAST)]
                clients = [Target.of("client", _ident(client)) for client in values["targetClientIds"]]
                return [(client.id, client) for client in dict.fromkeys(clients)]


def check_field(name: str, value: Any) -> str | None:
    """What is wrong with a field's final value, or None."""
    if name == "priority" and value not in PRIORITIES:
        return f"priority must be one of {', '.join(PRIORITIES)}, not {value!r}"
    if name == "messageType" and value not in MESSAGE_TYPES:
        return f"messageType must be one of {', '.join(MESSAGE_TYPES)}, not {value!r}"
    wanted = _TYPES.get(name)
    if wanted is not None and (not isinstance(value, wanted) or isinstance(value, bool)):
        return f"{name} must be {' or '.join(kind.__name__ for kind in wanted)}, not {type(value).__name__}"
    if name in (*TIMING, "displayDuration") and not 0 <= value <= MAX_SECONDS:
        return f"{name} must be 0 to {MAX_SECONDS}, not {value}"
    return None


def misplaced(name: str, target_type: TargetType) -> str | None:
    """What is wrong with naming this field in a template for that target type, or None."""
    only = _OF_ONE_TYPE.get(name, target_type)
    return None if only == target_type else f"{name} is for templates with targetType: {only}"


def _check(template: str, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        fault = check_field(name, value) if value is not None else None
        if fault is not None:
            raise RenderError(f"{template}: {fault}")


def _ident(value: Any) -> Any:
    """Events may number what they name; ids are text."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value
