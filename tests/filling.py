"""Users who have much: an inbox and a channel with as many entries as asked for."""

from itertools import islice
from random import Random
from typing import Final

from kxmsg.bootstrap import App
from kxmsg.keys import new_id
from kxmsg.model.envelope import Envelope
from kxmsg.model.principal import Principal
from kxmsg.model.target import Target
from kxmsg.services.notifications import MAX_IDS
from tests.product import envelope

USER: Final = "ana"
ROOM: Final = Target("channel", "room")

TEXT: Final = "Trail lamp was handed to Northwind Post and should arrive on Tuesday between nine and noon."


async def fill(app: App, tenant: str, entries: int, *, seed: int = 0) -> None:
    """Give ana of ``tenant``, an even number of entries: half her own, half her client's, every other one read.

    Which are read is drawn, so that marks have no order to be compressed by. The channel ``room``, in which she takes
    part, has as many messages.
    """
    now = app.clock.now()
    ana = Principal(USER, tenant, frozenset(("member",)), "Ana", None, now + 3600, "filling")
    await app.inbox.unread(ana, USER)  # her first contact: what comes to her client from now on is hers too
    idents: list[str] = []
    for target in (Target("user", USER), Target("client", tenant)):
        some = _entries(tenant, target, now, entries // 2)
        await app.logs.append(tenant, target, some)
        idents += [one.id for one in some]
    read = iter(Random(seed).sample(idents, entries // 2))
    while batch := list(islice(read, MAX_IDS)):
        await app.notifications.mark(ana, USER, batch, "read")
    people = [app.channel_service.person(user, user.title()) for user in (USER, "bo")]
    await app.channel_service.create(ana, "group", people, ident=ROOM.id)
    await app.logs.append(tenant, ROOM, _entries(tenant, ROOM, now, entries))


def _entries(tenant: str, target: Target, now: float, count: int) -> list[Envelope]:
    """One a second, the last one now."""
    payload = {"title": "Your order", "content": TEXT, "priority": "high", "category": "orders", "tags": ["order"]}
    if target.type == "channel":
        payload = {"content": TEXT, "senderId": USER, "channelId": target.id, "messageType": "chat"}
    times = [now - age for age in reversed(range(count))]
    return [envelope(new_id(at), target, tenant=tenant, payload=payload, created_at=int(at * 1000)) for at in times]
