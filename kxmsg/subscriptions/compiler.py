"""From a folder of YAML to a catalogue. Every mistake is collected, with its place, before any is reported."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import orjson

from kxmsg.errors import ConfigError
from kxmsg.matching import Pattern, PatternError
from kxmsg.model.event import Event
from kxmsg.model.target import TARGET_TYPES
from kxmsg.rendering import FieldsRenderer, TemplateError, compile_fields
from kxmsg.subscriptions.catalogue import Catalogue, Subscription
from kxmsg.subscriptions.nodes import At, Node, parse
from kxmsg.subscriptions.template import FIELDS, REQUIRED, WHEN, MappingKind, Template, check_field, misplaced
from kxmsg.suggest import did_you_mean

MAPPINGS: Final[dict[str, MappingKind]] = {"notificationMapping": "notification", "messageMapping": "message"}

_SUBSCRIPTION: Final = frozenset({"name", "eventPattern", "sample", *MAPPINGS})


def load(folder: Path) -> Catalogue:
    """Compile every ``*.yaml`` and ``*.yml`` below ``folder``; raises :class:`ConfigError` with all problems.

    Reads files: call it before the event loop has work to do.
    """
    if not folder.is_dir():
        raise ConfigError([f"{folder}: no such folder; set KXMSG_CONFIG to the folder of your subscriptions"])
    compiler = _Compiler()
    for file in sorted(path for path in folder.rglob("*") if path.suffix in {".yaml", ".yml"}):
        compiler.file(file)
    if compiler.problems:
        raise ConfigError(compiler.problems)
    return Catalogue(compiler.subscriptions)


class _Compiler:
    def __init__(self) -> None:
        self.problems: list[str] = []
        self.subscriptions: list[Subscription] = []
        self._names: dict[str, At] = {}

    def file(self, file: Path) -> None:
        try:
            root = parse(file, file.read_text(encoding="utf-8"), self.problems)
        except ConfigError as error:
            self.problems += error.problems
            return
        except (OSError, UnicodeDecodeError) as error:
            self.problems.append(f"{file}: can't be read as UTF-8 text: {error}")
            return
        if root is None:
            return
        fields = self._map(root, "the file")
        self._known(fields, frozenset({"eventSubscriptions"}))
        if "eventSubscriptions" not in fields:
            self._wrong(root.at, "has no eventSubscriptions; begin the file with 'eventSubscriptions:'")
            return
        for node in self._list(fields["eventSubscriptions"][1], "eventSubscriptions"):
            subscription = self._subscription(node)
            if subscription is not None:
                self.subscriptions.append(subscription)

    def _subscription(self, node: Node) -> Subscription | None:
        before = len(self.problems)
        fields = self._map(node, "a subscription")
        self._known(fields, _SUBSCRIPTION)
        name = self._name(node, fields)
        pattern = self._pattern(node, fields)
        sample = self._sample(fields["sample"][1]) if "sample" in fields else None
        templates: dict[str, tuple[Template, ...]] = {}
        for mapping, kind in MAPPINGS.items():
            if mapping in fields:
                for detail_type, made in self._mapping(name, kind, fields[mapping][1], pattern, sample):
                    templates[detail_type] = (*templates.get(detail_type, ()), *made)
        if not templates and len(self.problems) == before:
            self._wrong(node.at, f"{name} maps nothing; give it a notificationMapping or a messageMapping")
        if pattern is None or len(self.problems) > before:
            return None
        return Subscription(name, pattern, templates, sample)

    def _name(self, node: Node, fields: Mapping[str, tuple[Node, Node]]) -> str:
        if "name" not in fields:
            self._wrong(node.at, "a subscription needs a name")
            return "?"
        at, name = fields["name"][1].at, fields["name"][1].value
        if not isinstance(name, str) or not name:
            self._wrong(at, f"name must be text, not {name!r}; quote it")
            return "?"
        if name in self._names:
            self._wrong(at, f"the name {name!r} is used twice, first at {self._names[name]}; choose another")
        self._names.setdefault(name, at)
        return name

    def _pattern(self, node: Node, fields: Mapping[str, tuple[Node, Node]]) -> Pattern | None:
        if "eventPattern" not in fields:
            self._wrong(node.at, "a subscription needs an eventPattern")
            return None
        place = fields["eventPattern"][1]
        if not isinstance(place.value, dict):
            self._map(place, "eventPattern")
            return None
        mapping: dict[str, tuple[Node, Node]] = {}
        for name, (key, value) in place.value.items():
            field = "detail-type" if name == "detailType" else name
            if field in mapping:
                self._wrong(key.at, "eventPattern: detailType is another name of detail-type; keep one")
            mapping[field] = (key, value)
        try:
            return Pattern({field: value.plain for field, (_, value) in mapping.items()})
        except PatternError as error:
            at, value = place.at, mapping
            for step in error.path:
                node = value[step][1] if isinstance(value, dict) else value[step]
                at, value = node.at, node.value
            self._wrong(at, f"eventPattern: {error}")
            return None

    def _mapping(
        self, name: str, kind: MappingKind, node: Node, pattern: Pattern | None, sample: Mapping[str, Any] | None
    ) -> Iterator[tuple[str, list[Template]]]:
        for detail_type, (key, value) in self._map(node, f"{kind}Mapping").items():
            if pattern is not None and not pattern.admits("detail-type", detail_type):
                kinds = pattern.exact("detail-type")
                hint = did_you_mean(detail_type, kinds) if kinds else ""
                self._wrong(key.at, f"no event of detail-type {detail_type!r} passes the eventPattern{hint}")
            nodes = value.value if isinstance(value.value, list) else [value]
            if not nodes:
                self._wrong(value.at, f"{detail_type} has no template; give it one, or leave it out")
            place = f"{name}.{kind}.{detail_type}"  # ids of what is rendered are made from it
            event = _whole(sample) if sample and sample.get("detail-type") == detail_type else None
            made = [self._template(f"{place}[{index}]", kind, child, event) for index, child in enumerate(nodes)]
            yield detail_type, [template for template in made if template is not None]

    def _template(self, name: str, kind: MappingKind, node: Node, sample: Mapping[str, Any] | None) -> Template | None:
        fields = self._map(node, "a template")
        self._known(fields, FIELDS)
        target_type = fields["targetType"][1].plain if "targetType" in fields else None
        if target_type in TARGET_TYPES:
            for required in (REQUIRED.get(target_type), "content"):
                if required is not None and required not in fields:
                    self._wrong(node.at, f"a template for a {target_type} needs {required}")
            for field, (key, _) in fields.items():
                if fault := misplaced(field, target_type):
                    self._wrong(key.at, fault)
        else:
            place = fields["targetType"][1].at if "targetType" in fields else node.at
            self._wrong(place, f"targetType must be one of {', '.join(TARGET_TYPES)}, not {target_type!r}")
        fill = self._fill(node, {field: value for field, (_, value) in fields.items() if field in FIELDS}, sample)
        return Template(name, kind, target_type, fill) if fill and target_type in TARGET_TYPES else None

    def _fill(self, node: Node, fields: Mapping[str, Node], sample: Mapping[str, Any] | None) -> FieldsRenderer | None:
        """All fields as one function; each is compiled alone first, so that all mistakes are found."""
        good = [name for name, value in fields.items() if self._is_good(node, name, value, sample)]
        if len(good) < len(fields):
            return None
        plain = {name: value.plain for name, value in fields.items()}
        conditions = {WHEN: plain.pop(WHEN)} if WHEN in plain else None
        return compile_fields(plain, sample=sample, conditions=conditions)

    def _is_good(self, template: Node, name: str, node: Node, sample: Mapping[str, Any] | None) -> bool:
        plain = node.plain
        try:
            orjson.dumps(plain)
        except orjson.JSONEncodeError as error:
            self._wrong(node.at, f"{name} holds what JSON has not: {error}")
            return False
        fault = None
        if name == WHEN:
            fault = None if isinstance(plain, str) else f"when must be an expression, not {type(plain).__name__}"
        elif not _is_computed(plain):
            fault = check_field(name, plain)
        if fault is not None:
            self._wrong(node.at, fault)
            return False
        try:
            if name == WHEN:
                compile_fields({}, sample=sample, conditions={name: plain})
            else:
                compile_fields({name: plain}, sample=sample)
        except TemplateError as error:
            at = template.descend(error.path).at_offset(error.offset)
            self._wrong(at, f"{name}: {error}")
            return False
        return True

    def _sample(self, node: Node) -> Mapping[str, Any] | None:
        if isinstance(node.value, dict):
            plain: Mapping[str, Any] = node.plain
            return plain
        file = node.at.file.parent / str(node.value)
        try:
            sample = orjson.loads(file.read_bytes())
        except (OSError, ValueError) as error:
            self._wrong(node.at, f"the sample {file} can't be read: {error}")
            return None
        if not isinstance(sample, dict):
            self._wrong(node.at, f"the sample {file} must hold one event, a JSON object")
            return None
        return sample

    def _map(self, node: Node, what: str) -> Mapping[str, tuple[Node, Node]]:
        if isinstance(node.value, dict):
            return node.value
        self._wrong(node.at, f"{what} must be a map, not {type(node.plain).__name__}")
        return {}

    def _list(self, node: Node, what: str) -> list[Node]:
        if isinstance(node.value, list):
            return node.value
        self._wrong(node.at, f"{what} must be a list; begin each element with '- '")
        return []

    def _known(self, fields: Mapping[str, tuple[Node, Node]], known: frozenset[str]) -> None:
        for name, (key, _) in fields.items():
            if name not in known:
                self._wrong(key.at, f"unknown field {name!r}{did_you_mean(name, known)}")

    def _wrong(self, at: At, problem: str) -> None:
        self.problems.append(f"{at}: {problem}")


def _whole(sample: Mapping[str, Any]) -> dict[str, Any]:
    """The sample with what the bus adds to every event."""
    made = Event(sample.get("source", ""), sample.get("detail-type", ""), {}, time="2026-01-01T00:00:00Z")
    return {**made.as_dict(), **sample}


def _is_computed(value: Any) -> bool:
    """Whether a field's value is only known for an event: it has a placeholder, or cases to choose from."""
    match value:
        case str():
            return "{{" in value
        case list():
            return any(map(_is_computed, value))
        case dict():
            return "cases" in value or any(map(_is_computed, value.values()))
        case _:
            return False
