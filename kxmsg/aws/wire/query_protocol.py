"""The AWS Query protocol, which SNS speaks: requests are forms, answers XML. In the shapes of the JSON protocols.

Only the operations in :data:`RESULTS` are spoken here.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NoReturn
from urllib.parse import quote
from xml.parsers import expat

from kxmsg.aws.errors import AwsError, kind_of_code
from kxmsg.aws.wire.http1 import Answer

RESULTS: Final[Mapping[str, tuple[str, ...]]] = {"PublishBatch": ("Successful", "Failed")}
"""The operations, and the lists that their results consist of."""

_UNRESERVED: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_FEW: Final = 64
_BOOLEANS: Final = {"true": True, "false": False}
_BOOLEAN_MEMBERS: Final = frozenset(("SenderFault",))


class UnreadableXml(Exception):
    """The answer is not XML, or of a kind that is refused."""


class QueryProtocol:
    """``version`` is that of the service's API (Smithy specification, "AWS query protocol")."""

    def __init__(self, version: str) -> None:
        self._version = version

    def headers(self, operation: str) -> dict[str, str]:
        return {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}

    def encode(self, service: str, operation: str, payload: Mapping[str, Any]) -> bytes:
        """The request's body. Raises AwsError for operations that are not spoken here."""
        if operation not in RESULTS:
            message = "the fast wire doesn't speak this operation: make the call through kxmsg.aws.sdk"
            raise AwsError(service, operation, "UnsupportedOperation", message)
        fields = [f"Action={operation}&Version={self._version}"]
        try:
            fields += [f"{name}={_escape(value)}" for name, value in _fields("", payload)]
        except (TypeError, UnicodeEncodeError) as error:
            message = f"the request: {error}" if isinstance(error, TypeError) else "the request: text that is no UTF-8"
            raise AwsError(service, operation, "SerializationException", message) from None
        return "&".join(fields).encode()

    def decode(self, service: str, operation: str, answer: Answer) -> dict[str, Any]:
        """The result. Raises AwsError, ``BadAnswer`` for a success that can't be read."""
        try:
            name, content = read_xml(answer.body)
        except UnreadableXml:
            name, content = "", ""
        if answer.status != 200:
            _refuse(service, operation, answer, content)
        result = content.get(f"{operation}Result") if isinstance(content, dict) else None
        if name != f"{operation}Response" or result is None:
            message = f"200 with {len(answer.body)} bytes that are no {operation}Response"
            raise AwsError(service, operation, "BadAnswer", message, status=200, unclear=True)
        found = result if isinstance(result, dict) else {}
        return {member: value if isinstance(value := found.get(member), list) else [] for member in RESULTS[operation]}


def _refuse(service: str, operation: str, answer: Answer, content: Any) -> NoReturn:
    error = content.get("Error") if isinstance(content, dict) else None
    details = {name: text for name, text in error.items() if isinstance(text, str)} if isinstance(error, dict) else {}
    code = details.get("Code") or str(answer.status)
    raise AwsError(
        service,
        operation,
        code,
        details.get("Message", ""),
        status=answer.status,
        unclear=answer.status >= 500 and kind_of_code(code, answer.status) != "throttle",
        details=details,
    )


# -------------------------------------------------------------------------------------------------------- requests


def _fields(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """The form's fields: members by name, lists as ``name.member.1``, maps as ``name.entry.1.Name`` and ``.Value``."""
    prefix = f"{name}." if name else ""
    match value:
        case str():
            yield name, value
        case list() | tuple():
            for number, member in enumerate(value, 1):
                yield from _fields(f"{prefix}member.{number}", member)
        case Mapping() if name.endswith("MessageAttributes"):
            for number, (key, member) in enumerate(value.items(), 1):
                yield f"{prefix}entry.{number}.Name", key
                yield from _fields(f"{prefix}entry.{number}.Value", member)
        case Mapping():
            for key, member in value.items():
                yield from _fields(prefix + key, member)
        case _:
            raise TypeError(f"{name} is of type {type(value).__name__}, which a form can't hold")


def _escape(text: str) -> str:
    """As :func:`urllib.parse.quote`, which takes ten times as long for the JSON that messages are."""
    escaped = set(text) - _UNRESERVED
    if len(escaped) > _FEW:
        return quote(text, safe="~")
    # The percent sign first: the other escapes bring in more of them.
    for character in sorted(escaped, key="%".__ne__):
        text = text.replace(character, quote(character, safe=""))
    return text


# --------------------------------------------------------------------------------------------------------- answers


def read_xml(body: bytes) -> tuple[str, Any]:
    """Name and content of a document's root: text; or its elements by name; or, if all are ``member``, their list.

    Attributes and namespaces are passed over. A document type is refused, and with it every entity of its own. Raises
    :class:`UnreadableXml`.
    """
    parser = expat.ParserCreate()
    reader = _Reader()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = reader.refuse
    parser.StartElementHandler = reader.start
    parser.CharacterDataHandler = reader.text
    parser.EndElementHandler = reader.end
    try:
        parser.Parse(body, True)
    except expat.ExpatError as error:
        raise UnreadableXml(expat.ErrorString(error.code)) from error
    return reader.root


class _Reader:
    """Collects elements from the inside out."""

    def __init__(self) -> None:
        self.root: tuple[str, Any] = ("", "")
        self._open: list[tuple[list[tuple[str, Any]], list[str]]] = []

    def refuse(self, *_: object) -> None:
        raise UnreadableXml("it has a document type")

    def start(self, name: str, attributes: object) -> None:
        self._open.append(([], []))

    def text(self, text: str) -> None:
        self._open[-1][1].append(text)

    def end(self, name: str) -> None:
        elements, texts = self._open.pop()
        content: Any
        if not elements:
            content = "".join(texts)
        elif all(inner == "member" for inner, _ in elements):
            content = [value for _, value in elements]
        else:
            content = dict(elements)
        if name in _BOOLEAN_MEMBERS:
            content = _BOOLEANS.get(content, content)
        if self._open:
            self._open[-1][0].append((name, content))
        else:
            self.root = (name, content)
