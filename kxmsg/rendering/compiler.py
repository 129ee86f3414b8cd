"""The compiler: templates in, functions of the event out."""

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType, TracebackType
from typing import Any, Final, TypeAlias

from kxmsg.rendering.checker import Names
from kxmsg.rendering.codegen import EVENT, METER, Generator, at
from kxmsg.rendering.errors import Exhausted, Fault, RenderError
from kxmsg.rendering.namespace import NAMESPACE
from kxmsg.rendering.nodes import Node
from kxmsg.rendering.operators import MAX_OUTPUT, WORK
from kxmsg.rendering.template import (
    ROOTS,
    Cases,
    Elements,
    Entries,
    Fixed,
    Lone,
    Reader,
    Report,
    Template,
    Text,
    throw,
)

Event: TypeAlias = Mapping[str, Any]
Renderer: TypeAlias = Callable[[Event], Any]
FieldsRenderer: TypeAlias = Callable[[Event], "dict[str, Any] | None"]

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
    report: Report = throw,
) -> FieldsRenderer:
    """One function that gives all ``fields`` for an event.

    A field is a value as in :func:`compile_value`, or ``{"cases": [{"when": expression, "use": value}, …, {"default":
    value}]}``. ``conditions`` are bare expressions that must all be true, or the function returns None. ``names`` as in
    :func:`compile_expression`. The function raises :class:`RenderError` naming the field.

    Each mistake goes to ``report``, which raises it unless given: a :class:`TemplateError` whose path begins with the
    name of the field or condition. Where it returns, the field is left out, and the condition is false.
    """
    reader = Reader(names, sample, report)
    tests = {name: reader.condition(text, (name,)) for name, text in (conditions or {}).items()}
    templates: dict[str, Template] = {}
    for name, value in fields.items():
        before = reader.mistakes
        template = reader.field(value, (name,))
        if reader.mistakes == before:
            templates[name] = template
    return _compile(names, lambda form: form.fields(templates), tests)


@dataclass(frozen=True, slots=True)
class _Site:
    """Where in the templates an operation of the careful form was written."""

    field: str | None
    source: str
    start: int
    end: int

    def error(self, fault: str) -> RenderError:
        expression = self.source[self.start : self.end]
        shown = expression if len(expression) <= _SHOWN else expression[: _SHOWN - 1] + "…"
        return RenderError(f"{shown} {fault}".lstrip(), field=self.field, expression=expression)


