"""The few types that everything rests on."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"
JsonObject: TypeAlias = "dict[str, Json]"

Scalar: TypeAlias = str | int | float | bool | None
"""A table attribute that can stand in a key, a condition or a counter."""
