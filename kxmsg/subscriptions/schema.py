"""Schema: the language as JSON Schema (draft 7), for editors to check and complete by. Pure.

It knows each key, and what can be told of a value without an event. The compiler, which knows more, has the last word.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

from kxmsg.model.target import TARGET_TYPES
from kxmsg.rendering.template import MAX_CASES
from kxmsg.subscriptions.examples import NO_MATCH, NOTHING
from kxmsg.subscriptions.fields import FIELDS, MAX_SECONDS, REQUIRED, Field, misplaced
from kxmsg.subscriptions.pattern_schema import PATTERN_DEFINITIONS, event_pattern
from kxmsg.subscriptions.windows import MAX_WINDOW, MIN_WINDOW, SUMMARY

Schema: TypeAlias = dict[str, Any]

DRAFT: Final = "http://json-schema.org/draft-07/schema#"

_PLACEHOLDER: Final[Schema] = {
    "type": "string",
    "pattern": r"\{\{",
    "description": "Computed from the event; one {{ }} alone keeps the type of its value.",
}

_CONDITION: Final[Schema] = {
    "type": "string",
    "pattern": r"^\s*(?!\{\{)\S",
    "description": "An expression without braces that is true or false, as detail.severity == 'high'.",
}

_PARTS: Final = r"(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h))"

_SPAN: Final = rf"^(0|\+?{_PARTS}+|[0-9]+(\.[0-9]+)?d{_PARTS}*)$"

_LOCALE: Final = r"^[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8}){0,3}$"

_TYPES: Final[Mapping[type, str]] = {str: "string", int: "integer", float: "number", list: "array", dict: "object"}


def schema() -> Schema:
    """The schema of one file."""
    return {
        "$schema": DRAFT,
        "title": "kxmsg subscriptions",
        **_map(
            {"eventSubscriptions": _list("#/definitions/subscription", "What to make of which events.")},
            required=["eventSubscriptions"],
        ),
        "definitions": {
            "subscription": _subscription(),
            "template": _template(),
            "digest": _digest(),
            "throttle": _throttle(),
            "test": _test(),
            "expectation": _expectation(),
            **PATTERN_DEFINITIONS,
        },
    }


def _subscription() -> Schema:
    templates = {
        "type": "object",
        "additionalProperties": {
            "anyOf": [{"$ref": "#/definitions/template"}, {**_list("#/definitions/template"), "minItems": 1}]
        },
    }
    sample = {"type": ["string", "object"]}
    target = _map(
        {
            "id": {"type": "string", "pattern": r"^[.\-_A-Za-z0-9]{1,64}$", "description": "Its own in this list."},
            "arn": {"type": "string", "pattern": "^arn:", "description": "A queue, function, bus, … of AWS."},
        },
        required=["id", "arn"],
    )
    made = _map(
        {
            "name": {"type": "string", "minLength": 1, "description": "Its own in the folder; ids are made from it."},
            "eventPattern": event_pattern(),
            "sample": {
                "anyOf": [sample, {"type": "array", "items": sample}],
                "description": "An event, a JSON Schema of one, or the path of a JSON file with either; or a list, one "
                "for each detail-type. Expressions are checked against it, tests are laid over it.",
            },
            "notificationMapping": {**templates, "description": "Detail-type → what notification it makes, or a list."},
            "messageMapping": {**templates, "description": "Detail-type → what message it makes, or a list."},
            "targets": {
                "type": "array",
                "items": target,
                "description": "Where the events of this pattern go as well.",
            },
            "tests": _list("#/definitions/test", "Examples, run by 'kxmsg test'."),
        },
        required=["name", "eventPattern"],
    )
    return {**made, "anyOf": [{"required": [key]} for key in ("notificationMapping", "messageMapping", "targets")]}


def _template() -> Schema:
    fields = {name: _field(field) for name, field in FIELDS.items()}
    kinds = {"targetType": {"enum": list(TARGET_TYPES), "description": FIELDS["targetType"].meaning}}
    windows = {
        "when": {**_CONDITION, "description": "A bare expression; where it is false, nothing is made of the event."},
        "digest": _reference("digest", "Keep what is made for a while, and make one of it."),
        "throttle": _reference("throttle", "Make no more than so many in a while; the others are dropped."),
    }
    waits = {"if": {"required": ["digest"]}, "then": {"properties": {"deliverAfter": False}}}
    return {
        **_map({**fields, **kinds, **windows}, required=["targetType", "content"]),
        "allOf": [*(_of_type(kind) for kind in TARGET_TYPES), waits],
    }


def _of_type(kind: Any) -> Schema:
    """What a template for that target type has to have, and may not have."""
    useless = [name for name in FIELDS if misplaced(name, kind)]
    then: Schema = {"properties": dict.fromkeys(useless, False)}
    if REQUIRED[kind]:
        then["required"] = list(REQUIRED[kind])
    return {"if": {"properties": {"targetType": {"const": kind}}, "required": ["targetType"]}, "then": then}


def _field(field: Field) -> Schema:
    """A field's value: literal, computed, or one of its cases."""
    any_text = str in field.kinds and not field.choices and not field.seconds
    values = [*_literals(field), *([] if any_text else [_PLACEHOLDER])]
    return {"anyOf": [*values, _cases(values)], "description": field.meaning}


