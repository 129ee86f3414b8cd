"""Walks through what is said: messages of channels and to inboxes, publishing, bots' replies, takeover."""

from typing import Any

from tests.e2e.walk.inbox import LIST
from tests.e2e.walk.walker import Person, Walk

RECORD = {
    "messageId", "tenantId", "createdAt", "updatedAt", "targetKey", "channelId", "senderId", "senderName",
    "messageType", "title", "content", "replyToMessageId", "priority", "metadata", "sequenceNumber", "status",
    "reactions", "dateReceived",
}  # fmt: skip


async def team(walk: Walk, tenant: str) -> tuple[Person, Person, Person]:
    """An admin, and two who are in the channel ``TENANT-team``."""
    root = await walk.person("root", tenant, "admin")
    ana, bob = await walk.person("ana", tenant), await walk.person("bob", tenant)
    people = [{"userId": "ana", "userName": "Ana"}, {"userId": "bob", "userName": "Bob"}]
    body = {"channelType": "group", "channelId": f"{tenant}-team", "participants": people}
    (await root.post("/channels", body)).ok(201)
    return root, ana, bob


async def one_message(walk: Walk) -> None:
    """Said, seen, found, read, reacted to, edited, deleted."""
    _, ana, bob = await team(walk, "talk-1")
    room = "talk-1-team"
    async with bob.listening() as ears, ana.listening() as other_device:
        body = {
            "targetType": "channel",
            "channelId": room,
            "messageType": "chat",
            "content": "Hello",
            "senderId": "ana",
            "title": "Greeting",
            "priority": "high",
            "replyToMessageId": "earlier",
            "metadata": {"mood": "good"},
        }
        said = (await ana.post("/messages", body, Prefer="wait=20")).ok(201)["message"]
        ident = said["messageId"]
        assert said.items() >= {**body, "sequenceNumber": 1, "status": "sent"}.items()
        frame = await ears.hear("chat.message", messageId=ident)
        shown = {"channelId": room, "message": "Hello", "senderId": "ana", "senderName": "Ana", "eventType": "chat"}
        assert frame.items() >= {**shown, "metadata": {"mood": "good"}, "sequenceNumber": 1}.items()
        assert frame["timestamp"] == said["createdAt"]
        await other_device.hear("chat.message", messageId=ident)

        created = await walk.event("message.created", messageId=ident)
        assert created.items() >= {"targetType": "channel", "channelId": room, "priority": "high"}.items()
        sent = await walk.event("chat.message.sent", messageId=ident)
        assert sent.items() >= {"channelId": room, "senderId": "ana", "messageType": "chat"}.items()
        for user in ("ana", "bob"):
            told = await walk.event("chat.message.available", messageId=ident, userId=user)
            origin = {"fanoutSource": "channel-targeting", "originalTargetKey": f"channel#{room}"}
            expected = {"channelId": room, "targetType": "channel", "priority": "high", "content": "Hello"}
            assert told.items() >= {**expected, "senderId": "ana", "metadata": origin}.items()

        record = (await bob.get(f"/messages/{ident}")).ok()["message"]
        assert record.keys() >= RECORD
        assert (record["status"], record["reactions"]) == ("unread", [])
        read = (await bob.post(f"/messages/{ident}/read")).ok()
        assert read["readSequence"] == 1
        await walk.event("message.read", userId="bob", messageId=ident, channelId=room)
        await other_device.hear("read", channelId=room, userId="bob", sequenceNumber=1)
        assert (await bob.get(f"/messages/{ident}")).ok()["message"]["status"] == "read"

        reacted = (await bob.post(f"/messages/{ident}/reactions", {"emoji": "👍"})).ok()["message"]
        assert reacted["reactions"] == [{"emoji": "👍", "count": 1, "userIds": ["bob"]}]
        await other_device.hear("reaction", messageId=ident, emoji="👍", userId="bob", action="added")
        taken = (await bob.delete(f"/messages/{ident}/reactions", emoji="👍")).ok()["message"]
        assert taken["reactions"] == []
        await other_device.hear("reaction", messageId=ident, action="removed")

        (await bob.put(f"/messages/{ident}", {"content": "Not mine"})).refused(403)
        edited = (await ana.put(f"/messages/{ident}", {"content": "Hello, all"})).ok()["message"]
        assert (edited["content"], edited["editedAt"] is None) == ("Hello, all", False)
        await ears.hear("message.updated", messageId=ident, message="Hello, all")
        (await bob.delete(f"/messages/{ident}")).refused(403)
        gone = (await ana.delete(f"/messages/{ident}")).ok()["message"]
        assert (gone["content"], gone["deletedAt"] is None) == (None, False)
        await ears.hear("message.deleted", messageId=ident)
        (await bob.get(f"/messages/{ident}")).refused(404, "message_not_found")
        assert (await bob.get("/messages", channelId=room)).ok()["count"] == 0


