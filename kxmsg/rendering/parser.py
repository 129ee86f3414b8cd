"""From the text of an expression to its tree. Operators and their precedence are those of the CEL specification."""

from typing import Final, NoReturn, TypeVar

from kxmsg.rendering.errors import TemplateError
from kxmsg.rendering.hints import WORDS
from kxmsg.rendering.lexer import Token, number_of, token_at
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
    MacroName,
    MapOf,
    Member,
    Name,
    Node,
    Unary,
)

MAX_LENGTH: Final = 4096
"""Characters of one expression."""

MAX_NESTING: Final = 40
"""Brackets, arguments and branches inside each other."""

MAX_HEIGHT: Final = 80
"""Operations on top of each other, as in a long sum."""

MAX_LOOPS: Final = 3
"""Macros inside each other."""

RESERVED: Final = frozenset(
    {
        *("as", "break", "const", "continue", "else", "false", "for", "function", "if", "import", "in", "let", "loop"),
        *("package", "namespace", "null", "return", "true", "var", "void", "while"),
    }
)
_CONSTANTS: Final = {"true": True, "false": False, "null": None}
_PRECEDENCE: Final = {
    "||": 1,
    "&&": 2,
    **dict.fromkeys(("<", "<=", ">", ">=", "==", "!=", "in"), 3),
    **dict.fromkeys("+-", 4),
    **dict.fromkeys("*/%", 5),
}

_MACROS: Final[dict[str, tuple[MacroName, range]]] = {
    "all": ("all", range(1, 3)),
    "exists": ("exists", range(1, 3)),
    "exists_one": ("exists_one", range(1, 3)),
    "existsOne": ("exists_one", range(1, 3)),
    "filter": ("filter", range(1, 2)),
    "map": ("map", range(1, 2)),
    "transformList": ("map", range(2, 3)),
    "transformMap": ("transformMap", range(2, 3)),
}
"""What each loop is, and how many variables it may name."""

_N = TypeVar("_N", bound=Node)


def parse(text: str, start: int = 0, *, closed: bool = False) -> tuple[Node, int]:
    """The tree of the expression at ``start``, and where it ends.

    It ends with the text, or with ``}}`` where it is ``closed``. Raises :class:`TemplateError`.
    """
    parser = _Parser(text, start)
    node = parser.expression()
    if closed:
        end = parser.token.end
        if not (parser.sees("}") and text.startswith("}", end)):
            parser.refuse("'}}'")
        return node, end + 1
    if parser.token.kind != "end":
        parser.refuse("an operator or the end")
    return node, len(text)


