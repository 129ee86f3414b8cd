"""JSON answers."""

from collections.abc import Mapping
from typing import Any, Literal

import orjson
from fastapi import Response
from pydantic import BaseModel, Field


class JsonResponse(Response):
    """``content`` as JSON, without a detour through a model. orjson writes what is already plain data fastest."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return orjson.dumps(content)


class ErrorDetail(BaseModel):
    """What went wrong."""

    code: str = Field(description="For programs; stable.", examples=["not_found"])
    message: str = Field(description="For people.")
    details: dict[str, Any] = Field(default_factory=dict, description="Depends on the code.")


class ErrorAnswer(BaseModel):
    """The one shape of every error."""

    success: Literal[False] = False
    error: ErrorDetail
    correlation_id: str = Field(alias="correlationId", description="Names this request in the logs.")


def error_response(
    status: int,
    code: str,
    message: str,
    *,
    correlation_id: str,
    details: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> JsonResponse:
    """An :class:`ErrorAnswer`."""
    error = {"code": code, "message": message, "details": details or {}}
    content = {"success": False, "error": error, "correlationId": correlation_id}
    return JsonResponse(content, status, headers)