async def history(walk: Walk) -> None:
    """Every filter of the list, under each of its names."""
    root, ana, bob = await team(walk, "talk-2")
    room = "talk-2-team"
    for number, kind in enumerate(["chat", "text", "email", "notification"], 1):
        body = {"chatId" if number % 2 else "threadId": room, "content": f"line {number}", "messageType": kind}
        if number == 3:
            body["priority"] = "urgent"
        (await ana.post("/messages", body, Prefer="wait=20")).ok(201)
    whole = (await bob.get("/messages", channelId=room)).ok()
    assert whole.keys() >= LIST
    lines = whole["messages"]
    assert [one["sequenceNumber"] for one in lines] == [4, 3, 2, 1]

    async def numbers(who: Person = bob, **query: Any) -> list[int]:
        return [one["sequenceNumber"] for one in (await who.get("/messages", **query)).ok()["messages"]]

    assert await numbers(chatId=room) == [4, 3, 2, 1]
    assert await numbers(channelId=room, messageType="text") == [2]
    assert await numbers(channelId=room, priority="urgent") == [3]
    assert await numbers(channelId=room, afterSequence=2) == [3, 4]
    assert await numbers(channelId=room, beforeSequence=3) == [2, 1]
    assert await numbers(channelId=room, fromTimestamp=lines[1]["createdAt"]) == [4, 3]
    assert await numbers(channelId=room, toTimestamp=lines[2]["createdAt"]) == [2, 1]
    (await bob.post(f"/messages/{lines[2]['messageId']}/read")).ok()
    assert await numbers(channelId=room, status="unread") == [4, 3]
    assert await numbers(channelId=room, status="read", tenantId="talk-2") == [2, 1]
    assert await numbers(targetType="channel") == [4, 3, 2, 1]
    assert await numbers(root, channelId=room, limit=1) == [4]
    first = (await bob.get("/messages", channelId=room, limit=3)).ok()
    for name in ("cursor", "startKey", "before"):
        query = {"channelId": room, "limit": 3, name: first["nextCursor"]}
        last = (await bob.get("/messages", **query)).ok()
        assert ([one["sequenceNumber"] for one in last["messages"]], last["hasMore"]) == ([1], False)
    eve = await walk.person("eve", "talk-2")
    (await eve.get("/messages", channelId=room)).refused(404, "channel_not_found")
    (await eve.post("/messages", {"channelId": room, "content": "x"})).refused(404, "channel_not_found")
    (await ana.post("/messages", {"channelId": room, "content": "x", "senderId": "bob"})).refused(403, "foreign_sender")


async def to_inboxes(walk: Walk) -> None:
    """Messages to a user, a client and everybody."""
    svc, ana = await walk.person("svc", "talk-3", "system"), await walk.person("ana", "talk-3")
    async with ana.listening() as ears:
        for kind, where in (("user", {"userId": "ana"}), ("client", {"clientId": "talk-3"}), ("broadcast", {})):
            body = {"targetType": kind, **where, "content": f"to {kind}", "messageType": "text"}
            ident = (await svc.post("/messages", body)).ok(202)["message"]["messageId"]
            frame = await ears.hear("message", messageId=ident)
            assert frame["content"] == f"to {kind}"
            await walk.event("message.created", messageId=ident, targetType=kind)
            if kind != "user":
                await walk.event(f"{kind}.message.available", userId="ana", messageId=ident)
    listed = (await ana.get("/messages", targetTypes="user,client")).ok()
    assert [one["content"] for one in listed["messages"]] == ["to client", "to user"]
    (await ana.post("/messages", {"targetType": "user", "userId": "bob", "content": "x"})).refused(403)


async def published(walk: Walk) -> None:
    """What services send, in order or not."""
    _, ana, bob = await team(walk, "talk-4")
    async with bob.listening() as ears:
        for kind in ("fifo", "standard"):
            payload = {"chatId": "talk-4-team", "eventType": f"{kind}-event", "content": kind, "requestSequence": True}
            body = {"targetChannel": "WebSocket", "messageType": kind, "payload": payload}
            ident = (await ana.post("/publish", body)).ok(202)["message"]["messageId"]
            frame = await ears.hear("chat.message", messageId=ident)
            assert (frame["eventType"], frame["message"]) == (f"{kind}-event", kind)
            assert frame["sequenceNumber"] in (1, 2)
    (await ana.post("/publish", {"targetChannel": "Mail", "payload": {}})).refused(400)


async def a_bot_and_a_person(walk: Walk) -> None:
    """A bot answers in a thread until a person takes over; a reconnect does not undo it."""
    bot = await walk.person("bot-7", "talk-5", "bot")
    max_, ana = await walk.person("max", "talk-5", "employee"), await walk.person("ana", "talk-5", "lead")
    body = {
        "channelType": "lead",
        "channelId": "talk-5-lead",
        "participants": [{"userId": "ana"}],
        "botEmployeeId": "bot-7",
    }
    (await ana.post("/channels", body)).ok(201)
    reply = {
        "userId": "ana",
        "threadId": "talk-5-lead",
        "message": {"text": "How can I help?", "metadata": {"by": "bot"}},
    }
    async with ana.listening("?threadId=talk-5-lead") as ears, ana.listening("?threadId=talk-5-lead") as other:
        ident = (await bot.post("/post-to-connection", reply)).ok(202)["message"]["messageId"]
        for one in (ears, other):
            frame = await one.hear("chat.message", messageId=ident)
            assert (frame["message"], frame["senderId"]) == ("How can I help?", "bot-7")
        on = (await max_.put("/channels/talk-5-lead/takeover", {"isHumanOverride": True})).ok()["channel"]
        assert (on["isHumanOverride"], on["agentId"]) == (True, "max")
        await ears.hear("takeover", channelId="talk-5-lead", isHumanOverride=True, agentId="max")
    async with ana.listening("?threadId=talk-5-lead"):
        (await bot.post("/post-to-connection", reply)).refused(409, "human_override")
        (await bot.post("/messages", {"channelId": "talk-5-lead", "content": "x"})).refused(409, "human_override")
        off = (await max_.put("/channels/talk-5-lead/takeover", {"isHumanOverride": False})).ok()["channel"]
        assert (off["isHumanOverride"], off["agentId"]) == (False, None)
        (await bot.post("/post-to-connection", {**reply, "message": "Back again"}, Prefer="wait=20")).ok(201)


WALKS = (one_message, history, to_inboxes, published, a_bot_and_a_person)
