"""``/channels``: making and finding channels, taking part in them, leads, destroying them."""

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query, Response
from pydantic import Field
from pydantic.alias_generators import to_camel

from kxmsg.api.channel_records import channel_record, shown_record
from kxmsg.api.deps import Answer, Body, Caller, FreshId, Metadata, Product
from kxmsg.api.etags import IfMatch, etag
from kxmsg.api.locale import CallerReads
from kxmsg.api.message_records import message_record
from kxmsg.bootstrap import App
from kxmsg.errors import Forbidden, InvalidInput, Refusal
from kxmsg.model.channel import Channel, Participant
from kxmsg.model.principal import Principal
from kxmsg.services.channels.deletion import Destroyed
from kxmsg.services.channels.lookup import MAX_LIMIT
from kxmsg.services.channels.membership import Outcomes

router = APIRouter(tags=["channels"])

MAX_AT_ONCE: Final = 50
"""Channels of one bulk request."""

MAX_USERS: Final = 40
"""Participants of a new channel: what one transaction holds."""

Name = Annotated[str | None, Field(max_length=256)]


class PersonIn(Body):
    user_id: str
    user_name: Name = None


class SetIn(Body):
    """Who is to take part, and in what."""

    title: str | None = Field(None, max_length=200)
    participants: list[PersonIn] = Field(default_factory=list, max_length=MAX_USERS)
    metadata: Metadata = Field(default_factory=dict)


class ChannelIn(SetIn):
    """A channel to make."""

    channel_type: Literal["direct", "group", "lead", "thread", "support", "room"]
    bot_employee_id: str | None = None
    channel_id: str | None = Field(None, description="A name of your own; by default one is made.")


class OneIn(SetIn):
    """A channel to find, or else to make. ``userIds`` is another way to write ``participants``."""

    channel_type: Literal["direct", "group"] | None = Field(None, description="By default direct for two, else group.")
    user_ids: list[str] = Field(default_factory=list, max_length=MAX_USERS)


class UsersIn(Body):
    user_ids: list[str] = Field(min_length=1, max_length=MAX_USERS)


class ChannelChanges(Body):
    """What to change of a channel; what is left out stays."""

    title: str | None = Field(None, max_length=200)
    metadata: Metadata | None = None
    is_active: bool | None = Field(None, description="false closes the channel: nobody joins, lists leave it out.")


class NameIn(Body):
    user_name: Name = None


class BotIn(Body):
    bot_employee_id: str
    bot_name: Name = None


Force = Annotated[bool, Query(alias="forceDelete", description="Destroy for everybody; for administrators.")]


@router.get("/channels", summary="A user's channels, the most recently active first")
async def list_channels(
    who: Caller,
    app: Product,
    user_id: Annotated[str | None, Query(alias="userId")] = None,
    tenant_id: Annotated[str | None, Query(alias="tenantId")] = None,
    include_anonymous: Annotated[bool, Query(alias="includeAnonymous", description="And unclaimed leads.")] = True,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = 50,
    cursor: str | None = None,
) -> Answer:
    """With the unclaimed leads of the tenant for those who may claim them."""
    if tenant_id not in (None, who.tenant):
        raise Forbidden("these channels are not yours")
    page = await app.channel_lookup.page(who, user_id, anonymous=include_anonymous, limit=limit, cursor=cursor)
    return {
        "success": True,
        "channels": [shown_record(one) for one in page.channels],
        "count": len(page.channels),
        "nextCursor": page.cursor,
        "hasMore": page.cursor is not None,
        "queryParams": {
            "userId": user_id or who.user,
            "tenantId": who.tenant,
            "includeAnonymous": include_anonymous,
            "limit": limit,
        },
    }


@router.post("/channels", status_code=201, summary="Create a channel")
async def create_channel(body: ChannelIn, who: Caller, app: Product, response: Response, fresh: FreshId) -> Answer:
    """The caller takes part only if named, or as the second of a direct channel; two have one direct channel."""
    channel = await app.channel_service.create(
        who,
        body.channel_type,
        _people(app, body.participants, body.channel_type),
        ident=body.channel_id,
        fresh=fresh,
        title=body.title,
        metadata=body.metadata,
        bot=body.bot_employee_id,
    )
    tag(response, channel)
    return {"success": True, "channel": channel_record(channel), "message": "Channel created successfully"}


@router.post("/channels/find", summary="Channels with exactly these participants")
async def find_channels(body: UsersIn, who: Caller, app: Product) -> Answer:
    """The active ones among them that the caller may see."""
    digest, channels = await app.channel_lookup.find(who, body.user_ids)
    shown = await app.channel_lookup.shown(channels)
    return {
        "success": True,
        "channels": [shown_record(one) for one in shown],
        "participantHash": digest,
        "matchCount": len(shown),
    }


@router.post("/channels/find-or-create", summary="The channel with exactly these participants, made if there is none")
async def find_or_create_channel(body: OneIn, who: Caller, app: Product, fresh: FreshId) -> Answer:
    """However many ask at once, there is one."""
    people = [*body.participants, *(PersonIn(user_id=user) for user in body.user_ids)]
    if not people:
        raise InvalidInput("name the participants")
    named = {person.user_id for person in people}
    two = len(named) == 2 or (len(named) == 1 and who.user not in named)
    kind = body.channel_type or ("direct" if two else "group")
    channel, created = await app.channel_service.find_or_create(
        who, kind, _people(app, people, kind), fresh=fresh, title=body.title, metadata=body.metadata
    )
    (shown,) = await app.channel_lookup.shown([channel])
    return {"success": True, "channel": shown_record(shown), "created": created}


