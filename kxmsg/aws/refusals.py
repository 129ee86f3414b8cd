"""Refusals: what DynamoDB's errors are at the Tables port. Pure."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from kxmsg.aws.errors import AwsError, kind_of_code, to_backend_error
from kxmsg.aws.marshal import Attribute, unmarshal_item
from kxmsg.errors import (
    CancelCode,
    CancelReason,
    ConditionFailed,
    InvalidInput,
    KxmsgError,
    Permanent,
    TransactionCancelled,
    Transient,
)
from kxmsg.ports import Item

_TOO_LARGE: Final = re.compile(r"maximum allowed size|\b4 ?MB\b")
"""An item over 400 KB, a transaction over 4 MB."""

_INVALID: Final = frozenset(("ValidationException", "ValidationError"))
"""Of a call, and as a cancellation reason."""

_FAULTS: Final = frozenset(("ValidationError", "AccessDenied"))
"""Cancellation reasons that repeating can't help."""

_CODES: Final[Mapping[str, CancelCode]] = {
    "None": "none",
    "ConditionalCheckFailed": "condition",
    "TransactionConflict": "conflict",
}


def refusal(error: AwsError, resource: str) -> KxmsgError:
    """What the port raises for the error of a call; ``resource`` as in ``table kx-notifications-logs``."""
    if error.code == "ConditionalCheckFailedException":
        return ConditionFailed(found_item(error.details.get("Item"), resource))
    if error.code in _INVALID:
        if _TOO_LARGE.search(error.message):
            return Permanent(f"{resource}: too large: {error.message}")
        if "starting key" in error.message:
            return InvalidInput("the cursor belongs to another query")
    return to_backend_error(error, resource)


def cancellation(error: AwsError, resources: Sequence[str]) -> KxmsgError:
    """What the port raises for a TransactionCanceledException; ``resources`` by item of the transaction.

    An item at fault itself makes it Permanent: repeated, the transaction would be cancelled for ever.
    """
    answered: Sequence[Mapping[str, Any]] = error.details.get("CancellationReasons") or ()
    if len(answered) != len(resources):
        return Transient(f"a transaction of {len(resources)} items was cancelled without a reason for each: {error}")
    reasons: list[CancelReason] = []
    for index, (resource, reason) in enumerate(zip(resources, answered, strict=True)):
        code = reason.get("Code") or "None"
        if code in _FAULTS:
            fault = AwsError(error.service, error.operation, code, reason.get("Message") or "")
            return refusal(fault, f"{resource}: item {index} of a transaction")
        known = _CODES.get(code) or ("throttled" if kind_of_code(code) == "throttle" else "other")
        reasons.append(CancelReason(known, found_item(reason.get("Item"), resource)))
    return TransactionCancelled(reasons)


def found_item(attributes: Mapping[str, Attribute] | None, resource: str) -> Item | None:
    """The item that an answer holds, None where it holds none; raises as :func:`item_of`."""
    return item_of(attributes, resource) if attributes else None


def item_of(attributes: Mapping[str, Attribute], resource: str) -> Item:
    """The item; raises Permanent on attributes that are no JSON, and so of somebody else's making."""
    try:
        return unmarshal_item(attributes)
    except ValueError as error:
        raise Permanent(f"{resource}: {error}") from error
