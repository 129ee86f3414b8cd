"""Inline tests: what a subscription's own examples expect, and whether it comes. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kxmsg.model.notification import LOCALIZED, with_variants
from kxmsg.rendering import RenderError
from kxmsg.subscriptions.catalogue import Subscription
from kxmsg.subscriptions.examples import NO_MATCH, NOTHING, Expected, InlineTest
from kxmsg.subscriptions.template import Defaults, Template


@dataclass(frozen=True, slots=True)
class Difference:
    """A place in what came, what was expected there, and what came."""

    place: str
    expected: Any
    got: Any


@dataclass(frozen=True, slots=True)
class Result:
    """How a test went: well if nothing differs. ``reached`` are the names of the templates that it ran through."""

    subscription: str
    test: InlineTest
    differences: Sequence[Difference]
    reached: frozenset[str] = field(default_factory=frozenset)


def run(subscription: Subscription, defaults: Defaults) -> Iterator[Result]:
    """Run the tests of one subscription."""
    for test in subscription.tests:
        matched = subscription.pattern.matches(test.event)
        if test.expect is None or not matched:
            same = matched == (test.expect is not None)
            words = {True: "match", False: NO_MATCH}
            wrong = [] if same else [Difference("eventPattern", words[not matched], words[matched])]
            yield Result(subscription.name, test, wrong)
            continue
        templates = subscription.templates.get(test.detail_type, ())
        differences: list[Difference] = []
        for index, (template, expected) in enumerate(zip(templates, test.expect, strict=True)):
            place = test.detail_type if len(templates) == 1 else f"{test.detail_type}[{index}]"
            differences += _compare(place, expected, *_made(template, test.event, defaults), defaults)
        yield Result(subscription.name, test, differences, frozenset(template.name for template in templates))


def untested(subscription: Subscription, results: Sequence[Result]) -> list[Template]:
    """The templates that none of the tests reached."""
    reached = {name for result in results for name in result.reached}
    return [one for some in subscription.templates.values() for one in some if one.name not in reached]


def _made(template: Template, event: Mapping[str, Any], defaults: Defaults) -> tuple[Mapping[str, Any] | None, str]:
    """The fields that the template gives, or what went wrong."""
    try:
        values = template.values(event, defaults)
        if values is not None:
            template.bind(values, defaults)
    except RenderError as error:
        return None, str(error)
    return values, ""


def _compare(
    place: str, expected: Expected, made: Mapping[str, Any] | None, fault: str, defaults: Defaults
) -> Iterator[Difference]:
    if fault:
        yield Difference(place, NOTHING if expected is None else dict(expected), f"error: {fault}")
    elif expected is None or made is None:
        if expected is not made:
            yield Difference(place, *(NOTHING if one is None else dict(one) for one in (expected, made)))
    else:
        for name, value in expected.items():
            got = made.get(name)
            if name in LOCALIZED and isinstance(got, Mapping) and isinstance(value, str):
                got = with_variants({name: got}, defaults.locale)[name]
            if not _same(got, value):
                yield Difference(f"{place}.{name}", value, got)


def _same(one: Any, other: Any) -> bool:
    """Equal as JSON: ``true`` is not 1, though 1 is 1.0."""
    match one, other:
        case dict(), dict():
            return one.keys() == other.keys() and all(_same(value, other[name]) for name, value in one.items())
        case list(), list():
            return len(one) == len(other) and all(map(_same, one, other))
        case _:
            return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)
