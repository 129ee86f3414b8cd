"""Pattern schema: the part of the schema that event patterns are. Pure."""

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from kxmsg.matching.grammar import MAX_NUMBER

Schema: TypeAlias = dict[str, Any]

_FIELDS: Final[Mapping[str, str]] = {
    "source": "Who put the event on the bus.",
    "detail-type": "What kind of event it is.",
    "detailType": "Another name of detail-type.",
    "detail": "What the event says; nested, or with dots as detail.state.",
    "id": "The event's id, given by the bus.",
    "time": "When it happened, RFC 3339.",
    "account": "The AWS account that it comes from.",
    "region": "The AWS region that it comes from.",
    "resources": "ARNs of what it is about.",
    "version": "The version of the event format.",
}
"""Fields that every event has."""

_TEXT: Final[Schema] = {"type": "string"}
_SOME_TEXT: Final[Schema] = {"type": "string", "minLength": 1}
_NUMBER: Final[Schema] = {"type": "number", "minimum": -MAX_NUMBER, "maximum": MAX_NUMBER}


def _one_key(properties: Schema) -> Schema:
    return {
        "type": "object",
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
        "properties": properties,
    }


def _one_or_more(value: Schema) -> list[Schema]:
    return [value, {"type": "array", "minItems": 1, "items": value}]


def _affix(meaning: str) -> Schema:
    any_case = _one_key({"equals-ignore-case": {**_TEXT, "description": f"{meaning}, in any case."}})
    return {"anyOf": [_TEXT, any_case], "description": f"{meaning}."}


def _negated() -> Schema:
    inner = {
        "prefix": {"anyOf": _one_or_more(_SOME_TEXT), "description": "Does not begin with it."},
        "suffix": {"anyOf": _one_or_more(_SOME_TEXT), "description": "Does not end with it."},
        "equals-ignore-case": {"anyOf": _one_or_more(_TEXT), "description": "Is not this text, in any case."},
        "wildcard": {"anyOf": _one_or_more(_TEXT), "description": "Does not look like it."},
    }
    return {
        "anyOf": [*_one_or_more(_TEXT), *_one_or_more(_NUMBER), _one_key(inner)],
        "description": "Has a value, and none of these.",
    }


def _numeric() -> Schema:
    def comparison(*operators: str) -> Schema:
        return {"enum": list(operators)}

    def listed(*items: Schema) -> Schema:
        return {"type": "array", "items": list(items), "minItems": len(items), "additionalItems": False}

    return {
        "anyOf": [
            listed(comparison("=", "<", "<=", ">", ">="), _NUMBER),
            listed(comparison(">", ">="), _NUMBER, comparison("<", "<="), _NUMBER),
        ],
        "description": 'A number in a range, as [">", 0, "<=", 5] or ["=", 7].',
    }


def _operators() -> Schema:
    return {
        "exactly": {**_TEXT, "description": "Is this text; the same as the text alone."},
        "prefix": _affix("Begins with the text"),
        "suffix": _affix("Ends with the text"),
        "equals-ignore-case": {**_TEXT, "description": "Is this text, in any case."},
        "wildcard": {**_TEXT, "description": "Looks like it: * stands for any text, \\* and \\\\ for themselves."},
        "anything-but": _negated(),
        "numeric": _numeric(),
        "cidr": {**_TEXT, "description": "Is an IPv4 or IPv6 address in the range, as 10.0.0.0/24."},
        "exists": {"type": "boolean", "description": "Whether the field has a value; null is one."},
    }


PATTERN_DEFINITIONS: Final[Schema] = {
    "values": {
        "type": "array",
        "minItems": 1,
        "items": {"anyOf": [{"type": ["string", "number", "boolean", "null"]}, _one_key(_operators())]},
        "description": "What the field may be: values, or comparisons as {prefix: x}; one that fits suffices.",
    },
    "pattern": {
        "type": "object",
        "minProperties": 1,
        "properties": {
            "$or": {
                "anyOf": [
                    {"type": "array", "minItems": 2, "items": {"$ref": "#/definitions/pattern"}},
                    {"$ref": "#/definitions/part"},
                ],
                "description": "At least one of these maps of fields fits.",
            }
        },
        "additionalProperties": {"$ref": "#/definitions/part"},
    },
    "part": {"anyOf": [{"$ref": "#/definitions/values"}, {"$ref": "#/definitions/pattern"}]},
}
"""A pattern, what may stand in it for a field, and the list of values that a field is compared with."""


def event_pattern() -> Schema:
    """A whole pattern, which knows the fields that every event has."""
    known = {
        name: {"allOf": [{"$ref": "#/definitions/part"}], "description": meaning} for name, meaning in _FIELDS.items()
    }
    return {
        "allOf": [{"$ref": "#/definitions/pattern"}],
        "properties": known,
        "description": "Which events: an event pattern of EventBridge. All fields must fit.",
    }
