"""Windows: what a mapping holds back, to sum it up (digest) or to say it less often (throttle).

With both, the throttle counts what enters the digest. Windows go by the time at which an entry is made, and not by
that of its event.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from kxmsg.model.notification import DISPLAY, VARIANTS, with_variants
from kxmsg.rendering import FieldsRenderer, RenderError
from kxmsg.subscriptions.fields import check_field, check_seconds, seconds
from kxmsg.subscriptions.limits import too_large

SUMMARY_NAMES: Final = {"items": "items", "count": "count", "first": "first", "last": "last"}
"""Names in a digest's expressions: the entries' payloads, how many there were, and the outermost two."""

MAX_ITEMS: Final = 100
"""Entries that a digest keeps to show, the first ones and the last; ``count`` counts them all."""

MIN_WINDOW: Final = 1.0
MAX_WINDOW: Final = 31 * 86_400.0
"""Seconds that a window may be open."""


SUMMARY: Final = frozenset(DISPLAY)
"""Fields that a digest may say anew."""


@dataclass(frozen=True, slots=True)
class Throttle:
    """At most so many entries of one key in a window of ``per`` seconds; what is more is dropped."""

    at_most: int
    per: float


@dataclass(frozen=True, slots=True)
class Digest:
    """Entries of one key are kept for ``every`` seconds from the first, and then become one."""

    every: float
    fill: FieldsRenderer
    place: str

    def summary(self, items: Sequence[Mapping[str, Any]], count: int, locale: str) -> dict[str, Any]:
        """The payload of the one entry that stands for ``count``, of which ``items`` were kept (≥ 1).

        What the digest does not name is as in the last; ``locale`` is the default one. Raises
        :class:`~kxmsg.rendering.RenderError`.
        """
        try:
            made = self.fill({"items": list(items), "count": count, "first": items[0], "last": items[-1]}) or {}
        except RenderError as error:
            raise RenderError(f"{self.place}: digest: {error}") from error
        for name, value in made.items():
            if value is not None and (fault := check_field(name, value)):
                raise RenderError(f"{self.place}: digest: {fault}")
        said = {name: value for name, value in made.items() if value is not None}
        summary = {**items[-1], **said}
        if VARIANTS in summary:
            old = summary[VARIANTS].items()
            summary[VARIANTS] = {tag: {k: v for k, v in texts.items() if k not in said} for tag, texts in old}
        payload = with_variants(summary, locale)
        if fault := too_large(payload):
            raise RenderError(f"{self.place}: digest: {fault}")
        return payload


def window(value: Any) -> float | None:
    """The length of a window in seconds, given as a number of them or as a text like ``15m``; None where it is none."""
    if check_seconds("window", value):
        return None
    span = seconds(value)
    return span if MIN_WINDOW <= span <= MAX_WINDOW else None
