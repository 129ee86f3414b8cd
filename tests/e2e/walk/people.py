"""Walks through users: the directory, preferences at work, export and erasure."""

from datetime import UTC, datetime, timedelta

from tests.e2e.walk.inbox import LIST
from tests.e2e.walk.talk import team
from tests.e2e.walk.walker import Walk


async def the_directory(walk: Walk) -> None:
    """Who calls is in it; an administrator enters others."""
    root, ana = await walk.person("root", "people-1", "admin"), await walk.person("ana", "people-1")
    own = (await ana.get("/users/me")).ok()["user"]
    assert own.items() >= {"userId": "ana", "tenantId": "people-1", "name": "Ana", "roles": ["member"]}.items()
    entered = await root.put("/users/bob", {"name": "Bob", "email": "b@x.example", "timeZone": "Asia/Tokyo"})
    assert entered.ok(201)["user"].items() >= {"name": "Bob", "timeZone": "Asia/Tokyo", "locale": None}.items()
    listed = (await root.get("/users", limit=2)).ok()
    assert listed.keys() >= LIST
    rest = (await root.get("/users", limit=2, cursor=listed["nextCursor"])).ok()
    assert [one["userId"] for one in (*listed["users"], *rest["users"])] == ["ana", "bob", "root"]
    note = {"targetType": "client", "clientId": "people-1", "content": "all"}
    ident = (await root.post("/notifications", note)).ok(202)["notification"]["notificationId"]
    for user in ("ana", "bob", "root"):
        await walk.event("client.notification.available", notificationId=ident, userId=user)


async def preferences(walk: Walk) -> None:
    """A muted category is neither pushed nor told; quiet hours put off what is not urgent. The inbox has it all."""
    root, ana = await walk.person("root", "people-2", "admin"), await walk.person("ana", "people-2")
    bob = await walk.person("bob", "people-2")
    (await bob.get("/users/me")).ok()
    wanted = {
        "locale": "de",
        "timeZone": "UTC",
        "categories": {"ads": {"websocket": False, "events": False}},
        "quietHours": None,
    }
    async with ana.listening() as ears, bob.listening() as others:
        assert (await ana.put("/users/me/preferences", wanted)).ok()["preferences"] == wanted
        await ears.hear("preferences.updated", userId="ana")

        async def notify(**fields: str) -> str:
            body = {"targetType": "client", "clientId": "people-2", "content": "x", **fields}
            sent = (await root.post("/notifications", body, Prefer="wait=20")).ok(201)
            return str(sent["notification"]["notificationId"])

        ad, news = await notify(category="ads"), await notify(category="news")
        await ears.hear("notification", notificationId=news)
        await others.hear("notification", notificationId=ad)
        await walk.event("client.notification.available", notificationId=ad, userId="bob")
        await walk.event("client.notification.available", notificationId=news, userId="ana")
        assert not ears.heard("notification", notificationId=ad)

        now = datetime.now(UTC)
        start, end = (f"{now + timedelta(hours=hours):%H:%M}" for hours in (-2, 2))
        quiet = {**wanted, "quietHours": {"start": start, "end": end, "allowUrgent": True}}
        assert (await ana.put("/users/me/preferences", quiet)).ok()["preferences"] == quiet
        assert (await ana.get("/users/me/preferences")).ok()["preferences"] == quiet
        late, urgent = await notify(category="news"), await notify(category="news", priority="urgent")
        await ears.hear("notification", notificationId=urgent)
        await others.hear("notification", notificationId=late)
        assert not ears.heard("notification", notificationId=late)
        told = {
            (event["detail"]["userId"], event["detail"]["notificationId"])
            for event in walk.events()
            if event["detail-type"] == "client.notification.available"
        }
        assert told.isdisjoint({("ana", ad), ("ana", late)})
    found = (await ana.get("/notifications")).ok()["notifications"]
    assert {ad, news, late, urgent} <= {one["notificationId"] for one in found}


async def export_and_erasure(walk: Walk) -> None:
    """All that is kept of a user, and then nothing of it."""
    root, ana, bob = await team(walk, "people-3")
    for who in (ana, bob):
        (await who.post("/messages", {"channelId": "people-3-team", "content": who.user}, Prefer="wait=20")).ok(201)
    note = {"targetType": "user", "userId": "ana", "content": "note"}
    (await root.post("/notifications", note, Prefer="wait=20")).ok(201)
    export = (await ana.get("/users/me/data")).ok()
    data = export["data"]
    assert (data["user"]["userId"], data["channels"]) == ("ana", ["people-3-team"])
    assert data["preferences"].keys() == {"locale", "timeZone", "categories", "quietHours"}
    assert [one["content"] for one in data["messages"]] == ["ana"]
    assert [one["content"] for one in data["notifications"]] == ["note"]
    async with bob.listening() as ears:
        erased = (await root.delete("/users/ana/data")).ok()
        assert erased["summary"].items() >= {"entriesDeleted": 1, "messagesDeleted": 1, "channelsLeft": 1}.items()
        await ears.hear("message.deleted", channelId="people-3-team", sequenceNumber=1)
        await walk.event("user.left.channel", channelId="people-3-team", userId="ana")
    (await root.get("/users/ana")).refused(404, "user_not_found")
    left = (await bob.get("/messages", channelId="people-3-team")).ok()["messages"]
    assert [one["content"] for one in left] == ["bob"]
    (await root.post("/notifications", {**note, "content": "again"}, Prefer="wait=20")).ok(201)
    mine = (await ana.get("/notifications", targetTypes="user")).ok()["notifications"]
    assert [(one["content"], one["sequenceNumber"]) for one in mine] == [("again", 2)]


WALKS = (the_directory, preferences, export_and_erasure)
