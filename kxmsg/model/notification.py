"""Notification: what an inbox entry shows, and in which language."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

DISPLAY: Final = (
    "title",
    "content",
    "priority",
    "icon",
    "category",
    "actionUrl",
    "tags",
    "displayDuration",
    "sound",
    "metadata",
)
"""Fields of a notification that its reader gets as they are."""

LOCALIZED: Final = ("title", "content", "actionUrl")
"""Fields that may have a variant for each locale."""

VARIANTS: Final = "variants"
"""Field of a stored payload: by locale, the texts that differ from those in the payload itself."""

_TAG: Final = re.compile(r"[a-z]{2,3}(-[a-z0-9]{2,8}){0,3}", re.ASCII)


@lru_cache(maxsize=1024)
def locale_key(tag: str) -> str | None:
    """A language tag (RFC 5646) as variants are kept by, ``pt-br``; None where it is none."""
    key = tag.strip().replace("_", "-").lower()
    return key if _TAG.fullmatch(key) else None


def with_variants(payload: dict[str, Any], default: str) -> dict[str, Any]:
    """A payload whose localized fields may be maps of texts by locale, as it is stored.

    The text for the locale ``default``, or else the first, stands in the field itself.
    """
    variants: dict[str, dict[str, str]] = {tag: dict(texts) for tag, texts in payload.pop(VARIANTS, {}).items()}
    for name in LOCALIZED:
        texts = payload.get(name)
        if isinstance(texts, dict):
            by_locale = {locale_key(locale): text for locale, text in texts.items()}
            chosen = next((tag for tag in _fallbacks(default) if tag in by_locale), next(iter(by_locale)))
            payload[name] = by_locale[chosen]
            if by_locale.keys().isdisjoint(_fallbacks(chosen)[1:]):  # else a broader one would hide it from its readers
                del by_locale[chosen]
            for locale, text in by_locale.items():
                variants.setdefault(str(locale), {})[name] = text
    if some := {tag: texts for tag, texts in variants.items() if texts}:
        payload[VARIANTS] = some
    return payload


def localized(payload: Mapping[str, Any], locale: str | None) -> Mapping[str, Any]:
    """The payload as a reader of that locale sees it: for ``de-AT`` the texts of ``de-at``, else ``de``, else its own.

    What comes back never has the variants.
    """
    variants = payload.get(VARIANTS)
    if variants is None:
        return payload
    shown = {name: value for name, value in payload.items() if name != VARIANTS}
    for tag in reversed(_fallbacks(locale)):
        shown |= variants.get(tag, {})
    return shown


def _fallbacks(locale: str | None) -> list[str]:
    """The locale, then what it is a variety of."""
    key = locale_key(locale) if locale else None
    parts = key.split("-") if key else []
    return ["-".join(parts[:count]) for count in range(len(parts), 0, -1)]
