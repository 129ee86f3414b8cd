"""The WebSocket side: who gets in, what is handed on, which limit closes with which code, and how it ends."""

import asyncio
import contextlib
import json
from typing import Any

import pytest
from structlog.testing import capture_logs
from websockets.exceptions import InvalidStatus, NegotiationError
from websockets.typing import Subprotocol

from kxmsg.gateway.integration import Answer
from kxmsg.gateway.protocol import encode_text
from tests.gateway.conftest import Start
from tests.gateway.fakes import Event, Gateway, answering, frame, until, upgrade

KB = 1024


# --------------------------------------------------------------------------------------------------- connect


async def test_the_api_is_told_who_connects_before_the_upgrade_is_answered(gateway: Gateway) -> None:
    answered = asyncio.Event()

    async def later(event: Event) -> Answer:
        await answered.wait()
        return Answer(200)

    gateway.integration.on_connect = later
    reader, writer = await gateway.raw()
    writer.write(upgrade("/chat/ws/b%201?token=t%3D1&type=", origin="https://app.example.com", user_agent="test/1"))
    event = await gateway.integration.connects.get()
    assert gateway.server.connections == 0
    answered.set()
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
    context = event["requestContext"]
    assert (context["routeKey"], context["eventType"], context["domainName"]) == ("$connect", "CONNECT", "local")
    assert context["identity"] == {"sourceIp": "127.0.0.1", "userAgent": "test/1"}
    assert context["path"] == "/chat/ws/b 1"
    assert event["queryStringParameters"] == {"token": "t=1", "type": ""}
    assert event["headers"]["origin"] == "https://app.example.com"
    writer.close()


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 503])
async def test_a_refusal_is_a_plain_response_with_its_status_and_body(gateway: Gateway, status: int) -> None:
    gateway.integration.on_connect = answering(status, b'{"error":{"code":"no"}}')
    with pytest.raises(InvalidStatus) as caught:
        await gateway.client()
    response = caught.value.response
    assert (response.status_code, response.body) == (status, b'{"error":{"code":"no"}}')
    assert response.headers["content-type"] == "application/json"
    assert gateway.server.connections == 0
    assert gateway.integration.disconnects.empty()


@pytest.mark.parametrize("status", [101, 302, 799])
async def test_an_answer_that_neither_accepts_nor_refuses_is_a_bad_gateway(gateway: Gateway, status: int) -> None:
    gateway.integration.on_connect = answering(status)
    with pytest.raises(InvalidStatus) as caught:
        await gateway.client()
    assert caught.value.response.status_code == 502
    assert json.loads(caught.value.response.body) == {"message": "Bad Gateway"}


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (upgrade(sec_websocket_version="8"), b"400"),
        (upgrade(sec_websocket_key="short"), b"400"),
        (upgrade().replace(b"GET ", b"POST "), b"405"),
        (upgrade("/?" + "x" * 9000), b"414"),
    ],
    ids=["version", "key", "method", "long"],
)
async def test_a_bad_handshake_never_reaches_the_api(gateway: Gateway, request_bytes: bytes, status: bytes) -> None:
    reader, writer = await gateway.raw()
    writer.write(request_bytes)
    assert (await reader.read()).startswith(b"HTTP/1.1 " + status)
    assert gateway.integration.connects.empty()
    writer.close()


async def test_the_subprotocol_is_the_one_that_the_api_selects(gateway: Gateway) -> None:
    gateway.integration.on_connect = answering(200, subprotocol="v11.stomp")
    offered = [Subprotocol("v12.stomp"), Subprotocol("v11.stomp")]
    async with gateway.client(subprotocols=offered) as client:
        assert client.subprotocol == "v11.stomp"
    event = await gateway.integration.connects.get()
    assert event["headers"]["sec-websocket-protocol"] == "v12.stomp, v11.stomp"


async def test_a_subprotocol_that_was_not_offered_is_not_sent(gateway: Gateway) -> None:
    gateway.integration.on_connect = answering(200, subprotocol="other")
    try:
        async with gateway.client(subprotocols=[Subprotocol("v12.stomp")]) as client:
            assert client.subprotocol is None
    except NegotiationError:
        pytest.fail("the gateway sent what the client had not offered")


async def test_compression_is_never_negotiated(gateway: Gateway) -> None:
    async with gateway.client(compression="deflate") as client:
        assert client.protocol.extensions == []


async def test_connection_ids_do_not_repeat(gateway: Gateway) -> None:
    opened = [await gateway.opened() for _ in range(20)]
    assert len({name for _, name in opened}) == 20
    assert all(len(name) == 16 for _, name in opened)
    assert gateway.server.connections == 20


