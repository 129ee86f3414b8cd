"""kxmsg.client: every route as a method, and the whole of it against the product."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from kxmsg.client import Client, Page, each
from kxmsg.errors import Conflict, NotFound
from kxmsg.model.connection import Place
from kxmsg.model.target import Target
from kxmsg.testing.until import until
from tests.client.serving import Asked, Doors, Scripted, doors, error, scripted
from tests.product import envelope

ANSWER: dict[str, Any] = {
    "success": True,
    "count": 7,
    "nextCursor": "next",
    "event": {"wanted": True},
    "summary": {"messagesDeleted": 1},
    **{name: {"id": 1} for name in ("notification", "message", "channel", "user", "preferences")},
    **{name: [{"id": 1}] for name in ("notifications", "messages", "channels", "users", "permissions")},
}

Call = Callable[[Client], Awaitable[Any]]

CALLS: list[tuple[Call, str, Any, Any]] = [
    (lambda c: c.notifications(status="unread", limit=5), "GET /notifications?status=unread&limit=5", None, "page"),
    (
        lambda c: c.notifications(target_types=["user", "client"], cursor="x"),
        "GET /notifications?limit=50&cursor=x&targetTypes=user,client",
        None,
        "page",
    ),
    (
        lambda c: c.notify("T", "C", user="ana", priority="high"),
        "POST /notifications",
        {"targetType": "user", "userId": "ana", "title": "T", "content": "C", "priority": "high"},
        {"id": 1},
    ),
    (
        lambda c: c.notify("T", "C", client="acme"),
        "POST /notifications",
        {"targetType": "client", "clientId": "acme", "title": "T", "content": "C"},
        {"id": 1},
    ),
    (
        lambda c: c.notify("T", "C"),
        "POST /notifications",
        {"targetType": "broadcast", "title": "T", "content": "C"},
        {"id": 1},
    ),
    (lambda c: c.notification("a/b"), "GET /notifications/a%2Fb", None, "tagged"),
    (lambda c: c.update_notification("n", title="T"), "PUT /notifications/n", {"title": "T"}, "tagged"),
    (lambda c: c.delete_notification("n"), "DELETE /notifications/n", None, None),
    (lambda c: c.mark_read(["n"]), "POST /notifications/mark-read", {"notificationIds": ["n"]}, None),
    (lambda c: c.mark_all_read(), "POST /notifications/mark-all-read", None, None),
    (lambda c: c.archive("n"), "POST /notifications/n/archive", None, None),
    (lambda c: c.unread_count(), "GET /notifications/unread-count", None, 7),
    (
        lambda c: c.messages("desk", after_sequence=3, limit=9),
        "GET /messages?channelId=desk&afterSequence=3&limit=9",
        None,
        "page",
    ),
    (
        lambda c: c.send("desk", "Hi", replyToMessageId="m"),
        "POST /messages",
        {
            "targetType": "channel",
            "channelId": "desk",
            "messageType": "chat",
            "content": "Hi",
            "replyToMessageId": "m",
        },
        {"id": 1},
    ),
    (lambda c: c.message("m"), "GET /messages/m", None, "tagged"),
    (lambda c: c.edit_message("m", content="x"), "PUT /messages/m", {"content": "x"}, "tagged"),
    (lambda c: c.delete_message("m"), "DELETE /messages/m", None, None),
    (lambda c: c.react("m", "👍"), "POST /messages/m/reactions", {"emoji": "👍"}, None),
    (lambda c: c.unreact("m", "x"), "DELETE /messages/m/reactions?emoji=x", None, None),
    (lambda c: c.mark_message_read("m"), "POST /messages/m/read", None, None),
    (
        lambda c: c.publish("desk", "Hi"),
        "POST /publish",
        {
            "targetChannel": "WebSocket",
            "messageType": "fifo",
            "payload": {"chatId": "desk", "eventType": "chat", "content": "Hi"},
        },
        {"id": 1},
    ),
    (
        lambda c: c.post_reply("t", "bot", "Hi"),
        "POST /post-to-connection",
        {"userId": "bot", "threadId": "t", "message": "Hi"},
        {"id": 1},
    ),
    (
        lambda c: c.channels(include_anonymous=False),
        "GET /channels?includeAnonymous=false&limit=50",
        None,
        "page",
    ),
    (
        lambda c: c.create_channel("group", ["ana"], title="T"),
        "POST /channels",
        {"channelType": "group", "participants": [{"userId": "ana"}], "title": "T"},
        {"id": 1},
    ),
    (lambda c: c.find_channels(["a", "b"]), "POST /channels/find", {"userIds": ["a", "b"]}, [{"id": 1}]),
    (
        lambda c: c.find_or_create_channel("direct", ["a"]),
        "POST /channels/find-or-create",
        {"channelType": "direct", "participants": [{"userId": "a"}]},
        {"id": 1},
    ),
    (lambda c: c.channel("a#b"), "GET /channels/a%23b", None, "tagged"),
    (lambda c: c.update_channel("c", title="T"), "PUT /channels/c", {"title": "T"}, "tagged"),
    (lambda c: c.join("c", name="Ana"), "POST /channels/c/join", {"userName": "Ana"}, None),
    (lambda c: c.leave("c"), "POST /channels/c/leave", None, None),
    (
        lambda c: c.delete_channels(["a", "b"], force=True),
        "DELETE /channels?channelIds=a,b&forceDelete=true",
        None,
        ANSWER,
    ),
    (lambda c: c.claim("c"), "POST /channels/c/claim", {}, None),
    (lambda c: c.release("c"), "POST /channels/c/release", None, None),
    (lambda c: c.assign_bot("c", "bot"), "POST /channels/c/assign-bot", {"botEmployeeId": "bot"}, None),
    (
        lambda c: c.takeover("c", on=True, agent="ana"),
        "PUT /channels/c/takeover",
        {"isHumanOverride": True, "agentId": "ana"},
        None,
    ),
    (lambda c: c.grant("u", "c"), "POST /permissions", {"userId": "u", "chatId": "c", "role": "member"}, None),
    (lambda c: c.revoke("u", "c"), "DELETE /permissions?userId=u&chatId=c", None, None),
    (lambda c: c.permissions(user="u"), "GET /permissions?userId=u", None, [{"id": 1}]),
    (lambda c: c.users(role="bot"), "GET /users?role=bot&limit=50", None, "page"),
    (lambda c: c.user(), "GET /users/me", None, "tagged"),
    (lambda c: c.update_user("u", name="U"), "PUT /users/u", {"name": "U"}, "tagged"),
    (lambda c: c.preferences(), "GET /users/me/preferences", None, {"id": 1}),
    (lambda c: c.set_preferences({"locale": "de"}), "PUT /users/me/preferences", {"locale": "de"}, {"id": 1}),
    (lambda c: c.erase_user("u"), "DELETE /users/u/data", None, {"messagesDeleted": 1}),
    (
        lambda c: c.put_event("com.acme", "Done", {"a": 1}),
        "POST /events",
        {"source": "com.acme", "detail-type": "Done", "detail": {"a": 1}},
        True,
    ),
    (
        lambda c: c.measure("connect", 7),
        "POST /metrics",
        {"metrics": [{"name": "connect", "value": 7, "unit": "Milliseconds", "tags": {}}]},
        None,
    ),
]


@pytest.fixture
async def server() -> AsyncIterator[Scripted]:
    async with scripted() as running:
        running.script = lambda asked: web.json_response(ANSWER, headers={"ETag": '"1"'})
        yield running


def line(asked: Asked) -> str:
    query = "&".join(f"{name}={value}" for name, value in asked.query.items())
    return f"{asked.method} {asked.path}{'?' if query else ''}{query}"


@pytest.mark.parametrize(("call", "request_line", "body", "gives"), CALLS, ids=[request for _, request, *_ in CALLS])
async def test_each_method_is_one_call(server: Scripted, call: Call, request_line: str, body: Any, gives: Any) -> None:
    async with Client(server.url, "t") as client:
        given = await call(client)
    (asked,) = server.asked
    assert (line(asked), asked.body) == (request_line, body)
    match gives:
        case "page":
            assert given == Page([{"id": 1}], "next")
        case "tagged":
            assert (given.record, given.etag) == ({"id": 1}, '"1"')
        case _:
            assert given == gives


async def test_preferences_of_a_call_are_headers(server: Scripted) -> None:
    async with Client(server.url, "t") as client:
        await client.send("desk", "Hi", wait=5)
        await client.update_channel("desk", etag='"1"', title="T")
    assert (server.asked[0].headers["Prefer"], server.asked[1].headers["If-Match"]) == ("wait=5", '"1"')


async def test_base_paths_may_be_others(server: Scripted) -> None:
    async with Client(
        f"{server.url}/", "t", notifications_path="/n", messages_path="/api/m", channels_path="/c"
    ) as client:
        await client.unread_count()
        await client.message("m")
        await client.leave("c")
    assert [asked.path for asked in server.asked] == ["/n/unread-count", "/api/m/m", "/c/c/leave"]


async def test_a_list_is_read_to_its_end() -> None:
    pages = {None: Page([1, 2], "a"), "a": Page(list[int](), "b"), "b": Page([3], None)}

    async def page(cursor: str | None) -> Page[int]:
        return pages[cursor]

    assert [item async for item in each(page)] == [1, 2, 3]


async def test_events_need_an_address() -> None:
    with pytest.raises(ValueError, match="gateway_url"):
        Client("http://127.0.0.1:1", "t").events()


# ------------------------------------------------------------------------------------------------- the product


@pytest.fixture
async def product(tmp_path: Path) -> AsyncIterator[Doors]:
    async with doors(tmp_path) as running:
        yield running


async def subscribed(product: Doors, target: Target) -> bool:
    return bool((await product.app.connections.subscribers(Place("acme", target)))[0])


async def test_a_channel_is_made_joined_and_read(product: Doors) -> None:
    async with product.client("adam", "admin") as admin, product.client("ana") as ana:
        made = await admin.create_channel("group", ["bea"], title="Desk", channelId="desk")
        assert made["channelId"] == "desk"
        await ana.join("desk")
        assert set((await ana.channel("desk")).record["participants"]) == {"ana", "bea"}
        with pytest.raises(Conflict) as taken:
            await admin.create_channel("group", channelId="desk")
        assert taken.value.code == "channel_exists"
        with pytest.raises(NotFound):
            await ana.join("nowhere")


async def test_frames_come_and_messages_go(product: Doors) -> None:
    """What is sent is on its way when the ack is there."""
    desk = Target("channel", "desk")
    async with product.client("adam", "admin") as admin, product.client("ana") as ana:
        await admin.create_channel("group", ["ana"], channelId="desk")
        async with ana.events() as events:
            await until(lambda: subscribed(product, desk))
            answer = await events.send("desk", "Hello!")
            (waiting,) = await product.app.entrances["fifo"].receive(10, wait=0, visibility=30)
            assert answer["messageId"] in waiting.body.decode()
            said = await product.app.logs.append("acme", desk, [envelope("m1", desk, payload={"content": "Hi!"})])
            await product.app.delivery.deliver([said])
            async with asyncio.timeout(10):
                async for frame in events:
                    assert (frame["type"], frame["message"]) == ("chat.message", "Hi!")
                    break


async def test_an_export_is_read_to_its_end(server: Scripted) -> None:
    server.answers(
        web.json_response({"success": True, "data": {"user": {"userId": "ana"}}, "nextCursor": "next"}),
        web.json_response({"success": True, "data": {"messages": []}, "nextCursor": None}),
    )
    async with Client(server.url, "t") as client:
        assert [data async for data in client.export_user()] == [{"user": {"userId": "ana"}}, {"messages": []}]
    assert [line(asked) for asked in server.asked] == ["GET /users/me/data", "GET /users/me/data?cursor=next"]


async def test_an_erasure_that_takes_several_calls_is_repeated(server: Scripted) -> None:
    server.answers(
        error(503, "unfinished", "repeat it", **{"Retry-After": "0"}),
        web.json_response({"success": True, "summary": {"entriesDeleted": 3}}),
    )
    async with Client(server.url, "t") as client:
        assert await client.erase_user("ana") == {"entriesDeleted": 3}
