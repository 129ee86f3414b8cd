"""Who may call: people and services with a bearer token, the gateway with its secret."""

import hmac
from typing import Annotated, Final

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from kxmsg.api.context import app_of
from kxmsg.api.idempotency import claim
from kxmsg.api.limits import limits_of
from kxmsg.errors import Forbidden, Unauthenticated
from kxmsg.model.principal import Principal
from kxmsg.telemetry import bind_log

GATEWAY_HEADER: Final = "x-kxmsg-gateway-secret"

_bearer = HTTPBearer(auto_error=False, bearerFormat="JWT", description="A JWT of the configured issuer.")


async def principal(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> Principal:
    """The caller, from ``Authorization: Bearer``, who has requests left and did not make this one before.

    The directory knows them from now on.

    Raises :class:`~kxmsg.errors.Unauthenticated` and :class:`~kxmsg.errors.TooMany`, and as
    :func:`~kxmsg.api.idempotency.claim`.
    """
    if credentials is None:
        raise Unauthenticated("send a token: 'Authorization: Bearer …'")
    caller = await app_of(request).verifier.verify(credentials.credentials)
    bind_log(tenant=caller.tenant, user=caller.user)
    limits_of(request).take(caller)
    await app_of(request).directory.touch(caller)
    await claim(request, caller)
    return caller


Caller = Annotated[Principal, Depends(principal)]
"""Parameter of an endpoint that wants to know its caller."""


async def gateway_only(request: Request) -> None:
    """Lets only calls with the gateway's secret pass.

    Raises the same :class:`~kxmsg.errors.Forbidden`, after the same comparisons, for no secret and for a wrong one.
    """
    given = request.headers.get(GATEWAY_HEADER, "").encode()
    matches = [hmac.compare_digest(given, secret.encode()) for secret in app_of(request).gateway_secrets if secret]
    if not any(matches):
        raise Forbidden("this route is for the gateway")
