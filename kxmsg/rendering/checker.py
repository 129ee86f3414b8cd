"""Types: what is known of each operation before any event comes, and what a sample event shows."""

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any, Final, NamedTuple, NoReturn

from kxmsg.rendering import hints, overloads
from kxmsg.rendering.errors import TemplateError
from kxmsg.rendering.functions import FUNCTIONS, Function, Parameter
from kxmsg.rendering.kinds import BY_NAME, Kind, kind_of
from kxmsg.rendering.nodes import (
    Binary,
    Call,
    Conditional,
    Has,
    Index,
    ListOf,
    Literal,
    Logic,
    Macro,
    MapOf,
    Member,
    Name,
    Node,
    Unary,
    steps,
    walk,
)
from kxmsg.suggest import did_you_mean

Names = Mapping[str, str | None]
"""Identifiers, and the field of the event that each stands for; None is the whole event."""


class _Unknown:
    """The sample of what no sample shows."""


UNKNOWN: Final = _Unknown()


class Shape(NamedTuple):
    """``kind`` holds for every event, ``hint`` for the sample; ``sample`` is the value there."""

    kind: Kind
    hint: Kind
    sample: Any = UNKNOWN


_DYN: Final = Shape(Kind.DYN, Kind.DYN)
_BOOL: Final = Shape(Kind.BOOL, Kind.BOOL)


def check(node: Node, names: Names, sample: Any = UNKNOWN) -> Kind:
    """Fill in the kinds of the tree, and give the kind that its value is expected to have.

    Raises :class:`TemplateError` for a name, function or member that there isn't, for a wrong number of arguments, and
    for operands that no overload takes.
    """
    guarded = frozenset(steps(part.path) for part in walk(node) if isinstance(part, Has) and _rooted(part.path))
    return _Checker(names, sample, frozenset(_spelt(path) for path in guarded)).visit(node).hint


def _rooted(node: Node) -> bool:
    return isinstance(steps(node)[0], Name)


def _spelt(path: tuple[Node, tuple[str, ...]]) -> tuple[str, ...]:
    root, names = path
    return (root.name, *names) if isinstance(root, Name) else names