class _Form:
    """The fast or the careful form of templates. ``sites`` has a place for each line of its code."""

    def __init__(self, names: Names, *, careful: bool) -> None:
        self.sites = [_Site(None, "", 0, 0)]
        self._careful = careful
        self._names = names
        self._generator = Generator(names, careful=careful, number=lambda node: self._line(node.start, node.end))
        self._field: str | None = None
        self._source = ""

    def _line(self, start: int, end: int) -> int:
        if not self._careful:
            return 1
        self.sites.append(_Site(self._field, self._source, start, end))
        return len(self.sites)

    def body(self, value: Callable[["_Form"], ast.expr], tests: Mapping[str, Lone]) -> list[ast.stmt]:
        """The statements of a function of the event."""
        conditions: list[ast.expr] = []
        for self._field, test in tests.items():
            conditions.append(self._test(test))
        result = value(self)
        made: list[ast.stmt] = []
        for root in sorted(self._generator.roots):
            field = at(ast.Subscript(_name(EVENT), at(ast.Constant(self._names[root])), ast.Load()))
            made.append(_assign(f"root_{root}", field))
        if self._generator.meter:
            made.append(_assign(METER, at(ast.List([at(ast.Constant(WORK))], ast.Load()))))
        for condition in conditions:
            refused = at(ast.UnaryOp(ast.Not(), condition))
            made.append(at(ast.If(refused, [at(ast.Return(at(ast.Constant(None))))], [])))
        return [*made, at(ast.Return(result))]

    def raw(self, lone: Lone) -> ast.expr:
        self._source = lone.source
        return self._generator.visit(lone.node)

    def _test(self, test: Lone) -> ast.expr:
        self._source = test.source
        return self._generator.truth(test.node)

    def fields(self, templates: Mapping[str, Template]) -> ast.expr:
        values = []
        for self._field, template in templates.items():
            values.append(self.value(template))
        return at(ast.Dict([self._generator.constant(name) for name in templates], values))

    def value(self, template: Template, depth: int = 0) -> ast.expr:
        """The template, which stands ``depth`` levels inside its field."""
        match template:
            case Fixed(literal):
                return self._generator.constant(literal)
            case Lone(source, node):
                self._source = source
                return self._generator.whole(node, depth)
            case Text(source, parts):
                self._source = source
                return self._text(parts)
            case Elements(elements):
                return at(ast.List([self.value(element, depth + 1) for element in elements], ast.Load()))
            case Entries(entries):
                keys: list[ast.expr | None] = [self._generator.constant(name) for name, _ in entries]
                return at(ast.Dict(keys, [self.value(value, depth + 1) for _, value in entries]))
            case Cases(cases, default):
                made = self.value(default, depth)
                for test, value in reversed(cases):
                    made = at(ast.IfExp(self._test(test), self.value(value, depth), made))
                return made

    def _text(self, parts: tuple[str | Node, ...]) -> ast.expr:
        generator = self._generator
        pieces: list[ast.expr] = [
            generator.constant(part) if isinstance(part, str) else at(ast.FormattedValue(generator.text(part), -1))
            for part in parts
        ]
        kept = at(ast.NamedExpr(at(ast.Name("t", ast.Store())), at(ast.JoinedStr(pieces))))
        fits = generator.compare(ast.LtE(), generator.call("len", kept), generator.constant(MAX_OUTPUT))
        oversize = at(ast.Call(_name("oversize"), [], []), self._line(0, len(self._source)))
        return at(ast.IfExp(fits, generator.load("t"), oversize))


_NO_TESTS: Final[Mapping[str, Lone]] = MappingProxyType({})


def _compile(names: Names, value: Callable[[_Form], ast.expr], tests: Mapping[str, Lone] = _NO_TESTS) -> Renderer:
    """The fast form. It falls back to the careful one, made when it is first needed, whenever anything goes wrong."""

    @cache
    def careful() -> tuple[Renderer, list[_Site]]:
        form = _Form(names, careful=True)
        return _function(form.body(value, tests)), form.sites

    def explain(event: Event) -> Any:
        render, sites = careful()
        try:
            return render(event)
        except (Fault, Exhausted) as fault:
            raise _site_of(fault.__traceback__, sites).error(str(fault)) from None
        except Exception as error:  # no operation should, but an event must not stop whoever renders it
            found = f"can't be computed: {type(error).__name__}: {error}"
            raise _site_of(error.__traceback__, sites).error(found) from error

    fallback = at(ast.Return(at(ast.Call(_name("explain"), [_name(EVENT)], []))))
    handler = at(ast.ExceptHandler(_name("failure"), None, [fallback]))
    fast = at(ast.Try(_Form(names, careful=False).body(value, tests), [handler], [], []))
    return _function([fast], explain=explain, failure=Exception)


def _site_of(traceback: TracebackType | None, sites: list[_Site]) -> _Site:
    """The place of the innermost operation that was generated."""
    line = 1
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == _FILE and traceback.tb_lineno > 1:
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    return sites[line - 1]


def _name(name: str) -> ast.expr:
    return at(ast.Name(name, ast.Load()))


def _assign(name: str, value: ast.expr) -> ast.stmt:
    return at(ast.Assign([at(ast.Name(name, ast.Store()))], value))


def _function(body: list[ast.stmt], **extra: Any) -> Renderer:
    arguments = ast.arguments(posonlyargs=[], args=[at(ast.arg(EVENT))], kwonlyargs=[], kw_defaults=[], defaults=[])
    module = ast.Module([at(ast.FunctionDef("render", arguments, body, []))], [])
    namespace: dict[str, Any] = {**NAMESPACE, **extra}
    exec(compile(module, _FILE, "exec"), namespace)  # noqa: S102 # the tree above, never text; it names NAMESPACE alone
    made: Renderer = namespace["render"]
    return made
