"""``/messages``: what was said in channels and sent to inboxes, sending, and what one does with it."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from pydantic import Field

from kxmsg.api.deps import Answer, Body, Caller, FreshId, Metadata, Product
from kxmsg.api.etags import IfMatch, etag
from kxmsg.api.locale import CallerReads
from kxmsg.api.message_records import accepted_record, message_record, seen_record
from kxmsg.api.prefer import Accepted
from kxmsg.errors import Forbidden, InvalidInput
from kxmsg.keys import MAX_NUMBER
from kxmsg.model.envelope import Entry
from kxmsg.model.target import TARGET_TYPES, Target, TargetType
from kxmsg.services.history import MAX_LIMIT, Filter
from kxmsg.times import epoch_of

router = APIRouter(tags=["messages"])

MessageType = Literal["chat", "notification", "text", "email"]
Priority = Literal["low", "medium", "high", "urgent"]
Title = Annotated[str | None, Field(max_length=200)]
Ident = Annotated[str | None, Field(max_length=256)]
Number = Annotated[int | None, Query(ge=0, le=MAX_NUMBER)]


class MessageIn(Body):
    """A message to send. ``chatId`` and ``threadId`` are other names of ``channelId``."""

    target_type: TargetType | None = Field(None, description="By default channel, where one is named, else user.")
    channel_id: str | None = None
    chat_id: str | None = Field(None, description="Another name of channelId.")
    thread_id: str | None = Field(None, description="Another name of channelId.")
    user_id: str | None = Field(None, description="By default oneself.")
    client_id: str | None = Field(None, description="By default one's own.")
    message_type: MessageType | None = Field(None, description="By default chat in a channel, else text.")
    content: str
    sender_id: str | None = Field(None, description="The caller; somebody else for those who act for others.")
    title: Title = None
    priority: Priority | None = None
    reply_to_message_id: Ident = None
    metadata: Metadata | None = None


class MessageChanges(Body):
    """What to change; null takes a field away, what is left out stays."""

    content: str | None = None
    title: Title = None
    priority: Priority | None = None
    metadata: Metadata | None = None


class ReactionIn(Body):
    emoji: str


@router.get("/messages", summary="Messages of a channel or an inbox, newest first")
async def list_messages(
    who: Caller,
    app: Product,
    reader: CallerReads,
    channel_id: Annotated[str | None, Query(alias="channelId")] = None,
    chat_id: Annotated[str | None, Query(alias="chatId", description="Another name of channelId.")] = None,
    user_id: Annotated[str | None, Query(alias="userId", description="Whose; by default one's own.")] = None,
    tenant_id: Annotated[str | None, Query(alias="tenantId")] = None,
    target_type: Annotated[str | None, Query(alias="targetType", description="As targetTypes.")] = None,
    target_types: Annotated[
        str | None, Query(alias="targetTypes", description="Some of user,client,broadcast,channel.")
    ] = None,
    message_type: Annotated[str | None, Query(alias="messageType", max_length=64)] = None,
    status: Literal["read", "unread"] | None = None,
    priority: Priority | None = None,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = 50,
    cursor: Annotated[str | None, Query(description="nextCursor of the page before.")] = None,
    start_key: Annotated[str | None, Query(alias="startKey", description="Another name of cursor.")] = None,
    before: Annotated[str | None, Query(description="Another name of cursor.")] = None,
    from_timestamp: Annotated[
        str | None, Query(alias="fromTimestamp", description="ISO-8601, or epoch milliseconds; inclusive, as the next.")
    ] = None,
    to_timestamp: Annotated[str | None, Query(alias="toTimestamp")] = None,
    after_sequence: Annotated[Number, Query(alias="afterSequence", description="And then oldest first.")] = None,
    before_sequence: Annotated[Number, Query(alias="beforeSequence")] = None,
) -> Answer:
    """A channel's for those who take part in it; without one, what was sent to the user, their client and everybody.

    With ``targetType=channel`` those of the user's channels where something was last said. With filters a page may have
    fewer messages than there are to come: it ends where ``nextCursor`` is null.
    """
    if tenant_id not in (None, who.tenant):
        raise Forbidden("these messages are not yours")
    types = _types(target_types or target_type)
    wanted = Filter(
        message_type,
        status,
        priority,
        _time(from_timestamp, "fromTimestamp"),
        _time(to_timestamp, "toTimestamp"),
        after_sequence,
        before_sequence,
    )
    channel = channel_id or chat_id
    if channel is not None and types and "channel" not in types:
        raise InvalidInput("a channel's messages have the targetType channel")
    page = await app.history.page(
        who, channel, user_id, types, wanted, limit=limit, cursor=cursor or start_key or before
    )
    locale = await reader.locale(one.entry.envelope for one in page.messages)
    return {
        "success": True,
        "messages": [seen_record(one, locale) for one in page.messages],
        "count": len(page.messages),
        "nextCursor": page.cursor,
        "hasMore": page.cursor is not None,
        "queryParams": {
            "channelId": channel,
            "userId": user_id,
            "tenantId": who.tenant,
            "targetTypes": types or None,
            "messageType": message_type,
            "status": status,
            "priority": priority,
            "limit": limit,
            "fromTimestamp": from_timestamp,
            "toTimestamp": to_timestamp,
            "afterSequence": after_sequence,
            "beforeSequence": before_sequence,
        },
    }


@router.post("/messages", status_code=202, summary="Send a message")
async def send_message(body: MessageIn, who: Caller, app: Product, fresh: FreshId, accepted: Accepted) -> Answer:
    """To a channel in which one takes part; to a user, a client or everybody for those who may."""
    channel = body.channel_id or body.chat_id or body.thread_id
    kind = body.target_type or ("channel" if channel is not None else "user")
    given = {
        "messageType": body.message_type,
        "title": body.title,
        "priority": body.priority,
        "replyToMessageId": body.reply_to_message_id,
    }
    fields = {name: value for name, value in given.items() if value is not None}
    if kind == "channel":
        if channel is None:
            raise InvalidInput("channelId is missing: it says where the message is said")
        envelope = await app.entrance.to_channel(
            who, channel, body.content, metadata=body.metadata, sender=body.sender_id, fields=fields, ident=fresh
        )
    else:
        ident = {"user": body.user_id or who.user, "client": body.client_id or who.tenant, "broadcast": ""}[kind]
        envelope = await app.entrance.to_inbox(
            who,
            Target.of(kind, ident),
            body.content,
            metadata=body.metadata,
            sender=body.sender_id,
            fields=fields,
            ident=fresh,
        )
    return await accepted.answer("message", accepted_record(envelope), envelope)


@router.get("/messages/{message_id}", summary="A message")
async def get_message(message_id: str, who: Caller, app: Product, reader: CallerReads, response: Response) -> Answer:
    """For those who take part in its channel, or to whose inbox it was sent."""
    seen = await app.messages.get(who, message_id)
    response.headers["ETag"] = _tag(seen.entry)
    locale = await reader.locale([seen.entry.envelope])
    return {"success": True, "message": seen_record(seen, locale)}


@router.put("/messages/{message_id}", summary="Edit a message")
async def edit_message(
    message_id: str, body: MessageChanges, who: Caller, app: Product, match: IfMatch, response: Response
) -> Answer:
    """For its sender and administrators. Connected clients get ``message.updated``."""
    given = body.model_dump(by_alias=True, exclude_unset=True)
    entry = await app.messages.edit(who, message_id, given, lambda current: match.check(_tag(current)))
    response.headers["ETag"] = _tag(entry)
    return {"success": True, "message": message_record(entry)}


@router.delete("/messages/{message_id}", summary="Delete a message")
async def delete_message(message_id: str, who: Caller, app: Product) -> Answer:
    """For its sender and administrators, and for everybody: its content is gone. Clients get ``message.deleted``."""
    entry = await app.messages.delete(who, message_id)
    return {"success": True, "message": message_record(entry)}


@router.post("/messages/{message_id}/reactions", summary="React to a message")
async def add_reaction(message_id: str, body: ReactionIn, who: Caller, app: Product) -> Answer:
    """Each user once with each emoji. Connected clients get ``reaction``."""
    entry = await app.messages.react(who, message_id, body.emoji)
    return {"success": True, "message": message_record(entry)}


@router.delete("/messages/{message_id}/reactions", summary="Take a reaction back")
async def remove_reaction(
    message_id: str,
    who: Caller,
    app: Product,
    body: ReactionIn | None = None,
    emoji: Annotated[str | None, Query(description="In place of a body, which not every client sends.")] = None,
) -> Answer:
    """One's own; taking back what is not there changes nothing."""
    entry = await app.messages.react(who, message_id, emoji if body is None else body.emoji, on=False)
    return {"success": True, "message": message_record(entry)}