class _Checker:
    def __init__(self, names: Names, sample: Any, guarded: frozenset[tuple[str, ...]]) -> None:
        self._names = names
        self._sample = sample
        self._guarded = guarded
        self._variables: dict[str, Shape] = {}
        self._lenient = False
        self._visitors: dict[type[Node], Callable[[Any], Shape]] = {
            Literal: self._literal,
            Name: self._name,
            Member: self._member,
            Index: self._index,
            Has: self._has,
            ListOf: self._list,
            MapOf: self._map,
            Unary: self._unary,
            Binary: self._binary,
            Logic: self._logic,
            Conditional: self._conditional,
            Call: self._call,
            Macro: self._macro,
        }

    def visit(self, node: Node) -> Shape:
        shape = self._visitors[type(node)](node)
        node.kind = shape.kind
        return shape

    def _literal(self, node: Literal) -> Shape:
        kind = kind_of(node.value)
        return Shape(kind, kind, node.value)

    def _name(self, node: Name) -> Shape:
        if node.name in self._variables:
            return self._variables[node.name]
        if node.name in self._names:
            field = self._names[node.name]
            if field is None:
                return self._shown(self._sample)
            return self._shown(self._sample.get(field, UNKNOWN) if isinstance(self._sample, Mapping) else UNKNOWN)
        if node.name in BY_NAME:
            return Shape(Kind.TYPE, Kind.TYPE)
        hint = did_you_mean(node.name, [*self._names, *self._variables]).removeprefix("; ")
        if node.name in FUNCTIONS:
            hint = f"it is a function: {FUNCTIONS[node.name].signatures[0]}"
        raise TemplateError("unknown-name", node.start, f"there is no {node.name!r}", hint)

    def _shown(self, sample: Any) -> Shape:
        return Shape(Kind.DYN, Kind.DYN if sample is None else kind_of(sample), UNKNOWN if sample is None else sample)

    def _member(self, node: Member) -> Shape:
        owner = self.visit(node.object)
        place = node.object.end + 1
        if owner.hint not in {Kind.MAP, Kind.DYN}:
            remedy = hints.MEMBERS.get(node.name, "name a member of a map")
            self._refuse(place, f"{owner.hint.phrase} has no members, so no {node.name!r}", remedy)
        if not isinstance(owner.sample, Mapping):
            return _DYN
        if node.name in owner.sample:
            return self._shown(owner.sample[node.name])
        if not self._lenient and _spelt(steps(node)) not in self._guarded:
            known = [str(name) for name in owner.sample]
            remedy = did_you_mean(node.name, known).removeprefix("; ") if known else "it is empty there"
            raise TemplateError("unknown-field", place, f"the sample event has no {node.name!r} there", remedy)
        return _DYN

    def _index(self, node: Index) -> Shape:
        owner, key = self.visit(node.object), self.visit(node.key)
        if owner.hint not in {Kind.LIST, Kind.MAP, Kind.DYN}:
            self._refuse(node.start, f"{owner.hint.phrase} can't be indexed", "index a list or a map")
        if owner.hint is Kind.LIST and key.hint not in {Kind.INT, Kind.DOUBLE, Kind.DYN}:
            self._refuse(
                node.key.start, f"a list can't be indexed by {key.hint.phrase}", "index it with an int, from 0"
            )
        if (
            isinstance(node.key, Literal)
            and type(node.key.value) is int
            and node.key.value < 0
            and owner.hint is Kind.LIST
        ):
            self._refuse(
                node.key.start, "a list has no negative places", "count from 0; the last is list[size(list) - 1]"
            )
        if owner.hint is Kind.MAP and key.hint not in {Kind.STRING, Kind.INT, Kind.DOUBLE, Kind.BOOL, Kind.DYN}:
            self._refuse(node.key.start, f"{key.hint.phrase} can't be the key of a map", "use a string")
        return _sample_element(owner.sample) if isinstance(owner.sample, list) else _DYN

    def _has(self, node: Has) -> Shape:
        self._leniently(node.path)
        return _BOOL

    def _leniently(self, node: Node) -> Shape:
        outer, self._lenient = self._lenient, True
        shape = self.visit(node)
        self._lenient = outer
        return shape

    def _list(self, node: ListOf) -> Shape:
        for element in node.elements:
            self.visit(element)
        return Shape(Kind.LIST, Kind.LIST)

    def _map(self, node: MapOf) -> Shape:
        seen: set[tuple[Kind, object]] = set()
        for key, value in node.entries:
            kind = self.visit(key).hint
            if kind not in {Kind.STRING, Kind.INT, Kind.BOOL, Kind.DYN}:
                self._refuse(key.start, f"{kind.phrase} can't be the key of a map", "use a string")
            if isinstance(key, Literal):
                if (kind, key.value) in seen:
                    self._refuse(key.start, "the map has this key twice", "remove one")
                seen.add((kind, key.value))
            self.visit(value)
        return Shape(Kind.MAP, Kind.MAP)

    def _unary(self, node: Unary) -> Shape:
        operand = self.visit(node.operand)
        if node.operator == "!":
            self._wants_bool(node.operand, operand)
            return _BOOL
        if operand.hint not in {Kind.INT, Kind.DOUBLE, Kind.DYN}:
            self._refuse(node.start, f"there is no - for {operand.hint.phrase}", "negate a number")
        return Shape(operand.kind, operand.hint)

    def _binary(self, node: Binary) -> Shape:
        self._hyphen(node)
        left, right = self.visit(node.left), self.visit(node.right)
        result = overloads.result(node.operator, left.hint, right.hint)
        if result is None:
            remedy = overloads.remedy(node.operator, left.hint, right.hint)
            fault = f"there is no {node.operator} for {left.hint.phrase} and {right.hint.phrase}"
            self._refuse(node.start, fault, remedy)
        return Shape(overloads.result(node.operator, left.kind, right.kind) or Kind.DYN, result)

    def _hyphen(self, node: Binary) -> None:
        """A field of JSON may have a hyphen in its name; here that is a subtraction."""
        left, right = node.left, node.right
        if node.operator != "-" or not isinstance(right, Name) or right.start != left.end + 1:
            return
        if right.name in self._names or right.name in self._variables:
            return
        if isinstance(left, Member):
            remedy = f"write ['{left.name}-{right.name}'] for a name with a hyphen"
        elif isinstance(left, Name) and (left.name, right.name) == ("detail", "type"):
            remedy = "write detailType"
        else:
            return
        raise TemplateError("unknown-name", right.start, f"there is no {right.name!r}, and - subtracts", remedy)

    def _logic(self, node: Logic) -> Shape:
        for operand in node.operands:
            self._wants_bool(operand, self.visit(operand))
        return _BOOL

    def _wants_bool(self, node: Node, shape: Shape) -> None:
        if shape.hint not in {Kind.BOOL, Kind.DYN}:
            self._refuse(node.start, f"{shape.hint.phrase} stands where a bool is needed", "compare it with something")

    def _conditional(self, node: Conditional) -> Shape:
        self._wants_bool(node.test, self.visit(node.test))
        then, other = self.visit(node.then), self.visit(node.other)
        return Shape(_common(then.kind, other.kind), _common(then.hint, other.hint))

    def _call(self, node: Call) -> Shape:
        function = FUNCTIONS.get(node.function)
        place = node.start if not node.method else node.arguments[0].end + 1
        if function is None:
            raise _unknown_function(node.function, place)
        usage = " or ".join(function.signatures)
        if function.style not in {"both", "method" if node.method else "function"}:
            raise TemplateError("call-style", place, f"{function.name} is called otherwise", f"write it as {usage}")
        most = None if function.variadic else len(function.parameters)
        count = len(node.arguments)
        if count < max(1, function.required) or (most is not None and count > most):
            raise TemplateError(
                "arity", place, f"{function.name} does not take {count - node.method} arguments", f"write it as {usage}"
            )
        lenient = function.name == "coalesce"
        shapes = [self._leniently(argument) if lenient else self.visit(argument) for argument in node.arguments]
        for position, (argument, shape) in enumerate(zip(node.arguments, shapes, strict=True)):
            self._argument(function, position, argument, shape)
        if lenient:
            hints = {shape.hint for shape in shapes if shape.hint is not Kind.NULL}
            return Shape(Kind.DYN, hints.pop() if len(hints) == 1 else Kind.DYN)
        if function.name == "dyn":
            return _DYN
        return Shape(function.result, function.result)

    def _argument(self, function: Function, position: int, node: Node, shape: Shape) -> None:
        parameter: Parameter = function.parameters[0 if function.variadic else position]
        if shape.hint is not Kind.DYN and shape.hint not in parameter.kinds:
            accepts = parameter.accepts.replace("|", " or ")
            fault = f"{function.name} takes {accepts} for {parameter.name}, not {shape.hint.phrase}"
            self._refuse(node.start, fault, f"write it as {' or '.join(function.signatures)}")
        written = _written(node)
        if position in function.checks and not isinstance(written, _Unknown):
            fault_found = function.checks[position](written)
            if fault_found:
                raise TemplateError("argument", node.start, f"{function.name}: {fault_found}", "")

    def _macro(self, node: Macro) -> Shape:
        owner = self.visit(node.range)
        if owner.hint not in {Kind.LIST, Kind.MAP, Kind.DYN}:
            self._refuse(node.range.start, f"{owner.hint.phrase} can't be looped over", "loop over a list or a map")
        hidden = {name: self._variables.get(name) for name in node.variables}
        element = _sample_element(owner.sample) if isinstance(owner.sample, list) else _DYN
        key = Shape(Kind.INT, Kind.INT) if owner.kind is Kind.LIST else _DYN
        self._variables.update(
            zip(node.variables, [element] if len(node.variables) == 1 else [key, element], strict=True)
        )
        if node.test is not None:
            self._wants_bool(node.test, self.visit(node.test))
        if node.body is not None:
            self.visit(node.body)
        for name, shape in hidden.items():
            if shape is None:
                del self._variables[name]
            else:
                self._variables[name] = shape
        kind = {"map": Kind.LIST, "filter": Kind.LIST, "transformMap": Kind.MAP}.get(node.macro, Kind.BOOL)
        return Shape(kind, kind)

    def _refuse(self, place: int, fault: str, remedy: str) -> NoReturn:
        raise TemplateError("type", place, fault, remedy)


