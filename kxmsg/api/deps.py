"""What routes ask for in their signatures."""

from typing import Annotated, Any, cast

from fastapi import Depends, Request
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from kxmsg.api.security import Caller as Caller
from kxmsg.bootstrap import App


class Body(BaseModel):
    """A request's body: fields in camelCase, as the contract writes them; unknown ones are ignored."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore")


def product(request: Request) -> App:
    """The composition root behind this request."""
    return cast("App", request.app.state.app)


Product = Annotated[App, Depends(product)]

Answer = dict[str, Any]
"""A JSON object with ``success: true``."""
