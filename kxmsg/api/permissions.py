"""``/permissions``: who may take part in a chat [S2], a view of the participants of channels."""

from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query
from pydantic import Field

from kxmsg.api.channel_records import permission_record
from kxmsg.api.deps import Answer, Body, Caller, Product
from kxmsg.errors import InvalidInput
from kxmsg.services.channels.permissions import Permission

router = APIRouter(tags=["permissions"])

MAX_LIMIT: Final = 200


class PermissionIn(Body):
    """Who may take part in what, and as what."""

    user_id: str
    chat_id: str
    role: Literal["member", "employee", "agent", "bot", "lead", "admin", "owner"] = "member"
    user_name: str | None = Field(None, max_length=256)


@router.post("/permissions", status_code=201, summary="Let a user take part in a channel")
async def grant_permission(body: PermissionIn, who: Caller, app: Product) -> Answer:
    """For who administers the channel. Where administrators or services name an unknown one, it is made, a group."""
    person = await app.permissions.grant(who, body.chat_id, body.user_id, body.role, body.user_name)
    return {
        "success": True,
        "permission": permission_record(Permission(body.chat_id, person)),
        "message": "Permission granted successfully",
    }


@router.delete("/permissions", summary="Put a user out of a channel")
async def revoke_permission(
    who: Caller,
    app: Product,
    user_id: Annotated[str, Query(alias="userId")],
    chat_id: Annotated[str, Query(alias="chatId")],
) -> Answer:
    """Their open connections get nothing more of it."""
    await app.permissions.revoke(who, chat_id, user_id)
    return {"success": True, "message": "Permission revoked successfully"}


@router.get("/permissions", summary="What a user takes part in, or who takes part in a channel")
async def list_permissions(
    who: Caller,
    app: Product,
    user_id: Annotated[str | None, Query(alias="userId")] = None,
    chat_id: Annotated[str | None, Query(alias="chatId")] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = 50,
    cursor: str | None = None,
) -> Answer:
    """By ``userId``, for the user; or by ``chatId``, for who administers the channel. One of the two."""
    if (user_id is None) == (chat_id is None):
        raise InvalidInput("name either userId or chatId")
    if chat_id is not None:
        found, following = await app.permissions.of_channel(who, chat_id, limit, cursor)
    else:
        found, following = await app.permissions.of_user(who, user_id or "", limit, cursor)
    return {
        "success": True,
        "permissions": [permission_record(one) for one in found],
        "count": len(found),
        "nextCursor": following,
        "hasMore": following is not None,
        "queryParams": {"userId": user_id, "chatId": chat_id, "limit": limit},
    }
