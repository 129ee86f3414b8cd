"""Walks through what all answers share: shapes, ids, keys, conditions, refusals; and what anybody may ask."""

import asyncio
from io import BytesIO

from tests.e2e.walk.talk import team
from tests.e2e.walk.walker import Walk


async def shapes(walk: Walk) -> None:
    """A success says so; an error has one shape and a correlation id, in and out; foreign is as missing."""
    ana = await walk.person("ana", "answers-1")
    named = await ana.call("GET", "/notifications", headers={"X-Correlation-Id": "walk-1"})
    assert named.headers["X-Correlation-Id"] == "walk-1"
    refused = await ana.call("GET", "/channels/none", headers={"X-Correlation-Id": "walk-2"})
    refused.refused(404, "channel_not_found")
    assert refused.body["correlationId"] == "walk-2"
    assert (await ana.get("/notifications")).headers["X-Correlation-Id"] != "walk-1"
    (await walk.request("GET", "/notifications", {})).refused(401, "unauthenticated")
    (await walk.request("GET", "/notifications", {"Authorization": "Bearer x.y.z"})).refused(401)
    (await ana.get("/nowhere")).refused(404)
    (await ana.call("PATCH", "/notifications")).refused(405)
    (await ana.post("/messages", {"content": 7})).refused(400)
    (await ana.call("POST", "/messages", data=b"{", headers={"Content-Type": "application/json"})).refused(400)
    large = BytesIO(b'{"content": "' + b"x" * (1 << 20) + b'"}')
    (await ana.call("POST", "/messages", data=large, headers={"Content-Type": "application/json"})).refused(413)

    root, _, _ = await team(walk, "answers-2")
    thief = await walk.person("root", "answers-1", "admin")
    assert root.tenant != thief.tenant
    foreign, missing = await thief.get("/channels/answers-2-team"), await thief.get("/channels/answers-2-none")
    assert foreign.refused(404)["message"].replace("-team", "-none") == missing.refused(404)["message"]


async def done_once(walk: Walk) -> None:
    """The same key and body answer the same; another body is refused. Of many at once, one is done."""
    _, ana, _ = await team(walk, "answers-3")
    body = {"channelId": "answers-3-team", "content": "once"}
    key = {"Idempotency-Key": "walk-key"}
    first = (await ana.post("/messages", body, **key)).ok(202)
    again = await ana.post("/messages", body, **key)
    assert again.ok(202)["message"] == first["message"]
    assert again.headers["Idempotency-Replayed"] == "true"
    (await ana.post("/messages", {**body, "content": "other"}, **key)).refused(409, "idempotency_key_reused")
    many = await asyncio.gather(*(ana.post("/messages", body, **{"Idempotency-Key": "many"}) for _ in range(10)))
    done = [one for one in many if one.status == 202]
    assert len({one.body["message"]["messageId"] for one in done}) == 1
    for one in many:
        if one.status != 202:
            one.refused(409, "request_in_progress")
            assert one.headers["Retry-After"]


async def conditions(walk: Walk) -> None:
    """``If-Match`` on updates of everything that has a tag."""
    root, ana, _ = await team(walk, "answers-4")
    said = {"channelId": "answers-4-team", "content": "x"}
    message = (await ana.post("/messages", said, Prefer="wait=20")).ok(201)["message"]["messageId"]
    note = {"targetType": "client", "clientId": "answers-4", "content": "x"}
    ident = (await root.post("/notifications", note, Prefer="wait=20")).ok(201)["notification"]["notificationId"]
    for path, body in (
        (f"/messages/{message}", {"content": "y"}),
        (f"/notifications/{ident}", {"content": "y"}),
        ("/channels/answers-4-team", {"title": "y"}),
        ("/users/ana", {"name": "y"}),
        ("/users/ana/preferences", {"timeZone": "Europe/Berlin"}),
    ):
        tag = (await root.get(path)).headers["ETag"]
        changed = await root.put(path, body, **{"If-Match": tag})
        changed.ok()
        assert changed.headers["ETag"] != tag, path
        (await root.put(path, body, **{"If-Match": tag})).refused(412, "precondition_failed")
        (await root.put(path, body, **{"If-Match": "*"})).ok()


async def open_to_all(walk: Walk) -> None:
    """Health, readiness, keys, the document; and what clients measure."""
    for path in ("/health", "/ready"):
        assert (await walk.request("GET", path, {})).ok()["status"] == "ok"
    document = (await walk.request("GET", "/openapi.json", {})).body
    assert document["openapi"].startswith("3.1")
    assert (await walk.request("GET", "/docs", {})).status == 200
    assert (await walk.request("GET", "/.well-known/jwks.json", {})).body["keys"]
    ana = await walk.person("ana", "answers-5")
    measured = {"name": "send_to_screen", "value": 142, "unit": "Milliseconds", "tags": {"platform": "ios"}}
    assert (await ana.post("/metrics", {"metrics": [measured]})).ok(202)["accepted"] == 1
    (await ana.post("/metrics", {**measured, "name": "made_up"})).refused(400, "unknown_metric")


WALKS = (shapes, done_once, conditions, open_to_all)
