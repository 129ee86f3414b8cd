"""The compiler: templates in, functions of the event out."""

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, TypeAlias, TypeVar

from kxmsg.rendering.checker import Names
from kxmsg.rendering.codegen import EVENT, FIRST_LINE, METER, Generator
from kxmsg.rendering.errors import Exhausted, Fault, RenderError
from kxmsg.rendering.namespace import NAMESPACE
from kxmsg.rendering.nodes import Node
from kxmsg.rendering.operators import MAX_OUTPUT, WORK
from kxmsg.rendering.template import ROOTS, Cases, Elements, Entries, Fixed, Lone, Reader, Template, Text

Event: TypeAlias = Mapping[str, Any]
Renderer: TypeAlias = Callable[[Event], Any]
FieldsRenderer: TypeAlias = Callable[[Event], "dict[str, Any] | None"]

_A = TypeVar("_A", bound=ast.AST)

_FILE: Final = "<kxmsg template>"
_SHOWN: Final = 80
"""Characters of an expression that a message shows."""


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression. Call it with an event; raises :class:`RenderError`.

    Values are as the language has them: timestamps are ``datetime``, durations ``timedelta``. ``kind`` names the type
    that is expected, ``dyn`` where only the event tells.
    """

    text: str
    kind: str
    run: Renderer

    def __call__(self, event: Event) -> Any:
        return self.run(event)


def compile_expression(text: str, *, sample: Event | None = None, names: Names = ROOTS) -> Expression:
    """Compile a bare expression, without braces; raises :class:`TemplateError`.

    ``sample`` is an event to check members and types against. ``names`` are the identifiers that it may begin with, and
    the field of the event that each stands for (None: the event).
    """
    lone, kind = Reader(names, sample).expression(text)
    return Expression(text, kind.value, _compile(names, lambda form: form.raw(lone)))


def compile_value(value: Any, *, sample: Event | None = None) -> Renderer:
    """A function that gives ``value`` for an event; raises :class:`TemplateError`.

    In a text each ``{{ expression }}`` is replaced by its value; a text that is one placeholder alone keeps the type of
    the value. Lists and maps are compiled element by element. The function raises :class:`RenderError`.
    """
    template = Reader(ROOTS, sample).value(value)
    return _compile(ROOTS, lambda form: form.value(template))


def compile_fields(
    fields: Mapping[str, Any],
    *,
    sample: Event | None = None,
    conditions: Mapping[str, str] | None = None,
    names: Names = ROOTS,
) -> FieldsRenderer:
    """One function that gives all ``fields`` for an event; raises :class:`TemplateError`.

    A field is a value as in :func:`compile_value`, or ``{"cases": [{"when": expression, "use": value}, …, {"default":
    value}]}``. ``conditions`` are bare expressions that must all be true, or the function returns None. ``names`` as in
    :func:`compile_expression`. The path of an error begins with the name of the field or condition. The function raises
    :class:`RenderError` naming the field.
    """
    reader = Reader(names, sample)
    tests = {name: reader.condition(text, (name,)) for name, text in (conditions or {}).items()}
    templates = {name: reader.field(value, (name,)) for name, value in fields.items()}
    return _compile(names, lambda form: form.fields(templates), lambda form: form.conditions(tests))


@dataclass(frozen=True, slots=True)
class _Site:
    """Where in the templates an operation of the careful form was written."""

    field: str | None
    source: str
    start: int
    end: int

    def error(self, fault: Exception) -> RenderError:
        expression = self.source[self.start : self.end]
        shown = expression if len(expression) <= _SHOWN else expression[: _SHOWN - 1] + "…"
        return RenderError(f"{shown} {fault}", field=self.field, expression=expression)


class _Form:
    """The fast or the careful form of templates."""

    def __init__(self, names: Names, *, careful: bool) -> None:
        self.sites: list[_Site] = []
        self.generator = Generator(names, careful=careful, number=self._site if careful else lambda _node: 1)
        self._field: str | None = None
        self._source = ""

    def _site(self, node: Node) -> int:
        self.sites.append(_Site(self._field, self._source, node.start, node.end))
        return FIRST_LINE + len(self.sites) - 1

    def raw(self, lone: Lone) -> ast.expr:
        self._source = lone.source
        return self.generator.visit(lone.node)

    def conditions(self, tests: Mapping[str, Lone]) -> list[ast.expr]:
        made = []
        for self._field, test in tests.items():
            made.append(self._test(test))
        return made

    def _test(self, test: Lone) -> ast.expr:
        self._source = test.source
        return self.generator.truth(test.node)

    def fields(self, templates: Mapping[str, Template]) -> ast.expr:
        values = []
        for self._field, template in templates.items():
            values.append(self.value(template))
        return _at(ast.Dict([self.generator.constant(name) for name in templates], values))

    def value(self, template: Template) -> ast.expr:
        match template:
            case Fixed(literal):
                return self.generator.constant(literal)
            case Lone(source, node):
                self._source = source
                return self.generator.whole(node)
            case Text(source, parts):
                self._source = source
                return self._text(parts)
            case Elements(elements):
                return _at(ast.List([self.value(element) for element in elements], ast.Load()))
            case Entries(entries):
                keys: list[ast.expr | None] = [self.generator.constant(name) for name, _ in entries]
                return _at(ast.Dict(keys, [self.value(value) for _, value in entries]))
            case Cases(cases, default):
                made = self.value(default)
                for test, value in reversed(cases):
                    made = _at(ast.IfExp(self._test(test), self.value(value), made))
                return made

    def _text(self, parts: tuple[str | Node, ...]) -> ast.expr:
        generator = self.generator
        pieces: list[ast.expr] = [
            generator.constant(part)
            if isinstance(part, str)
            else _at(ast.FormattedValue(generator.text(part), -1, None))
            for part in parts
        ]
        kept = _at(ast.NamedExpr(_at(ast.Name("t", ast.Store())), _at(ast.JoinedStr(pieces))))
        fits = generator.compare(ast.LtE(), generator.call("len", kept), generator.constant(MAX_OUTPUT))
        return _at(ast.IfExp(fits, generator.load("t"), generator.call("oversize")))

    def _placed(self, node: Node) -> ast.expr:
        return _at(ast.FormattedValue(self.generator.text(node), -1, None))


_LINE_1: Final = ast.Constant(None, lineno=1, col_offset=0, end_lineno=1, end_col_offset=0)


def _at(made: _A) -> _A:
    return ast.copy_location(made, _LINE_1)


def _compile(
    names: Names,
    value: Callable[[_Form], ast.expr],
    conditions: Callable[[_Form], list[ast.expr]] = lambda _form: [],
) -> Renderer:
    """The fast form, which falls back to the careful one whenever anything goes wrong."""
    careful = _Form(names, careful=True)
    carefully = _function(_statements(careful, names, value, conditions), {})

    def explain(event: Event) -> Any:
        try:
            return carefully(event)
        except (Fault, Exhausted) as fault:
            raise _site_of(fault.__traceback__, careful.sites).error(fault) from None

    body = _statements(_Form(names, careful=False), names, value, conditions)
    fallback = _at(ast.Return(_at(ast.Call(_name("explain"), [_name(EVENT)], []))))
    handler = _at(ast.ExceptHandler(_name("failure"), None, [fallback]))
    return _function([_at(ast.Try(body, [handler], [], []))], {"explain": explain, "failure": Exception})


def _site_of(traceback: TracebackType | None, sites: list[_Site]) -> _Site:
    """The place of the innermost operation that was generated."""
    line = FIRST_LINE
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == _FILE and traceback.tb_lineno >= FIRST_LINE:
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    return sites[line - FIRST_LINE]


def _statements(
    form: _Form,
    names: Names,
    value: Callable[[_Form], ast.expr],
    conditions: Callable[[_Form], list[ast.expr]],
) -> list[ast.stmt]:
    tests, result = conditions(form), value(form)
    generator = form.generator
    made: list[ast.stmt] = []
    for root in sorted(generator.roots):
        field = _at(ast.Subscript(_name(EVENT), _at(ast.Constant(names[root])), ast.Load()))
        made.append(_assign(f"root_{root}", field))
    if generator.meter:
        made.append(_assign(METER, _at(ast.List([_at(ast.Constant(WORK))], ast.Load()))))
    for test in tests:
        refused = _at(ast.UnaryOp(ast.Not(), test))
        made.append(_at(ast.If(refused, [_at(ast.Return(_at(ast.Constant(None))))], [])))
    return [*made, _at(ast.Return(result))]


def _name(name: str) -> ast.expr:
    return _at(ast.Name(name, ast.Load()))


def _assign(name: str, value: ast.expr) -> ast.stmt:
    return _at(ast.Assign([_at(ast.Name(name, ast.Store()))], value))


def _function(body: list[ast.stmt], extra: Mapping[str, Any]) -> Renderer:
    arguments = ast.arguments(posonlyargs=[], args=[_at(ast.arg(EVENT))], kwonlyargs=[], kw_defaults=[], defaults=[])
    module = ast.Module([_at(ast.FunctionDef("render", arguments, body, []))], [])
    namespace: dict[str, Any] = {**NAMESPACE, **extra}
    exec(compile(module, _FILE, "exec"), namespace)  # noqa: S102 # the tree above, never text; it names NAMESPACE alone
    made: Renderer = namespace["render"]
    return made
