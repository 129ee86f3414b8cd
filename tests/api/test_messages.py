"""/messages: sending, listing, and what one does with messages, over HTTP."""

import asyncio
from typing import Any

import pytest

from kxmsg.codecs.envelope import decode_bundle, decode_parcel
from kxmsg.model.envelope import Bundle, Ordering
from kxmsg.topology import FANOUT_FIFO
from tests.api.conftest import Api, Reply

HELLO = {"targetType": "channel", "channelId": "desk", "messageType": "chat", "content": "Hello!"}


@pytest.fixture
async def desk(api: Api) -> Api:
    """The API, with a channel that ana and bob are in."""
    people = [{"userId": "ana"}, {"userId": "bob"}]
    body = {"channelType": "group", "channelId": "desk", "participants": people}
    assert (await api.call("POST", "/channels", "adam", "admin", json=body)).status == 201
    return api


async def store(api: Api, ordering: Ordering = "fifo", wait: float = 0) -> None:
    """What the workers do with what was accepted."""
    queue = api.app.entrances[ordering]
    deliveries = await queue.receive(10, wait=wait, visibility=30)
    await queue.delete([one.receipt for one in deliveries])
    for parcel in (decode_parcel(one.body) for one in deliveries):
        await api.app.logs.append(parcel.tenant, parcel.target, parcel.envelopes)


async def say(api: Api, user: str = "ana", **changes: Any) -> str:
    """Send a message and store it: its id."""
    answer = await api.call("POST", "/messages", user, json={**HELLO, **changes})
    assert answer.status == 202, answer.body
    await store(api)
    ident: str = answer.body["message"]["messageId"]
    return ident


async def told(api: Api) -> Bundle:
    """The last that is on its way to connected clients."""
    deliveries = await api.app.queue(FANOUT_FIFO).receive(10, wait=0, visibility=30)
    return decode_bundle(deliveries[-1].body)


def shown(answer: Reply) -> list[str]:
    return [one["content"] for one in answer.body["messages"]]


async def test_a_message_is_accepted_as_it_will_be_read(desk: Api) -> None:
    more = {"senderId": "ana", "title": "T", "priority": "high", "replyToMessageId": "m0", "metadata": {"a": 1}}
    answer = await desk.call("POST", "/messages", "ana", json={**HELLO, **more})
    assert answer.status == 202
    accepted = answer.body["message"]
    assert accepted == {
        **more,
        "messageId": accepted["messageId"],
        "tenantId": "acme",
        "targetKey": "channel#desk",
        "targetType": "channel",
        "channelId": "desk",
        "senderName": "Ana",
        "messageType": "chat",
        "eventType": "chat",
        "content": "Hello!",
        "status": "sent",
        "reactions": [],
        "createdAt": accepted["createdAt"],
        "dateReceived": accepted["createdAt"],
    }
    await store(desk)
    read = await desk.call("GET", f"/messages/{accepted['messageId']}", "bob")
    stored = {"status": "unread", "sequenceNumber": 1, "updatedAt": accepted["createdAt"]}
    assert read.body == {"success": True, "message": {**accepted, **stored}}


@pytest.mark.parametrize("name", ["chatId", "threadId"])
async def test_a_channel_has_the_names_that_its_sources_give_it(desk: Api, name: str) -> None:
    answer = await desk.call("POST", "/messages", "ana", json={name: "desk", "content": "x"})
    assert answer.body["message"]["channelId"] == "desk"


async def test_one_sends_as_oneself_unless_one_acts_for_others(desk: Api) -> None:
    forged = {**HELLO, "senderId": "bob"}
    answer = await desk.call("POST", "/messages", "ana", json=forged)
    assert (answer.status, answer.code) == (403, "foreign_sender")
    answer = await desk.call("POST", "/messages", "adam", "admin", json=forged)
    assert (answer.status, answer.body["message"]["senderId"]) == (202, "bob")


