"""``Prefer: wait=SECONDS`` (RFC 7240, section 4.3): a write of content answers once it is committed."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import Depends, Header, Response

from kxmsg.api.deps import Answer, Product
from kxmsg.bootstrap import App
from kxmsg.model.envelope import Envelope

MAX_WAIT: Final = 25
"""Seconds that a request waits at most: API Gateway gives an integration 29."""

_PREFERENCE: Final = re.compile(
    r"""\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)            # a token (RFC 9110, section 5.6.2)
        (?:\s*=\s*("(?:[^"\\]|\\.)*"|[^\s,;"]*))?  # its value, a word: a token or a quoted text
        (?:\s*;[^,"]*(?:"(?:[^"\\]|\\.)*"[^,"]*)*)?\s*(?:,|$)  # its parameters, of which wait has none""",
    re.VERBOSE,
)


def wait_of(header: str) -> int | None:
    """Seconds to wait, at most :data:`MAX_WAIT`; None where that is not preferred, or not in a way that is understood.

    Of one that is said twice, the first counts (RFC 7240, section 2).

    >>> wait_of('respond-async, wait="10"')
    10
    """
    for found in _PREFERENCE.finditer(header):
        if found[1].lower() == "wait":
            value = (found[2] or "").strip('"')
            return min(int(value[:9]), MAX_WAIT) if value.isascii() and value.isdecimal() else None
    return None


class Acceptance:
    """How a write of content is answered: 202 as accepted or, where the caller waits for it, 201 as committed."""

    def __init__(self, app: App, response: Response, wait: int | None) -> None:
        self._app = app
        self._response = response
        self._wait = wait

    async def answer(self, name: str, record: Mapping[str, Any], envelope: Envelope) -> Answer:
        """The answer with ``record``, of what ``envelope`` brings on its way, as its member ``name``."""
        if self._wait is not None:
            self._response.headers["Preference-Applied"] = f"wait={self._wait}"
            number = await self._app.logs.committed(envelope.tenant, envelope.target, envelope.id, self._wait)
            if number is not None:
                self._response.status_code = 201
                record = {**record, "sequenceNumber": number}
        return {"success": True, name: record}


async def _acceptance(
    app: Product,
    response: Response,
    prefer: Annotated[
        list[str] | None,
        Header(description=f"`wait=SECONDS`, at most {MAX_WAIT}: answer 201 once it is stored.", examples=["wait=5"]),
    ] = None,
) -> Acceptance:
    return Acceptance(app, response, wait_of(", ".join(prefer or ())))


Accepted = Annotated[Acceptance, Depends(_acceptance)]
"""Parameter of an endpoint that writes content; it is declared with ``status_code=202``."""
