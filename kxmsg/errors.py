"""Every error that kxmsg raises on purpose.

::

    KxmsgError
    ├── ConfigError            the YAML, a pattern or a setting is wrong          exit status 2
    ├── StartError             a resource is missing, denied or unreachable       exit status 3
    ├── Refusal                the caller's request can't be served; has a status and a code
    │   ├── InvalidInput 400 · Unauthenticated 401 · Forbidden 403 · NotFound 404
    │   ├── Conflict 409 · PreconditionFailed 412 · TooLarge 413 · TooMany 429 · Unavailable 503
    ├── BackendError           a queue, table, topic or store did not do its work
    │   ├── Transient          worth repeating (throttle, time-out, lock, reset)
    │   │   └── StorageFull    repeating helps once there is room again
    │   └── Permanent          repeating can't help
    ├── ConditionFailed        a conditional write found something else; carries the item
    ├── TransactionCancelled   one reason per item of the transaction
    ├── LeaseLost              the message went back to its queue; its work may not be committed
    └── Poison                 this message can never be handled: dead-letter it at once
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal


class KxmsgError(Exception):
    """Root of the tree above."""


class ConfigError(KxmsgError, ValueError):
    """Mistakes in what the user wrote, all of them at once.

    ``problems`` holds one line each, ``place: what is wrong; what would be right``.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = list(problems)


class StartError(KxmsgError):
    """A process can't start: names the resource and the remedy in one line."""


class Refusal(KxmsgError):
    """The request is refused; ``message`` may be shown to the caller as it is.

    ``details["retryAfter"]``, in seconds, is also answered as ``Retry-After``.
    """

    status = 400
    code = "bad_request"

    def __init__(self, message: str, *, code: str | None = None, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.details = dict(details or {})


class InvalidInput(Refusal):
    status, code = 400, "invalid_input"


class Unauthenticated(Refusal):
    status, code = 401, "unauthenticated"


class Forbidden(Refusal):
    status, code = 403, "forbidden"


class NotFound(Refusal):
    status, code = 404, "not_found"


class Conflict(Refusal):
    status, code = 409, "conflict"


class PreconditionFailed(Refusal):
    status, code = 412, "precondition_failed"


class TooLarge(Refusal):
    status, code = 413, "too_large"


class TooMany(Refusal):
    status, code = 429, "too_many_requests"


class Unavailable(Refusal):
    status, code = 503, "unavailable"


class BackendError(KxmsgError):
    """A port's operation failed; the message names the resource."""


class Transient(BackendError):
    """May well succeed when repeated."""


class StorageFull(Transient):
    """The disk has no room; nothing was acknowledged, nothing already stored is lost."""


class Permanent(BackendError):
    """Will fail again however often it is repeated."""


class ConditionFailed(KxmsgError):
    """A conditional write did not apply. ``item`` is what stands there now (None: nothing does)."""

    def __init__(self, item: Mapping[str, Any] | None = None) -> None:
        super().__init__("the condition does not hold")
        self.item = item


CancelCode = Literal["none", "condition", "conflict", "throttled", "other"]


@dataclass(frozen=True, slots=True)
class CancelReason:
    """Why one item of a transaction stopped it; ``none`` for the items that were fine."""

    code: CancelCode
    item: Mapping[str, Any] | None = None


class TransactionCancelled(KxmsgError):
    """Nothing of the transaction was applied; ``reasons[i]`` belongs to its i-th item."""

    def __init__(self, reasons: Sequence[CancelReason]) -> None:
        super().__init__("transaction cancelled: " + ", ".join(reason.code for reason in reasons))
        self.reasons = list(reasons)


class LeaseLost(KxmsgError):
    """The visibility of the message in hand ran out: somebody else has it now."""


class Poison(KxmsgError):
    """The message can't be handled however often it is tried; its text is the dead letter's reason."""
