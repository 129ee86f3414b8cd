"""The tree that the parser makes of an expression and the checker fills with types."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal as OneOf
from typing import TypeAlias

from kxmsg.rendering.kinds import Kind


@dataclass(slots=True, kw_only=True, eq=False)
class Node:
    """``start`` and ``end`` are offsets in the source, ``height`` counts the levels down to the leaves.

    ``kind`` is the checker's: it holds for every event.
    """

    start: int
    end: int
    height: int = 1
    kind: Kind = Kind.DYN

    def children(self) -> tuple["Node", ...]:
        """The operands, in the order of the source."""
        return ()


Constant: TypeAlias = bool | int | float | str | Kind | None


@dataclass(slots=True, eq=False)
class Literal(Node):
    value: Constant


@dataclass(slots=True, eq=False)
class Name(Node):
    """A field of the event, or a variable of a macro around it."""

    name: str


@dataclass(slots=True, eq=False)
class Member(Node):
    """``object.name``, and ``object['name']`` as well."""

    object: Node
    name: str

    def children(self) -> tuple[Node, ...]:
        return (self.object,)


@dataclass(slots=True, eq=False)
class Index(Node):
    object: Node
    key: Node

    def children(self) -> tuple[Node, ...]:
        return (self.object, self.key)


@dataclass(slots=True, eq=False)
class Has(Node):
    path: Member

    def children(self) -> tuple[Node, ...]:
        return (self.path,)


@dataclass(slots=True, eq=False)
class ListOf(Node):
    elements: tuple[Node, ...]

    def children(self) -> tuple[Node, ...]:
        return self.elements


@dataclass(slots=True, eq=False)
class MapOf(Node):
    entries: tuple[tuple[Node, Node], ...]

    def children(self) -> tuple[Node, ...]:
        return tuple(node for entry in self.entries for node in entry)


@dataclass(slots=True, eq=False)
class Unary(Node):
    operator: str
    operand: Node

    def children(self) -> tuple[Node, ...]:
        return (self.operand,)


@dataclass(slots=True, eq=False)
class Binary(Node):
    operator: str
    left: Node
    right: Node

    def children(self) -> tuple[Node, ...]:
        return (self.left, self.right)


@dataclass(slots=True, eq=False)
class Logic(Node):
    """``&&`` or ``||`` over two operands or more."""

    operator: str
    operands: tuple[Node, ...]

    def children(self) -> tuple[Node, ...]:
        return self.operands


@dataclass(slots=True, eq=False)
class Conditional(Node):
    test: Node
    then: Node
    other: Node

    def children(self) -> tuple[Node, ...]:
        return (self.test, self.then, self.other)


@dataclass(slots=True, eq=False)
class Call(Node):
    """A function of the table; a method's receiver is its first argument."""

    function: str
    arguments: tuple[Node, ...]
    method: bool

    def children(self) -> tuple[Node, ...]:
        return self.arguments


MacroName: TypeAlias = OneOf["map", "filter", "all", "exists", "exists_one", "transformMap"]


@dataclass(slots=True, eq=False)
class Macro(Node):
    """A loop over ``range``.

    One variable takes the elements of a list or the keys of a map, two take position and element or key and value.
    """

    macro: MacroName
    range: Node
    variables: tuple[str, ...]
    test: Node | None
    body: Node | None

    def children(self) -> tuple[Node, ...]:
        return tuple(node for node in (self.range, self.test, self.body) if node is not None)


def walk(node: Node) -> Iterator[Node]:
    """The node and all below it."""
    yield node
    for child in node.children():
        yield from walk(child)


def steps(node: Node) -> tuple[Node, tuple[str, ...]]:
    """Where a chain of members begins, and the names along it."""
    names: list[str] = []
    while isinstance(node, Member):
        names.append(node.name)
        node = node.object
    return node, tuple(reversed(names))


def strings_of(node: Node) -> tuple[str, ...] | None:
    """The elements of a list of strings that is written out."""
    if not isinstance(node, ListOf):
        return None
    found = tuple(e.value for e in node.elements if isinstance(e, Literal) and isinstance(e.value, str))
    return found if len(found) == len(node.elements) else None


def is_json(node: Node) -> bool:
    """Whether every value that the node can have is JSON already, and no larger than what it was made from."""
    match node:
        case Literal():
            return not isinstance(node.value, Kind)
        case Name():
            return node.kind is not Kind.TYPE
        case Member():
            return isinstance(steps(node)[0], Name)
        case ListOf():  # more than literals may be the same large value many times
            return all(isinstance(element, Literal) for element in node.elements)
        case Conditional():
            return is_json(node.then) and is_json(node.other)
        case Call(function="coalesce"):
            return all(map(is_json, node.arguments))
        case _:
            return node.kind in {Kind.BOOL, Kind.INT}
