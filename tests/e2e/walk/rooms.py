"""Walks through channels: made, found, joined, left, claimed, destroyed; who is let in and put out."""

import asyncio

from tests.e2e.walk.inbox import LIST
from tests.e2e.walk.talk import team
from tests.e2e.walk.walker import Walk

RECORD = {
    "channelId", "tenantId", "createdAt", "updatedAt", "channelType", "title", "isActive", "leadStatus", "claimedBy",
    "botEmployeeId", "participants", "participantDetails", "participantHash", "lastActivity", "lastMessage",
    "isHumanOverride", "metadata",
}  # fmt: skip


async def a_group(walk: Walk) -> None:
    """Made, listed, shown, renamed, joined, left."""
    root, ana = await walk.person("root", "rooms-1", "admin"), await walk.person("ana", "rooms-1", "employee")
    max_ = await walk.person("max", "rooms-1", "employee")
    async with ana.listening() as ears:
        body = {
            "channelType": "group",
            "title": "Ops",
            "participants": [{"userId": "ana", "userName": "Ana"}, {"userId": "bob"}],
            "metadata": {"floor": 2},
        }
        made = (await ana.post("/channels", body)).ok(201)
        assert made["message"] == "Channel created successfully"
        record = made["channel"]
        ident = record["channelId"]
        assert record.keys() >= RECORD
        assert (
            record.items()
            >= {"channelType": "group", "title": "Ops", "isActive": True, "metadata": {"floor": 2}}.items()
        )
        assert record["participants"] == ["ana", "bob"]
        detail = record["participantDetails"][0]
        assert detail.keys() == {"userId", "userName", "role", "joinedAt"}
        assert (detail["userId"], detail["userName"]) == ("ana", "Ana")
        created = await walk.event("channel.created", channelId=ident)
        assert created.items() >= {"channelType": "group", "participantCount": 2}.items()
        await ears.hear("channel.created", channelId=ident)

        assert (await max_.post(f"/channels/{ident}/join", {"userName": "Max"})).ok()[
            "message"
        ] == "Joined channel successfully"
        await walk.event("user.joined.channel", channelId=ident, userId="max", role="employee")
        await ears.hear("joined", channelId=ident, userId="max", userName="Max")
        (await max_.post("/messages", {"channelId": ident, "content": "Hi"}, Prefer="wait=20")).ok(201)
        shown = (await ana.get(f"/channels/{ident}")).ok()
        assert (shown["messageCount"], shown["hasMore"]) == (1, False)
        assert [one["content"] for one in shown["messages"]] == ["Hi"]
        last = shown["channel"]["lastMessage"]
        assert last.items() >= {"content": "Hi", "senderId": "max"}.items()
        assert last.keys() == {"content", "senderId", "timestamp", "messageId"}
        assert shown["channel"]["lastActivity"] >= last["timestamp"]
        assert shown["channel"]["participantHash"] != record["participantHash"]

        renamed = await root.put(f"/channels/{ident}", {"title": "Ops, west"})
        assert renamed.ok()["message"] == "Channel updated successfully"
        await ears.hear("channel.updated", channelId=ident, title="Ops, west")
        (await max_.put(f"/channels/{ident}", {"title": "x"})).refused(403)
        assert (await max_.post(f"/channels/{ident}/leave")).ok()["message"] == "Left channel successfully"
        await walk.event("user.left.channel", channelId=ident, userId="max", role="employee")
        await ears.hear("left", channelId=ident, userId="max")
        (await max_.get(f"/channels/{ident}")).refused(404, "channel_not_found")
        assert (await ana.get(f"/channels/{ident}")).ok()["channel"]["participantHash"] == record["participantHash"]

    page = (await ana.get("/channels", userId="ana", tenantId="rooms-1", includeAnonymous=False, limit=10)).ok()
    assert page.keys() >= LIST
    assert [one["channelId"] for one in page["channels"]] == [ident]
    asked = {"userId": "ana", "tenantId": "rooms-1", "includeAnonymous": False, "limit": 10}
    assert page["queryParams"] == asked
    assert page["channels"][0].keys() >= RECORD


