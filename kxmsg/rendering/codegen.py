"""From the typed tree to Python's own syntax tree. No text of a template is ever taken for Python.

Every expression is generated twice. The *fast* form takes Python's operators wherever they agree with CEL's as long
as nothing goes wrong. If anything does, the *careful* form decides: it absorbs faults as CEL does, and each of its
operations bears, as its line, the number of the node it was made from, so that a traceback names the place. What
belongs to no node is on line 1.
"""

import ast
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias, TypeVar

from kxmsg.rendering import operators
from kxmsg.rendering.functions import FUNCTIONS, Parameter
from kxmsg.rendering.kinds import NUMBERS, Kind
from kxmsg.rendering.namespace import demand_name, function_name, kind_name
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
    is_json,
    steps,
    strings_of,
    walk,
)

METER: Final = "meter"
EVENT: Final = "event"

_COMPARISONS: Final[dict[str, ast.cmpop]] = {
    "==": ast.Eq(), "!=": ast.NotEq(), "<": ast.Lt(), "<=": ast.LtE(), ">": ast.Gt(), ">=": ast.GtE(),
}  # fmt: skip # a table
_ARITHMETIC: Final = {"+": "add", "-": "subtract", "*": "multiply", "/": "divide", "%": "modulo"}
_METERED: Final = frozenset({"add", "equal", "within"})
_NESTED: Final = frozenset({Kind.LIST, Kind.MAP, Kind.DYN})
_HEAVY: Final = _NESTED | {Kind.STRING}

_A = TypeVar("_A", bound="ast.stmt | ast.expr | ast.excepthandler | ast.arg")
Expression: TypeAlias = ast.expr


def at(made: _A, line: int = 1) -> _A:
    """The piece of code, which now knows its line."""
    made.lineno = made.end_lineno = line
    made.col_offset = made.end_col_offset = 0
    return made


