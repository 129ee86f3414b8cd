"""The functions of the language: one table, from which calls are checked, generated and documented.

Implementations enter themselves with :func:`function`, in the modules that :mod:`kxmsg.rendering.namespace` imports.
"""

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias, TypeVar

from kxmsg.rendering.kinds import NUMBERS, Kind

Style: TypeAlias = Literal["method", "function", "both"]
Check: TypeAlias = Callable[[Any], str | None]
"""Looks at an argument that is written out; gives what is wrong with it, or None."""

_F = TypeVar("_F", bound=Callable[..., Any])

_KINDS: Final[Mapping[str, frozenset[Kind]]] = {
    "any": frozenset(Kind),
    "number": NUMBERS,
    **{kind.value: frozenset({kind}) for kind in Kind},
}
_SIGNATURE: Final = re.compile(r"(\w+)\((.*)\) -> (\w+)")


@dataclass(frozen=True, slots=True)
class Parameter:
    """``accepts`` names the kinds, with | between them."""

    name: str
    accepts: str
    kinds: frozenset[Kind]
    optional: bool

    def __str__(self) -> str:
        return f"{self.name}{'?' if self.optional else ''}: {self.accepts}"


@dataclass(frozen=True, slots=True)
class Function:
    """One entry. ``run`` takes the arguments, after the meter where it is ``metered``.

    ``cost`` is the work of a call in a loop, beside what any operation costs. ``checks`` are by position. ``examples``
    are shown in the reference, and tested.
    """

    name: str
    style: Style
    parameters: tuple[Parameter, ...]
    result: Kind
    run: Callable[..., Any]
    summary: str
    examples: tuple[str, ...]
    metered: bool
    variadic: bool
    cost: int
    checks: Mapping[int, Check]

    @property
    def required(self) -> int:
        """How many arguments it needs at least."""
        return sum(not parameter.optional for parameter in self.parameters)

    @property
    def signatures(self) -> list[str]:
        """How it is called, as the reference and messages write it."""
        more = ", …" if self.variadic else ""
        receiver, *others = map(str, self.parameters)
        function = f"{self.name}({', '.join((receiver, *others))}{more})"
        method = f"{self.parameters[0].name}.{self.name}({', '.join(others)})"
        return {"method": [method], "function": [function], "both": [function, method]}[self.style]


FUNCTIONS: Final[dict[str, Function]] = {}
"""The table, by name."""

_NO_CHECKS: Final[Mapping[int, Check]] = MappingProxyType({})


def function(
    signature: str,
    *examples: str,
    style: Style = "method",
    metered: bool = False,
    variadic: bool = False,
    cost: int = 0,
    checks: Mapping[int, Check] = _NO_CHECKS,
) -> Callable[[_F], _F]:
    """Enter an implementation as ``name(receiver: kind, other?: kind|kind) -> kind``; its docstring is the summary."""

    def enter(run: _F) -> _F:
        match = _SIGNATURE.fullmatch(signature)
        if match is None or run.__doc__ is None:
            raise ValueError(f"{signature}: not a signature, or its implementation has no docstring")
        name, parameters, result = match.groups()
        FUNCTIONS[name] = Function(
            name,
            style,
            tuple(map(_parameter, parameters.split(", "))),
            Kind(result),
            run,
            " ".join(inspect.cleandoc(run.__doc__).split()),
            examples,
            metered,
            variadic,
            cost,
            checks,
        )
        return run

    return enter


def _parameter(text: str) -> Parameter:
    name, accepts = text.split(": ")
    kinds: frozenset[Kind] = frozenset().union(*(_KINDS[kind] for kind in accepts.split("|")))
    return Parameter(name.rstrip("?"), accepts, kinds, optional=name.endswith("?"))
