"""From a folder of YAML to a catalogue. Every mistake is collected, with its place, before any is reported."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from kxmsg.errors import ConfigError
from kxmsg.matching import Pattern, PatternError, faults
from kxmsg.subscriptions.catalogue import Catalogue, Destination, Subscription
from kxmsg.subscriptions.examples import read_tests
from kxmsg.subscriptions.fields import FIELDS
from kxmsg.subscriptions.loops import Answer, loops
from kxmsg.subscriptions.mappings import WHEN, MappingCompiler
from kxmsg.subscriptions.nodes import Fields, Node, Unreadable, parse
from kxmsg.subscriptions.problems import At, Problems
from kxmsg.subscriptions.reading import fields_of, list_of, map_of, text_of
from kxmsg.subscriptions.samples import Sample, SampleError
from kxmsg.subscriptions.samples import read as read_sample
from kxmsg.subscriptions.template import MappingKind, Template
from kxmsg.suggest import did_you_mean
from kxmsg.wording import shown

MAPPINGS: Final[Mapping[str, MappingKind]] = {"notificationMapping": "notification", "messageMapping": "message"}

SUBSCRIPTION_KEYS: Final = frozenset({"name", "eventPattern", "sample", "targets", "tests", *MAPPINGS})

_TARGET_ID: Final = re.compile(r"[.\-_A-Za-z0-9]{1,64}", re.ASCII)
_ARN: Final = re.compile(r"arn:[a-z-]+:[a-z0-9-]+:[a-z0-9-]*:[a-z0-9-]*:\S{1,500}", re.ASCII)


def load(folder: Path) -> Catalogue:
    """Compile every ``*.yaml`` and ``*.yml`` below ``folder``; raises :class:`ConfigError` with all problems.

    Reads files: call it before the event loop has work to do.
    """
    subscriptions, problems = examine(folder)
    if problems.found:
        raise ConfigError(problems.lines())
    return Catalogue(subscriptions)


def examine(folder: Path) -> tuple[list[Subscription], Problems]:
    """The subscriptions below ``folder`` that have no mistakes of their own, and all mistakes. Reads files."""
    problems = Problems()
    compiler = _Compiler(problems)
    if not folder.is_dir():
        problems.add(At(folder), "folder", "no such folder; set KXMSG_CONFIG to the folder of your subscriptions")
    for file in sorted(path for path in folder.rglob("*") if path.suffix in {".yaml", ".yml"}):
        compiler.file(file)
    compiler.refuse_loops()
    return compiler.subscriptions, problems


class _Compiler:
    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self.subscriptions: list[Subscription] = []
        self._names: dict[str, At] = {}
        self._answers: list[Answer] = []

    def file(self, file: Path) -> None:
        try:
            root = parse(file, file.read_text(encoding="utf-8"), self._problems)
        except Unreadable:
            return
        except OSError as error:
            self._problems.add(
                At(file), "file", f"can't be read: {error.strerror}; only YAML files end in .yaml or .yml"
            )
            return
        except UnicodeDecodeError as error:
            self._problems.add(At(file), "file", f"byte {error.start + 1} is not UTF-8; save the file as UTF-8 text")
            return
        if root is None:
            return
        fields = fields_of(root, "the file", frozenset({"eventSubscriptions"}), self._problems)
        if isinstance(root.value, dict) and not fields:
            fault = "has no eventSubscriptions; begin the file with 'eventSubscriptions:'"
            self._problems.add(root.at, "missing-key", fault)
        for _, node in fields.values():
            for child in list_of(node, "eventSubscriptions", self._problems):
                subscription = self._subscription(child)
                if subscription is not None:
                    self.subscriptions.append(subscription)

    def refuse_loops(self) -> None:
        """Report mappings that come to answer what they make."""
        for way in loops(self._answers):
            others = "".join(f", which {other.name} answers" for other in way[1:])
            fault = f"{way[0].name} answers what it makes itself{others}; name other sources in the eventPattern"
            self._problems.add(way[0].at, "loop", fault)

    def _subscription(self, node: Node) -> Subscription | None:
        before = len(self._problems.found)
        fields = fields_of(node, "a subscription", SUBSCRIPTION_KEYS, self._problems)
        if not isinstance(node.value, dict):
            return None
        name = self._name(node, fields)
        pattern = self._pattern(node, fields)
        samples = list(self._samples(fields["sample"][1], pattern)) if "sample" in fields else []
        templates: dict[str, tuple[Template, ...]] = {}
        for mapping, kind in MAPPINGS.items():
            if mapping in fields:
                for detail_type, made in self._mapping(name, kind, fields[mapping][1], pattern, samples):
                    templates[detail_type] = (*templates.get(detail_type, ()), *made)
        targets = tuple(self._targets(fields["targets"][1])) if "targets" in fields else ()
        if not any(key in fields and fields[key][1].value not in ({}, []) for key in (*MAPPINGS, "targets")):
            fault = f"{name} maps nothing; give it a notificationMapping or a messageMapping"
            self._problems.add(node.at, "missing-key", fault)
        if pattern is None or len(self._problems.found) > before:
            return None
        tests = read_tests(fields["tests"][1], pattern, samples, templates, self._problems) if "tests" in fields else ()
        return Subscription(name, node.at, pattern, templates, tuple(samples), tuple(tests), targets)

    def _name(self, node: Node, fields: Fields) -> str:
        if "name" not in fields:
            self._problems.add(node.at, "missing-key", "a subscription needs a name; add one")
            return "?"
        at = fields["name"][1].at
        name = text_of(fields["name"][1], "name", self._problems)
        if name is None:
            return "?"
        if name in self._names:
            fault = f"the name {name!r} is used twice, first at {self._names[name]}; choose another"
            self._problems.add(at, "duplicate-name", fault)
        self._names.setdefault(name, at)
        return name

    def _pattern(self, node: Node, fields: Fields) -> Pattern | None:
        if "eventPattern" not in fields:
            self._problems.add(node.at, "missing-key", "a subscription needs an eventPattern; add one")
            return None
        place = fields["eventPattern"][1]
        mapping: dict[str, tuple[Node, Node]] = {}
        for name, (key, value) in map_of(place, "eventPattern", self._problems).items():
            field = "detail-type" if name == "detailType" else name
            if field in mapping:
                fault = "detailType is another name of detail-type; keep one"
                self._problems.add(key.at, "yaml-duplicate", fault)
            mapping[field] = (key, value)
        if not isinstance(place.value, dict):
            return None
        plain = {field: value.plain for field, (_, value) in mapping.items()}
        try:
            return Pattern(plain)
        except PatternError:
            for error in faults(plain):
                at = Node(place.at, mapping).descend(error.path).at
                self._problems.add(at, "pattern", f"eventPattern: {error}")
            return None

    def _mapping(
        self, name: str, kind: MappingKind, node: Node, pattern: Pattern | None, samples: Sequence[Sample]
    ) -> Iterator[tuple[str, list[Template]]]:
        for detail_type, (key, value) in map_of(node, f"{kind}Mapping", self._problems).items():
            if pattern is not None and not pattern.admits({"detail-type": detail_type}):
                kinds = pattern.exact("detail-type")
                hint = did_you_mean(detail_type, kinds) if kinds else ""
                fault = f"no event of detail-type {detail_type!r} passes the eventPattern{hint}"
                self._problems.add(key.at, "unreachable", fault)
            nodes = value.value if isinstance(value.value, list) else [value]
            if not nodes:
                fault = f"{detail_type} has no template; give it one, or leave it out"
                self._problems.add(value.at, "missing-key", fault)
            mappings = MappingCompiler(self._problems, next((one for one in samples if one.is_of(detail_type)), None))
            made = []
            for index, child in enumerate(nodes):
                # Ids of what is rendered are made from the name.
                template = mappings.template(f"{name}.{kind}.{detail_type}[{index}]", kind, child)
                if template is not None:
                    made.append(template)
                    if pattern is not None and WHEN not in child.value:
                        self._answers.append(_answer(template, child, detail_type, pattern))
            yield detail_type, made

    def _samples(self, node: Node, pattern: Pattern | None) -> Iterator[Sample]:
        """One for each detail-type, or one for all."""
        for child in node.value if isinstance(node.value, list) else [node]:
            try:
                sample = read_sample(child.plain, node.at.file.parent)
            except SampleError as error:
                self._problems.add(child.at, "sample", str(error))
                continue
            if pattern is not None and not any(map(pattern.admits, sample.kinds())):
                fault = "the eventPattern does not want the sample; give it a source and detail-type that it wants"
                self._problems.add(child.at, "sample", fault)
            yield sample

    def _targets(self, node: Node) -> Iterator[Destination]:
        seen: set[str] = set()
        for child in list_of(node, "targets", self._problems):
            fields = fields_of(child, "a target", frozenset({"id", "arn"}), self._problems)
            if not isinstance(child.value, dict):
                continue
            missing = [name for name in ("id", "arn") if name not in fields]
            if missing:
                self._problems.add(child.at, "missing-key", f"a target needs {' and '.join(missing)}; add it")
                continue
            ident, arn = fields["id"][1].plain, fields["arn"][1].plain
            if not isinstance(ident, str) or not _TARGET_ID.fullmatch(ident) or ident in seen:
                fault = f"the id {shown(ident)} must be its own, of 1 to 64 letters, digits, '.', '-' and '_'"
                self._problems.add(fields["id"][1].at, "target", fault)
            elif not isinstance(arn, str) or not _ARN.fullmatch(arn):
                fault = f"the arn {shown(arn)} must be like arn:aws:sqs:eu-west-1:123456789012:my-queue"
                self._problems.add(fields["arn"][1].at, "target", fault)
            else:
                seen.add(ident)
                yield Destination(ident, arn)


def _answer(template: Template, node: Node, detail_type: str, pattern: Pattern) -> Answer:
    """What can be foreseen of the events that tell of this template's entries."""
    plain = node.plain
    target_type = template.target_type
    if target_type == "client" and "targetUserIds" in plain:
        target_type = "user"
    elif target_type == "broadcast" and "targetClientIds" in plain:
        target_type = "client"
    priority = plain.get("priority")
    foreseen = priority is None or priority in FIELDS["priority"].choices
    known: dict[str, str | None] = {"detail.priority": priority} if foreseen else {}
    return Answer(template.name, node.at, pattern, detail_type, template.kind, target_type, known)
