"""Fates: what becomes of a call, drawn from a seed, and the errors of each service in its own form. Pure."""

import json
import random
from dataclasses import dataclass
from enum import Enum
from typing import Final

CHANCE: Final = 0.3
"""That a call fails."""


class Fate(Enum):
    """Before execution: ``THROTTLED`` (400), ``TOO_MANY`` (429), ``INTERNAL`` (500), ``UNAVAILABLE`` (503), ``HANG``.

    After it: ``TORN``, reset in the midst of the answer's body; ``LOST``, cut before the answer.
    """

    PASS = "pass"
    THROTTLED = "400"
    TOO_MANY = "429"
    INTERNAL = "500"
    UNAVAILABLE = "503"
    HANG = "hang"
    TORN = "torn"
    LOST = "lost"


_FAILURES: Final = tuple(fate for fate in Fate if fate is not Fate.PASS)


@dataclass(frozen=True, slots=True)
class Call:
    """``service`` by its endpoint's name, ``operation`` by that of the API reference."""

    service: str
    operation: str


def draw(seed: int, call: Call, number: int, chance: float = CHANCE) -> Fate:
    """The fate of the n-th call of an operation: the same in every run, whatever else is called meanwhile."""
    rng = random.Random(f"{seed}/{call.service}/{call.operation}/{number}")
    return rng.choice(_FAILURES) if rng.random() < chance else Fate.PASS


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error's answer."""

    status: int
    content_type: str
    body: bytes


_JSON: Final = "application/x-amz-json-1.0"

_CODES: Final = {
    # The API references' "Common Errors" and "Errors"; for DynamoDB "Error handling" in its Developer Guide.
    "sqs": ("com.amazonaws.sqs#RequestThrottled", "com.amazonaws.sqs#InternalError"),
    "dynamodb": (
        "com.amazon.coral.availability#ThrottlingException",
        "com.amazonaws.dynamodb.v20120810#InternalServerError",
    ),
    "events": ("ThrottlingException", "InternalException"),
    "secretsmanager": ("ThrottlingException", "InternalServiceError"),
    "sns": ("Throttling", "InternalError"),
    "sts": ("Throttling", "InternalFailure"),
    "execute-api": ("LimitExceededException", "InternalServerErrorException"),
}
_QUERY: Final = ("sns", "sts")


def refusal(fate: Fate, service: str) -> Refusal:
    """What the service, or for 429 and 503 what stands before it, answers."""
    throttled, internal = _CODES[service]
    match fate:
        case Fate.THROTTLED if service == "execute-api":  # which has no other throttle (API Gateway, "Quotas")
            return Refusal(429, "application/json", b'{"message":"Too Many Requests"}')
        case Fate.THROTTLED:
            return _error(service, 400, throttled, "Rate exceeded")
        case Fate.TOO_MANY:
            return Refusal(429, "application/json", b'{"message":"Too Many Requests"}')
        case Fate.INTERNAL:
            return _error(service, 500, internal, "We encountered an internal error. Please try again.")
        case Fate.UNAVAILABLE:
            return Refusal(503, "text/html", b"<html><body><h1>503 Service Unavailable</h1></body></html>")
    raise ValueError(f"{fate} is no refusal")


def _error(service: str, status: int, code: str, message: str) -> Refusal:
    if service not in _QUERY:
        return Refusal(status, _JSON, json.dumps({"__type": code, "message": message}).encode())
    side = "Sender" if status < 500 else "Receiver"
    text = f"<Error><Type>{side}</Type><Code>{code}</Code><Message>{message}</Message></Error>"
    return Refusal(status, "text/xml", f"<ErrorResponse>{text}<RequestId>r</RequestId></ErrorResponse>".encode())