@pytest.mark.parametrize(
    ("role", "body", "status", "key"),
    [
        ("admin", {"targetType": "user", "userId": "bob"}, 202, "user#bob"),
        ("admin", {"targetType": "user"}, 202, "user#ana"),
        ("admin", {"targetType": "client"}, 202, "client#acme"),
        ("admin", {"targetType": "client", "clientId": "globex"}, 403, None),
        ("admin", {"targetType": "broadcast"}, 403, None),
        ("system", {"targetType": "client", "clientId": "globex"}, 202, "client#globex"),
        ("system", {"targetType": "broadcast"}, 202, "broadcast"),
        ("employee", {"targetType": "user", "userId": "bob"}, 403, None),
        ("member", {"targetType": "client"}, 403, None),
        ("member", {"targetType": "channel"}, 400, None),
        ("admin", {"targetType": "user", "userId": "a#b"}, 400, None),
        ("admin", {"targetType": "moon"}, 400, None),
    ],
    ids=str,
)
async def test_who_may_send_to_whom(api: Api, role: str, body: dict[str, Any], status: int, key: str | None) -> None:
    answer = await api.call("POST", "/messages", "ana", role, json={"content": "x", **body})
    assert (answer.status, answer.body.get("message", {}).get("targetKey")) == (status, key)
    assert [one.target.key for one in await api.entered("standard")] == ([key] if key else [])


async def test_who_waits_gets_the_message_with_its_number(desk: Api) -> None:
    waiting = asyncio.create_task(desk.call("POST", "/messages", "ana", json=HELLO, headers={"Prefer": "wait=20"}))
    await store(desk, wait=20)
    answer = await waiting
    assert (answer.status, answer.body["message"]["sequenceNumber"]) == (201, 1)


async def test_a_repeat_under_one_key_is_one_message(desk: Api) -> None:
    headers = {"Idempotency-Key": "k1"}
    first, second = [await desk.call("POST", "/messages", "ana", json=HELLO, headers=headers) for _ in range(2)]
    assert first.body == second.body
    assert len(await desk.entered("fifo")) == 1


async def test_what_was_sent_to_an_inbox_is_listed_there(api: Api) -> None:
    for body in ({"targetType": "user", "userId": "ana"}, {"targetType": "client"}, {"targetType": "broadcast"}):
        kind = body["targetType"]
        assert (await api.call("POST", "/messages", "crm", "system", json={**body, "content": kind})).status == 202
        await store(api, "standard")
    assert sorted(shown(await api.call("GET", "/messages", "ana"))) == ["broadcast", "client", "user"]
    assert sorted(shown(await api.call("GET", "/messages", "bob"))) == ["broadcast", "client"]
    assert shown(await api.call("GET", "/messages", "ana", tenant="globex")) == ["broadcast"]
    assert shown(await api.call("GET", "/messages", "ana", params={"targetType": "client"})) == ["client"]


async def test_the_list_of_a_channel_is_paged_and_says_what_was_asked(desk: Api) -> None:
    for content in ("a", "b", "c"):
        await say(desk, content=content)
    first = await desk.call("GET", "/messages", "bob", params={"chatId": "desk", "limit": 2})
    assert (first.status, shown(first), first.body["count"], first.body["hasMore"]) == (200, ["c", "b"], 2, True)
    assert (first.body["queryParams"]["channelId"], first.body["queryParams"]["limit"]) == ("desk", 2)
    for name in ("cursor", "startKey", "before"):
        rest = {"channelId": "desk", "limit": 2, name: first.body["nextCursor"]}
        second = await desk.call("GET", "/messages", "bob", params=rest)
        assert (shown(second), second.body["nextCursor"], second.body["hasMore"]) == (["a"], None, False)
    after = await desk.call("GET", "/messages", "bob", params={"channelId": "desk", "afterSequence": 1})
    assert shown(after) == ["b", "c"]


async def test_times_are_iso_or_epoch_milliseconds(desk: Api) -> None:
    await say(desk)
    (message,) = (await desk.call("GET", "/messages", "ana", params={"channelId": "desk"})).body["messages"]
    at = message["dateReceived"]
    for bounds, count in (
        ({"fromTimestamp": at, "toTimestamp": at}, 1),
        ({"fromTimestamp": "9000000000000"}, 0),
        ({"toTimestamp": "2020-01-01"}, 0),
        ({"toTimestamp": "9000000000000"}, 1),
    ):
        answer = await desk.call("GET", "/messages", "ana", params={"channelId": "desk", **bounds})
        assert answer.body["count"] == count, bounds


@pytest.mark.parametrize(
    ("params", "status"),
    [
        ({"channelId": "desk", "tenantId": "globex"}, 403),
        ({"userId": "bob"}, 403),
        ({"channelId": "desk", "targetType": "user"}, 400),
        ({"targetTypes": "user,moon"}, 400),
        ({"fromTimestamp": "yesterday"}, 400),
        ({"afterSequence": "-1"}, 400),
        ({"afterSequence": "1"}, 400),
        ({"limit": "0"}, 400),
        ({"cursor": "abc"}, 400),
        ({"status": "archived"}, 400),
        ({"channelId": "a#b"}, 400),
    ],
    ids=str,
)
async def test_a_question_that_makes_no_sense_or_is_about_others_is_refused(
    desk: Api, params: dict[str, str], status: int
) -> None:
    assert (await desk.call("GET", "/messages", "ana", params=params)).status == status


