"""Code: functions generated from clauses, compiled all at once.

A generated function walks the event by plain look-ups. Where it meets an array or a key with a dot it raises
:class:`~kxmsg.matching.fields.Nested`, and the event is looked at the long way.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from types import FunctionType
from typing import Any, TypeAlias

from kxmsg.matching.expressions import NAMES, Expressions
from kxmsg.matching.fields import joined_keys
from kxmsg.matching.terms import Test

Event: TypeAlias = dict[str, Any]
Number: TypeAlias = int
"""A pattern's place among those of a matcher."""


class Draft:
    """A function to be: :attr:`function` is there once the code it belongs to is compiled."""

    __slots__ = ("_code", "_constants", "_name")

    def __init__(self, code: "Code", name: str, constants: Sequence[Any]) -> None:
        self._code = code
        self._name = name
        self._constants = tuple(constants)

    @property
    def function(self) -> Callable[..., Any]:
        """The compiled function, with its own constants."""
        shared = self._code.functions[self._name]
        return FunctionType(shared.__code__, shared.__globals__, self._name, (self._constants,))


class Code:
    """Collects functions as source, those that differ in constants alone once."""

    def __init__(self) -> None:
        self.functions: dict[str, FunctionType] = {}
        self._source: list[str] = []
        self._names: dict[str, str] = {}

    def fetch(self, paths: Collection[str]) -> Draft:
        """A function of the event that gives the values at the paths: a tuple, or the value where there is one path."""
        function = _Function()
        variables = function.look_up(paths)
        function.lines.append(f"return {', '.join(variables[path] for path in paths)}")
        return self._draft("event", function)

    def select(self, clauses: Collection[tuple[Number, Mapping[str, Test]]]) -> Draft:
        """A function of the event and a list, which adds the numbers of the clauses that pass to the list."""
        function = _Function()
        variables = function.look_up(sorted({path for _, clause in clauses for path in clause}))
        groups: dict[tuple[str, ...], list[Number]] = defaultdict(list)
        for number, clause in clauses:
            asked = {function.passes(test, variables[path]) for path, test in clause.items()}
            groups[tuple(sorted(asked, key=lambda condition: (len(condition), condition)))].append(number)
        shared: dict[str, str] = {}
        for condition, uses in Counter(condition for conditions in groups for condition in conditions).items():
            if uses > 1:
                shared[condition] = f"c{len(shared)}"
                function.lines.append(f"{shared[condition]} = {condition}")
        for conditions, numbers in groups.items():
            whole = " and ".join(shared.get(condition) or f"({condition})" for condition in conditions)
            function.lines.append(f"if {whole}: found.extend({function.constant(tuple(numbers))})")
        return self._draft("event, found", function)

    def check(self, test: Test) -> Draft:
        """A function of a scalar: whether it passes."""
        function = _Function()
        function.lines.append(f"return {function.passes(test, 'value')}")
        return self._draft("value", function)

    def compile(self) -> None:
        """Compile what was drafted since the last time."""
        if self._source:
            source = compile("\n".join(self._source), "<event patterns>", "exec", dont_inherit=True)
            exec(source, dict(NAMES), self.functions)  # noqa: S102 - made of no text but quoted names of fields
            self._source.clear()

    def _draft(self, parameters: str, function: "_Function") -> Draft:
        body = "\n ".join((f"({parameters}, k):", *function.lines))
        name = self._names.get(body)
        if name is None:
            name = self._names[body] = f"f{len(self._names)}"
            self._source.append(f"def {name}{body}")
        return Draft(self, name, function.constants)


class _Function(Expressions):
    """The lines of one function, and its constants."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def look_up(self, paths: Collection[str]) -> dict[str, str]:
        """Add lines that look the paths up in ``event``; gives the variables that then have the values."""
        below = _below(paths)
        objects: dict[str, str] = {"": "event"}
        values: dict[str, str] = {}
        for path in paths:
            *parents, last = path.split(".")
            within, prefix = "event", ""
            for depth, name in enumerate(parents, 1):
                prefix += f"{name}."
                if prefix not in objects:
                    objects[prefix] = f"o{len(objects)}"
                    self._object(objects[prefix], within, name, joined_keys(below[prefix], depth))
                within = objects[prefix]
            variable = values[path] = f"v{len(values)}"
            self.lines.append(f"{variable} = {_get(within, last)}")
            self.lines.append(f"if {variable}.__class__ in containers: {variable} = no_value({variable})")
        return values

    def _object(self, variable: str, within: str, name: str, joined: frozenset[str]) -> None:
        self.lines.append(f"{variable} = {_get(within, name)}")
        if joined:
            has_one = f"{variable}.__class__ is object and not {self.constant(joined)}.isdisjoint({variable})"
            self.lines.append(f"if {has_one}: raise nested")


def _below(paths: Iterable[str]) -> dict[str, list[str]]:
    """The paths by everything that they begin with, dot included."""
    below: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        prefix = ""
        for name in path.split(".")[:-1]:
            prefix += f"{name}."
            below[prefix].append(path)
    return below


def _get(parent: str, name: str) -> str:
    get = f"{parent}.get({name!r}, absent)"
    return get if parent == "event" else f"{get} if {parent}.__class__ is object else no_value({parent})"
