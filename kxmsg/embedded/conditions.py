"""Conditions and updates on one item, decided without I/O, as DynamoDB decides them.

Values compare within one type only (text, number, truth, null), so ``True`` is not 1 and ``"2"`` is not 2.
"""

from collections.abc import Mapping
from typing import Any, Final

from kxmsg.errors import Permanent
from kxmsg.ports import Condition, Item, Update

KEY_ATTRIBUTES: Final = frozenset({"pk", "sk"})


def reads_attributes(condition: Condition) -> bool:
    """Whether the condition depends on more than the item's existence."""
    return bool(condition.equals or condition.differs or condition.less or condition.at_least)


def holds(condition: Condition, item: Item | None) -> bool:
    """Whether all of the condition is true of the item as it stands; None: there is no item.

    An absent attribute differs from every value, and is neither less than anything nor at least it.
    """
    if condition.exists is not None and condition.exists != (item is not None):
        return False
    attributes = item or {}
    return (
        all(_equals(attributes, name, value) for name, value in condition.equals.items())
        and not any(_equals(attributes, name, value) for name, value in condition.differs.items())
        and all(name in attributes and _less(attributes[name], bound) for name, bound in condition.less.items())
        and all(
            name in attributes and _comparable(attributes[name], bound) and not _less(attributes[name], bound)
            for name, bound in condition.at_least.items()
        )
    )


def check_update(update: Update) -> None:
    """Raises Permanent where the update touches the key or names an attribute twice."""
    names = [*update.set, *update.add, *update.remove]
    distinct = set(names)
    if len(distinct) != len(names):
        raise Permanent(f"{update.table}: an update names an attribute twice")
    if not KEY_ATTRIBUTES.isdisjoint(distinct):
        raise Permanent(f"{update.table}: an update can't change the key")


def updated(update: Update, item: Item | None) -> Item:
    """The item after the update; the one given stays as it is. Raises Permanent on adding to what is no number."""
    result: Item = {"pk": update.key.pk, "sk": update.key.sk} if item is None else dict(item)
    result.update(update.set)
    for name, amount in update.add.items():
        before = result.get(name, 0)
        if _kind(before) != "number" or _kind(amount) != "number":
            raise Permanent(f"{update.table}: {name!r} can't be added to, one side is no number")
        result[name] = before + amount
    for name in update.remove:
        result.pop(name, None)
    return result


def _equals(attributes: Mapping[str, Any], name: str, value: Any) -> bool:
    """A value of None stands for: absent."""
    if value is None or name not in attributes:
        return value is None and name not in attributes
    found = attributes[name]
    return _comparable(found, value) and bool(found == value)


def _less(found: Any, bound: Any) -> bool:
    """Text in code-point order, which is also its order in UTF-8 bytes."""
    return _comparable(found, bound) and bool(found < bound)


def _comparable(found: Any, value: Any) -> bool:
    return _kind(found) == _kind(value)


def _kind(value: Any) -> str:
    if isinstance(value, str):
        return "text"
    if isinstance(value, bool):
        return "truth"
    if isinstance(value, int | float):
        return "number"
    return type(value).__name__