@pytest.mark.parametrize(("user", "tenant"), [("eve", "acme"), ("ana", "globex")])
async def test_what_others_said_is_answered_like_what_nobody_said(desk: Api, user: str, tenant: str) -> None:
    ident = await say(desk)
    calls: list[tuple[str, str, dict[str, Any]]] = [
        ("GET", "", {}),
        ("PUT", "", {"json": {"content": "x"}}),
        ("DELETE", "", {}),
        ("POST", "/reactions", {"json": {"emoji": "👍"}}),
        ("DELETE", "/reactions", {"json": {"emoji": "👍"}}),
        ("POST", "/read", {}),
    ]
    for method, path, options in calls:
        foreign = await desk.call(method, f"/messages/{ident}{path}", user, tenant=tenant, **options)
        absent = await desk.call(method, f"/messages/{ident[:-4]}0000{path}", user, tenant=tenant, **options)
        assert (foreign.status, foreign.code) == (absent.status, absent.code) == (404, "message_not_found")
    for channel in ("desk", "none"):
        answer = await desk.call("GET", "/messages", user, tenant=tenant, params={"channelId": channel})
        assert (answer.status, answer.code) == (404, "channel_not_found")


async def test_an_edit_shows_and_fails_where_another_came_first(desk: Api) -> None:
    ident = await say(desk)
    edited = await desk.call("PUT", f"/messages/{ident}", "ana", json={"content": "Hi!"})
    assert edited.status == 200
    message = edited.body["message"]
    assert (message["content"], message["senderId"], "editedAt" in message) == ("Hi!", "ana", True)
    late = await desk.call("PUT", f"/messages/{ident}", "ana", json={"content": "x"}, headers={"If-Match": '"old"'})
    assert late.status == 412
    assert (await desk.call("PUT", f"/messages/{ident}", "bob", json={"content": "x"})).status == 403
    bundle = await told(desk)
    assert bundle.change is not None
    assert bundle.change.kind == "updated"


async def test_a_deleted_message_is_in_no_answer(desk: Api) -> None:
    ident = await say(desk)
    deleted = await desk.call("DELETE", f"/messages/{ident}", "ana")
    message = deleted.body["message"]
    assert (deleted.status, message["content"], "deletedAt" in message) == (200, None, True)
    assert (await desk.call("GET", f"/messages/{ident}", "ana")).status == 404
    assert shown(await desk.call("GET", "/messages", "ana", params={"channelId": "desk"})) == []
    bundle = await told(desk)
    assert bundle.change is not None
    assert bundle.change.kind == "deleted"


async def test_reactions_show_who_and_how_many(desk: Api) -> None:
    ident = await say(desk)
    path = f"/messages/{ident}/reactions"
    for user in ("ana", "bob", "bob"):
        answer = await desk.call("POST", path, user, json={"emoji": "👍"})
    assert answer.body["message"]["reactions"] == [{"emoji": "👍", "count": 2, "userIds": ["ana", "bob"]}]
    assert (await desk.call("DELETE", path, "ana", json={"emoji": "👍"})).status == 200
    answer = await desk.call("DELETE", path, "bob", params={"emoji": "👍"})
    assert (answer.status, answer.body["message"]["reactions"]) == (200, [])
    assert (await desk.call("DELETE", path, "bob")).status == 400
    assert (await desk.call("POST", path, "bob", json={"emoji": " "})).code == "invalid_emoji"
    assert "editedAt" not in answer.body["message"]


async def test_reading_up_to_a_message_makes_those_before_it_read(desk: Api) -> None:
    idents = [await say(desk, content=content) for content in ("a", "b", "c")]
    answer = await desk.call("POST", f"/messages/{idents[1]}/read", "bob")
    assert (answer.status, answer.body["readSequence"]) == (200, 2)
    unread = await desk.call("GET", "/messages", "bob", params={"channelId": "desk", "status": "unread"})
    assert shown(unread) == ["c"]
    bundle = await told(desk)
    assert bundle.entries[0].envelope.payload["type"] == "read"
