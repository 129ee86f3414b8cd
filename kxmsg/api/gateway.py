"""The integration routes: what a gateway tells of its connections, in API Gateway's proxy shape. Closed to all else."""

from fastapi import APIRouter, Depends, Response
from pydantic import Field

from kxmsg.api.deps import Answer, Body, Product
from kxmsg.api.security import gateway_only
from kxmsg.services.sessions import ConnectRequest

router = APIRouter(prefix="/_gateway", include_in_schema=False, dependencies=[Depends(gateway_only)])


class RequestContext(Body):
    """Which connection of which gateway."""

    connection_id: str = Field(min_length=1)
    domain_name: str = Field(min_length=1)


class ProxyEvent(Body):
    """What API Gateway sends to an integration."""

    request_context: RequestContext
    headers: dict[str, str] = Field(default_factory=dict)
    query_string_parameters: dict[str, str] | None = None
    body: str | None = None

    @property
    def connection(self) -> str:
        return self.request_context.connection_id


@router.post("/connect")
async def connect(event: ProxyEvent, app: Product) -> Answer:
    """200 lets the connection in, for as long as its token is good; anything else is told the client instead."""
    request = ConnectRequest(
        connection=event.connection,
        gateway=event.request_context.domain_name,
        query=event.query_string_parameters or {},
        headers={name.lower(): value for name, value in event.headers.items()},
    )
    connection = await app.sessions.connect(request)
    return {"success": True, "expiresIn": max(0.0, connection.token_expires_at - app.clock.now())}


@router.post("/default")
async def frame(event: ProxyEvent, app: Product) -> Response:
    """The body of the answer is the frame to send back."""
    return Response(await app.frames.answer(event.connection, event.body or ""), media_type="application/json")


@router.post("/disconnect")
async def disconnect(event: ProxyEvent, app: Product) -> Answer:
    """The connection is closed already; this only forgets it."""
    await app.sessions.disconnect(event.connection)
    return {"success": True}
