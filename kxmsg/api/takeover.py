"""``PUT /channels/{id}/takeover``: a person takes over from the bot, or hands back [S1]."""

from fastapi import APIRouter, Response

from kxmsg.api.channel_records import channel_record
from kxmsg.api.channels import tag
from kxmsg.api.deps import Answer, Body, Caller, Product

router = APIRouter(tags=["channels"])


class TakeoverIn(Body):
    """Whether a person has the word, and who: by default the caller."""

    is_human_override: bool
    agent_id: str | None = None


@router.put("/channels/{channel_id}/takeover", summary="Take over from the bot, or hand back")
async def set_takeover(channel_id: str, body: TakeoverIn, who: Caller, app: Product, response: Response) -> Answer:
    """It belongs to the conversation. While it is on, a bot's post is refused with 409."""
    channel = await app.lead_desk.take_over(who, channel_id, body.is_human_override, body.agent_id)
    tag(response, channel)
    said = "Takeover enabled successfully" if channel.is_human_override else "Takeover disabled successfully"
    return {"success": True, "channel": channel_record(channel), "message": said}
