"""``/notifications``: a user's inbox, what one does with what is in it, and sending."""

from typing import Annotated, Any, Literal, cast

from fastapi import APIRouter, Query, Response
from pydantic import Field

from kxmsg.api.deps import Answer, Body, Caller, FreshId, Metadata, Product
from kxmsg.api.etags import IfMatch, etag
from kxmsg.api.locale import CallerReads, Reader
from kxmsg.api.prefer import Accepted
from kxmsg.errors import Forbidden, InvalidInput
from kxmsg.marks import Status
from kxmsg.model.connection import Place
from kxmsg.model.envelope import Entry, Envelope
from kxmsg.model.principal import Principal
from kxmsg.model.target import check_id
from kxmsg.policy import Action, allowed
from kxmsg.services.inbox import MAX_LIMIT, Found, InboxQuery
from kxmsg.services.notifications import MAX_IDS
from kxmsg.services.notifier import MAX_TARGETS

router = APIRouter(tags=["notifications"])

INBOX_TYPES = ("user", "client", "broadcast")

Priority = Literal["low", "medium", "high", "urgent"]

Text = Annotated[str | dict[str, str] | None, Field(description="A text, or one for each of several locales.")]

Whose = Annotated[str | None, Query(alias="userId", description="Whose inbox; by default one's own.")]


class ContentIn(Body):
    """What a notification shows."""

    title: Text = None
    content: Text = None
    priority: Priority | None = None
    icon: str | None = None
    category: str | None = None
    action_url: Text = None
    tags: list[str] | None = None
    display_duration: float | None = Field(None, description="Seconds; 0: it stays.")
    sound: str | None = None
    metadata: Metadata | None = None


class NotificationIn(ContentIn):
    """A notification to send."""

    target_type: Literal["user", "client", "broadcast"]
    user_id: str | None = None
    client_id: str | None = Field(None, description="By default one's own.")
    tenant_id: str | None = None
    target_user_ids: list[str] | None = Field(None, max_length=MAX_TARGETS, description="Some users of the client.")
    target_client_ids: list[str] | None = Field(None, max_length=MAX_TARGETS, description="Some clients of all.")
    sender_id: str | None = None
    ttl: float | str | None = Field(None, description="How long it is kept: seconds, or as 1h30m.")
    deliver_after: float | str | None = Field(None, description="How long it waits first: as ttl.")


class NotificationChanges(ContentIn):
    """What to change; null takes a field away, what is left out stays."""

    status: Status | None = None


class IdsIn(Body):
    notification_ids: list[str] = Field(min_length=1, max_length=MAX_IDS)


@router.get("/notifications", summary="The inbox, newest first")
async def list_notifications(
    who: Caller,
    app: Product,
    reader: CallerReads,
    user_id: Whose = None,
    tenant_id: Annotated[str | None, Query(alias="tenantId")] = None,
    target_types: Annotated[str | None, Query(alias="targetTypes", description="user,client,broadcast")] = None,
    status: Annotated[Status | None, Query(description="By default all but what is archived.")] = None,
    priority: Priority | None = None,
    category: Annotated[str | None, Query(max_length=256)] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = 50,
    cursor: str | None = None,
) -> Answer:
    """What was sent to the user, to their client and to everybody, under one cursor."""
    user = _reads(who, user_id, tenant_id)
    types = _types(target_types)
    query = InboxQuery(tuple(types), status, priority, category)
    page = await app.inbox.page(who, user, query, limit=limit, cursor=cursor)
    locale = await reader.locale(found.entry.envelope for found in page.notifications)
    asked = {"targetTypes": types or None, "status": status, "priority": priority, "category": category, "limit": limit}
    return {
        "success": True,
        "notifications": [found.record(locale) for found in page.notifications],
        "count": len(page.notifications),
        "nextCursor": page.cursor,
        "hasMore": page.cursor is not None,
        "queryParams": {"userId": user, "tenantId": who.tenant, **asked},
    }


@router.post("/notifications", status_code=202, summary="Send a notification")
async def send_notification(
    body: NotificationIn, who: Caller, app: Product, fresh: FreshId, accepted: Accepted
) -> Answer:
    """To a user, a client or everybody, or to some users of a client, some clients of all: one for each of them."""
    sent = await app.notifier.send(who, body.model_dump(by_alias=True), fresh)
    records = [_accepted(one) for one in sent.envelopes]
    if sent.later:
        answer: Answer = {"success": True, "notification": records[0]}
    else:
        answer = await accepted.answer("notification", records[0], sent.envelopes[0])
    return answer if len(records) == 1 else {**answer, "notifications": records, "count": len(records)}


