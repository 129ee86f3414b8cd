"""``/channels``: making channels and becoming part of them."""

from typing import Any, Literal

from fastapi import APIRouter
from pydantic import Field

from kxmsg.api.deps import Answer, Body, Caller, Metadata, Product
from kxmsg.model.channel import Channel

router = APIRouter(tags=["channels"])


class PersonIn(Body):
    user_id: str
    user_name: str | None = None


class ChannelIn(Body):
    """A channel to make."""

    channel_type: Literal["direct", "group", "lead"]
    title: str | None = Field(None, max_length=200)
    participants: list[PersonIn] = Field(default_factory=list, max_length=40)
    bot_employee_id: str | None = None
    metadata: Metadata = Field(default_factory=dict)
    channel_id: str | None = Field(None, description="A name of your own; by default one is made.")


class JoinIn(Body):
    user_name: str | None = None


@router.post("/channels", status_code=201, summary="Create a channel")
async def create_channel(body: ChannelIn, who: Caller, app: Product) -> Answer:
    """The caller takes part only if named."""
    service = app.channel_service
    role = "lead" if body.channel_type == "lead" else "member"
    people = [service.person(person.user_id, person.user_name, role) for person in body.participants]
    if body.bot_employee_id is not None:
        people.append(service.person(body.bot_employee_id, role="bot"))
    channel = await service.create(
        who, body.channel_type, people, ident=body.channel_id, title=body.title, metadata=body.metadata
    )
    return {"success": True, "channel": _record(channel), "message": "Channel created successfully"}


@router.get("/channels/{channel_id}", summary="A channel and who takes part in it")
async def get_channel(channel_id: str, who: Caller, app: Product) -> Answer:
    """For its participants, and the tenant's administrators."""
    return {"success": True, "channel": _record(await app.channel_service.get(who, channel_id))}


@router.post("/channels/{channel_id}/join", summary="Join a channel")
async def join_channel(channel_id: str, who: Caller, app: Product, body: JoinIn | None = None) -> Answer:
    """Joining twice is joining once."""
    await app.channel_service.join(who, channel_id, body.user_name if body else None)
    return {"success": True, "message": "Joined channel successfully"}


def _record(channel: Channel) -> dict[str, Any]:
    return {
        "channelId": channel.id,
        "tenantId": channel.tenant,
        "channelType": channel.type,
        "title": channel.title,
        "isActive": channel.is_active,
        "createdAt": channel.created_at,
        "metadata": channel.metadata,
        "participants": [person.user for person in channel.participants],
        "participantDetails": [
            {"userId": person.user, "userName": person.name, "role": person.role, "joinedAt": person.joined_at}
            for person in channel.participants
        ],
    }
