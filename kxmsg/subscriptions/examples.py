"""Examples: the ``tests`` of a subscription, read and checked. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from kxmsg.matching import Pattern
from kxmsg.subscriptions.fields import FIELDS
from kxmsg.subscriptions.nodes import Node
from kxmsg.subscriptions.problems import At, Problems
from kxmsg.subscriptions.reading import fields_of, list_of, text_of
from kxmsg.subscriptions.samples import Sample, whole
from kxmsg.subscriptions.template import Template
from kxmsg.suggest import did_you_mean
from kxmsg.wording import counted

TEST_KEYS: Final = frozenset({"name", "event", "expect"})

NO_MATCH: Final = "no-match"
"""What a test expects of an event that the pattern must not want."""

NOTHING: Final = "nothing"
"""What a test expects of a template whose ``when`` must be false."""

Expected = Mapping[str, Any] | None
"""Fields that a template must give, or None where it must give nothing."""


@dataclass(frozen=True, slots=True)
class InlineTest:
    """``event`` is laid over the sample. ``expect``: for each template of its detail-type, in order; None: no match."""

    name: str
    at: At
    event: dict[str, Any]
    detail_type: str
    expect: Sequence[Expected] | None


_FIELDS: Final = frozenset(FIELDS)
_EVENT: Final = frozenset(whole({}))


def read_tests(
    node: Node,
    pattern: Pattern,
    samples: Sequence[Sample],
    templates: Mapping[str, Sequence[Template]],
    problems: Problems,
) -> Iterator[InlineTest]:
    """The tests of a list; those with mistakes are reported and left out."""
    names: dict[str, Node] = {}
    reader = _Reader(pattern, samples, templates, problems)
    for child in list_of(node, "tests", problems):
        fields = fields_of(child, "a test", TEST_KEYS, problems)
        if not isinstance(child.value, dict):
            continue
        missing = [name for name in ("name", "event", "expect") if name not in fields]
        if missing:
            problems.add(child.at, "missing-key", f"a test needs {', '.join(missing)}; add it")
            continue
        name = text_of(fields["name"][1], "name", problems)
        if name in names:
            fault = f"the test {name!r} stands twice, first in line {names[name].at.line}; choose another name"
            problems.add(fields["name"][1].at, "duplicate-name", fault)
        elif name is not None:
            names[name] = child
            test = reader.read(name, child, fields["event"][1], fields["expect"][1])
            if test is not None:
                yield test


def laid_over(base: Any, change: Any) -> Any:
    """Maps are merged key by key; anything else is replaced."""
    if not isinstance(base, Mapping) or not isinstance(change, Mapping):
        return change
    merged = {name: laid_over(base[name], value) if name in base else value for name, value in change.items()}
    return {**base, **merged}


def event_of(change: Mapping[str, Any], base: Mapping[str, Any], fixed: Mapping[str, str]) -> dict[str, Any]:
    """A test's event: over the sample, over what the pattern leaves no choice of."""
    return whole(laid_over({"detail": {}, **fixed, **base}, change))


class _Reader:
    def __init__(
        self,
        pattern: Pattern,
        samples: Sequence[Sample],
        templates: Mapping[str, Sequence[Template]],
        problems: Problems,
    ) -> None:
        self._pattern = pattern
        self._samples = samples
        self._templates = templates
        self._problems = problems

    def read(self, name: str, node: Node, event: Node, expect: Node) -> InlineTest | None:
        before = len(self._problems.found)
        fields_of(event, "the event", _EVENT, self._problems)
        if len(self._problems.found) > before:
            return None
        whole = self._event(event.plain)
        kind = str(whole["detail-type"])
        if not isinstance(whole["detail"], dict):
            self._wrong(event, "the event's detail must be a map")
            return None
        if expect.value == NO_MATCH:
            if not event.value and not self._bases():
                self._wrong(event, "an empty event tells nothing of the pattern; name fields, or give it a sample")
                return None
            return InlineTest(name, node.at, whole, kind, None)
        expected = self._expected(expect, kind)
        return None if expected is None else InlineTest(name, node.at, whole, kind, expected)

    def _event(self, change: Mapping[str, Any]) -> dict[str, Any]:
        """Over the sample of its detail-type, or else the first."""
        kind = change.get("detail-type")
        bases = self._bases()
        base = next((one for one in bases if isinstance(kind, str) and one.is_of(kind)), bases[0] if bases else None)
        only = {name: self._pattern.exact(name) for name in ("source", "detail-type")}
        fixed = {name: next(iter(values)) for name, values in only.items() if values and len(values) == 1}
        return event_of(change, base.event or {} if base else {}, fixed)

    def _bases(self) -> list[Sample]:
        return [one for one in self._samples if one.event is not None]

    def _expected(self, expect: Node, kind: str) -> list[Expected] | None:
        if not isinstance(expect.value, dict):
            self._wrong(expect, f"expect must be {NO_MATCH}, or a map as {{{kind or 'order.shipped'}: {{title: …}}}}")
            return None
        for name, (key, _) in expect.value.items():
            if name != kind:
                fault = f"the event's detail-type is {kind!r}, not {name!r}; expect that, or change the event"
                if name not in self._templates and self._templates:
                    fault = f"there is no mapping for {name!r}{did_you_mean(name, self._templates)}"
                self._wrong(key, fault)
                return None
        if kind not in self._templates:
            self._wrong(
                expect, f"there is no mapping for {kind!r}, so nothing comes of it; give it one, or remove the test"
            )
            return None
        if kind not in expect.value:
            self._wrong(expect, f"expects nothing; name {kind}, or write {NO_MATCH}")
            return None
        node = expect.value[kind][1]
        nodes = node.value if isinstance(node.value, list) else [node]
        templates = self._templates[kind]
        if len(nodes) != len(templates):
            both = f"{counted(len(templates), 'template')} and {counted(len(nodes), 'expectation')}"
            self._wrong(node, f"{kind} has {both}; give a list of one for each")
            return None
        before = len(self._problems.found)
        made: list[Expected] = [self._fields(one) for one in nodes]
        return made if len(self._problems.found) == before else None

    def _fields(self, node: Node) -> Expected:
        if node.value == NOTHING:
            return None
        fields = fields_of(node, "an expectation", _FIELDS, self._problems)
        return {name: value.plain for name, (_, value) in fields.items()}

    def _wrong(self, node: Node, fault: str) -> None:
        self._problems.add(node.at, "test", fault)
