"""Field: everything that a template may say, declared once. The compiler, the JSON Schema and the reference read it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from kxmsg.errors import InvalidInput
from kxmsg.model.notification import DISPLAY, LOCALIZED, locale_key
from kxmsg.model.target import TARGET_TYPES, TargetType, check_id
from kxmsg.rendering.errors import Fault
from kxmsg.rendering.moments import duration

MAX_SECONDS: Final = 10 * 366 * 86_400

_ID: Final = (str, int)
_SECONDS: Final = (int, float, str)


@dataclass(frozen=True, slots=True)
class Field:
    """``kinds`` are the types that its value may have; ``only`` is the target type that it narrows.

    ``seconds`` marks a span of time: a number of seconds, or a text as ``1h30m``.
    """

    name: str
    kinds: tuple[type, ...]
    meaning: str
    only: TargetType | None = None
    choices: tuple[str, ...] = ()
    seconds: bool = False

    @property
    def localized(self) -> bool:
        """Whether it may be a map of texts by locale."""
        return self.name in LOCALIZED


FIELDS: Final[Mapping[str, Field]] = {
    field.name: field
    for field in (
        Field("targetType", (str,), "For whom. Always literal.", choices=TARGET_TYPES),
        Field("userId", _ID, "The user, for `targetType: user`.", only="user"),
        Field("clientId", _ID, "The client, for `targetType: client`; a client is a tenant.", only="client"),
        Field("channelId", _ID, "The channel, for `targetType: channel`; it must exist.", only="channel"),
        Field(
            "tenantId",
            _ID,
            "Whose user or channel it is; default: the detail's `tenantId`, its `clientId`, the default tenant.",
        ),
        Field(
            "targetUserIds",
            (list,),
            "Some users of the client, each of whom gets an entry of their own, in place of the client's.",
            only="client",
        ),
        Field(
            "targetClientIds",
            (list,),
            "Some clients, each of which gets an entry of its own, in place of the broadcast.",
            only="broadcast",
        ),
        Field("title", (str,), "One line."),
        Field("content", (str,), "The text; always needed."),
        Field("priority", (str,), "How much it matters.", choices=("low", "medium", "high", "urgent")),
        Field("icon", (str,), "For the reader's display, as it is: nothing in kxmsg looks at it."),
        Field("category", (str,), "As `icon`."),
        Field("actionUrl", (str,), "As `icon`; where a click leads."),
        Field("tags", (list,), "As `icon`."),
        Field("displayDuration", (int, float), "As `icon`; 0 means that it stays."),
        Field("sound", (str,), "As `icon`."),
        Field("metadata", (dict,), "A map of anything."),
        Field("senderId", _ID, "Who says it, in a message."),
        Field("messageType", (str,), "The kind of a message.", choices=("chat", "notification", "text", "email")),
        Field(
            "ttl",
            _SECONDS,
            "How long from the event's time the entry is kept; default: the setting of its kind.",
            seconds=True,
        ),
        Field("deliverAfter", _SECONDS, "How long from the event's time it waits before it enters.", seconds=True),
    )
}

CONTENT: Final = (*DISPLAY, "senderId", "messageType")
"""Fields that are passed on to the reader."""

REQUIRED: Final[Mapping[TargetType, tuple[str, ...]]] = {
    "user": ("userId",),
    "client": ("clientId",),
    "channel": ("channelId",),
    "broadcast": (),
}
"""The field that a target type can't do without."""

_NARROWING: Final = frozenset({"targetUserIds", "targetClientIds"})
"""Without effect on a target of another type; ids may stand anywhere, since some mappings share them."""


def check_field(name: str, value: Any) -> str | None:
    """What is wrong with a field's final value, or None."""
    field = FIELDS[name]
    if field.choices:
        return None if value in field.choices else f"{name} must be one of {', '.join(field.choices)}, not {value!r}"
    if type(value) not in field.kinds:
        if field.localized and isinstance(value, dict):
            return check_variants(name, value)
        kinds = "a number of seconds or a text as 1h30m" if field.seconds else named(field.kinds)
        return f"{name} must be {kinds}, not {type(value).__name__}"
    if field.seconds:
        return check_seconds(name, value)
    if name == "displayDuration" and not 0 <= value <= MAX_SECONDS:
        return f"{name} must be 0 to {MAX_SECONDS}, not {value}"
    return None


_ADDRESSES: Final = frozenset({"userId", "clientId", "channelId", "tenantId", *_NARROWING})


def check_address(name: str, value: Any) -> str | None:
    """What is wrong with the literal id, or list of them, that a field holds, or None."""
    if name in _ADDRESSES:
        for one in value if isinstance(value, list) else [value]:
            try:
                check_id(str(one) if type(one) is int else one, name)
            except InvalidInput as refusal:
                return refusal.message
    return None


def check_variants(name: str, variants: Mapping[str, Any]) -> str | None:
    """What is wrong with a text's variants by locale, or None."""
    if not variants:
        return f"{name} has no text; give it one for a locale, as {{en: …}}"
    seen: dict[str, str] = {}
    for locale, text in variants.items():
        key = locale_key(locale)
        if key is None:
            return f"{name}: {locale!r} is no locale; write it as en, de or pt-BR"
        if key in seen:
            return f"{name}: {locale} and {seen[key]} are the same locale; keep one"
        seen[key] = locale
        if not isinstance(text, str):
            return f"{name}: the text for {locale} must be str, not {type(text).__name__}"
    return None


def check_seconds(name: str, value: float | str) -> str | None:
    """What is wrong with a span of time, or None."""
    try:
        span = seconds(value)
    except Fault as fault:
        return f"{name} {fault}"
    return None if 0 <= span <= MAX_SECONDS else f"{name} must be 0 to {MAX_SECONDS} seconds, not {value}"


def seconds(value: float | str) -> float:
    """A span of time in seconds; raises :class:`Fault` where the text is no duration."""
    return duration(value).total_seconds() if isinstance(value, str) else value


def misplaced(name: str, target_type: TargetType) -> str | None:
    """What is wrong with naming this field in a template for that target type, or None."""
    only = FIELDS[name].only
    if name not in _NARROWING or only == target_type:
        return None
    return f"{name} is for templates with targetType: {only}; remove it"


def named(kinds: tuple[type, ...]) -> str:
    """The types, as a message names them."""
    return " or ".join(kind.__name__ for kind in kinds)
