"""``POST /publish``: messages from services to a channel [S2]."""

from typing import Any

from fastapi import APIRouter
from pydantic import Field

from kxmsg.api.deps import Answer, Body, Caller, FreshId, Product
from kxmsg.api.message_records import accepted_record
from kxmsg.api.prefer import Accepted

router = APIRouter(tags=["messages"])


class PublishIn(Body):
    """What ``sendMessage`` takes on a WebSocket."""

    target_channel: str = Field("WebSocket", examples=["WebSocket"])
    message_type: str = Field("standard", description="fifo keeps your order, standard does not.")
    payload: dict[str, Any] = Field(examples=[{"chatId": "lead-desk", "eventType": "chat", "content": "Hello!"}])


@router.post("/publish", status_code=202, summary="Send a message to a channel")
async def publish(body: PublishIn, who: Caller, app: Product, fresh: FreshId, accepted: Accepted) -> Answer:
    """Accepted means durable; the number comes with the frame."""
    envelope = await app.entrance.publish(who, body.model_dump(by_alias=True), ident=fresh)
    return await accepted.answer("message", accepted_record(envelope), envelope)
