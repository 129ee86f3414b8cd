"""What routes ask for in their signatures."""

from typing import Annotated, Any, Final, cast

import orjson
from fastapi import Depends, Request
from pydantic import AfterValidator, BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from kxmsg.api.idempotency import claimed_id
from kxmsg.api.security import Caller as Caller
from kxmsg.bootstrap import App
from kxmsg.keys import new_id

MAX_METADATA: Final = 32 * 1024
"""Bytes of an object's metadata, as JSON."""


class Body(BaseModel):
    """A request's body: fields in camelCase, as the contract writes them; unknown ones are ignored."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore")


async def product(request: Request) -> App:
    """The composition root behind this request."""
    return cast("App", request.app.state.app)


def _small(value: dict[str, Any]) -> dict[str, Any]:
    """Raises ValueError for an object that is too large for what it is kept in, or has numbers beyond 64 bits."""
    try:
        size = len(orjson.dumps(value))
    except orjson.JSONEncodeError as error:
        raise ValueError(f"can't be kept as JSON: {error}") from error
    if size > MAX_METADATA:
        raise ValueError(f"may have {MAX_METADATA} bytes as JSON, not {size}")
    return value


Metadata = Annotated[dict[str, Any], AfterValidator(_small)]
"""What callers attach for themselves."""

Product = Annotated[App, Depends(product)]


async def _fresh_id(request: Request, who: Caller, app: Product) -> str:
    # The caller comes first: they have the claim whose id it is.
    return claimed_id(request) or new_id(app.clock.now())


FreshId = Annotated[str, Depends(_fresh_id)]
"""The id of what a POST makes: the same at every try under one ``Idempotency-Key``, so that a try that ended half-way
is gone on with, not begun anew."""

Answer = dict[str, Any]
"""A JSON object with ``success: true``."""
