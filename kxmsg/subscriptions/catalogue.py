"""Catalogue: every compiled subscription, one matcher over them all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kxmsg.matching import Matcher, Pattern
from kxmsg.subscriptions.template import Template


@dataclass(frozen=True, slots=True)
class Subscription:
    """One subscription: a pattern, and the templates for each detail-type."""

    name: str
    pattern: Pattern
    templates: Mapping[str, tuple[Template, ...]]
    sample: Mapping[str, Any] | None = None


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
        self._matcher = Matcher({subscription.name: subscription.pattern for subscription in subscriptions})

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

    def wanted(self) -> dict[str | None, frozenset[str] | None]:
        """The detail-types asked for by source, which the bus's rules are made from; None stands for any."""
        kinds: dict[str | None, frozenset[str] | None] = {}
        for subscription in self.subscriptions:
            wanted = subscription.pattern.exact("detail-type")
            for source in subscription.pattern.exact("source") or (None,):
                known = kinds.get(source, frozenset())
                kinds[source] = known | wanted if wanted is not None and known is not None else None
        return kinds
