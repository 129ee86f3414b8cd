"""``POST /post-to-connection``: a bot's reply to the user of a thread [S1]."""

from fastapi import APIRouter
from pydantic import Field

from kxmsg.api.deps import Answer, Body, Caller, FreshId, Metadata, Product
from kxmsg.api.message_records import accepted_record
from kxmsg.api.prefer import Accepted

router = APIRouter(tags=["messages"])


class ReplyIn(Body):
    """A reply as responders write it; what else it has is given here."""

    text: str
    message_id: str | int | None = Field(None, description="The bot's own id: repeating it repeats nothing.")
    metadata: Metadata | None = None


class PostIn(Body):
    """What to say to whom."""

    user_id: str = Field(description="Who is answered; takes part in the thread.")
    thread_id: str
    message: str | ReplyIn


@router.post("/post-to-connection", status_code=202, summary="Post a bot's reply to a thread")
async def post_to_connection(body: PostIn, who: Caller, app: Product, fresh: FreshId, accepted: Accepted) -> Answer:
    """Stored, numbered, and delivered to all of the thread's connections; 409 while a person has taken over."""
    said = ReplyIn(text=body.message) if isinstance(body.message, str) else body.message
    envelope = await app.entrance.reply(
        who,
        body.thread_id,
        body.user_id,
        said.text,
        metadata=said.metadata,
        ident=fresh,
        client_id=said.message_id,
    )
    return await accepted.answer("message", accepted_record(envelope), envelope)