async def test_one_connection_too_many_is_answered_503_without_asking_the_api(start: Start) -> None:
    gateway = await start(connections=1)
    await gateway.opened()
    with pytest.raises(InvalidStatus) as caught:
        await gateway.client()
    assert caught.value.response.status_code == 503
    assert gateway.integration.connects.empty()


async def test_a_client_that_leaves_before_the_answer_is_reported_gone(gateway: Gateway) -> None:
    answered = asyncio.Event()

    async def later(event: Event) -> Answer:
        await answered.wait()
        return Answer(200)

    gateway.integration.on_connect = later
    _, writer = await gateway.raw()
    writer.write(upgrade())
    event = await gateway.integration.connects.get()
    writer.transport.abort()
    answered.set()
    gone = await gateway.integration.disconnects.get()
    assert gone["requestContext"]["connectionId"] == event["requestContext"]["connectionId"]
    assert gone["requestContext"]["disconnectStatusCode"] == 1006
    assert gateway.server.connections == 0


async def test_a_connect_that_breaks_cuts_the_client_with_a_log_line(gateway: Gateway) -> None:
    async def broken(event: Event) -> Answer:
        raise RuntimeError("a bug")

    gateway.integration.on_connect = broken
    with capture_logs() as logs:
        reader, writer = await gateway.raw()
        writer.write(upgrade())
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
    writer.close()
    assert [line["event"] for line in logs] == ["connection cut: its work failed"]


# -------------------------------------------------------------------------------------------------- messages


async def test_messages_are_handed_on_in_order_and_one_at_a_time(gateway: Gateway) -> None:
    busy = 0

    async def alone(event: Event) -> Answer:
        nonlocal busy
        assert busy == 0
        busy += 1
        await asyncio.sleep(0)
        busy -= 1
        return Answer(200, event["body"].encode())

    gateway.integration.on_message = alone
    async with gateway.client() as client:
        for number in range(200):
            await client.send(str(number))
        assert [await client.recv() for _ in range(200)] == [str(number) for number in range(200)]


async def test_a_message_carries_its_route_and_connection(gateway: Gateway) -> None:
    client, name = await gateway.opened()
    await client.send('{"action":"message.send","text":"é"}')
    event = await gateway.integration.messages.get()
    context = event["requestContext"]
    assert (context["routeKey"], context["eventType"]) == ("message.send", "MESSAGE")
    assert context["connectionId"] == name
    assert event["body"] == '{"action":"message.send","text":"é"}'
    assert event["isBase64Encoded"] is False


async def test_an_answer_without_a_body_sends_nothing(gateway: Gateway) -> None:
    async def second_only(event: Event) -> Answer:
        return Answer(200, b"two" if event["body"] == "2" else b"")

    gateway.integration.on_message = second_only
    async with gateway.client() as client:
        await client.send("1")
        await client.send("2")
        assert await client.recv() == "two"


async def test_a_message_that_the_api_did_not_take_is_answered_with_its_id(gateway: Gateway) -> None:
    gateway.integration.on_message = answering(503, b"<html>")
    async with gateway.client() as client:
        await client.send('{"action":"ping","id":"m1"}')
        error = json.loads(await client.recv())
        assert (error["type"], error["code"], error["id"]) == ("error", "unavailable", "m1")
        await client.send("not JSON")
        assert "id" not in json.loads(await client.recv())


async def test_with_a_subprotocol_a_message_not_taken_closes_1013(gateway: Gateway) -> None:
    gateway.integration.on_connect = answering(200, subprotocol="v12.stomp")
    gateway.integration.on_message = answering(503)
    async with gateway.client(subprotocols=[Subprotocol("v12.stomp")]) as client:
        await client.send("SEND\n\n\0")
        assert await closed(client) == 1013


async def test_while_messages_wait_no_more_are_read(start: Start) -> None:
    gateway = await start(inbox_messages=4)
    release = asyncio.Event()

    async def held(event: Event) -> Answer:
        await release.wait()
        return Answer(200)

    gateway.integration.on_message = held
    client, name = await gateway.opened()
    connection = gateway.connection(name)
    sending = asyncio.create_task(send_all(client, 2000, "x" * KB))
    await gateway.integration.messages.get()
    await until(lambda: connection._paused)
    waiting = len(connection._inbox)
    assert 4 <= waiting < 2000
    release.set()
    await sending
    for _ in range(1999):
        await gateway.integration.messages.get()


