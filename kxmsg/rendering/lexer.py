"""Tokens of an expression (CEL specification, "Syntax")."""

import re
from typing import Final, Literal, NamedTuple, NoReturn, TypeAlias

from kxmsg.rendering.errors import TemplateError
from kxmsg.rendering.hints import SIGNS
from kxmsg.rendering.kinds import INT_MAX, INT_MIN

TokenKind: TypeAlias = Literal["number", "string", "name", "quoted", "operator", "end"]


class Token(NamedTuple):
    """``text`` is the source of a name, number or operator, and what a string or quoted name stands for."""

    kind: TokenKind
    text: str
    start: int
    end: int


_SPACE: Final = re.compile(r"(?:[ \t\n\f\r]|//[^\n]*)*")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NUMBER: Final = re.compile(r"0[xX][0-9A-Fa-f]+|(?:[0-9]*\.)?[0-9]+(?:[eE][+-]?[0-9]+)?")
_OPERATOR: Final = re.compile(r"&&|\|\||[=!<>]=|[-+*/%<>!?:.,()\[\]{}]")
_FOREIGN: Final = re.compile(r"[=!]==|\?\?|\?\.(?![0-9])|\*\*")
"""Signs of other languages that begin as one of this does."""
_QUOTED: Final = re.compile(r"`([A-Za-z0-9_ ./-]+)`")
_STRING: Final = re.compile(r"([rR]?|[bB][rR]?|[rR][bB])(\"\"\"|'''|\"|')")
_ESCAPE: Final = re.compile(
    r"\\(?:([abfnrtv\\?\"'`])|[xX]([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|([0-3][0-7]{2}))"
)
_SIMPLE: Final = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_UNESCAPED: Final = {
    quote: re.compile(
        rf"(?:[^\\{quote[0]}\r\n]|(?!{quote})[{quote[0]}\r\n])*" if len(quote) == 3 else rf"[^\\{quote}\r\n]*"
    )
    for quote in ('"""', "'''", '"', "'")
}


def token_at(text: str, position: int, end: int) -> Token:
    """The first token at or after ``position``; raises :class:`TemplateError`."""
    start = _SPACE.match(text, position, end).end()  # type: ignore[union-attr] # it matches nothing as well
    if start == end:
        return Token("end", "the end", end, end)
    if string := _STRING.match(text, start, end):
        return _string(text, string, end)
    if name := _NAME.match(text, start, end):
        return Token("name", name[0], start, name.end())
    if number := _NUMBER.match(text, start, end):
        return _number(text, number, end)
    if _FOREIGN.match(text, start, end):
        raise _meaningless(text, start)
    if operator := _OPERATOR.match(text, start, end):
        return Token("operator", operator[0], start, operator.end())
    if quoted := _QUOTED.match(text, start, end):
        return Token("quoted", quoted[1], start, quoted.end())
    raise _meaningless(text, start)


def _meaningless(text: str, start: int) -> TemplateError:
    sign = next((sign for sign in SIGNS if text.startswith(sign, start)), text[start])
    return TemplateError("syntax", start, f"{sign!r} has no meaning here", SIGNS.get(sign, "remove it"))


def number_of(token: Token, *, negative: bool) -> int | float:
    """What a number token stands for; raises :class:`TemplateError` where 64 bits don't hold it."""
    digits = token.text
    hexadecimal = digits[:2] in {"0x", "0X"}
    value: int | float
    if not hexadecimal and not digits.isdigit():
        value = float(digits)
        if value == float("inf"):
            _refuse_number(token, "a double is below 1.8e308")
    else:
        if len(digits) > 40:  # no number of 64 bits is that long
            _refuse_number(token, "an int has 64 bits")
        value = int(digits, 16 if hexadecimal else 10)
        if not INT_MIN <= (-value if negative else value) <= INT_MAX:
            _refuse_number(token, "an int has 64 bits")
    return -value if negative else value


def _refuse_number(token: Token, limit: str) -> NoReturn:
    raise TemplateError("number", token.start, f"the number {token.text[:24]} is too large", limit)


def _number(text: str, match: re.Match[str], end: int) -> Token:
    stop = match.end()
    if stop < end and text[stop] in "uU":
        raise TemplateError("unsupported", match.start(), "there are no unsigned numbers", f"write {match[0]}")
    if stop < end and (text[stop].isalnum() or text[stop] == "_"):
        raise TemplateError(
            "number", match.start(), f"{match[0] + text[stop]!r} is not a number", "write it as 12, 0x1F, 1.5 or 1e3"
        )
    return Token("number", match[0], match.start(), stop)


def _string(text: str, opening: re.Match[str], end: int) -> Token:
    prefix, quote = opening[1].lower(), opening[2]
    if "b" in prefix:
        raise TemplateError("unsupported", opening.start(), "there are no byte strings", "write a string without b")
    raw, position, parts = bool(prefix), opening.end(), list[str]()
    while True:
        plain = _UNESCAPED[quote].match(text, position, end)
        assert plain is not None  # noqa: S101 # the pattern matches nothing as well
        parts.append(plain[0])
        position = plain.end()
        if text.startswith(quote, position, end):
            return Token("string", "".join(parts), opening.start(), position + len(quote))
        if position == end or text[position] != "\\":
            raise TemplateError("string", opening.start(), "the string has no end", f"close it with {quote}")
        if raw:
            parts.append("\\")
            position += 1
        else:
            position = _escape(text, position, end, parts)


def _escape(text: str, position: int, end: int, parts: list[str]) -> int:
    escape = _ESCAPE.match(text, position, end)
    if escape is None:
        raise TemplateError(
            "string", position, f"{text[position : position + 2]!r} is no escape", r"write \\ for a backslash, or r'…'"
        )
    simple, *codes = escape.groups()
    if simple:
        parts.append(_SIMPLE.get(simple, simple))
    else:
        *hexadecimal, octal = codes
        code = int(octal, 8) if octal else int(next(digits for digits in hexadecimal if digits), 16)
        if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
            raise TemplateError("string", position, f"{escape[0]} is no character", "name a Unicode scalar value")
        parts.append(chr(code))
    return escape.end()