@router.delete("/channels", summary="Leave channels, or destroy them")
async def delete_channels(
    who: Caller,
    app: Product,
    channel_ids: Annotated[str, Query(alias="channelIds", description="Ids, separated by commas; at most 50.")],
    force: Force = False,
) -> Answer:
    """What fails for one channel is told in ``results.failed`` and does not keep the others."""
    idents = [part.strip() for part in channel_ids.split(",") if part.strip()]
    if not 1 <= len(idents) <= MAX_AT_ONCE:
        raise InvalidInput(f"channelIds takes 1 to {MAX_AT_ONCE} ids, separated by commas")
    return await _deleted(who, app, idents, force)


@router.get("/channels/{channel_id}", summary="A channel with its last messages")
async def get_channel(channel_id: str, who: Caller, app: Product, reader: CallerReads, response: Response) -> Answer:
    """For its participants, the tenant's administrators and, while a lead is unclaimed, those who may claim it."""
    channel = await app.channel_lookup.get(who, channel_id)
    entries, more = await app.channel_lookup.recent(channel)
    (shown,) = await app.channel_lookup.shown([channel])
    tag(response, channel)
    locale = await reader.locale(entry.envelope for entry in entries)
    return {
        "success": True,
        "channel": shown_record(shown),
        "messages": [message_record(entry, locale) for entry in entries],
        "messageCount": len(entries),
        "hasMore": more,
    }


@router.put("/channels/{channel_id}", summary="Change a channel's title or metadata, close or open it")
async def update_channel(
    channel_id: str, body: ChannelChanges, who: Caller, app: Product, match: IfMatch, response: Response
) -> Answer:
    """For who administers the channel."""
    given = body.model_dump(exclude_unset=True)
    for name in ("metadata", "is_active"):
        if given.get(name, ...) is None:
            raise InvalidInput(f"{to_camel(name)} may be left out, but not be null")
    channel = await app.channel_service.update(who, channel_id, given, lambda current: match.check(_tag_of(current)))
    tag(response, channel)
    return {"success": True, "channel": channel_record(channel), "message": "Channel updated successfully"}


@router.delete("/channels/{channel_id}", summary="Leave a channel, or destroy it")
async def delete_channel(channel_id: str, who: Caller, app: Product, force: Force = False) -> Answer:
    """Leaving is for oneself; the channel and its messages stay for the others. Destroying is for good."""
    return await _deleted(who, app, [channel_id], force, alone=True)


@router.post("/channels/{channel_id}/join", summary="Join a channel")
async def join_channel(channel_id: str, who: Caller, app: Product, body: NameIn | None = None) -> Answer:
    """Joining twice is joining once."""
    await app.membership.join(who, channel_id, body.user_name if body else None)
    return {"success": True, "message": "Joined channel successfully"}


@router.post("/channels/{channel_id}/leave", summary="Leave a channel")
async def leave_channel(channel_id: str, who: Caller, app: Product) -> Answer:
    """Leaving twice is leaving once. A lead that one had claimed is released by it."""
    await app.membership.leave(who, channel_id)
    return {"success": True, "message": "Left channel successfully"}


@router.post("/channels/{channel_id}/claim", summary="Claim a lead")
async def claim_lead(channel_id: str, who: Caller, app: Product, body: NameIn | None = None) -> Answer:
    """The bot leaves. Of several who claim at once, one does; the others get 409."""
    await app.lead_desk.claim(who, channel_id, body.user_name if body else None)
    return {"success": True, "message": "Lead claimed successfully"}


@router.post("/channels/{channel_id}/release", summary="Release a claimed lead")
async def release_lead(channel_id: str, who: Caller, app: Product) -> Answer:
    """Who claimed it leaves, the bot comes back."""
    await app.lead_desk.release(who, channel_id)
    return {"success": True, "message": "Lead released successfully"}


@router.post("/channels/{channel_id}/assign-bot", summary="Assign a bot to a channel")
async def assign_bot(channel_id: str, body: BotIn, who: Caller, app: Product) -> Answer:
    """It takes the place of any other bot."""
    await app.lead_desk.assign_bot(who, channel_id, body.bot_employee_id, body.bot_name)
    return {"success": True, "message": "Bot assigned successfully"}


async def _deleted(who: Principal, app: App, idents: list[str], force: bool, *, alone: bool = False) -> Answer:
    outcomes: Outcomes
    if force:
        outcomes = await app.channel_deletion.destroy(who, idents)
    else:
        outcomes = await app.membership.leave_many(who, idents)
    if alone and outcomes.failed:
        raise outcomes.failed[0][1]
    count = len(outcomes.done)
    summary: dict[str, int] = {"channelsLeft": count}
    if isinstance(outcomes, Destroyed):
        summary = {
            "channelsDeleted": count,
            "messagesDeleted": outcomes.messages,
            "participantsDeleted": outcomes.participants,
        }
    return {
        "success": True,
        "message": f"{'Deleted' if force else 'Left'} {count} of {count + len(outcomes.failed)} channel(s)",
        "results": {
            "success": [{"channelId": ident} for ident in outcomes.done],
            "failed": [{"channelId": ident, "error": _error(refusal)} for ident, refusal in outcomes.failed],
        },
        "summary": summary,
    }


def _error(refusal: Refusal) -> dict[str, Any]:
    return {"code": refusal.code, "message": refusal.message, "details": refusal.details}


def _people(app: App, people: list[PersonIn], kind: str) -> list[Participant]:
    role = "lead" if kind == "lead" else "member"
    return [app.channel_service.person(person.user_id, person.user_name, role) for person in people]


def tag(response: Response, channel: Channel) -> None:
    """Tell the channel's state in ``ETag``, for ``If-Match``."""
    response.headers["ETag"] = _tag_of(channel)


def _tag_of(channel: Channel) -> str:
    return etag([channel.id, channel.created_at, channel.revision])
