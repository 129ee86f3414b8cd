"""The locale in which the caller reads the answer."""

from typing import Annotated

from fastapi import Depends, Header, Response

from kxmsg.api.deps import Caller
from kxmsg.services.locale import reader_locale


async def locale(
    who: Caller,
    response: Response,
    accept_language: Annotated[
        list[str] | None, Header(description="Languages of the texts, as `de-AT, de;q=0.9`; default: the token's.")
    ] = None,
) -> str | None:
    """The caller's locale, from ``Accept-Language`` or else the token; the answer varies with the header."""
    response.headers["Vary"] = "Accept-Language"
    return reader_locale(who, accepted=", ".join(accept_language or ()))


ReaderLocale = Annotated[str | None, Depends(locale)]
"""Parameter of an endpoint whose answer has texts that may have variants."""