async def exactly_this_set(walk: Walk) -> None:
    """Finding by participants; of many who find or make at once, all get the one."""
    ana, bob = await walk.person("ana", "rooms-2"), await walk.person("bob", "rooms-2")
    asked = {"participants": [{"userId": "ana"}, {"userId": "bob"}]}
    made = await asyncio.gather(*(who.post("/channels/find-or-create", asked) for who in (ana, bob) * 10))
    idents = {one.ok()["channel"]["channelId"] for one in made}
    assert len(idents) == 1
    assert sum(one.body["created"] for one in made) == 1
    found = (await bob.post("/channels/find", {"userIds": ["bob", "ana"]})).ok()
    assert found["matchCount"] == 1
    assert {one["channelId"] for one in found["channels"]} == idents
    assert found["participantHash"] == found["channels"][0]["participantHash"]
    assert found["channels"][0]["channelType"] == "direct"
    assert (await ana.post("/channels/find", {"userIds": ["ana"]})).ok()["matchCount"] == 0


async def a_lead(walk: Walk) -> None:
    """A visitor's lead with a bot; claimed by one of many, released, given another bot."""
    root = await walk.person("root", "rooms-3", "admin")
    (await root.put("/users/bot-1", {"roles": ["bot"]})).ok(201)
    joe = await walk.person("joe", "rooms-3", "lead")
    info = {"page": "/pricing"}
    body = {"channelType": "lead", "participants": [{"userId": "joe"}], "metadata": {"visitorInfo": info}}
    lead = (await joe.post("/channels", body)).ok(201)["channel"]
    ident = lead["channelId"]
    assert (lead["leadStatus"], lead["botEmployeeId"], lead["claimedBy"]) == ("unclaimed", "bot-1", None)
    told = await walk.event("channel.created", channelId=ident)
    assert (
        told.items()
        >= {"channelType": "lead", "leadStatus": "unclaimed", "botEmployeeId": "bot-1", "participantCount": 2}.items()
    )
    assert (await walk.event("lead.created", channelId=ident)).items() >= {
        "botEmployeeId": "bot-1",
        "visitorInfo": info,
    }.items()

    assigned = await root.post(f"/channels/{ident}/assign-bot", {"botEmployeeId": "bot-2", "botName": "Two"})
    assert assigned.ok()["message"] == "Bot assigned successfully"
    await walk.event("user.left.channel", channelId=ident, userId="bot-1", role="bot")
    await walk.event("user.joined.channel", channelId=ident, userId="bot-2", role="bot")
    staff = [await walk.person(f"e{number}", "rooms-3", "employee") for number in range(8)]
    seen = (await staff[0].get("/channels")).ok()["channels"]
    assert [one["channelId"] for one in seen] == [ident], "who may claim it sees it"
    assert (await staff[0].get("/channels", includeAnonymous=False)).ok()["count"] == 0
    async with joe.listening() as ears:
        claims = await asyncio.gather(*(one.post(f"/channels/{ident}/claim", {"userName": one.user}) for one in staff))
        (winner,) = [one for one, claim in zip(staff, claims, strict=True) if claim.status == 200]
        for claim in claims:
            if claim.status == 200:
                assert claim.ok()["message"] == "Lead claimed successfully"
            else:
                claim.refused(409, "lead_claimed")
        await walk.event("channel.claimed", channelId=ident, claimedBy=winner.user, previousStatus="unclaimed")
        await walk.event("user.left.channel", channelId=ident, userId="bot-2")
        await ears.hear("claimed", channelId=ident, claimedBy=winner.user, leadStatus="claimed")
        claimed = (await winner.get(f"/channels/{ident}")).ok()["channel"]
        assert (claimed["leadStatus"], claimed["claimedBy"]) == ("claimed", winner.user)
        assert set(claimed["participants"]) == {"joe", winner.user}
        assert (await winner.post(f"/channels/{ident}/release")).ok()["message"] == "Lead released successfully"
        await ears.hear("claimed", channelId=ident, leadStatus="unclaimed", claimedBy=None)
    (await joe.post(f"/channels/{ident}/claim")).refused(403)
    (await staff[0].post(f"/channels/{ident}/assign-bot", {"botEmployeeId": "b"})).refused(403)


