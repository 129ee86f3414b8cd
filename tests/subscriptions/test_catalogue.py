"""What to make of an event."""

from pathlib import Path
from typing import Any

from kxmsg.matching import Pattern
from kxmsg.rendering import compile_fields
from kxmsg.subscriptions import Catalogue, Hit, Subscription, Template
from kxmsg.subscriptions.problems import At

TEMPLATE = Template("t", "notification", "broadcast", compile_fields({"content": "hi"}))


def subscription(name: str, pattern: dict[str, Any], **templates: int) -> Subscription:
    made = {kind: (TEMPLATE,) * count for kind, count in templates.items()}
    return Subscription(name, At(Path("a.yaml"), 1, 1), Pattern(pattern), made)


CATALOGUE = Catalogue(
    [
        subscription("one", {"source": ["a"]}, x=2, y=1),
        subscription("two", {"source": ["a", "b"], "detail-type": ["x"]}, x=1),
        subscription("passed on", {"source": ["c"]}),
    ]
)


def test_each_template_that_is_due_is_a_hit() -> None:
    assert CATALOGUE.hits({"source": "a", "detail-type": "x"}) == [Hit("one", 0), Hit("one", 1), Hit("two", 0)]
    assert CATALOGUE.hits({"source": "a", "detail-type": "y"}) == [Hit("one", 0)]
    assert CATALOGUE.hits({"source": "b", "detail-type": "y"}) == []


def test_what_is_no_event_hits_nothing() -> None:
    for event in ({}, {"source": "a"}, {"source": "a", "detail-type": ["x"]}, {"source": {"a": 1}, "detail-type": "x"}):
        assert CATALOGUE.hits(event) == []


def test_a_hit_of_former_subscriptions_has_no_template() -> None:
    assert CATALOGUE.template(Hit("one", 1), "x") is TEMPLATE
    assert CATALOGUE.template(Hit("one", 2), "x") is None
    assert CATALOGUE.template(Hit("one", 0), "z") is None
    assert CATALOGUE.template(Hit("gone", 0), "x") is None


def test_rules_are_coalesced_by_source() -> None:
    """What is passed on alone, without a mapping, is not asked for."""
    assert CATALOGUE.wanted() == {"a": None, "b": frozenset({"x"})}
    typed = Catalogue(
        [
            subscription("one", {"source": ["a"], "detail-type": ["x"]}, x=1),
            subscription("two", {"source": ["a"], "detail-type": ["y"]}, y=1),
            subscription("any", {"detail-type": ["z"]}, z=1),
        ]
    )
    assert typed.wanted() == {"a": frozenset({"x", "y"}), None: frozenset({"z"})}