@router.get("/notifications/unread-count", summary="How many notifications are unread")
async def count_unread(
    who: Caller,
    app: Product,
    user_id: Whose = None,
    tenant_id: Annotated[str | None, Query(alias="tenantId")] = None,
    target_types: Annotated[str | None, Query(alias="targetTypes", description="user,client,broadcast")] = None,
) -> Answer:
    """Exact, whatever the size of the inbox: what is live and that this user has not read."""
    user = _reads(who, user_id, tenant_id)
    counts = await app.inbox.unread(who, user, _types(target_types))
    return {"success": True, "count": sum(counts.values()), "byTargetType": counts}


@router.post("/notifications/mark-read", summary="Mark notifications read")
async def mark_read(body: IdsIn, who: Caller, app: Product, user_id: Whose = None) -> Answer:
    """Those of the client and of everybody stay unread for others."""
    marked = await app.notifications.mark(who, _user(who, user_id), body.notification_ids, "read")
    return {
        "success": True,
        "message": f"Marked {len(marked.done)} notification(s) as read",
        "count": len(marked.done),
        "results": {"success": marked.done, "failed": marked.missing},
    }


@router.post("/notifications/mark-all-read", summary="Mark the whole inbox read")
async def mark_all_read(who: Caller, app: Product, user_id: Whose = None) -> Answer:
    """All that is there now; what comes later is unread."""
    count = await app.notifications.mark_all_read(who, _user(who, user_id))
    return {"success": True, "message": f"Marked {count} notification(s) as read", "count": count}


@router.get("/notifications/{notification_id}", summary="A notification")
async def get_notification(
    notification_id: str, who: Caller, app: Product, reader: CallerReads, response: Response, user_id: Whose = None
) -> Answer:
    """As it stands in the user's inbox."""
    found = await app.inbox.get(who, notification_id, _optional(user_id))
    return await _answer(response, found, reader)


@router.put("/notifications/{notification_id}", summary="Change a notification")
async def update_notification(
    notification_id: str,
    body: NotificationChanges,
    who: Caller,
    app: Product,
    reader: CallerReads,
    response: Response,
    match: IfMatch,
    user_id: Whose = None,
) -> Answer:
    """Its status is the user's own; its content is everybody's who reads it, and for administrators to change."""
    given = body.model_dump(by_alias=True, exclude_unset=True)
    status = cast("Status | None", given.pop("status", None))
    if not given and status is None:
        raise InvalidInput("name at least one field to change")
    found = await app.notifications.update(
        who, notification_id, _optional(user_id), given, status, lambda found: match.check(_tag(found))
    )
    return await _answer(response, found, reader)


@router.delete("/notifications/{notification_id}", summary="Delete a notification")
async def delete_notification(
    notification_id: str,
    who: Caller,
    app: Product,
    user_id: Whose = None,
    force: Annotated[
        bool, Query(alias="forceDelete", description="For all of its readers; by administrators.")
    ] = False,
) -> Answer:
    """Takes it out of the inbox. One of the client's or everybody's stays in the inboxes of others."""
    await app.notifications.delete(who, notification_id, _optional(user_id), for_all=force)
    return {"success": True, "message": "Notification deleted successfully"}


@router.post("/notifications/{notification_id}/archive", summary="Archive a notification")
async def archive_notification(
    notification_id: str, who: Caller, app: Product, reader: CallerReads, response: Response, user_id: Whose = None
) -> Answer:
    """It counts as read, and lists have it only when they are asked for what is archived."""
    found = await app.notifications.update(who, notification_id, _optional(user_id), {}, "archived", lambda _: None)
    return {**await _answer(response, found, reader), "message": "Notification archived successfully"}


def _reads(who: Principal, user_id: str | None, tenant_id: str | None) -> str:
    """Whose inbox is read; raises Forbidden where it is not the caller's to read."""
    user = _user(who, user_id)
    if tenant_id not in (None, who.tenant) or not allowed(who.roles, Action.READ_INBOX, own=user == who.user):
        raise Forbidden("this inbox is not yours")
    return user


def _user(who: Principal, user_id: str | None) -> str:
    return _optional(user_id) or who.user


def _optional(user_id: str | None) -> str | None:
    return None if user_id is None else check_id(user_id, "userId")


def _types(target_types: str | None) -> list[str]:
    types = [part.strip() for part in target_types.split(",")] if target_types else []
    for kind in types:
        if kind not in INBOX_TYPES:
            raise InvalidInput(f"targetTypes takes {', '.join(INBOX_TYPES)}, not {kind!r}")
    return types


def _tag(found: Found) -> str:
    return etag(found.version)


async def _answer(response: Response, found: Found, reader: Reader) -> Answer:
    response.headers["ETag"] = _tag(found)
    return {"success": True, "notification": found.record(await reader.locale([found.entry.envelope]))}


def _accepted(envelope: Envelope) -> dict[str, Any]:
    record = Found("", Place(envelope.tenant, envelope.target), Entry(0, envelope), "unread").record()
    del record["sequenceNumber"]
    return record