async def leaving_and_destroying(walk: Walk) -> None:
    """One and many; destroying is for administrators and takes everything with it."""
    root, ana, bob = await team(walk, "rooms-4")
    for name in ("a", "b"):
        body = {"channelType": "group", "channelId": f"rooms-4-{name}", "participants": [{"userId": "ana"}]}
        (await root.post("/channels", body)).ok(201)
    said = {"channelId": "rooms-4-team", "content": "x"}
    (await ana.post("/messages", said, Prefer="wait=20")).ok(201)
    one = (await ana.delete("/channels/rooms-4-a")).ok()
    assert one["results"].keys() == {"success", "failed"}
    assert one["summary"] == {"channelsLeft": 1}
    many = (await ana.delete("/channels", channelIds="rooms-4-b,none")).ok()
    assert many["summary"] == {"channelsLeft": 1}
    assert (len(many["results"]["success"]), len(many["results"]["failed"])) == (1, 1)
    (await bob.delete("/channels/rooms-4-team", forceDelete=True)).refused(403)
    async with ana.listening() as ears:
        gone = (await root.delete("/channels/rooms-4-team", forceDelete=True)).ok()
        assert gone["summary"].items() >= {"channelsDeleted": 1, "messagesDeleted": 1, "participantsDeleted": 2}.items()
        await walk.event("channel.deleted", channelId="rooms-4-team", deletedBy="root")
        await ears.hear("channel.deleted", channelId="rooms-4-team")
    (await ana.get("/channels/rooms-4-team")).refused(404, "channel_not_found")
    bulk = (await root.delete("/channels", channelIds="rooms-4-a,rooms-4-b", forceDelete=True)).ok()
    assert bulk["summary"]["channelsDeleted"] == 2


async def permissions(walk: Walk) -> None:
    """A grant lets in, makes an unknown chat, and tells; a revoke puts out, at once."""
    root, ana = await walk.person("root", "rooms-5", "admin"), await walk.person("ana", "rooms-5")
    async with ana.listening() as ears:
        grant = {"userId": "ana", "chatId": "rooms-5-chat", "role": "member"}
        granted = (await root.post("/permissions", grant)).ok(201)
        assert granted["permission"].items() >= grant.items()
        assert (await root.get("/channels/rooms-5-chat")).ok()["channel"]["channelType"] == "group"
        await ears.hear("channel.created", channelId="rooms-5-chat")
        (await root.post("/permissions", {**grant, "userId": "bob", "role": "owner"})).ok(201)
        await walk.event("user.joined.channel", channelId="rooms-5-chat", userId="bob", role="owner")
        await ears.hear("joined", channelId="rooms-5-chat", userId="bob")
        by_chat = (await root.get("/permissions", chatId="rooms-5-chat")).ok()
        assert by_chat.keys() >= LIST
        assert [(one["userId"], one["role"]) for one in by_chat["permissions"]] == [("ana", "member"), ("bob", "owner")]
        bob = await walk.person("bob", "rooms-5")
        (await ana.post("/permissions", {**grant, "userId": "eve"})).refused(403)
        (await bob.post("/permissions", {**grant, "userId": "eve"})).ok(201)
        assert [one["chatId"] for one in (await ana.get("/permissions", userId="ana")).ok()["permissions"]] == [
            "rooms-5-chat"
        ]
        (await bob.delete("/permissions", userId="ana", chatId="rooms-5-chat")).ok()
        await walk.event("user.left.channel", channelId="rooms-5-chat", userId="ana")
        await ears.hear("left", channelId="rooms-5-chat", userId="ana")
        (await bob.post("/messages", {"channelId": "rooms-5-chat", "content": "secret"}, Prefer="wait=20")).ok(201)
        (await root.post("/notifications", {"targetType": "user", "userId": "ana", "content": "after"})).ok(202)
        await ears.hear("notification", content="after")
        assert not ears.heard("chat.message"), "it would have come before"
    (await ana.get("/channels/rooms-5-chat")).refused(404)


WALKS = (a_group, exactly_this_set, a_lead, leaving_and_destroying, permissions)
