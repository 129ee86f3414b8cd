"""Patterns: the topology's rules as EventBridge's event patterns. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import orjson

from kxmsg.topology import Rule

LONGEST: Final = 2048
"""Characters of an event pattern ("Amazon EventBridge quotas", Event pattern size)."""

ANYTHING: Final[Mapping[str, Any]] = {"source": [{"prefix": ""}]}
"""A pattern must have a field ("PutRule"); every source begins with nothing."""


def event_patterns(rules: Sequence[Rule]) -> dict[str, Mapping[str, Any]]:
    """The event pattern of each rule, by its name; a rule that others make needless has none.

    EventBridge sends an event once for each rule that it matches, where the embedded bus sends it once to a queue. So
    what a rule for any source takes is left out of the others of its queue. A pattern that would be too long takes
    every detail-type: the event consumer matches anew anyway.
    """
    fitting = [_shortened(rule) for rule in rules]
    patterns: dict[str, Mapping[str, Any]] = {}
    for rule in fitting:
        if not rule.sources:
            patterns[rule.name] = _pattern(rule)
            continue
        general = [one for one in fitting if one.queue == rule.queue and not one.sources]
        if all(one.detail_types for one in general):
            taken = frozenset().union(*(one.detail_types for one in general))
            patterns |= _without(rule, taken)
    return patterns


def size(pattern: Mapping[str, Any]) -> int:
    """Characters of a pattern as it is sent."""
    return len(orjson.dumps(pattern).decode())


def _shortened(rule: Rule) -> Rule:
    return rule if size(_pattern(rule)) <= LONGEST else replace(rule, detail_types=frozenset())


def _pattern(rule: Rule) -> Mapping[str, Any]:
    given: Iterable[tuple[str, frozenset[str]]] = (("source", rule.sources), ("detail-type", rule.detail_types))
    return {name: sorted(values) for name, values in given if values} or ANYTHING


def _without(rule: Rule, taken: frozenset[str]) -> Mapping[str, Mapping[str, Any]]:
    """The rule's pattern, less these detail-types; nothing where it has no others."""
    if not taken:
        return {rule.name: _pattern(rule)}
    if rule.detail_types:
        left = rule.detail_types - taken
        return {rule.name: _pattern(replace(rule, detail_types=left))} if left else {}
    pattern = {"source": sorted(rule.sources), "detail-type": [{"anything-but": sorted(taken)}]}
    return {rule.name: pattern if size(pattern) <= LONGEST else _pattern(rule)}
