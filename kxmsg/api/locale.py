"""The locale in which the caller reads the answer."""

from collections.abc import Iterable
from typing import Annotated

from fastapi import Depends, Header, Response

from kxmsg.api.deps import Caller, Product
from kxmsg.bootstrap import App
from kxmsg.model.envelope import Envelope
from kxmsg.model.notification import VARIANTS
from kxmsg.model.principal import Principal
from kxmsg.services.locale import reader_locale


class Reader:
    """Who reads texts that may have variants."""

    def __init__(self, app: App, who: Principal, accepted: str) -> None:
        self._app = app
        self._who = who
        self._accepted = accepted

    async def locale(self, envelopes: Iterable[Envelope]) -> str | None:
        """The reader's locale; None where it makes no difference to these, and then nothing is read."""
        if not any(VARIANTS in envelope.payload for envelope in envelopes):
            return None
        user = await self._app.directory.get(self._who.tenant, self._who.user)
        preferred = user.preferences.locale if user is not None else None
        return reader_locale(self._who, preferred=preferred, accepted=self._accepted)


async def reader(
    who: Caller,
    app: Product,
    response: Response,
    accept_language: Annotated[
        list[str] | None,
        Header(description="Languages of the texts, as `de-AT, de;q=0.9`, for users who have not chosen one."),
    ] = None,
) -> Reader:
    """The caller, who reads in the language that they have chosen, else as the header says, else as the token does."""
    response.headers["Vary"] = "Accept-Language"
    return Reader(app, who, ", ".join(accept_language or ()))


CallerReads = Annotated[Reader, Depends(reader)]
"""Parameter of an endpoint whose answer has texts that may have variants."""
