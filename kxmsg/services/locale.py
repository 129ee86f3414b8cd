"""A reader's locale: in which language they see texts that have variants."""

import re
from operator import itemgetter
from typing import Final

from kxmsg.model.notification import locale_key
from kxmsg.model.principal import Principal

_RANGE: Final = re.compile(
    r"([a-z]{1,8}(?:-[a-z0-9]{1,8}){0,3})(?:[ \t]*;[ \t]*q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?))?",
    re.ASCII | re.IGNORECASE,
)
"""A language range that names a language, and its weight (RFC 9110, sections 12.5.4 and 12.4.2)."""


def reader_locale(
    who: Principal, *, named: str | None = None, preferred: str | None = None, accepted: str | None = None
) -> str | None:
    """The locale that ``who`` reads in, as variants are kept by; None: texts as they are stored.

    The one place where it is decided, for frames and REST alike: what the client ``named``, else what the user has
    chosen (``preferred``), else what ``Accept-Language`` (``accepted``) asks for, else what the token says. What is no
    language tag counts as not said: a language is no reason to refuse anybody.
    """
    return (
        (locale_key(named) if named else None)
        or preferred
        or (accepted_locale(accepted) if accepted else None)
        or who.locale
    )


def accepted_locale(accepted: str) -> str | None:
    """The language that a value of ``Accept-Language`` wants most; of several the first. None: it names none.

    ``*`` and what is malformed are passed over, and so is what has quality 0, which means "not acceptable".
    """
    ranges = (_RANGE.fullmatch(part.strip(" \t")) for part in accepted.split(","))
    wanted = [(float(found[2] or 1), key) for found in ranges if found and (key := locale_key(found[1]))]
    quality, key = max(wanted, key=itemgetter(0), default=(0.0, None))
    return key if quality > 0 else None
