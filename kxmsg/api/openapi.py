"""The OpenAPI 3.1 document, beyond what FastAPI makes of the routes: shared answers and headers, and examples. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from kxmsg.api.examples import ANSWERS, BODIES
from kxmsg.api.idempotency import HEADER
from kxmsg.api.middleware import CORRELATION_HEADER
from kxmsg.api.responses import ErrorAnswer
from kxmsg.errors import (
    Conflict,
    Forbidden,
    InvalidInput,
    NotFound,
    PreconditionFailed,
    Refusal,
    TooLarge,
    TooMany,
    Unauthenticated,
    Unavailable,
)

RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    "4XX": {"model": ErrorAnswer, "description": "Refused."},
    "5XX": {"model": ErrorAnswer, "description": "Failed."},
}
"""For FastAPI. Naming 4XX also keeps it from describing its own shape of validation errors."""

_OPERATIONS: Final = ("get", "post", "put", "patch", "delete")

_REFUSALS: Final[dict[type[Refusal], tuple[str, str]]] = {
    InvalidInput: ("Body, query or path is not as it should be.", "body.content: Field required"),
    Unauthenticated: ("There is no token, or it is not good.", "the token has expired"),
    Forbidden: ("The caller's roles do not allow it.", "your roles may not do this"),
    NotFound: ("There is no such thing, or it is not the caller's to know.", "no channel 'desk'"),
    Conflict: ("It is taken, or done by somebody else, or under way.", "channel desk exists already"),
    PreconditionFailed: ("It was changed since; see If-Match.", "it was changed since; read it again"),
    TooLarge: ("The body is too long.", "the body is longer than 1048576 bytes"),
    TooMany: ("The rate limit of the user or the tenant is reached.", "too many requests of this user"),
    Unavailable: ("A part of the system does not answer.", "a part of the system is not available; try again"),
}
"""What each refusal means, and an example of its message."""

_SUCCESS: Final = {
    "type": "object",
    "title": "Success",
    "required": ["success"],
    "properties": {"success": {"const": True}},
    "additionalProperties": True,
}

_PARAMETERS: Final = {
    "CorrelationId": {
        "name": CORRELATION_HEADER,
        "in": "header",
        "description": "Names this request in answers and logs; one is made where it is not given.",
        "schema": {"type": "string", "maxLength": 128},
        "example": "checkout-7f3a",
    },
    "IdempotencyKey": {
        "name": HEADER,
        "in": "header",
        "description": "The request is done once under this key; for 24 hours a repeat gets the same answer.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
        "example": "8e03978e-40d5-43dd-bc93-6894a57f9324",
    },
}

_HEADERS: Final = {
    "CorrelationId": {"description": "Names this request in the logs.", "schema": {"type": "string"}},
    "RetryAfter": {"description": "Seconds to wait before trying again.", "schema": {"type": "string"}},
    "PreferenceApplied": {"description": "How long was waited, as `wait=5`.", "schema": {"type": "string"}},
}


def completed(document: Mapping[str, Any]) -> dict[str, Any]:
    """``document`` with all that every route shares."""
    components = document.get("components", {})
    return {
        **document,
        "paths": {
            path: {
                method: _operation(f"{method.upper()} {path}", operation) if method in _OPERATIONS else operation
                for method, operation in item.items()
            }
            for path, item in document["paths"].items()
        },
        "components": {
            **components,
            "schemas": {**components.get("schemas", {}), "Success": _SUCCESS},
            "parameters": _PARAMETERS,
            "headers": _HEADERS,
            "responses": dict(_shared_responses()),
        },
    }


def _operation(route: str, operation: Mapping[str, Any]) -> dict[str, Any]:
    secured = bool(operation.get("security"))
    given = operation.get("parameters", [])
    shared = ["CorrelationId", *(["IdempotencyKey"] if secured and route.startswith("POST ") else [])]
    complete = {
        **operation,
        "parameters": [*given, *({"$ref": f"#/components/parameters/{name}"} for name in shared)],
        "responses": _responses(route, operation, {one["name"].lower() for one in given}, secured=secured),
    }
    if "requestBody" in operation and route in BODIES:
        complete["requestBody"] = {**operation["requestBody"], "content": _with_example(route, operation)}
    return complete


def _with_example(route: str, operation: Mapping[str, Any]) -> dict[str, Any]:
    content = operation["requestBody"]["content"]
    return {
        kind: {**media, "example": BODIES[route]} if kind == "application/json" else media
        for kind, media in content.items()
    }


def _responses(route: str, operation: Mapping[str, Any], parameters: set[str], *, secured: bool) -> dict[str, Any]:
    found = {
        status: _success(route, response, ["CorrelationId"])
        for status, response in operation["responses"].items()
        if status.startswith("2")
    }
    if "202" in found and "prefer" in parameters:
        accepted = operation["responses"]["202"]
        headers = ["CorrelationId", "PreferenceApplied"]
        found["202"] = _success(route, accepted, headers)
        found["201"] = _success(route, {**accepted, "description": "Stored, with its number."}, headers)
    applying = [
        *([InvalidInput] if parameters or "requestBody" in operation else []),
        *([Unauthenticated, Forbidden] if secured else []),
        *([NotFound] if "{" in route else []),
        *([Conflict] if secured and route.startswith("POST ") else []),
        *([PreconditionFailed] if "if-match" in parameters else []),
        *([TooLarge] if "requestBody" in operation else []),
        *([TooMany] if secured else []),
        Unavailable,
    ]
    found |= {str(kind.status): _ref(kind.__name__) for kind in applying}
    return {**found, "4XX": _ref("Refused"), "5XX": _ref("Failed")}


def _success(route: str, response: Mapping[str, Any], headers: list[str]) -> dict[str, Any]:
    """A success whose content is plain JSON gets its shape; one that has a model of its own keeps it."""
    content = dict(response.get("content", {}))
    if "$ref" not in content.get("application/json", {}).get("schema", {}):
        example = {"success": True, **ANSWERS.get(route, {})}
        content["application/json"] = {"schema": {"$ref": "#/components/schemas/Success"}, "example": example}
    return {**response, "content": content, "headers": {**response.get("headers", {}), **_headers(headers)}}


def _shared_responses() -> Iterator[tuple[str, dict[str, Any]]]:
    for kind, (description, message) in _REFUSALS.items():
        late = kind in (TooMany, Unavailable)
        headers = ["CorrelationId", *(["RetryAfter"] if late else [])]
        yield kind.__name__, _error(description, kind.code, message, headers)
    yield "Refused", _error("Any other refusal.", "method_not_allowed", "Method Not Allowed", ["CorrelationId"])
    yield "Failed", _error("Something is wrong here.", "internal", "something went wrong here", ["CorrelationId"])


def _error(description: str, code: str, message: str, headers: list[str]) -> dict[str, Any]:
    example = {
        "success": False,
        "error": {"code": code, "message": message, "details": {}},
        "correlationId": "a43ec437c719c561a6fd1a88631a5a0a",
    }
    schema = {"$ref": "#/components/schemas/ErrorAnswer"}
    return {
        "description": description,
        "headers": _headers(headers),
        "content": {"application/json": {"schema": schema, "example": example}},
    }


_NAMES: Final = {
    "CorrelationId": CORRELATION_HEADER,
    "RetryAfter": "Retry-After",
    "PreferenceApplied": "Preference-Applied",
}


def _headers(names: list[str]) -> dict[str, Any]:
    return {_NAMES[name]: {"$ref": f"#/components/headers/{name}"} for name in names}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/responses/{name}"}