async def test_a_ping_is_answered(gateway: Gateway) -> None:
    async with gateway.client() as client:
        await (await client.ping(b"there?"))


# ---------------------------------------------------------------------------------------------------- limits


async def test_a_message_of_128_kb_in_frames_of_32_kb_is_taken(gateway: Gateway) -> None:
    async with gateway.client() as client:
        await client.send(["é" * (16 * KB)] * 4)
        event = await gateway.integration.messages.get()
        assert event["body"] == "é" * (64 * KB)


async def test_a_character_may_be_split_between_frames(gateway: Gateway) -> None:
    _, writer, _ = await gateway.upgraded()
    writer.write(frame(1, b"\xc3", fin=False) + frame(9, b"ping") + frame(0, b"\xa9"))
    event = await gateway.integration.messages.get()
    assert event["body"] == "é"
    writer.close()


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ([frame(1, b"x" * (32 * KB + 1))], 1009),
        ([frame(1, b"x" * 32 * KB, fin=False)] + [frame(0, b"x" * 32 * KB, fin=False)] * 3 + [frame(0, b"x")], 1009),
        ([frame(2, b"x")], 1003),
        ([frame(2, b"x", fin=False), frame(0, b"x")], 1003),
        ([frame(1, b"\xff\xfe")], 1007),
        ([frame(1, b"\xc3", fin=False), frame(0, b"x")], 1007),
        ([frame(1, b"x", masked=False)], 1002),
        ([frame(0, b"x")], 1002),
        ([frame(1, b"x", fin=False), frame(1, b"x")], 1002),
        ([frame(3, b"x")], 1002),
        ([frame(9, b"x" * 126)], 1002),
    ],
    ids=[
        "frame",
        "message",
        "binary",
        "binary parts",
        "utf-8",
        "utf-8 split",
        "unmasked",
        "continuation",
        "interrupted",
        "opcode",
        "long ping",
    ],
)
async def test_what_breaks_a_rule_closes_with_its_code(gateway: Gateway, sent: list[bytes], code: int) -> None:
    """RFC 6455, section 7.4.1; the client can read the close frame although it goes on sending."""
    reader, writer, _ = await gateway.upgraded()
    writer.writelines(sent)
    writer.write(frame(1, b"after"))
    head = await reader.readexactly(4)
    assert head[0] == 0x88
    assert int.from_bytes(head[2:4], "big") == code
    writer.close()
    assert (await gateway.integration.disconnected())[0] == code
    assert gateway.integration.messages.empty()


async def test_an_idle_connection_is_closed_going_away(start: Start) -> None:
    gateway = await start(idle=0.02, sweep=0.005)
    async with gateway.client() as client:
        assert await closed(client) == 1001
        assert client.close_reason == "Going away"
    assert await gateway.integration.disconnected() == (1001, "Going away")


async def test_a_connection_is_closed_at_the_end_of_its_life(start: Start) -> None:
    gateway = await start(life=0.02, sweep=0.005)
    async with gateway.client() as client:
        assert await closed(client) == 1001


async def test_idle_counts_from_the_last_byte_of_either_side(gateway: Gateway) -> None:
    client, name = await gateway.opened()
    connection = gateway.connection(name)
    await (await client.ping())
    since = connection._active_at
    connection.expire(since + 599)
    assert gateway.server.connections == 1
    connection.send(encode_text(b"x"), since + 500)
    connection.expire(since + 1099)
    assert gateway.server.connections == 1
    connection.expire(since + 1101)
    assert gateway.server.connections == 0


async def test_activity_does_not_prolong_a_life(gateway: Gateway) -> None:
    _, name = await gateway.opened()
    connection = gateway.connection(name)
    end = connection._opened_at + 7200
    connection.send(encode_text(b"x"), end - 2)
    connection.expire(end - 1)
    assert gateway.server.connections == 1
    connection.expire(end + 1)
    assert gateway.server.connections == 0


async def test_a_client_that_does_not_read_is_busy_then_cut(start: Start) -> None:
    gateway = await start(outbox=64 * KB)
    _, writer, name = await gateway.upgraded()
    connection = gateway.connection(name)
    await fill(gateway, name)
    now = asyncio.get_running_loop().time()
    connection.expire(now + 9)
    assert gateway.server.connections == 1
    connection.expire(now + 11)
    assert gateway.server.connections == 0
    assert connection.send(encode_text(b"x"), now) == "gone"
    connection.expire(now + 20)
    assert await gateway.integration.disconnected() == (1008, "Slow consumer")
    writer.transport.abort()


