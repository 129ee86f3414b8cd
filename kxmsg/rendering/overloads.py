"""Which operands a binary operator takes, and of what kind its result is (CEL specification, "Standard Definitions").

One deliberate difference: an int and a double may be mixed, and give a double. JSON has one kind of number, and
whether 10 or 10.0 arrives is up to the library that wrote it.
"""

from typing import Final

from kxmsg.rendering.kinds import NUMBERS, Kind

_D, _I, _F, _S, _L = Kind.DYN, Kind.INT, Kind.DOUBLE, Kind.STRING, Kind.LIST
_T, _U = Kind.TIMESTAMP, Kind.DURATION

_NUMERIC: Final = {(_I, _I): _I, (_I, _F): _F, (_F, _I): _F, (_F, _F): _F}
_ARITHMETIC: Final[dict[str, dict[tuple[Kind, Kind], Kind]]] = {
    "+": {**_NUMERIC, (_S, _S): _S, (_L, _L): _L, (_T, _U): _T, (_U, _T): _T, (_U, _U): _U},
    "-": {**_NUMERIC, (_T, _T): _U, (_T, _U): _T, (_U, _U): _U},
    "*": _NUMERIC,
    "/": _NUMERIC,
    "%": {(_I, _I): _I},
}
_ORDERED: Final = frozenset({*NUMBERS, Kind.STRING, Kind.BOOL, Kind.TIMESTAMP, Kind.DURATION})


def result(operator: str, left: Kind, right: Kind) -> Kind | None:
    """The kind of the result, ``DYN`` where it depends on the event; None where no overload fits."""
    if operator in _ARITHMETIC:
        results = {
            made
            for (one, two), made in _ARITHMETIC[operator].items()
            if left in {one, Kind.DYN} and right in {two, Kind.DYN}
        }
        return None if not results else results.pop() if len(results) == 1 else Kind.DYN
    if operator == "in":
        fits = right in {Kind.LIST, Kind.MAP, Kind.DYN}
    elif operator in {"==", "!="}:
        fits = _alike(left, right) or Kind.NULL in {left, right}
    else:
        fits = _alike(left, right) and {left, right} <= _ORDERED | {Kind.DYN}
    return Kind.BOOL if fits else None


def _alike(left: Kind, right: Kind) -> bool:
    return left is right or Kind.DYN in {left, right} or {left, right} <= NUMBERS


def remedy(operator: str, left: Kind, right: Kind) -> str:
    """What would be right instead."""
    if Kind.STRING in {left, right} and operator == "+":
        return "make text of the other with string(…)"
    if Kind.STRING in {left, right} and {left, right} & NUMBERS:
        return "convert one of them with int(…), double(…) or string(…)"
    if operator == "in":
        return "look into a list or a map; for text there is text.contains(part)"
    if operator == "%":
        return "% is for ints"
    return "compare or compute with operands of one type"
