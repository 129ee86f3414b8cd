"""Batches: what the calls for several messages, of SQS and SNS, and for several events, of EventBridge, share."""

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final

from kxmsg.aws.errors import AwsError, kind_of_code
from kxmsg.errors import BackendError
from kxmsg.ports import Failure, Outgoing

BATCH_LIMIT: Final = 10
"""Entries of one call, in all three services."""

MOST_ATTRIBUTES: Final = 10
"""SQS's limit ("Amazon SQS message quotas"). SNS drops what has more on its way to a queue that gets messages raw."""

UNDONE: Final = "undone"
"""Failure code of an entry that AWS's answer doesn't tell about, or whose call failed after others of the batch."""

_CONTROLS: Final = bytes(set(range(0x20)) - set(b"\t\n\r"))
_ALLOWED: Final = bytes(set(range(0x100)) - set(_CONTROLS))
_FFFE, _FFFF = "\ufffe".encode(), "\uffff".encode()
_LONGEST_ID: Final = 128
_ATTRIBUTE: Final = re.compile(r"(?!aws\.|amazon\.|\.|.*\.\.)[a-z0-9_.-]{1,256}(?<!\.)", re.IGNORECASE | re.ASCII)


def admit(
    messages: Sequence[Outgoing], *, fifo: bool, largest: int, longest_delay: float = 0
) -> tuple[dict[int, int], list[Failure]]:
    """The positions of messages that AWS may take, with their bytes, and the failures of those that it never would.

    Raises ValueError for more messages than one call takes.
    """
    check_batch(messages)
    sizes: dict[int, int] = {}
    failures: list[Failure] = []
    for position, message in enumerate(messages):
        sizes[position] = size = message_size(message)
        if wrong := _fault(message, size, fifo=fifo, largest=largest, longest_delay=longest_delay):
            del sizes[position]
            failures.append(Failure(position, *wrong, retryable=False))
    return sizes, failures


def check_batch(batch: Sequence[object]) -> None:
    """Raises ValueError where it is more than one call takes."""
    if len(batch) > BATCH_LIMIT:
        raise ValueError(f"a batch has at most {BATCH_LIMIT} entries, not {len(batch)}")


def _fault(message: Outgoing, size: int, *, fifo: bool, largest: int, longest_delay: float) -> tuple[str, str] | None:
    """Code and text of what is wrong with a message."""
    if size > largest:
        return "too_large", f"a message may have {largest} bytes, not {size}"
    if not message.body:
        return "invalid", "a message needs a body"
    if not is_text(message.body):
        return "invalid", "a body must be UTF-8 without control characters, U+FFFE and U+FFFF"
    if fifo and message.group is None:
        return "invalid", "a FIFO queue or topic needs a group"
    if not (_is_id(message.group) and _is_id(message.dedup)):
        return "invalid", f"group and dedup must be 1 to {_LONGEST_ID} ASCII letters, digits and signs, without spaces"
    if not 0 <= message.delay <= longest_delay:
        return "invalid", f"a delay of {message.delay:g} s is not possible here, but up to {longest_delay:g} s"
    return _attributes_fault(message.attributes)


def _attributes_fault(attributes: Mapping[str, str]) -> tuple[str, str] | None:
    if len(attributes) > MOST_ATTRIBUTES:
        return "invalid", f"a message may have {MOST_ATTRIBUTES} attributes, not {len(attributes)}"
    for name, value in attributes.items():
        if not _is_attribute(name):
            return "invalid", f"{name!r} can't be an attribute: use letters, digits, _, - and single dots within"
        if not value or not ((value.isascii() and value.isprintable()) or is_text(_bytes(value))):
            return "invalid", f"attribute {name} needs a value, without control characters, U+FFFE and U+FFFF"
    return None


def is_text(data: bytes) -> bool:
    """Whether SQS takes these characters: UTF-8, of those that XML 1.0 has (Amazon SQS API, SendMessage)."""
    if data.translate(None, _ALLOWED):
        return False
    if data.isascii():
        return True
    if _FFFE in data or _FFFF in data:
        return False
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def message_size(message: Outgoing) -> int:
    """Bytes that AWS counts: of the body, and of the name, type and value of each attribute."""
    size = len(message.body)
    for name, value in message.attributes.items():
        size += _length(name) + len("String") + _length(value)
    return size


def _length(text: str) -> int:
    return len(text) if text.isascii() else len(_bytes(text))


def _is_id(ident: str | None) -> bool:
    if ident is None:
        return True
    return 0 < len(ident) <= _LONGEST_ID and ident.isascii() and ident.isprintable() and " " not in ident


@lru_cache(maxsize=256)
def _is_attribute(name: str) -> bool:
    return _ATTRIBUTE.fullmatch(name) is not None


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogatepass")  # what has surrogates is refused as text, not by an exception


def entry(ident: int, message: Outgoing, *, fifo: bool, body: str) -> dict[str, Any]:
    """An entry, the text under the name ``body``. On FIFO without dedup, the body's hash is it."""
    fields: dict[str, Any] = {"Id": str(ident), body: message.body.decode()}
    if message.attributes:
        fields["MessageAttributes"] = {
            name: {"DataType": "String", "StringValue": value} for name, value in message.attributes.items()
        }
    if message.group is not None:
        fields["MessageGroupId"] = message.group
    if fifo:
        fields["MessageDeduplicationId"] = message.dedup or sha256(message.body).hexdigest()
    return fields


def parts(sizes: Mapping[int, int], largest: int) -> list[list[int]]:
    """Cut positions, given with their bytes, into calls of at most 10 entries and ``largest`` bytes, in order."""
    cut: list[list[int]] = []
    room = 0
    for position, size in sizes.items():
        if not cut or len(cut[-1]) == BATCH_LIMIT or size > room:
            cut.append([])
            room = largest
        cut[-1].append(position)
        room -= size
    return cut


def failures_in(answer: Mapping[str, Any], positions: Sequence[int], service: str, operation: str) -> list[Failure]:
    """What an answer says about entries with the ids 0, 1, …; ``positions`` are theirs in the caller's batch.

    One that is told neither done nor failed is a failure worth repeating.
    """
    failed = answer.get("Failed") or ()
    failures = []
    for one in failed:
        error = AwsError(service, operation, one["Code"], one.get("Message") or "")
        retryable = not one.get("SenderFault") or kind_of_code(error.code) != "permanent"
        failures.append(Failure(positions[int(one["Id"])], error.code, error.message, retryable))
    done = answer.get("Successful") or ()
    if len(done) + len(failed) < len(positions):
        known = {int(one["Id"]) for one in (*done, *failed)}
        failures += [
            Failure(position, UNDONE, f"the answer to {operation} leaves it out")
            for index, position in enumerate(positions)
            if index not in known
        ]
    return failures


async def in_parts(
    cut: Iterable[Sequence[int]], call: Callable[[Sequence[int]], Awaitable[list[Failure]]]
) -> list[Failure]:
    """Make a call for each part, one after the other, until one raises.

    What the first raises is raised. Of a later one, its entries and those after it are failures worth repeating;
    repeated alone, they meet the error again.
    """
    failures: list[Failure] = []
    stopped: BackendError | None = None
    for number, part in enumerate(cut):
        if stopped is None:
            try:
                failures += await call(part)
                continue
            except BackendError as error:
                if number == 0:
                    raise
                stopped = error
        failures += [Failure(position, UNDONE, str(stopped)) for position in part]
    return failures
