"""Walks through the inbox: notifications from being sent to being erased, and the events and frames of each step."""

from typing import Any

from tests.e2e.walk.walker import Walk

NOTE: dict[str, Any] = {
    "title": "Disk full",
    "content": "Node 7 has no space left",
    "priority": "high",
    "icon": "disk",
    "category": "incidents",
    "actionUrl": "https://ops.example/7",
    "tags": ["disk", "node-7"],
    "displayDuration": 0,
    "sound": "alarm",
    "metadata": {"node": 7},
}

RECORD = {
    "notificationId", "tenantId", "targetKey", "targetType", "createdAt", "updatedAt", "title", "content", "priority",
    "icon", "category", "actionUrl", "tags", "displayDuration", "sound", "metadata", "status", "readAt", "expiresAt",
    "dateReceived",
}  # fmt: skip

LIST = {"success", "count", "nextCursor", "hasMore", "queryParams"}


async def one_notification(walk: Walk) -> None:
    """Sent, pushed, read, changed, archived, deleted."""
    root = await walk.person("root", "inbox-1", "admin")
    ana = await walk.person("ana", "inbox-1")
    async with ana.listening() as ears:
        sent = await root.post("/notifications", {"targetType": "user", "userId": "ana", **NOTE})
        accepted = sent.ok(202)["notification"]
        ident = accepted["notificationId"]
        assert accepted.items() >= {"targetKey": "user#ana", "targetType": "user", **NOTE}.items()
        frame = await ears.hear("notification", notificationId=ident)
        assert frame.items() >= {**NOTE, "sequenceNumber": 1}.items()
        assert frame.keys() >= {"timestamp", "epoch", "targetKey"}
        created = await walk.event("notification.created", notificationId=ident)
        told = {
            "tenantId": "inbox-1",
            "targetType": "user",
            "targetKey": "user#ana",
            "userId": "ana",
            "priority": "high",
        }
        assert created.items() >= told.items()

        record = (await ana.get(f"/notifications/{ident}")).ok()["notification"]
        assert record.keys() >= RECORD
        assert (record["status"], record["readAt"], record["sequenceNumber"]) == ("unread", None, 1)
        assert (await ana.get("/notifications/unread-count")).ok()["count"] == 1
        marked = (await ana.post("/notifications/mark-read", {"notificationIds": [ident]})).ok()
        assert (marked["count"], marked["message"]) == (1, "Marked 1 notification(s) as read")
        await walk.event("notification.read", userId="ana", notificationId=ident)
        await ears.hear("notification.marked", notificationIds=[ident], status="read")
        read = (await ana.get(f"/notifications/{ident}")).ok()["notification"]
        assert (read["status"], read["readAt"] is None) == ("read", False)

        changed = await root.put(f"/notifications/{ident}", {"title": "Disk fine", "icon": None})
        assert changed.ok()["notification"]["title"] == "Disk fine"
        updated = await ears.hear("notification.updated", notificationId=ident, title="Disk fine")
        assert "icon" not in updated
        (await ana.put(f"/notifications/{ident}", {"title": "Mine"})).refused(403)
        archived = (await ana.post(f"/notifications/{ident}/archive")).ok()
        assert archived["notification"]["status"] == "archived"
        assert (await ana.get("/notifications")).ok()["count"] == 0
        assert (await ana.get("/notifications", status="archived")).ok()["count"] == 1

        assert (await ana.delete(f"/notifications/{ident}")).ok()["message"] == "Notification deleted successfully"
        await ears.hear("notification.deleted", notificationId=ident)
        (await ana.get(f"/notifications/{ident}")).refused(404, "notification_not_found")


