"""kxmsg.client.stream: frames as they come, over connections that end."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from kxmsg.client import Events, Position
from kxmsg.client import stream as module
from kxmsg.client.http import Credentials, Token
from kxmsg.errors import Conflict, Forbidden, NotFound, Refusal, StartError, Unauthenticated
from kxmsg.retry import Backoff
from kxmsg.testing.until import until


def note(number: int, **more: Any) -> dict[str, Any]:
    kind = "notification.updated" if "revision" in more else "notification"
    return {"type": kind, "targetKey": "user#ana", "epoch": "E", "sequenceNumber": number, **more}


class Gateway:
    """A gateway that does as it is told; ``answer`` gives the answer to a frame, None: none.

    Pings are answered with ``head``, where the user's log stands, or not at all, and are not among ``frames``.
    """

    def __init__(self) -> None:
        self.url = ""
        self.connections: asyncio.Queue[ServerConnection] = asyncio.Queue()
        self.frames: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.refusals: list[int] = []
        self.tokens: list[str] = []
        self.paths: list[str] = []
        self.head: int | None = 0
        self.breaks = 0
        self.answer: Callable[[dict[str, Any]], dict[str, Any] | None] = lambda frame: {
            "type": "ack",
            "id": frame["id"],
        }

    async def check(self, connection: ServerConnection, request: Request) -> Response | None:
        if self.breaks:
            self.breaks -= 1
            connection.transport.abort()
            return None
        self.tokens.append(request.headers["Authorization"].removeprefix("Bearer "))
        self.paths.append(request.path)
        if not self.refusals:
            return None
        body = orjson.dumps({"error": {"code": "why", "message": "because"}})
        return Response(self.refusals.pop(0), "No", Headers({"Content-Length": str(len(body))}), body)

    async def handle(self, connection: ServerConnection) -> None:
        self.connections.put_nowait(connection)
        async for text in connection:
            frame = orjson.loads(text)
            if frame["action"] == "ping":
                answer = None if self.head is None else {"type": "pong", "id": frame["id"], "heads": self.heads()}
            else:
                self.frames.put_nowait(frame)
                answer = self.answer(frame)
            if answer is not None:
                await connection.send(orjson.dumps(answer).decode())

    def heads(self) -> dict[str, Any]:
        return {"user#ana": {"epoch": "E", "sequenceNumber": self.head, "revision": 0}}

    async def push(self, *frames: dict[str, Any]) -> ServerConnection:
        """Push on the next connection."""
        connection = await self.connections.get()
        for frame in frames:
            await connection.send(orjson.dumps(frame).decode())
        return connection


@pytest.fixture
async def gateway(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Gateway]:
    monkeypatch.setattr(module, "_BACKOFF", Backoff(base=1e-6, cap=1e-6))
    running = Gateway()
    async with serve(running.handle, "127.0.0.1", 0, process_request=running.check) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        running.url = f"ws://127.0.0.1:{port}/"
        yield running


@asynccontextmanager
async def listening(gateway: Gateway, renew: Token | None = None, **options: Any) -> AsyncIterator[Events]:
    async with Events(gateway.url, Credentials(renew or "t"), **options) as events:
        yield events


async def first(events: Events, count: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    async for frame in events:
        found.append(frame)
        if len(found) == count:
            break
    return found


async def met(events: Events) -> None:
    """When it is known where the log stands."""

    async def known() -> bool:
        position = events.positions.get("user#ana")
        return position is not None and position.revision is not None

    await until(known)


async def test_each_entry_comes_once_over_all_connections(gateway: Gateway) -> None:
    async with listening(gateway) as events:
        cut = await gateway.push(note(1), note(1), note(2))
        assert await first(events, 2) == [note(1), note(2)]
        await met(events)
        cut.transport.abort()
        await gateway.push(note(2), note(3), note(2, revision=1))
        assert await first(events, 2) == [note(3), note(2, revision=1)]
        assert events.positions == {"user#ana": Position("E", 3, 1, 3)}


def missed(frame: dict[str, Any], *entries: dict[str, Any], more: bool = False, **said: Any) -> dict[str, Any]:
    """The answer to ``subscribe``."""
    last = entries[-1]["sequenceNumber"] if entries else 0
    told = {"entries": entries, "changes": [], "gone": [], "withheld": [], "recovered": True, **said}
    head = {"epoch": "E", "sequenceNumber": last, "revision": 0}
    return {"type": "history", "id": frame["id"], "targetKey": frame.get("targetKey"), **head, **told, "more": more}


async def test_what_was_missed_between_two_connections_comes_before_what_comes_then(gateway: Gateway) -> None:
    """Page by page; and whoever waits is told what happens."""
    happened: list[str] = []
    options: Any = {"connected": lambda: happened.append("here"), "lost": lambda _: happened.append("lost")}
    async with listening(gateway, **options) as events:
        cut = await gateway.push(note(1))
        assert await first(events, 1) == [note(1)]
        await met(events)
        numbers = iter([(2, 3), (4,)])
        gateway.answer = lambda frame: missed(frame, *map(note, some := next(numbers)), more=some[-1] < 4)
        gateway.head = 4
        cut.transport.abort()
        await gateway.push(note(5))
        assert await first(events, 4) == [note(2), note(3), note(4), note(5)]
        asked = [await gateway.frames.get() for _ in range(2)]
    assert [(one["action"], one["targetKey"], one["afterSequence"], one["epoch"]) for one in asked] == [
        ("subscribe", "user#ana", 1, "E"),
        ("subscribe", "user#ana", 3, "E"),
    ]
    assert happened == ["here", "lost", "here"]


async def test_a_ping_notices_that_a_last_frame_was_lost(gateway: Gateway) -> None:
    gateway.answer = lambda frame: missed(frame, note(1))
    async with listening(gateway, ping_every=0.001) as events:
        await met(events)
        gateway.head = 1
        assert await first(events, 1) == [note(1)]


async def test_where_it_cannot_be_told_the_program_is(gateway: Gateway) -> None:
    async with listening(gateway, positions={"user#ana": Position("D", 7, 0, 7)}) as events:
        gateway.answer = lambda frame: missed(frame, recovered=False, reason="epoch_changed")
        await gateway.push()
        assert await first(events, 1) == [{"type": "resync", "targetKey": "user#ana", "reason": "epoch_changed"}]


async def test_one_goes_on_from_what_was_taken(gateway: Gateway) -> None:
    """What waits has not been had yet."""
    async with listening(gateway) as events:
        await gateway.push(note(1), note(2), note(3))
        assert await first(events, 1) == [note(1)]
        left = events.positions
    assert left["user#ana"].sequence == 1
    async with listening(gateway, positions=left) as events:
        gateway.answer = lambda frame: missed(frame, note(2), note(3))
        gateway.head = 3
        assert await first(events, 2) == [note(2), note(3)]


async def test_a_channel_is_subscribed_to_on_each_connection_until_it_is_not(gateway: Gateway) -> None:
    gateway.answer = lambda frame: missed({"targetKey": "channel#desk", **frame})
    async with listening(gateway) as events:
        await events.subscribe("desk")
        (await gateway.connections.get()).transport.abort()
        await gateway.connections.get()
        asked = [await gateway.frames.get() for _ in range(2)]
        assert [one.get("channelId", one.get("targetKey")) for one in asked] == ["desk", "channel#desk"]
        gateway.answer = lambda frame: {"type": "ack", "id": frame["id"], "channelId": "desk"}
        await events.unsubscribe("desk")
        assert (await gateway.frames.get())["action"] == "unsubscribe"
        assert list(events.positions) == ["user#ana"]


async def test_who_takes_slowly_is_not_sent_more_of_what_was_missed(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 4)
    async with listening(gateway, positions={"user#ana": Position("E", 0, 0)}) as events:
        gateway.head = 9
        pages = iter([(1, 2, 3), (4, 5, 6), (7, 8, 9)])
        gateway.answer = lambda frame: missed(frame, *map(note, numbers := next(pages)), more=numbers[-1] < 9)
        await gateway.frames.get()

        async def had() -> bool:
            return len(events._frames) == 3

        await until(had)
        assert gateway.frames.empty()
        assert await first(events, 9) == [note(number) for number in range(1, 10)]


async def test_a_send_waits_for_its_ack(gateway: Gateway) -> None:
    gateway.answer = lambda frame: {"type": "ack", "id": frame["id"], "messageId": "m1"}
    async with listening(gateway) as events:
        answer = await events.send("desk", "Hello!", metadata={"a": 1})
        assert answer["messageId"] == "m1"
        sent = await gateway.frames.get()
        assert {**sent, "id": 0} == {
            "action": "message.send",
            "threadId": "desk",
            "text": "Hello!",
            "metadata": {"a": 1},
            "id": 0,
        }


async def test_a_send_that_met_the_end_of_a_connection_is_repeated_on_the_next(gateway: Gateway) -> None:
    """Under its id, so that it is said once."""
    gateway.answer = lambda frame: None
    async with listening(gateway) as events:
        sending = asyncio.create_task(events.send("desk", "Hello!"))
        before = await gateway.frames.get()
        gateway.answer = lambda frame: {"type": "ack", "id": frame["id"]}
        (await gateway.connections.get()).transport.abort()
        assert (await sending)["id"] == before["id"]
        assert await gateway.frames.get() == before


@pytest.mark.parametrize("code", ["unknown_connection", "token_expired"])
async def test_a_connection_that_is_no_longer_known_is_replaced(gateway: Gateway, code: str) -> None:
    answers = [{"type": "error", "code": code, "message": "connect again"}, {"type": "ack"}]
    gateway.answer = lambda frame: {**answers.pop(0), "id": frame["id"]}
    async with listening(gateway) as events:
        assert (await events.send("desk", "Hello!"))["type"] == "ack"
    assert gateway.connections.qsize() == 2


async def test_what_can_not_be_taken_now_is_sent_again(gateway: Gateway) -> None:
    answers = [{"type": "error", "code": "unavailable", "message": "away"}, {"type": "ack"}]
    gateway.answer = lambda frame: {**answers.pop(0), "id": frame["id"]}
    async with listening(gateway) as events:
        assert (await events.send("desk", "Hello!"))["type"] == "ack"
    assert (await gateway.frames.get())["id"] == (await gateway.frames.get())["id"]


@pytest.mark.parametrize(
    ("code", "kind"),
    [("channel_not_found", NotFound), ("forbidden", Forbidden), ("conflict", Conflict), ("id_reused", Refusal)],
)
async def test_a_refused_send_raises(gateway: Gateway, code: str, kind: type[Refusal]) -> None:
    gateway.answer = lambda frame: {"type": "error", "id": frame["id"], "code": code, "message": "no"}
    async with listening(gateway) as events:
        with pytest.raises(kind) as caught:
            await events.send("desk", "Hello!")
    assert (caught.value.code, caught.value.message) == (code, "no")


async def test_a_send_without_an_answer_ends(gateway: Gateway) -> None:
    gateway.answer = lambda frame: None
    async with listening(gateway) as events:
        with pytest.raises(TimeoutError):
            await events.send("desk", "Hello!", within=0.02)


async def test_a_connection_that_does_not_answer_is_replaced(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pings find it out."""
    monkeypatch.setattr(module, "PONG_WITHIN", 0.02)
    gateway.head = None
    async with listening(gateway) as events:
        await gateway.connections.get()
        connection = await gateway.connections.get()
        gateway.head = 0
        monkeypatch.setattr(module, "PONG_WITHIN", 20)
        gateway.connections.put_nowait(connection)
        await gateway.push(note(1))
        assert await first(events, 1) == [note(1)]


