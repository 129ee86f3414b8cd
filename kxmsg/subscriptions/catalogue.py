"""Catalogue: every compiled subscription, one matcher over them all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kxmsg.matching import Matcher, Pattern
from kxmsg.subscriptions.examples import InlineTest
from kxmsg.subscriptions.problems import At
from kxmsg.subscriptions.samples import Sample
from kxmsg.subscriptions.template import Template


@dataclass(frozen=True, slots=True)
class Destination:
    """Where the events of a subscription go as well: a target of its rule on the bus."""

    id: str
    arn: str


@dataclass(frozen=True, slots=True)
class Subscription:
    """One subscription: a pattern, and the templates for each detail-type."""

    name: str
    at: At
    pattern: Pattern
    templates: Mapping[str, tuple[Template, ...]]
    samples: tuple[Sample, ...] = ()
    tests: tuple[InlineTest, ...] = ()
    targets: tuple[Destination, ...] = ()


@dataclass(frozen=True, slots=True)
class Hit:
    """A template that is due for an event."""

    subscription: str
    index: int


class Catalogue:
    """What to make of an event."""

    def __init__(self, subscriptions: Sequence[Subscription]) -> None:
        self.subscriptions = tuple(subscriptions)
        self._by_name = {subscription.name: subscription for subscription in subscriptions}
        self._by_template = {
            template.name: template
            for subscription in subscriptions
            for templates in subscription.templates.values()
            for template in templates
        }
        self._matcher = Matcher({one.name: one.pattern for one in subscriptions if one.templates})

    def hits(self, event: dict[str, Any]) -> list[Hit]:
        """The templates that an event calls for."""
        kind = event.get("detail-type")
        if not isinstance(kind, str):
            return []
        return [
            Hit(name, index)
            for name in self._matcher.match(event)
            for index in range(len(self._by_name[name].templates.get(kind, ())))
        ]

    def template(self, hit: Hit, detail_type: str) -> Template | None:
        """The template of a hit; None where the subscriptions have changed since."""
        subscription = self._by_name.get(hit.subscription)
        templates = subscription.templates.get(detail_type, ()) if subscription else ()
        return templates[hit.index] if hit.index < len(templates) else None

    def named(self, template: str) -> Template | None:
        """The template of that name; None where the subscriptions have changed since."""
        return self._by_template.get(template)

    def destinations(self) -> list[Subscription]:
        """Those whose events also go to targets of their own: each is a rule on the bus with its whole pattern."""
        return [subscription for subscription in self.subscriptions if subscription.targets]

    def wanted(self) -> dict[str | None, frozenset[str] | None]:
        """The detail-types asked for by source, which the bus's rules are made from; None stands for any."""
        kinds: dict[str | None, frozenset[str] | None] = {}
        for pattern in (one.pattern for one in self.subscriptions if one.templates):
            wanted = pattern.exact("detail-type")
            for source in pattern.exact("source") or (None,):
                known = kinds.get(source, frozenset())
                kinds[source] = known | wanted if wanted is not None and known is not None else None
        return kinds
