"""Mappings: from the YAML of one template to its function. Every mistake is reported, and none stops the others."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from kxmsg.model.target import TARGET_TYPES, TargetType
from kxmsg.rendering import FieldsRenderer, RenderError, TemplateError, compile_fields
from kxmsg.rendering.template import ROOTS
from kxmsg.subscriptions.fields import FIELDS, REQUIRED, check_address, check_field, check_variants, misplaced
from kxmsg.subscriptions.nodes import Fields, Node
from kxmsg.subscriptions.problems import Problems
from kxmsg.subscriptions.reading import fields_of
from kxmsg.subscriptions.samples import Sample, whole
from kxmsg.subscriptions.template import DIGEST_KEY, THROTTLE_KEY, MappingKind, Template
from kxmsg.subscriptions.windows import MAX_WINDOW, MIN_WINDOW, SUMMARY, SUMMARY_NAMES, Digest, Throttle, window

WHEN: Final = "when"
"""A bare expression: nothing is made of an event for which it is false."""

WINDOWS: Final = ("digest", "throttle")

TEMPLATE_KEYS: Final = frozenset((*FIELDS, WHEN, *WINDOWS))

_MAX_AT_MOST: Final = 1000


class MappingCompiler:
    """Compiles templates; ``sample`` is what their expressions are checked against."""

    def __init__(self, problems: Problems, sample: Sample | None) -> None:
        self._problems = problems
        self._sample = sample

    def template(self, name: str, kind: MappingKind, node: Node) -> Template | None:
        """The template that a map describes, None where it has mistakes."""
        before = len(self._problems.found)
        fields = fields_of(node, "a template", TEMPLATE_KEYS, self._problems)
        if not isinstance(node.value, dict):
            return None
        target_type = self._target_type(node, fields)
        left_out = WINDOWS if target_type else (*WINDOWS, "targetType")
        parts = {field: value for field, (_, value) in fields.items() if field not in left_out}
        throttle = self._throttle(fields["throttle"][1], parts) if "throttle" in fields else None
        digest = self._digest(fields["digest"][1], parts) if "digest" in fields else None
        if "digest" in fields and "deliverAfter" in fields:
            self._wrong(fields["deliverAfter"][0], "misplaced-key", "a digest waits by itself; remove deliverAfter")
        condition = parts.pop(WHEN, None)
        fill = self._fill(parts, condition)
        if fill is None or target_type is None or len(self._problems.found) > before:
            return None
        at = {"": str(node.at), **{field: str(value.at) for field, (_, value) in fields.items()}}
        return Template(name, kind, target_type, fill, digest, throttle, at)

    def _target_type(self, node: Node, fields: Fields) -> TargetType | None:
        place = fields["targetType"][1] if "targetType" in fields else node
        found = place.plain if "targetType" in fields else None
        if found not in TARGET_TYPES:
            fault = f"targetType must be one of {', '.join(TARGET_TYPES)}, not {found!r}"
            self._wrong(place, "target-type" if "targetType" in fields else "missing-key", fault)
            return None
        target_type: TargetType = found
        for required in (*REQUIRED[target_type], "content"):
            if required not in fields:
                self._wrong(node, "missing-key", f"a template for a {target_type} needs {required}; add it")
        for name, (key, _) in fields.items():
            if name in FIELDS and (useless := misplaced(name, target_type)):
                self._wrong(key, "misplaced-key", useless)
        return target_type

    def _throttle(self, node: Node, parts: dict[str, Node]) -> Throttle | None:
        fields = fields_of(node, "throttle", frozenset({"atMost", "per", "by"}), self._problems)
        per = self._window(node, fields, "per")
        if "by" in fields:
            parts[THROTTLE_KEY] = fields["by"][1]
        at_most = fields["atMost"][1].plain if "atMost" in fields else 1
        if not isinstance(at_most, int) or isinstance(at_most, bool) or not 1 <= at_most <= _MAX_AT_MOST:
            fault = f"atMost must be a whole number from 1 to {_MAX_AT_MOST}, not {at_most!r}"
            self._wrong(fields["atMost"][1], "value", fault)
            return None
        return None if per is None else Throttle(at_most, per)

    def _digest(self, node: Node, parts: dict[str, Node]) -> Digest | None:
        fields = fields_of(node, "digest", SUMMARY | {"every", "by"}, self._problems)
        every = self._window(node, fields, "every")
        if "by" in fields:
            parts[DIGEST_KEY] = fields["by"][1]
        said = {name: value for name, (_, value) in fields.items() if name in SUMMARY}
        good = [name for name, value in said.items() if self._is_good(name, value, SUMMARY_NAMES, None)]
        if every is None or len(good) < len(said):
            return None
        fill = compile_fields({name: value.plain for name, value in said.items()}, names=SUMMARY_NAMES)
        return Digest(every, fill, str(node.at))

    def _window(self, node: Node, fields: Fields, name: str) -> float | None:
        if not isinstance(node.value, dict):
            return None
        if name not in fields:
            self._wrong(node, "missing-key", f"has no {name}; say how long the window is, as {name}: 15m")
            return None
        span = window(fields[name][1].plain)
        if span is None:
            fault = f"{name} must be {MIN_WINDOW:g} to {MAX_WINDOW:.0f} seconds, or a text as 15m or 1h30m"
            self._wrong(fields[name][1], "value", fault)
        return span

    def _fill(self, parts: Mapping[str, Node], condition: Node | None) -> FieldsRenderer | None:
        """All fields as one function; each is compiled alone first, so that all mistakes are found."""
        event = whole(self._sample.event) if self._sample and self._sample.event else None
        good, lets_through = (True, True) if condition is None else self._condition(condition, event)
        for name, value in parts.items():
            good &= self._is_good(name, value, ROOTS, event if lets_through else None)
        if not good:
            return None
        return compile_fields(
            {name: value.plain for name, value in parts.items()},
            sample=self._shape,
            conditions=None if condition is None else {WHEN: condition.plain},
        )

    @property
    def _shape(self) -> Mapping[str, Any] | None:
        return self._sample.shape if self._sample else None

    def _condition(self, node: Node, example: Mapping[str, Any] | None) -> tuple[bool, bool]:
        """Whether the condition is one, and whether it lets the example through."""
        if not isinstance(node.plain, str):
            self._wrong(node, "value", f"when must be an expression, not {type(node.plain).__name__}; quote it")
            return False, False
        try:
            test = compile_fields({}, sample=self._shape, conditions={WHEN: node.plain})
            return True, example is not None and test(example) is not None
        except TemplateError as error:
            self._misspelt(WHEN, node, error)
        except RenderError as error:
            self._wrong(node, "sample", f"the sample can't be rendered: {error}")
        return False, False

    def _is_good(
        self, name: str, node: Node, names: Mapping[str, str | None], example: Mapping[str, Any] | None
    ) -> bool:
        before = len(self._problems.found)
        plain = node.plain
        for alternative in _alternatives(node):
            self._check_literal(name, alternative)
        try:
            fill = compile_fields({name: plain}, sample=self._shape if names is ROOTS else None, names=names)
        except TemplateError as error:
            self._misspelt(name, node, error)
            return False
        if example is not None and len(self._problems.found) == before:
            self._check_example(name, node, fill, example)
        return len(self._problems.found) == before

    def _check_literal(self, name: str, node: Node) -> None:
        """A value that no event changes, or the locales of one that it does."""
        plain = node.plain
        if name not in FIELDS:
            return
        if FIELDS[name].localized and isinstance(plain, dict):
            if fault := check_variants(name, plain):
                self._wrong(node, "locale", fault)
        elif not _is_computed(plain) and (fault := check_field(name, plain) or check_address(name, plain)):
            self._wrong(node, "value", fault)

    def _check_example(self, name: str, node: Node, fill: FieldsRenderer, example: Mapping[str, Any]) -> None:
        """Whether the sample itself can be rendered."""
        try:
            value = (fill(example) or {})[name]
        except RenderError as error:
            self._wrong(node, "sample", f"the sample can't be rendered: {error}")
            return
        if name in FIELDS and value is not None and (fault := check_field(name, value)):
            self._wrong(node, "type", f"{fault}, as the sample gives")

    def _misspelt(self, name: str, node: Node, error: TemplateError) -> None:
        self._problems.add(node.descend(error.path[1:]).at_offset(error.offset), error.code, f"{name}: {error}")

    def _wrong(self, node: Node, code: str, text: str) -> None:
        self._problems.add(node.at, code, text)


def _alternatives(node: Node) -> Iterator[Node]:
    """The values that a field may come to have: of its cases, or its own."""
    cases = node.value.get("cases") if isinstance(node.value, dict) and set(node.value) == {"cases"} else None
    if cases is None:
        yield node
    elif isinstance(cases[1].value, list):
        for case in cases[1].value:
            inside = case.value if isinstance(case.value, dict) else {}
            yield from (value for name, (_, value) in inside.items() if name in ("use", "default"))


def _is_computed(value: Any) -> bool:
    """Whether a value is only known for an event: it has a placeholder."""
    match value:
        case str():
            return "{{" in value
        case list():
            return any(map(_is_computed, value))
        case dict():
            return any(map(_is_computed, value.values()))
        case _:
            return False