@router.post("/messages/{message_id}/read", summary="Say that one has read up to a message")
async def read_message(message_id: str, who: Caller, app: Product) -> Answer:
    """Up to it, everything in its channel or inbox is read; it moves forward only. The channel gets ``read``."""
    read = await app.messages.mark_read(who, message_id)
    return {"success": True, "messageId": message_id, "readSequence": read, "message": "Message marked as read"}


def _tag(entry: Entry) -> str:
    return etag([entry.envelope.id, entry.revision])


def _types(text: str | None) -> list[TargetType]:
    named = {part.strip() for part in text.split(",")} if text else set()
    if unknown := sorted(named - set(TARGET_TYPES)):
        raise InvalidInput(f"targetTypes takes {', '.join(TARGET_TYPES)}, not {unknown[0]!r}")
    return [kind for kind in TARGET_TYPES if kind in named]


def _time(text: str | None, name: str) -> int | None:
    """Epoch milliseconds of a time."""
    if text is None:
        return None
    if text.isascii() and text.isdecimal() and len(text) <= 15:
        return int(text)
    epoch = epoch_of(text, -1)
    if epoch < 0:
        raise InvalidInput(f"{name} takes ISO-8601, as 2026-01-31T08:00:00Z, or epoch milliseconds")
    return int(epoch * 1000)
