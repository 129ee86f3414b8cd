"""One event pattern of exact values: which values each path may have."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias

Path: TypeAlias = tuple[str, ...]
Value: TypeAlias = tuple[type, Any]
"""A scalar with its type, so that 1, 1.0 and true are three values' worth of caution: numbers compare as numbers."""

_SCALARS: Final = (str, bool, int, float, type(None))


class PatternError(ValueError):
    """A pattern that can't be. ``path`` leads to the fault; the message begins with it."""

    def __init__(self, path: Path, fault: str) -> None:
        super().__init__(f"{'.'.join(path)}: {fault}" if path else fault)
        self.path = path


def value_of(scalar: Any) -> Value:
    """A scalar as it is compared: 1 and 1.0 are equal, 1 and true are not."""
    if isinstance(scalar, bool) or not isinstance(scalar, int | float):
        return type(scalar), scalar
    return float, scalar


class Pattern:
    """A pattern, compiled. Every named path must have one of its values; an array has those of its elements."""

    def __init__(self, mapping: Mapping[str, Any]) -> None:
        """Compile ``mapping``; raises :class:`PatternError`."""
        self.required: dict[Path, frozenset[Value]] = dict(_leaves(mapping, ()))
        if not self.required:
            raise PatternError((), "names no field; name at least source or detail-type")

    def matches(self, event: Mapping[str, Any]) -> bool:
        """Whether ``event`` (in EventBridge's shape) has what the pattern asks for."""
        return all(not allowed.isdisjoint(values_at(event, path)) for path, allowed in self.required.items())


def values_at(node: Any, path: Path) -> list[Value]:
    """The scalars at ``path``, looking into arrays on the way."""
    if isinstance(node, list):
        return [value for element in node for value in values_at(element, path)]
    if path:
        return values_at(node[path[0]], path[1:]) if isinstance(node, Mapping) and path[0] in node else []
    return [value_of(node)] if isinstance(node, _SCALARS) else []


def _leaves(mapping: Mapping[str, Any], path: Path) -> Iterator[tuple[Path, frozenset[Value]]]:
    for name, node in mapping.items():
        place = (*path, name)
        if isinstance(node, Mapping):
            if not node:
                raise PatternError(place, "is empty; give the field a list of values")
            yield from _leaves(node, place)
        elif isinstance(node, list):
            if not node:
                raise PatternError(place, "an empty list matches nothing; give it at least one value")
            for value in node:
                if not isinstance(value, _SCALARS):
                    raise PatternError(place, f"takes strings, numbers, true, false, null; not {value!r}")
            yield place, frozenset(map(value_of, node))
        else:
            raise PatternError(place, f"must be a list of values, as [{node!r}]")