def _literals(field: Field) -> list[Schema]:
    if field.choices:
        return [{"enum": list(field.choices)}]
    if field.seconds:
        return _spans(0, MAX_SECONDS)
    if field.kinds == (dict,):
        return [{"type": "object", "not": {"required": ["cases"], "maxProperties": 1}}]
    kinds = [_TYPES[kind] for kind in field.kinds if not (kind is int and float in field.kinds)]
    literal: Schema = {"type": kinds if len(kinds) > 1 else kinds[0], **_NARROWER.get(field.name, {})}
    return [literal, _variants(literal)] if field.localized else [literal]


_NARROWER: Final[Mapping[str, Schema]] = {
    "displayDuration": {"minimum": 0, "maximum": MAX_SECONDS},
    "content": {"minLength": 1},
    "tags": {"items": {"type": "string"}},
}


def _variants(text: Schema) -> Schema:
    return {
        "type": "object",
        "minProperties": 1,
        "propertyNames": {"pattern": _LOCALE},
        "additionalProperties": text,
        "description": "By locale, as {en: …, de: …}; each reader gets their own.",
    }


def _cases(values: list[Schema]) -> Schema:
    value = {"anyOf": values}
    case = _map(
        {"when": _CONDITION, "use": {**value, "description": "The value where `when` is the first that is true."}},
        required=["when", "use"],
    )
    default = _map({"default": {**value, "description": "The value where no other case is true."}}, ["default"])
    described = "The first case whose `when` is true gives the value; the last may be the default."
    items = {"type": "array", "minItems": 1, "maxItems": MAX_CASES, "items": {"anyOf": [case, default]}}
    return _map({"cases": {**items, "description": described}}, required=["cases"])


def _digest() -> Schema:
    said = {name: _field(FIELDS[name]) for name in FIELDS if name in SUMMARY}
    for name, field in said.items():
        field["description"] = f"{FIELDS[name].meaning} In terms of items, count, first and last; default: the last's."
    return _map({"every": _window("How long, from the first on."), "by": _by(), **said}, required=["every"])


def _throttle() -> Schema:
    at_most = {"type": "integer", "minimum": 1, "description": "How many in the window; 1 unless given."}
    return _map({"per": _window("How long, from the first on."), "atMost": at_most, "by": _by()}, required=["per"])


def _window(meaning: str) -> Schema:
    return {"anyOf": _spans(MIN_WINDOW, MAX_WINDOW), "description": meaning}


def _by() -> Schema:
    return {"description": "A value, computed from the event, that parts the windows of one target from each other."}


def _spans(least: float, most: float) -> list[Schema]:
    return [
        {"type": "number", "minimum": least, "maximum": most, "description": "Seconds."},
        {"type": "string", "pattern": _SPAN, "description": "A span of time, as 90s, 15m, 1h30m or 30d."},
    ]


def _test() -> Schema:
    expected = {"anyOf": [{"$ref": "#/definitions/expectation"}, _list("#/definitions/expectation")]}
    by_type = {"type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": expected}
    return _map(
        {
            "name": {"type": "string", "minLength": 1, "description": "Its own in the subscription."},
            "event": {"type": "object", "description": "Laid over the sample, key by key."},
            "expect": {
                "anyOf": [{"const": NO_MATCH}, by_type],
                "description": f"{NO_MATCH}, or by the event's detail-type what its template gives; a list where it "
                "has several.",
            },
        },
        required=["name", "event", "expect"],
    )


def _expectation() -> Schema:
    fields = {name: {"description": field.meaning} for name, field in FIELDS.items()}
    return {
        "anyOf": [{"const": NOTHING}, _map(fields)],
        "description": f"The values of some fields, or {NOTHING} where `when` must be false.",
    }


def _map(properties: Schema, required: Iterable[str] = ()) -> Schema:
    """A map of these keys alone."""
    made: Schema = {"type": "object", "additionalProperties": False, "properties": properties}
    return {**made, "required": list(required)} if required else made


def _list(items: str, meaning: str = "") -> Schema:
    made: Schema = {"type": "array", "items": {"$ref": items}}
    return {**made, "description": meaning} if meaning else made


def _reference(name: str, meaning: str) -> Schema:
    """``allOf``, since draft 7 ignores what stands beside a ``$ref``."""
    return {"allOf": [{"$ref": f"#/definitions/{name}"}], "description": meaning}