async def test_a_client_that_reads_again_is_busy_no_more(start: Start) -> None:
    gateway = await start(outbox=64 * KB)
    reader, writer, name = await gateway.upgraded()
    connection = gateway.connection(name)
    sent = await fill(gateway, name)
    await reader.readexactly(sent)
    await until(lambda: connection.send(encode_text(b"again"), 0) == "ok")
    assert (await reader.readexactly(7))[2:] == b"again"
    writer.close()


async def test_nothing_is_read_from_a_client_that_does_not_read(start: Start) -> None:
    """Or its pings and messages would fill the buffer without end."""
    gateway = await start(outbox=64 * KB)
    _, writer, name = await gateway.upgraded()
    await fill(gateway, name)
    assert gateway.connection(name)._paused
    writer.transport.abort()


# ------------------------------------------------------------------------------------------------------- end


async def test_a_client_that_closes_is_reported_with_its_code_and_reason(gateway: Gateway) -> None:
    client, name = await gateway.opened()
    await client.close(4001, "bye")
    event = await gateway.integration.disconnects.get()
    context = event["requestContext"]
    assert (context["routeKey"], context["eventType"], context["connectionId"]) == ("$disconnect", "DISCONNECT", name)
    assert (context["disconnectStatusCode"], context["disconnectReason"]) == (4001, "bye")
    assert gateway.server.connections == 0


async def test_a_close_frame_without_a_code_is_reported_as_1005(gateway: Gateway) -> None:
    _, writer, _ = await gateway.upgraded()
    writer.write(frame(8, b""))
    assert (await gateway.integration.disconnected())[0] == 1005
    writer.close()


@pytest.mark.parametrize("abrupt", [True, False], ids=["reset", "eof"])
async def test_a_client_that_vanishes_is_reported_as_1006(gateway: Gateway, abrupt: bool) -> None:
    _, writer, _ = await gateway.upgraded()
    if abrupt:
        writer.transport.abort()
    else:
        writer.close()
    assert (await gateway.integration.disconnected())[0] == 1006


async def test_messages_sent_before_the_close_are_handed_on_before_it(gateway: Gateway) -> None:
    order: list[str] = []

    async def noted(event: Event) -> Answer:
        await asyncio.sleep(0)
        order.append(event["body"])
        return Answer(200, b"too late")

    gateway.integration.on_message = noted
    _, writer, _ = await gateway.upgraded()
    writer.write(b"".join(frame(1, str(number).encode()) for number in range(5)) + frame(8, b"\x03\xe8"))
    assert (await gateway.integration.disconnected())[0] == 1000
    assert order == ["0", "1", "2", "3", "4"]
    writer.close()


async def test_a_client_that_never_answers_a_close_is_cut(start: Start) -> None:
    gateway = await start(closing=0.02, sweep=0.005)
    reader, writer, name = await gateway.upgraded()
    gateway.connection(name).close(1000, "done")
    assert await gateway.integration.disconnected() == (1000, "done")
    assert (await reader.read())[4:] == b"done"
    writer.close()


async def test_what_a_client_sends_after_our_close_is_not_handed_on(gateway: Gateway) -> None:
    _, writer, name = await gateway.upgraded()
    gateway.connection(name).close(1000, "done")
    writer.write(frame(1, b"late") + frame(8, b"\x03\xe8"))
    assert await gateway.integration.disconnected() == (1000, "done")
    assert gateway.integration.messages.empty()
    writer.close()


async def test_closing_twice_is_closing_once(gateway: Gateway) -> None:
    client, name = await gateway.opened()
    connection = gateway.connection(name)
    connection.close(1000, "one")
    connection.close(1001, "two")
    assert await closed(client) == 1000


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536])
async def test_frames_of_every_length_encoding_arrive(gateway: Gateway, size: int) -> None:
    client, name = await gateway.opened()
    gateway.connection(name).send(encode_text(b"x" * size), 0)
    assert await client.recv() == "x" * size


# --------------------------------------------------------------------------------------------------- helpers


async def closed(client: Any) -> int | None:
    """The close code, once the connection is closed."""
    await client.wait_closed()
    code: int | None = client.close_code
    return code


async def send_all(client: Any, count: int, text: str) -> None:
    for _ in range(count):
        await client.send(text)


async def fill(gateway: Gateway, name: str) -> int:
    """Post until the connection is busy and its socket takes no more; returns the bytes written."""
    connection = gateway.connection(name)
    data = encode_text(b"x" * 16 * KB)
    sent = 0
    while connection.send(data, asyncio.get_running_loop().time()) == "ok":
        sent += len(data)
        await asyncio.sleep(0)
    return sent