class Generator:
    """Makes expressions of one form. ``roots`` are local variables that hold fields of the event."""

    def __init__(
        self, names: Mapping[str, str | None], *, careful: bool, number: Callable[[Node], int] = lambda node: 1
    ) -> None:
        self.careful = careful
        self.meter = False
        self.roots: set[str] = set()
        self._names = names
        self._number = number
        self._line = 1
        self._variables: dict[str, str] = {}
        self._made = 0
        self._loops = 0
        self._visitors: dict[type[Node], Callable[[Any], Expression]] = {
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

    def visit(self, node: Node) -> Expression:
        """The expression that computes the node."""
        outer, self._line = self._line, self._number(node)
        made = self._visitors[type(node)](node)
        self._line = outer
        return made

    def truth(self, node: Node) -> Expression:
        """The node as a condition."""
        made = self.visit(node)
        return made if node.kind is Kind.BOOL else self._of(node, "truth", made)

    def text(self, node: Node) -> Expression:
        """The node as a part of a text; may assign ``t``, so it can't stand in a loop."""
        made = self.visit(node)
        if node.kind is Kind.STRING or (node.kind is Kind.INT and not self.careful):
            return made
        return self._unless_text(node, made, "text")

    def whole(self, node: Node, depth: int) -> Expression:
        """The node as a value ``depth`` levels inside a field's: JSON, of bounded size. As :meth:`text` with ``t``."""
        made = self.visit(node)
        inside = self.constant(depth)
        if not is_json(node):
            return self._of(node, "plain", self._metered(), made, inside)
        return self._unless_text(node, made, "shallow", inside) if node.kind in _NESTED else made

    def _unless_text(self, node: Node, made: Expression, function: str, *more: Expression) -> Expression:
        """What the function gives of the node's value, or the value itself where it turns out to be text."""
        if self.careful or node.kind is not Kind.DYN:
            return self._of(node, function, self._metered(), made, *more)
        kept = self._at(ast.NamedExpr(self._at(ast.Name("t", ast.Store())), made))
        test = self.compare(ast.Is(), self.call("type", kept), self.load("str"))
        other = self.call(function, self._metered(), self.load("t"), *more)
        return self._at(ast.IfExp(test, self.load("t"), other))

    def _of(self, node: Node, function: str, *arguments: Expression) -> Expression:
        """A call whose faults are the node's."""
        outer, self._line = self._line, self._number(node)
        made = self.call(function, *arguments)
        self._line = outer
        return made

    def call(self, function: str, *arguments: Expression) -> Expression:
        return self._at(ast.Call(self.load(function), list(arguments), []))

    def load(self, name: str) -> Expression:
        return self._at(ast.Name(name, ast.Load()))

    def constant(self, value: bool | int | float | str | None) -> Expression:
        return self._at(ast.Constant(value))

    def compare(self, operator: ast.cmpop, left: Expression, right: Expression) -> Expression:
        return self._at(ast.Compare(left, [operator], [right]))

    def _at(self, made: _A) -> _A:
        return at(made, self._line)

    def _metered(self) -> Expression:
        self.meter = True
        return self.load(METER)

    def _thunk(self, node: Node) -> Expression:
        """A function of nothing that computes the node carefully."""
        outer, self.careful = self.careful, True
        made = self._lambda([], self.visit(node))
        self.careful = outer
        return made

    def _lambda(self, names: list[str], body: Expression) -> Expression:
        arguments = [self._at(ast.arg(name)) for name in names]
        signature = ast.arguments(posonlyargs=[], args=arguments, kwonlyargs=[], kw_defaults=[], defaults=[])
        return self._at(ast.Lambda(signature, body))

    # -- operands ----------------------------------------------------------------------------------------------

    def _literal(self, node: Literal) -> Expression:
        if isinstance(node.value, Kind):
            return self.load(kind_name(node.value.value))
        return self.constant(node.value)

    def _name(self, node: Name) -> Expression:
        if node.name in self._variables:
            return self.load(self._variables[node.name])
        if node.name not in self._names:
            return self.load(kind_name(node.name))
        field = self._names[node.name]
        if field is None:
            return self.load(EVENT)
        if self.careful:
            return self.call("member", self.load(EVENT), self.constant(field))
        self.roots.add(node.name)
        return self.load(f"root_{node.name}")

    def _member(self, node: Member) -> Expression:
        owner = self.visit(node.object)
        if self.careful:
            return self.call("member", owner, self.constant(node.name))
        return self._at(ast.Subscript(owner, self.constant(node.name), ast.Load()))

    def _index(self, node: Index) -> Expression:
        return self.call("index", self.visit(node.object), self.visit(node.key))

    def _has(self, node: Has) -> Expression:
        base, names = self._path(node.path)
        return self.call("has", base, *map(self.constant, names))

    def _path(self, node: Node) -> tuple[Expression, tuple[str, ...]]:
        """Where a chain of members begins, and its names; an absent root is a step like any other."""
        base, names = steps(node)
        if isinstance(base, Name) and base.name not in self._variables and self.careful:
            field = self._names.get(base.name)
            if field is not None:
                return self.load(EVENT), (field, *names)
        return self.visit(base), names

    def _list(self, node: ListOf) -> Expression:
        return self._at(ast.List([self.visit(element) for element in node.elements], ast.Load()))

    def _map(self, node: MapOf) -> Expression:
        entries = [(self.visit(key), self.visit(value)) for key, value in node.entries]
        if all(isinstance(key, Literal) and isinstance(key.value, str) for key, _ in node.entries):
            return self._at(ast.Dict([key for key, _ in entries], [value for _, value in entries]))
        return self.call("make_map", *(self._at(ast.Tuple([key, value], ast.Load())) for key, value in entries))

    # -- operators ---------------------------------------------------------------------------------------------

    def _unary(self, node: Unary) -> Expression:
        if node.operator == "-":
            return self.call("negate", self.visit(node.operand))
        return self._not(self.truth(node.operand))

    def _not(self, made: Expression) -> Expression:
        return self._at(ast.UnaryOp(ast.Not(), made))

    def _logic(self, node: Logic) -> Expression:
        if self.careful:
            helper = "both" if node.operator == "&&" else "either"
            return self.call(helper, *map(self._thunk, node.operands))
        operator = ast.And() if node.operator == "&&" else ast.Or()
        return self._at(ast.BoolOp(operator, [self.truth(operand) for operand in node.operands]))

    def _conditional(self, node: Conditional) -> Expression:
        test = self.truth(node.test)
        return self._at(ast.IfExp(test, self.visit(node.then), self.visit(node.other)))

    def _binary(self, node: Binary) -> Expression:
        left, right = self.visit(node.left), self.visit(node.right)
        operator = node.operator
        if operator in _ARITHMETIC:
            return self._helper(_ARITHMETIC[operator], left, right)
        kinds = {node.left.kind, node.right.kind}
        if operator == "in":
            options = strings_of(node.right)
            if options is not None:  # a string equals only strings: Python's ``in`` is CEL's
                return self.compare(
                    ast.In(), left, self._at(ast.Tuple([self.constant(option) for option in options], ast.Load()))
                )
            return self._helper("within", left, right)
        if operator in {"==", "!="}:
            # Python takes true for 1; no other value can be mistaken for a string or null.
            if kinds & {Kind.STRING, Kind.NULL} or kinds <= NUMBERS:
                return self.compare(_COMPARISONS[operator], left, right)
            same = self._helper("equal", left, right)
            return same if operator == "==" else self._not(same)
        if kinds <= NUMBERS or kinds == {Kind.STRING}:
            return self.compare(_COMPARISONS[operator], left, right)
        helper = "less" if operator in {"<", ">"} else "at_most"
        if self._loops:
            left = self.call("compared", self._metered(), left)
        return self.call(helper, *((right, left) if operator[0] == ">" else (left, right)))

    def _helper(self, name: str, *operands: Expression) -> Expression:
        return self.call(name, *([self._metered()] if name in _METERED else []), *operands)

    # -- calls -------------------------------------------------------------------------------------------------

    def _call(self, node: Call) -> Expression:
        if node.function == "coalesce":
            return self._coalesce(node)
        function = FUNCTIONS[node.function]
        arguments = [
            self._argument(parameter, argument)
            for parameter, argument in zip(function.parameters, node.arguments, strict=False)
        ]
        return self.call(function_name(function.name), *([self._metered()] if function.metered else []), *arguments)

    def _argument(self, parameter: Parameter, node: Node) -> Expression:
        made = self.visit(node)
        if node.kind not in parameter.kinds or (node.kind is Kind.DYN and parameter.accepts != "any"):
            made = self._of(node, demand_name(parameter), made)
        if self._loops and node.kind in _HEAVY and not isinstance(node, Literal):
            made = self._of(node, "weigh", self._metered(), made)
        return made

    def _coalesce(self, node: Call) -> Expression:
        plain = all(
            isinstance(argument, Literal) or isinstance(steps(argument)[0], Name) for argument in node.arguments
        )
        if plain and not self.careful:
            return self.call("first", *map(self._dug, node.arguments))
        return self.call("coalesce", *map(self._thunk, node.arguments))

    def _dug(self, node: Node) -> Expression:
        if isinstance(node, Literal):
            return self.visit(node)
        base, names = self._path(node)
        return self.call("dig", base, *map(self.constant, names)) if names else base

    # -- loops -------------------------------------------------------------------------------------------------

    def _macro(self, node: Macro) -> Expression:
        pairs = len(node.variables) == 2
        inside = sum(_cost(one) for part in (node.test, node.body) if part is not None for one in walk(part))
        weight = self.constant(inside)
        rounds = self.call("pairs" if pairs else "items", self._metered(), self.visit(node.range), weight)
        hidden = dict(self._variables)
        locals_ = [f"v{self._made + position}" for position in range(len(node.variables))]
        self._made += len(locals_)
        self._variables.update(zip(node.variables, locals_, strict=True))
        self._loops += 1
        made = self._body(node, rounds, locals_)
        self._loops -= 1
        self._variables = hidden
        return made

    def _body(self, node: Macro, rounds: Expression, names: list[str]) -> Expression:
        if node.macro in {"all", "exists"} and self.careful:
            body = self._lambda(names, self.visit(_given(node.test)))
            helper = "every" if node.macro == "all" else "some"
            return self.call(helper, body, rounds if len(names) == 2 else self.call("singles", rounds))
        stores: list[Expression] = [self._at(ast.Name(name, ast.Store())) for name in names]
        target = stores[0] if len(stores) == 1 else self._at(ast.Tuple(stores, ast.Store()))
        match node.macro:
            case "filter":
                loop = [ast.comprehension(target, rounds, [self.truth(_given(node.test))], is_async=0)]
                return self._at(ast.ListComp(self.load(names[0]), loop))
            case "map" | "transformMap":
                filters = [] if node.test is None else [self.truth(node.test)]
                loop = [ast.comprehension(target, rounds, filters, is_async=0)]
                value = self.visit(_given(node.body))
                if node.macro == "map":
                    return self._at(ast.ListComp(value, loop))
                return self._at(ast.DictComp(self.load(names[0]), value, loop))
            case "all" | "exists" | "exists_one":
                loop = [ast.comprehension(target, rounds, [], is_async=0)]
                results = self._at(ast.GeneratorExp(self.truth(_given(node.test)), loop))
                return self.call({"all": "all", "exists": "any", "exists_one": "one"}[node.macro], results)


def _cost(node: Node) -> int:
    """What the node costs in each round of a loop."""
    return operators.STEP + (FUNCTIONS[node.function].cost if isinstance(node, Call) else 0)


def _given(node: Node | None) -> Node:
    """The part of a loop that the parser always gives this macro."""
    if node is None:
        raise AssertionError("a loop without its expression")
    return node
