"""Windows: what a mapping counts or collects before its readers get it."""

from dataclasses import dataclass

from kxmsg.model.envelope import Envelope
from kxmsg.model.target import Target


@dataclass(frozen=True, slots=True)
class Window:
    """Which entries a window counts together: those of one template in one log, under one key of the template's."""

    template: str
    tenant: str
    target: Target
    key: str


@dataclass(frozen=True, slots=True)
class Kept:
    """An entry that a digest keeps. ``ttl``: seconds it lives once the window fires, None for what its kind has."""

    envelope: Envelope
    ttl: float | None