_LEFT_OUT: Final = frozenset({"matches", "format", "uint", "bytes"})
"""Functions of CEL that there aren't here."""


def _unknown_function(name: str, place: int) -> TemplateError:
    if name in hints.FUNCTIONS:
        code = "unsupported" if name in _LEFT_OUT else "unknown-function"
        return TemplateError(code, place, f"there is no function {name!r}", hints.FUNCTIONS[name])
    known = [*FUNCTIONS, "has", "map", "filter", "all", "exists", "exists_one", "transformList", "transformMap"]
    close = get_close_matches(name, known, n=1, cutoff=0.6)
    remedy = f"did you mean {close[0]!r}?" if close else "the reference of expressions lists them"
    return TemplateError("unknown-function", place, f"there is no function {name!r}", remedy)


def _common(one: Kind, two: Kind) -> Kind:
    return one if one is two else Kind.DYN


def _written(node: Node) -> Any:
    """What is written out in the template: a literal, or the keys of a map."""
    if isinstance(node, Literal):
        return node.value
    if isinstance(node, MapOf):
        keys = [key.value for key, _ in node.entries if isinstance(key, Literal)]
        return keys if len(keys) == len(node.entries) else UNKNOWN
    return UNKNOWN


def _sample_element(elements: list[Any]) -> Shape:
    """What the elements of a sample list have in common; maps are laid over each other."""
    kinds = {kind_of(element) for element in elements}
    if kinds == {Kind.MAP}:
        merged: dict[str, Any] = {}
        for element in elements:
            merged |= element
        return Shape(Kind.DYN, Kind.MAP, merged)
    if len(kinds) == 1 and None not in elements:
        return Shape(Kind.DYN, kinds.pop(), elements[0])
    return _DYN
