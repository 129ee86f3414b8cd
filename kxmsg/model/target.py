"""Target: for whom an entry is, and the name of the log that it is numbered in."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal, Self, get_args

from kxmsg.errors import InvalidInput

TargetType = Literal["user", "client", "broadcast", "channel"]
TARGET_TYPES: Final[tuple[TargetType, ...]] = get_args(TargetType)

EVERYBODY: Final = "*"
"""The reserved tenant that holds what is for everybody."""

MAX_ID_BYTES: Final = 256


def check_id(value: str, name: str) -> str:
    """Return ``value`` if it can stand in a key, else raise :class:`InvalidInput` naming ``name``.

    Ids with ``#`` (our key separator), control characters or more than 256 bytes are refused.
    """
    if not isinstance(value, str) or not value:
        raise InvalidInput(f"{name} must be a non-empty string", code="invalid_id")
    if "#" in value or not value.isprintable():
        raise InvalidInput(f"{name} may hold neither '#' nor control characters", code="invalid_id")
    if len(value) > MAX_ID_BYTES or len(value.encode("utf-8", "surrogatepass")) > MAX_ID_BYTES:
        raise InvalidInput(f"{name} is longer than {MAX_ID_BYTES} bytes", code="invalid_id")
    return value


def check_tenant(value: str, name: str) -> str:
    """As :func:`check_id`, of an id that is not :data:`EVERYBODY`."""
    if value == EVERYBODY:
        fault = f"{name} may not be {EVERYBODY!r}, which stands for everybody; name another"
        raise InvalidInput(fault, code="invalid_id")
    return check_id(value, name)


@dataclass(frozen=True, slots=True)
class Target:
    """One numbered log within a tenant. ``id`` is empty for a broadcast, and only there."""

    type: TargetType
    id: str = ""

    @property
    def key(self) -> str:
        """``user#ID``, ``client#ID``, ``channel#ID`` or ``broadcast``."""
        return f"{self.type}#{self.id}" if self.id else self.type

    @classmethod
    @lru_cache(maxsize=4096)
    def parse(cls, key: str) -> Self:
        """The target that :attr:`key` came from; raises :class:`InvalidInput`."""
        kind, _, ident = key.partition("#")
        if kind not in TARGET_TYPES:
            raise InvalidInput(f"targetType must be one of {', '.join(TARGET_TYPES)}, not {kind!r}")
        return cls.of(kind, ident)

    @classmethod
    def of(cls, kind: TargetType, ident: str = "") -> Self:
        """A validated target; raises :class:`InvalidInput` for an id that can't stand in a key."""
        if kind == "broadcast":
            if ident:
                raise InvalidInput("a broadcast has no id")
            return cls(kind)
        check = check_tenant if kind == "client" else check_id
        return cls(kind, check(ident, f"{kind}Id"))


BROADCAST: Final = Target("broadcast")


def owner(tenant: str, target: Target) -> str:
    """The tenant whose log this is: a client is its own tenant, a broadcast is everybody's."""
    match target.type:
        case "broadcast":
            return EVERYBODY
        case "client":
            return target.id
        case _:
            return tenant
