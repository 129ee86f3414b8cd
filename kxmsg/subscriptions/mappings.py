"""Mappings: from the YAML of one template to its function. Every mistake is reported, and none stops the others."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from kxmsg.model.target import TARGET_TYPES, TargetType
from kxmsg.rendering import FieldsRenderer, RenderError, TemplateError, compile_fields
from kxmsg.rendering.template import ROOTS
from kxmsg.subscriptions.fields import (
    FIELDS,
    NARROWING,
    REQUIRED,
    check_address,
    check_field,
    check_null,
    check_variants,
    misplaced,
    needed,
)
from kxmsg.subscriptions.nodes import Fields, Node
from kxmsg.subscriptions.problems import Problems
from kxmsg.subscriptions.reading import fields_of
from kxmsg.subscriptions.samples import Sample, whole
from kxmsg.subscriptions.template import DIGEST_KEY, THROTTLE_KEY, MappingKind, Template
from kxmsg.subscriptions.windows import MAX_WINDOW, MIN_WINDOW, SUMMARY, SUMMARY_NAMES, Digest, Throttle, window
from kxmsg.wording import shown, type_of

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
        self._target_type: TargetType | None = None
        """Of the template at hand."""

    def template(self, name: str, kind: MappingKind, node: Node) -> Template | None:
        """The template that a map describes, None where it has mistakes."""
        before = len(self._problems.found)
        fields = fields_of(node, "a template", TEMPLATE_KEYS, self._problems)
        if not isinstance(node.value, dict):
            return None
        target_type = self._target_type = self._type_of(node, fields)
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

    def _type_of(self, node: Node, fields: Fields) -> TargetType | None:
        place = fields["targetType"][1] if "targetType" in fields else node
        found = place.plain if "targetType" in fields else None
        if "targetType" not in fields:
            self._wrong(node, "missing-key", f"a template needs targetType, one of {', '.join(TARGET_TYPES)}; add it")
            return None
        if found not in TARGET_TYPES:
            fault = f"targetType must be one of {', '.join(TARGET_TYPES)}, not {shown(found)}"
            self._wrong(place, "target-type", fault)
            return None
        target_type: TargetType = found
        for required in REQUIRED[target_type]:
            if required not in fields:
                self._wrong(node, "missing-key", f"a template for a {target_type} needs {required}; add it")
        for name, (key, value) in fields.items():
            if name in FIELDS and (useless := misplaced(name, target_type)):
                self._wrong(key, "misplaced-key", useless)
            elif name in FIELDS and needed(name, target_type) and _lacks_default(value):
                fault = f"{name} must have a value for every event; end its cases with a default"
                self._wrong(value, "cases", f"{fault}{', [] for nobody' if name in NARROWING else ''}")
        return target_type

    def _throttle(self, node: Node, parts: dict[str, Node]) -> Throttle | None:
        fields = fields_of(node, "throttle", frozenset({"atMost", "per", "by"}), self._problems)
        per = self._window(node, fields, "per")
        if "by" in fields:
            parts[THROTTLE_KEY] = fields["by"][1]
        at_most = fields["atMost"][1].plain if "atMost" in fields else 1
        if not isinstance(at_most, int) or isinstance(at_most, bool) or not 1 <= at_most <= _MAX_AT_MOST:
            fault = f"atMost must be a whole number from 1 to {_MAX_AT_MOST}, not {shown(at_most)}"
            self._wrong(fields["atMost"][1], "value", fault)
            return None
        return None if per is None else Throttle(at_most, per)

    def _digest(self, node: Node, parts: dict[str, Node]) -> Digest | None:
        fields = fields_of(node, "digest", SUMMARY | {"every", "by"}, self._problems)
        every = self._window(node, fields, "every")
        if "by" in fields:
            parts[DIGEST_KEY] = fields["by"][1]
        said = {name: value for name, (_, value) in fields.items() if name in SUMMARY}
        fill, wrong = self._compile(said, {}, SUMMARY_NAMES)
        return None if every is None or wrong else Digest(every, fill, str(node.at))

    def _window(self, node: Node, fields: Fields, name: str) -> float | None:
        if not isinstance(node.value, dict):
            return None
        if name not in fields:
            self._wrong(node, "missing-key", f"has no {name}; say how long the window is, as {name}: 15m")
            return None
        span = window(fields[name][1].plain)
        if span is None:
            fault = f"{name} must be {MIN_WINDOW:g} to {MAX_WINDOW:.0f} seconds, or a text as 15m, 1h30m or 7d"
            self._wrong(fields[name][1], "value", fault)
        return span

    def _fill(self, parts: Mapping[str, Node], condition: Node | None) -> FieldsRenderer:
        """All fields as one function; it means nothing where they have mistakes."""
        sample = self._sample.event if self._sample else None
        conditions = {} if condition is None else {WHEN: condition}
        if condition is not None and not isinstance(condition.plain, str):
            fault = f"when must be an expression, not {type_of(condition.plain)}; quote it"
            self._wrong(condition, "value", fault)
            sample, conditions = None, {}
        fill, wrong = self._compile(parts, conditions, ROOTS)
        if sample and WHEN not in wrong:
            sound = {name: node for name, node in parts.items() if name not in wrong}
            good = self._compile(sound, conditions, ROOTS)[0] if wrong else fill
            self._check_sample(whole(sample), sound, conditions, good)
        return fill

    def _compile(
        self, parts: Mapping[str, Node], conditions: Mapping[str, Node], names: Mapping[str, str | None]
    ) -> tuple[FieldsRenderer, set[str]]:
        """One function of all fields, and the names of those with mistakes, which are told."""
        nodes = {**parts, **conditions}
        wrong: set[str] = set()

        def tell(error: TemplateError) -> None:
            name = str(error.path[0])
            wrong.add(name)
            at = nodes[name].descend(error.path[1:]).at_offset(error.offset)
            self._problems.add(at, error.code, f"{name}: {error}")

        for name, node in parts.items():
            before = len(self._problems.found)
            for alternative in _alternatives(node):
                self._check_literal(name, alternative)
            if len(self._problems.found) > before:
                wrong.add(name)
        fill = compile_fields(
            {name: node.plain for name, node in parts.items()},
            conditions={name: node.plain for name, node in conditions.items()},
            sample=self._sample.shape if self._sample and names is ROOTS else None,
            names=names,
            report=tell,
        )
        return fill, wrong

    def _check_literal(self, name: str, node: Node) -> None:
        """A value that no event changes, or the locales of one that it does."""
        if name != "metadata":
            self._check_texts(name, node)
        if name not in FIELDS:
            return
        plain = node.plain
        if FIELDS[name].localized and isinstance(plain, dict):
            if fault := check_variants(name, plain):
                self._wrong(node, "locale", fault)
        elif isinstance(plain, list) and list in FIELDS[name].kinds:
            for child in node.value:
                self._check_final(name, child, [child.plain])
        else:
            self._check_final(name, node, plain)

    def _check_final(self, name: str, node: Node, value: Any) -> None:
        if not _is_computed(value) and (
            fault := check_field(name, value) or check_address(name, value, self._target_type)
        ):
            self._wrong(node, "value", fault)

    def _misfit(self, name: str, value: Any) -> str | None:
        """What is wrong with a field's final value in this template."""
        if value is None:
            return check_null(name, self._target_type) if self._target_type else None
        return check_field(name, value) or check_address(name, value, self._target_type)

    def _check_texts(self, name: str, node: Node) -> None:
        """Whether the texts hold placeholders of another language."""
        for text in _texts(node):
            found = next((one for one in _PLACEHOLDER.finditer(text.value) if one["strange"]), None)
            if found:
                strange, own = found["strange"], "{{ " + found["strange"][2:-1].strip() + " }}"
                remedy = f"write {own}, or {{{{ '${{' }}}} for these characters"
                at = text.at_offset(found.start("strange"))
                self._problems.add(at, "syntax", f"{name}: {strange} is no placeholder here; {remedy}")

    def _check_sample(
        self, sample: Mapping[str, Any], parts: dict[str, Node], conditions: Mapping[str, Node], fill: FieldsRenderer
    ) -> None:
        """Whether the sample itself can be rendered, and gives what the fields can have."""
        while True:
            try:
                values = fill(sample) or {}
                break
            except RenderError as error:
                field = str(error.field)
                self._wrong({**parts, **conditions}[field], "sample", f"the sample can't be rendered: {error}")
                if field in conditions:
                    return
                del parts[field]
                fill, _ = self._compile(parts, conditions, ROOTS)
        for name, value in values.items():
            if name in FIELDS and (fault := self._misfit(name, value)):
                self._wrong(parts[name], "type", f"the sample does not fit: {fault}")

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


_PLACEHOLDER: Final = re.compile(r"\{\{.*?\}\}|(?P<strange>\$\{[^{}]*\})", re.DOTALL)


def _texts(node: Node) -> Iterator[Node]:
    """All texts that a value is made of, without the names of its fields."""
    if isinstance(node.value, str):
        yield node
    elif isinstance(node.value, list):
        for child in node.value:
            yield from _texts(child)
    elif isinstance(node.value, dict):
        for _, child in node.value.values():
            yield from _texts(child)


def _lacks_default(node: Node) -> bool:
    """Whether a field has cases of which none may hold."""
    plain = node.plain
    cases = plain["cases"] if isinstance(plain, dict) and set(plain) == {"cases"} else None
    last = cases[-1] if isinstance(cases, list) and cases else None
    return isinstance(last, dict) and "default" not in last


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
