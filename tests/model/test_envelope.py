"""Bundles: what tells one from another."""

from dataclasses import replace

from kxmsg.model.envelope import Change, Entry
from tests.product import USER, bundle, envelope


def test_a_bundle_told_again_is_the_same_and_any_other_is_not() -> None:
    new = bundle(USER, [envelope("a"), envelope("b")])
    changed = replace(new, entries=(Entry(1, envelope("a"), 1, 5),), change=Change("updated", 5))
    others = [
        bundle(USER, [envelope("a")]),
        bundle(USER, [envelope("a"), envelope("b")], epoch="OTHER"),
        changed,
        replace(changed, entries=(Entry(1, envelope("a"), 2, 6),)),
        changed.only((Entry(2, envelope("b"), 3, 6),)),
    ]
    assert len({one.unique for one in (new, *others)}) == 6
    assert bundle(USER, [envelope("a"), envelope("b")]).unique == new.unique