async def the_union_of_the_logs(walk: Walk) -> None:
    """User, client and broadcast under one cursor; each member reads what is shared for themselves."""
    svc = await walk.person("svc", "inbox-2", "system")
    ana, bob = await walk.person("ana", "inbox-2"), await walk.person("bob", "inbox-2")
    for one in (ana, bob):  # their first contact: what comes after it is theirs
        (await one.get("/notifications/unread-count")).ok()
    idents: dict[str, str] = {}
    async with ana.listening() as ears:
        for kind, where in (("user", {"userId": "ana"}), ("client", {"clientId": "inbox-2"}), ("broadcast", {})):
            body = {"targetType": kind, **where, "title": kind, "content": "x", "category": kind}
            stored = (await svc.post("/notifications", body, Prefer="wait=20")).ok(201)["notification"]
            assert isinstance(stored["sequenceNumber"], int)
            idents[kind] = stored["notificationId"]
            await ears.hear("notification", notificationId=stored["notificationId"])
    for user in ("ana", "bob"):
        for kind in ("client", "broadcast"):
            told = await walk.event(
                f"{kind}.notification.available", tenantId="inbox-2", userId=user, notificationId=idents[kind]
            )
            assert kind == "broadcast" or told["clientId"] == "inbox-2"
    await walk.event(
        "notification.created", notificationId=idents["client"], clientId="inbox-2", targetKey="client#inbox-2"
    )
    await walk.event("notification.created", notificationId=idents["broadcast"], tenantId="*", targetKey="broadcast")

    counts = (await ana.get("/notifications/unread-count")).ok()
    assert counts["count"] >= 3
    assert counts["byTargetType"].items() >= {"user": 1, "client": 1}.items()
    found: list[str] = []
    cursor = None
    while True:
        page = (await ana.get("/notifications", limit=1, cursor=cursor)).ok()
        assert page.keys() >= LIST
        assert page["count"] == len(page["notifications"]) <= 1
        found += [one["notificationId"] for one in page["notifications"]]
        cursor = page["nextCursor"]
        assert page["hasMore"] == (cursor is not None)
        if cursor is None:
            break
    mine = [ident for ident in found if ident in idents.values()]
    assert mine == [idents["broadcast"], idents["client"], idents["user"]], "newest first, each once"
    (await bob.get("/notifications", cursor=(await ana.get("/notifications", limit=1)).body["nextCursor"])).refused(
        400, "invalid_cursor"
    )

    for query, kinds in (
        ({"targetTypes": "client"}, {"client"}),
        ({"targetTypes": "user,client"}, {"user", "client"}),
        ({"category": "user"}, {"user"}),
        ({"priority": "urgent"}, set()),
        ({"status": "read"}, set()),
    ):
        listed = (await ana.get("/notifications", userId="ana", tenantId="inbox-2", **query)).ok()
        assert {one["category"] for one in listed["notifications"]} == kinds, query
        assert listed["queryParams"].items() >= {"userId": "ana", "tenantId": "inbox-2", "limit": 50}.items()
    (await ana.get("/notifications", limit=201)).refused(400)
    (await ana.get("/notifications", userId="bob")).refused(403)

    (await ana.post("/notifications/mark-read", {"notificationIds": [idents["client"]]})).ok()
    assert (await ana.get(f"/notifications/{idents['client']}")).ok()["notification"]["status"] == "read"
    assert (await bob.get(f"/notifications/{idents['client']}")).ok()["notification"]["status"] == "unread"
    assert (await ana.post("/notifications/mark-all-read")).ok()["count"] >= 2
    await walk.event("notification.read", tenantId="inbox-2", userId="ana", all=True)
    assert (await ana.get("/notifications/unread-count")).ok()["count"] == 0
    assert (await bob.get("/notifications/unread-count")).ok()["byTargetType"]["client"] == 1


async def some_of_many(walk: Walk) -> None:
    """``targetUserIds`` and ``targetClientIds`` become entries of those; later and short-lived ones."""
    svc = await walk.person("svc", "inbox-3", "system")
    ana, bob = await walk.person("ana", "inbox-3"), await walk.person("bob", "inbox-3")
    body = {"targetType": "client", "clientId": "inbox-3", "targetUserIds": ["ana"], "title": "t", "content": "some"}
    first = (await svc.post("/notifications", body, Prefer="wait=20")).ok(201)["notification"]
    assert first["targetKey"] == "user#ana"
    assert (await ana.get("/notifications", targetTypes="user")).ok()["count"] == 1
    assert (await bob.get("/notifications", targetTypes="user")).ok()["count"] == 0
    body = {"targetType": "broadcast", "targetClientIds": ["inbox-3", "inbox-4"], "title": "t", "content": "clients"}
    sent = (await svc.post("/notifications", body)).ok(202)
    assert {one["targetKey"] for one in sent["notifications"]} == {"client#inbox-3", "client#inbox-4"}
    async with ana.listening() as ears:
        later = {"targetType": "user", "userId": "ana", "content": "later", "deliverAfter": "1s", "ttl": "1h"}
        ident = (await svc.post("/notifications", later)).ok(202)["notification"]["notificationId"]
        await ears.hear("notification", notificationId=ident)
        assert (await ana.get(f"/notifications/{ident}")).ok()["notification"]["expiresAt"]
    (await ana.post("/notifications", {"targetType": "user", "userId": "bob", "content": "x"})).refused(403)
    (await svc.post("/notifications", {"targetType": "user", "content": "x"})).refused(400)


async def from_an_event(walk: Walk) -> None:
    """A business event put over REST, in its reader's language."""
    root, ana = await walk.person("root", "inbox-5", "admin"), await walk.person("ana", "inbox-5")
    (await ana.put("/users/me/preferences", {"locale": "de"})).ok()
    async with ana.listening() as ears:
        event = {"source": "walk", "detail-type": "order.shipped", "detail": {"customerId": "ana", "orderId": "A-1"}}
        put = (await root.post("/events", event)).ok(202)["event"]
        assert put == {"source": "walk", "detailType": "order.shipped", "wanted": True}
        frame = await ears.hear("notification", title="Bestellung A-1")
        shown = (await ana.get(f"/notifications/{frame['notificationId']}")).ok()["notification"]
        assert (shown["title"], shown["tenantId"]) == ("Bestellung A-1", "inbox-5")
    (await ana.post("/events", event)).refused(403)


WALKS = (one_notification, the_union_of_the_logs, some_of_many, from_an_event)