class _Parser:
    def __init__(self, text: str, start: int) -> None:
        self._text = text
        self._start = start
        self._limit = min(len(text), start + MAX_LENGTH)
        self._nesting = 0
        self._loops = 0
        self._last = start
        self._before = Token("end", "", start, start)
        self.token = self._next(start)

    def sees(self, operator: str) -> bool:
        return self.token.kind == "operator" and self.token.text == operator

    def refuse(self, wanted: str) -> NoReturn:
        for token in (self.token, self._before):
            if token.kind == "name" and token.text in WORDS and not self._text.startswith(".", token.start - 1):
                raise TemplateError("syntax", token.start, f"there is no operator {token.text!r}", WORDS[token.text])
        found = "the end" if self.token.kind == "end" else repr(self._text[self.token.start : self.token.end][:40])
        raise TemplateError("syntax", self.token.start, f"{found} stands where {wanted} should", f"write {wanted} here")

    def expression(self) -> Node:
        start = self.token.start
        self._nesting += 1
        if self._nesting > MAX_NESTING:
            self._too_deep(start)
        node = self._binary(1)
        if self._take("?"):
            then = self.expression()
            self._expect(":")
            other = self.expression()
            node = self._grown(Conditional(node, then, other, start=start, end=self._last))
        self._nesting -= 1
        return node

    def _binary(self, minimum: int) -> Node:
        left = self._unary()
        while (precedence := self._precedence()) >= minimum:
            operator = self._advance().text
            right = self._binary(precedence + 1)
            start, end = left.start, self._last
            if precedence > 2:
                left = Binary(operator, left, right, start=start, end=end)
            elif isinstance(left, Logic) and left.operator == operator:
                left = Logic(operator, (*left.operands, right), start=start, end=end)
            else:
                left = Logic(operator, (left, right), start=start, end=end)
            self._grown(left)
        return left

    def _precedence(self) -> int:
        return _PRECEDENCE.get(self.token.text, 0) if self.token.kind in {"operator", "name"} else 0

    def _unary(self) -> Node:
        operators: list[Token] = []
        while self.sees("!") or self.sees("-"):
            operators.append(self._advance())
        if operators and operators[-1].text == "-" and self.token.kind == "number":
            minus, number = operators.pop(), self._advance()
            literal = Literal(number_of(number, negative=True), start=minus.start, end=number.end)
            node = self._chain(literal)
        else:
            node = self._chain(self._primary())
        for operator in reversed(operators):
            node = self._grown(Unary(operator.text, node, start=operator.start, end=self._last))
        return node

    def _chain(self, node: Node) -> Node:
        """What follows an operand: members, methods and indexes."""
        while True:
            if self._take("."):
                name = self._advance()
                if name.kind not in {"name", "quoted"} or name.text in {"in", "true", "false", "null"}:
                    self._unexpected(name, "the name of a member")
                if name.kind == "name" and self.sees("("):
                    node = self._method(node, name)
                else:
                    node = Member(node, name.text, start=node.start, end=self._last)
            elif self._take("["):
                key = self.expression()
                self._expect("]")
                if isinstance(key, Literal) and isinstance(key.value, str):
                    node = Member(node, key.value, start=node.start, end=self._last)
                else:
                    node = Index(node, key, start=node.start, end=self._last)
            else:
                return node
            self._grown(node)

    def _primary(self) -> Node:
        token = self._advance()
        match token.kind:
            case "number":
                return Literal(number_of(token, negative=False), start=token.start, end=token.end)
            case "string":
                return Literal(token.text, start=token.start, end=token.end)
            case "name" if token.text in _CONSTANTS:
                return Literal(_CONSTANTS[token.text], start=token.start, end=token.end)
            case "name" if token.text in RESERVED:
                remedy = WORDS.get(token.text, "choose another name for the variable")
                raise TemplateError("syntax", token.start, f"{token.text!r} is a reserved word", remedy)
            case "name":
                return self._function(token) if self.sees("(") else Name(token.text, start=token.start, end=token.end)
            case "operator" if token.text == "(":
                node = self.expression()
                self._expect(")")
                return node
            case "operator" if token.text == "[":
                elements = self._sequence("]")
                return self._grown(ListOf(elements, start=token.start, end=self._last))
            case "operator" if token.text == "{":
                return self._map(token)
            case _:
                return self._unexpected(token, "a value")

    def _map(self, opening: Token) -> Node:
        entries: list[tuple[Node, Node]] = []
        while not self._take("}"):
            key = self.expression()
            self._expect(":")
            entries.append((key, self.expression()))
            if not self._take(","):
                self._expect("}")
                break
        return self._grown(MapOf(tuple(entries), start=opening.start, end=self._last))

    def _function(self, name: Token) -> Node:
        self._advance()
        arguments = self._sequence(")")
        if name.text != "has":
            return self._grown(Call(name.text, arguments, method=False, start=name.start, end=self._last))
        if len(arguments) != 1 or not isinstance(arguments[0], Member):
            raise TemplateError("arity", name.start, "has() takes one member", "write it as has(detail.orderId)")
        return self._grown(Has(arguments[0], start=name.start, end=self._last))

    def _method(self, receiver: Node, name: Token) -> Node:
        self._advance()
        if name.text in _MACROS:
            return self._macro(receiver, name)
        arguments = (receiver, *self._sequence(")"))
        return Call(name.text, arguments, method=True, start=receiver.start, end=self._last)

    def _macro(self, receiver: Node, name: Token) -> Node:
        macro, counts = _MACROS[name.text]
        self._loops += 1
        if self._loops > MAX_LOOPS:
            raise TemplateError(
                "too-deep",
                name.start,
                f"more than {MAX_LOOPS} loops inside each other",
                "prepare the event before it is sent",
            )
        arguments = self._sequence(")")
        self._loops -= 1
        extra = {"map": 1, "transformMap": 1}.get(macro, 0)
        # map(x, test, value) and transform…(k, v, test, value) filter as well
        for count in counts:
            if len(arguments) in range(count + 1, count + 2 + extra):
                break
        else:
            example = {1: "(x, …)", 2: "(key, value, …)"}[counts[0]]
            raise TemplateError(
                "arity",
                name.start,
                f"{name.text}() takes variables and then an expression",
                f"write {name.text}{example}",
            )
        variables = tuple(self._variable(argument) for argument in arguments[:count])
        if len(set(variables)) < count:
            raise TemplateError("syntax", arguments[1].start, "both variables have one name", "choose another name")
        rest = arguments[count:]
        test, body = (
            (rest[0], None) if macro not in {"map", "transformMap"} else (rest[0] if rest[1:] else None, rest[-1])
        )
        return Macro(macro, receiver, variables, test, body, start=receiver.start, end=self._last)

    def _variable(self, node: Node) -> str:
        if not isinstance(node, Name):
            raise TemplateError(
                "syntax", node.start, "a loop begins with the name of its variable", "write it as map(x, …)"
            )
        return node.name

    def _sequence(self, closing: str) -> tuple[Node, ...]:
        nodes: list[Node] = []
        while not self._take(closing):
            nodes.append(self.expression())
            if not self._take(","):
                self._expect(closing)
                break
        return tuple(nodes)

    def _grown(self, node: _N) -> _N:
        node.height = 1 + max((child.height for child in node.children()), default=0)
        if node.height > MAX_HEIGHT:
            self._too_deep(node.start)
        return node

    def _too_deep(self, place: int) -> NoReturn:
        raise TemplateError(
            "too-deep",
            place,
            "the expression is nested too deep",
            f"at most {MAX_NESTING} brackets and {MAX_HEIGHT} operations deep",
        )

    def _take(self, operator: str) -> bool:
        if self.sees(operator):
            self._advance()
            return True
        return False

    def _expect(self, operator: str) -> None:
        if not self._take(operator):
            self.refuse(repr(operator))

    def _advance(self) -> Token:
        token = self._before = self.token
        self._last = token.end
        self.token = self._next(token.end)
        return token

    def _unexpected(self, token: Token, wanted: str) -> NoReturn:
        self.token = token
        self.refuse(wanted)

    def _next(self, position: int) -> Token:
        token = token_at(self._text, position, self._limit)
        if token.kind == "end" and self._limit < len(self._text):
            raise TemplateError(
                "too-long",
                self._start,
                f"the expression has more than {MAX_LENGTH} characters",
                "split it, or shape the event before it is sent",
            )
        return token