@pytest.mark.parametrize(("status", "kind"), [(401, Unauthenticated), (403, Forbidden), (404, NotFound)])
async def test_a_refusal_ends_it(gateway: Gateway, status: int, kind: type[Refusal]) -> None:
    """For those who wait for frames, and for those who wait for an answer."""
    gateway.refusals = [status]
    async with listening(gateway) as events:
        with pytest.raises(kind, match="because"):
            await events.send("desk", "Hello!")
        with pytest.raises(kind, match="because"):
            await first(events, 1)


async def test_a_gateway_that_is_full_is_tried_again(gateway: Gateway) -> None:
    gateway.refusals = [503, 503]
    async with listening(gateway) as events:
        await gateway.push(note(1))
        assert await first(events, 1) == [note(1)]


async def test_a_gateway_that_ends_before_it_answers_is_tried_again(gateway: Gateway) -> None:
    gateway.breaks = 2
    async with listening(gateway) as events, asyncio.timeout(10):
        await gateway.push(note(1))
        assert await first(events, 1) == [note(1)]
    assert gateway.breaks == 0


async def test_a_token_is_asked_for_at_each_connection(gateway: Gateway) -> None:
    """One that is refused is renewed once."""
    tokens = iter(["a", "b", "c"])
    gateway.refusals = [401]
    async with listening(gateway, lambda: next(tokens)) as events:
        (await gateway.push(note(1))).transport.abort()
        await gateway.push(note(2))
        assert await first(events, 2) == [note(1), note(2)]
    assert gateway.tokens == ["a", "b", "c"]


async def test_channels_are_named_in_the_query(gateway: Gateway) -> None:
    async with listening(gateway, query={"threadId": "a/b ?#"}):
        await gateway.connections.get()
    assert gateway.paths == ["/?threadId=a%2Fb%20%3F%23"]


async def test_who_takes_too_slowly_is_cut_off_and_can_go_on(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames do not pile up without end."""
    monkeypatch.setattr(module, "MAX_WAITING", 2)
    lost: asyncio.Queue[Exception] = asyncio.Queue()
    async with listening(gateway, lost=lost.put_nowait) as events:
        await gateway.push(*(note(number) for number in range(1, 4)))
        assert "wait to be taken" in str(await lost.get())
        assert await first(events, 3) == [note(1), note(2), note(3)]


async def test_what_is_no_gateway_is_told() -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"hello\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(babble, "127.0.0.1", 0)
    async with server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/?token=secret"
        async with Events(url, Credentials("t")) as events:
            with pytest.raises(StartError, match="no gateway of kxmsg") as caught:
                await first(events, 1)
    assert "secret" not in str(caught.value)
