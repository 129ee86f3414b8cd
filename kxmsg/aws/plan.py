"""Plan: what there should be on AWS, what is there, and the changes between the two. Pure.

Attributes are JSON values by name, those of AWS's API where it has one. A value of None stands for "is not there".
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

import orjson

Kind = Literal["queue", "topic", "subscription", "event bus", "rule", "table", "bucket", "secret"]

Attributes: TypeAlias = Mapping[str, Any]

Identity: TypeAlias = tuple[Kind, str]

Action = Literal["create", "change", "remove", "refuse"]
"""``refuse``: it differs and can't be changed in place, so a human has to."""

_SIGNS: Final[Mapping[Action, str]] = {"create": "+", "change": "~", "remove": "-", "refuse": "!"}


@dataclass(frozen=True, slots=True)
class Resource:
    """One thing that should be there, under its name on AWS.

    ``place``: what it takes to address it besides, as the bus of a rule. ``fixed``: attributes that AWS doesn't change
    once they have a value, each with what a human can do. ``after``: what must be there first.
    """

    kind: Kind
    name: str
    attributes: Attributes = field(default_factory=dict)
    place: Mapping[str, str] = field(default_factory=dict)
    fixed: Mapping[str, str] = field(default_factory=dict)
    after: tuple[Identity, ...] = ()

    @property
    def identity(self) -> Identity:
        return self.kind, self.name

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. ``attribute`` is None where it is about the whole resource."""

    action: Action
    resource: Resource
    attribute: str | None = None
    was: Any = None
    to: Any = None

    def __str__(self) -> str:
        """One line, as ``~ queue kx-render: VisibilityTimeout: 60 → 30``."""
        return f"{_SIGNS[self.action]} {self.text}"

    @property
    def text(self) -> str:
        """The line without its sign."""
        if self.action == "remove":
            return f"{self.resource}: not wanted any more"
        line = str(self.resource)
        if self.attribute is not None:
            line += f": {self.attribute}: {_shown(self.was)} → {_shown(self.to)}"
        if self.action == "refuse" and self.attribute is not None:
            line += f"; AWS can't change that: {self.resource.fixed[self.attribute]}"
        return line


def differences(resource: Resource, found: Attributes | None) -> list[Change]:
    """What to change of one resource so that it is as it should be; ``found`` is None where there is none of it.

    What is found beyond the wanted attributes is to go: whoever reads leaves out what is not kxmsg's business.
    """
    if found is None:
        return [Change("create", resource)]
    changes = []
    for name in dict.fromkeys((*resource.attributes, *found)):
        was, to = found.get(name), resource.attributes.get(name)
        if was != to:
            action: Action = "refuse" if name in resource.fixed and was is not None else "change"
            changes.append(Change(action, resource, name, was, to))
    return changes


def plan(
    wanted: Sequence[Resource], found: Mapping[Identity, Attributes | None], surplus: Iterable[Resource] = ()
) -> list[Change]:
    """All differences, in the order of ``wanted``; then what is kxmsg's own and not wanted any more."""
    changes = [change for resource in wanted for change in differences(resource, found.get(resource.identity))]
    return changes + [Change("remove", resource) for resource in surplus]


def in_order(wanted: Iterable[Resource]) -> list[Resource]:
    """The same resources, each behind those that it comes after. Raises ValueError for what can't be ordered."""
    left = {resource.identity: resource for resource in wanted}
    ordered: list[Resource] = []
    while left:
        ready = [one for one in left.values() if not any(identity in left for identity in one.after)]
        if not ready:
            raise ValueError(f"these wait for each other: {', '.join(map(str, left.values()))}")
        for resource in ready:
            del left[resource.identity]
        ordered += ready
    return ordered


def _shown(value: Any) -> str:
    return "none" if value is None else orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
