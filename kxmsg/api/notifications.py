"""``/notifications``: a user's inbox."""

from typing import Annotated

from fastapi import APIRouter, Query

from kxmsg.api.deps import Answer, Caller, Product
from kxmsg.api.locale import ReaderLocale
from kxmsg.errors import Forbidden, InvalidInput
from kxmsg.model.target import check_id
from kxmsg.policy import Action, allowed
from kxmsg.services.inbox import MAX_LIMIT

router = APIRouter(tags=["notifications"])

INBOX_TYPES = ("user", "client", "broadcast")


@router.get("/notifications", summary="The inbox, newest first")
async def list_notifications(
    who: Caller,
    app: Product,
    locale: ReaderLocale,
    user_id: Annotated[str | None, Query(alias="userId")] = None,
    tenant_id: Annotated[str | None, Query(alias="tenantId")] = None,
    target_types: Annotated[str | None, Query(alias="targetTypes", description="user,client,broadcast")] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = 50,
    cursor: str | None = None,
) -> Answer:
    """What was sent to the user, to their client and to everybody, under one cursor."""
    user = check_id(user_id, "userId") if user_id is not None else who.user
    if tenant_id not in (None, who.tenant) or not allowed(who.roles, Action.READ_INBOX, own=user == who.user):
        raise Forbidden("this inbox is not yours")
    types = [part.strip() for part in target_types.split(",")] if target_types else []
    for kind in types:
        if kind not in INBOX_TYPES:
            raise InvalidInput(f"targetTypes takes {', '.join(INBOX_TYPES)}, not {kind!r}")
    page = await app.inbox.page(who.tenant, user, target_types=types, limit=limit, cursor=cursor, locale=locale)
    return {
        "success": True,
        "notifications": page.notifications,
        "count": len(page.notifications),
        "nextCursor": page.cursor,
        "hasMore": page.cursor is not None,
        "queryParams": {"userId": user, "tenantId": who.tenant, "targetTypes": types or None, "limit": limit},
    }
