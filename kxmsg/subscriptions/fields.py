"""Field: everything that a template may say, declared once. The compiler, the JSON Schema and the reference read it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from kxmsg.errors import InvalidInput
from kxmsg.model.notification import DISPLAY, LOCALIZED, locale_key
from kxmsg.model.target import TARGET_TYPES, TargetType, check_id, check_tenant
from kxmsg.rendering.errors import Fault
from kxmsg.rendering.moments import duration
from kxmsg.wording import shown, type_of, types

MAX_SECONDS: Final = 10 * 366 * 86_400

_ID: Final = (str, int)
_SECONDS: Final = (int, float, str)


@dataclass(frozen=True, slots=True)
class Field:
    """``kinds`` are the types that its value may have; ``only`` is the target type that it narrows.

    ``seconds`` marks a span of time: a number of seconds, or a text as ``1h30m`` or ``30d``.
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
            "Some users of the client, each with an entry of their own, in place of the client's; `[]`: nobody.",
            only="client",
        ),
        Field(
            "targetClientIds",
            (list,),
            "Some clients, each with an entry of its own, in place of the broadcast; `[]`: nobody.",
            only="broadcast",
        ),
        Field("title", (str,), "One line."),
        Field("content", (str,), "The text; always needed, and not empty."),
        Field("priority", (str,), "How much it matters.", choices=("low", "medium", "high", "urgent")),
        Field("icon", (str,), "For the reader's display, as it is: nothing in kxmsg looks at it."),
        Field("category", (str,), "As `icon`."),
        Field("actionUrl", (str,), "As `icon`; where a click leads."),
        Field("tags", (list,), "As `icon`; texts."),
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
    "user": ("userId", "content"),
    "client": ("clientId", "content"),
    "channel": ("channelId", "content"),
    "broadcast": ("content",),
}
"""The fields that a template for a target type can't do without."""

NARROWING: Final = frozenset({"targetUserIds", "targetClientIds"})
"""Lists in place of everybody. They are for one target type alone; ids may stand anywhere: some mappings share them."""

_NEVER_EMPTY: Final = "content"


def needed(name: str, target_type: TargetType) -> bool:
    """Whether a field of a template, once it is named, must have a value for every event."""
    return name in REQUIRED[target_type] or name in NARROWING


def check_null(name: str, target_type: TargetType) -> str | None:
    """What is wrong with null as a field's final value, or None."""
    if name in NARROWING:
        return f"{name} is null, which says for whom as little as for whom not; give a list, [] for nobody"
    if needed(name, target_type):
        return f"{name} is null, and a template for a {target_type} needs it; give it a value, or use when"
    return None


def check_field(name: str, value: Any) -> str | None:
    """What is wrong with a field's final value, or None."""
    field = FIELDS[name]
    if field.choices:
        right = ", ".join(field.choices)
        return None if value in field.choices else f"{name} must be one of {right}, not {shown(value)}"
    if field.seconds:
        return check_seconds(name, value)
    if field.localized and isinstance(value, dict):
        return check_variants(name, value)
    if type(value) not in field.kinds:
        return f"{name} must be {types(field.kinds)}, not {type_of(value)}"
    if name == _NEVER_EMPTY and not value:
        return f"{name} is empty; give it a text, or use when"
    if name == "displayDuration" and not 0 <= value <= MAX_SECONDS:
        return f"{name} must be 0 to {MAX_SECONDS}, not {value}"
    if name == "tags" and not all(isinstance(tag, str) for tag in value):
        strange = next(tag for tag in value if not isinstance(tag, str))
        return f"{name} must be texts, not {shown(strange)}; quote it, or use string()"
    return None


_ADDRESSES: Final = frozenset({"userId", "clientId", "channelId", "tenantId", *NARROWING})

_TENANTS: Final = frozenset({"clientId", "tenantId", "targetClientIds"})


def check_address(name: str, value: Any, target_type: TargetType | None = None) -> str | None:
    """What is wrong with the id, or list of them, that a field of a template for that target type holds, or None."""
    if name in _ADDRESSES:
        everybodys = name == "tenantId" and target_type == "broadcast"  # it is kept under that tenant anyway
        check = check_tenant if name in _TENANTS and not everybodys else check_id
        for one in value if isinstance(value, list) else [value]:
            try:
                check(str(one) if type(one) is int else one, name)
            except InvalidInput as refusal:
                return refusal.message
    return None


def check_variants(name: str, variants: Mapping[str, Any]) -> str | None:
    """What is wrong with a text's variants by locale, or None."""
    if not variants:
        return f"{name} has no text; give it one for a locale, as {{en: …}}"
    seen: dict[str, str] = {}
    if "cases" in variants:
        return f"{name}: cases can't stand beside other keys; move them into its values, as use: {{en: …}}"
    for locale, text in variants.items():
        key = locale_key(locale)
        if key is None:
            return f"{name}: {locale!r} is no locale; write it as en, de or pt-BR"
        if key in seen:
            return f"{name}: {locale} and {seen[key]} are the same locale; keep one"
        seen[key] = locale
        if not isinstance(text, str):
            return f"{name}: the text for {locale} must be text, not {type_of(text)}"
        if name == _NEVER_EMPTY and not text:
            return f"{name}: the text for {locale} is empty; give it one, or leave {locale} out"
    return None


def check_seconds(name: str, value: Any) -> str | None:
    """What is wrong with a span of time, or None."""
    try:
        if type(value) in _SECONDS and 0 <= seconds(value) <= MAX_SECONDS:
            return None
    except Fault:  # it is no duration
        pass
    days = MAX_SECONDS // _DAY
    return f"{name} must be 0 to {days}d, as 90 (seconds), 15m, 1h30m or 30d, not {shown(value)}"


_DAY: Final = 86_400

_DAYS: Final = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)d((?:[\d.]+[a-zµ]+)*)", re.ASCII)


def seconds(value: float | str) -> float:
    """A span of time in seconds; raises :class:`Fault` where the text is none.

    A text is a duration of the expressions, before which may stand days: ``1d12h``.
    """
    if not isinstance(value, str):
        return value
    if with_days := _DAYS.fullmatch(value):
        days, rest = with_days.groups()
        return float(days) * _DAY + (seconds(rest) if rest else 0)
    return duration(value).total_seconds()


def misplaced(name: str, target_type: TargetType) -> str | None:
    """What is wrong with naming this field in a template for that target type, or None."""
    only = FIELDS[name].only
    if name not in NARROWING or only == target_type:
        return None
    return f"{name} is for templates with targetType: {only}; remove it"
