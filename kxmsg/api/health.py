"""Whether the process lives, whether it can serve, and the keys that its tokens are signed with."""

import asyncio
from typing import Any, Final

from fastapi import APIRouter, Request
from pydantic import BaseModel

from kxmsg.api.context import App, Check, app_of
from kxmsg.api.responses import JsonResponse
from kxmsg.errors import Unavailable
from kxmsg.telemetry import get_logger

CHECK_SECONDS: Final = 2.0
"""Time that each readiness check has."""

_log = get_logger(__name__)


class KeySet(BaseModel):
    """A JSON Web Key Set (RFC 7517, section 5)."""

    keys: list[dict[str, Any]]


def routes(app: App) -> APIRouter:
    """``/health``, ``/ready`` and, where the signing key is local, ``/.well-known/jwks.json``."""
    router = APIRouter(tags=["operation"])

    @router.get("/health", summary="The process is alive")
    async def health() -> dict[str, Any]:
        return {"success": True, "status": "ok"}

    @router.get("/ready", summary="All that the API depends on answers")
    async def ready(request: Request) -> dict[str, Any]:
        checks = app_of(request).checks
        passed = await asyncio.gather(*(_passes(name, check) for name, check in checks.items()))
        results = {name: "ok" if good else "failed" for name, good in zip(checks, passed, strict=True)}
        if not all(passed):
            raise Unavailable("not ready", code="not_ready", details={"checks": results})
        return {"success": True, "status": "ok", "checks": results}

    if app.jwks is not None:

        @router.get(
            "/.well-known/jwks.json",
            summary="Keys that local tokens are signed with",
            responses={200: {"model": KeySet, "description": "A JSON Web Key Set."}},
        )
        async def jwks(request: Request) -> JsonResponse:
            return JsonResponse(app_of(request).jwks, headers={"Cache-Control": "public, max-age=300"})

    return router


async def _passes(name: str, check: Check) -> bool:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await check()
    except Exception as error:  # a check may fail in any way; each is an answer
        _log.warning("not ready", check=name, error=repr(error))
        return False
    return True
