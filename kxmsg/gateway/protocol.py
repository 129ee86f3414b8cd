"""One client's WebSocket: handshake, frames in and out, and its end. The wire is RFC 6455, by ``websockets``."""

import asyncio
import http
import logging
import struct
import time
from collections import deque
from math import inf
from secrets import token_urlsafe
from typing import Final, cast
from urllib.parse import unquote

import orjson
import uvicorn
from uvicorn.server import ServerState
from websockets.datastructures import Headers
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol

from kxmsg.gateway.events import Peer, select
from kxmsg.gateway.integration import Answer
from kxmsg.gateway.registry import GOING_AWAY, Registry
from kxmsg.ports import Outcome
from kxmsg.telemetry import FRAMES, get_logger

NORMAL: Final = (1000, "Connection Closed Normally")
UNSUPPORTED: Final = (1003, "Only text messages are supported")
INVALID_TEXT: Final = (1007, "The message is not valid UTF-8")
SLOW: Final = (1008, "Slow consumer")
TOKEN_EXPIRED: Final = (1008, "Token expired")
TRY_AGAIN: Final = (1013, "Try again later")
ABNORMAL: Final = (1006, "Connection Closed Abnormally")

RECEIVED: Final = FRAMES.labels("in")
SENT: Final = FRAMES.labels("out")

_log = get_logger(__name__)
_wire_log = logging.getLogger("kxmsg.gateway.wire")
_wire_log.setLevel(logging.WARNING)  # below that, websockets logs request lines, with their tokens, and frames


def encode_text(data: bytes) -> bytes:
    """``data``, which must be UTF-8, as one unmasked text frame (RFC 6455, section 5.2)."""
    size = len(data)
    if size < 126:
        return bytes((0x81, size)) + data
    if size < 65_536:
        return struct.pack("!BBH", 0x81, 126, size) + data
    return struct.pack("!BBQ", 0x81, 127, size) + data


class Connection(asyncio.Protocol):
    """Made by uvicorn for an upgrade request; finds its :class:`Registry` in the application's state.

    It is *opening* until the integration has answered ``$connect``, *open* until either side begins to close, then
    *closing* until the transport is gone. Messages are handed on one at a time; reading stops while too many wait,
    while the client does not take what was written, and while it is opening.
    """

    def __init__(
        self, config: uvicorn.Config, server_state: ServerState, app_state: dict[str, "Registry[Connection]"]
    ) -> None:
        self._registry = app_state["registry"]
        self._limits = self._registry.limits
        self._wire = ServerProtocol(max_size=(self._limits.message, self._limits.frame), logger=_wire_log)
        self._loop = asyncio.get_running_loop()
        self._opening = False
        self._open = False
        self._paused = False
        self._parts: list[bytes] = []
        self._inbox: deque[str] = deque()
        self._inbox_size = 0
        self._working = False
        self._opened_at = 0.0
        self._token_ends = inf
        self._active_at = 0.0
        self._full_since: float | None = None
        self._closing_since: float | None = None
        self._end: tuple[int, str] | None = None
        """Close code and reason, once the transport of an accepted connection is gone."""

    # ------------------------------------------------------------------------------------- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=self._limits.outbox)
        self._registry.attach(self)

    def data_received(self, data: bytes) -> None:
        self._active_at = self._loop.time()
        self._wire.receive_data(data)
        for event in self._wire.events_received():
            if isinstance(event, Request):
                self._requested(event)
            elif isinstance(event, Frame):
                self._received(event)
        self._flush()

    def eof_received(self) -> None:
        self._wire.receive_eof()
        self._flush()

    def pause_writing(self) -> None:
        self._full_since = self._loop.time()
        self._pace()

    def resume_writing(self) -> None:
        self._full_since = None
        self._pace()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end = self._how_it_ended()
        self._registry.detach(self)
        if self._opened_at:
            self._ended()
            self._work()

    # ------------------------------------------------------------------------------------------- for others

    @property
    def last_active_at(self) -> float:
        """Epoch seconds of the last byte from the client or frame to it."""
        return time.time() - (self._loop.time() - self._active_at)

    def send(self, frame: bytes, now: float) -> Outcome:
        """Write an encoded frame; ``now`` is the loop's time."""
        if not self._open:
            return "gone"
        if self._full_since is not None:
            return "busy"
        self._active_at = now
        self._transport.write(frame)
        return "ok"

    def close(self, code: int, reason: str) -> None:
        """Begin the closing handshake; does nothing unless the connection is open."""
        if self._open:
            self._wire.send_close(code, reason)
            self._flush()

    def abort(self) -> None:
        """Cut the TCP connection."""
        self._transport.abort()

    def expire(self, now: float) -> None:
        """Close or cut what has outlived one of its times."""
        if self._closing_since is not None:
            if now - self._closing_since >= self._limits.closing:
                self.abort()
        elif self._open:
            if self._full_since is not None and now - self._full_since >= self._limits.stalled:
                self.close(*SLOW)
            elif now >= self._token_ends:
                self.close(*TOKEN_EXPIRED)
            elif now - self._active_at >= self._limits.idle or now - self._opened_at >= self._limits.life:
                self.close(*GOING_AWAY)

    # ---------------------------------------------------------------------------------------------- opening

    def _requested(self, request: Request) -> None:
        response = self._wire.accept(request)
        if response.status_code != 101:
            self._wire.send_response(response)
        elif self._registry.full or self._registry.stopping:
            self._refuse(Answer(503))
        else:
            path, _, query = request.path.partition("?")
            peer = self._transport.get_extra_info("peername")
            headers: dict[str, str] = {}
            for name, value in request.headers.raw_items():
                headers[name] = f"{headers[name]}, {value}" if name in headers else value
            self.peer = Peer(
                connection=token_urlsafe(12),
                connected_at=time.time(),
                gateway=self._registry.name,
                path=unquote(path),
                source_ip=peer[0] if peer else "",
                user_agent=headers.get("user-agent", ""),
            )
            self._opening = True
            self._pace()
            self._registry.spawn(self, self._connect(response, query, headers))

    async def _connect(self, response: Response, query: str, headers: dict[str, str]) -> None:
        answer = await self._registry.integration.connect(self.peer.connect(query, headers))
        self._opening = False
        lost = self._end is not None or self._transport.is_closing()
        if answer.ok and (lost or self._registry.stopping):
            self._refuse(Answer(503))
            await self._registry.integration.disconnect(self.peer.disconnect(*(ABNORMAL if lost else GOING_AWAY)))
        elif answer.ok:
            self._token_ends = self._loop.time() + answer.seconds_left
            self._accept(response, answer.subprotocol, headers.get("sec-websocket-protocol", ""))
        else:
            self._refuse(answer)

    def _accept(self, response: Response, selected: str | None, offered: str) -> None:
        if selected in [name.strip() for name in offered.split(",")] and selected:
            response.headers["Sec-WebSocket-Protocol"] = selected
        elif selected:
            _log.warning("the api selected a subprotocol that the client did not offer", selected=selected)
        self._speaks_json = not selected
        self._wire.send_response(response)
        self._open = True
        self._opened_at = self._active_at = self._loop.time()
        self._registry.opened(self)
        self._flush()

    def _refuse(self, answer: Answer) -> None:
        """Answer the upgrade request with an ordinary response (RFC 6455, section 4.2.2, step 4)."""
        if self._end is not None:
            return
        status = http.HTTPStatus(answer.status if answer.status in _REFUSALS else 502)
        body = answer.body or orjson.dumps({"message": status.phrase})
        headers = Headers({"Connection": "close", "Content-Length": str(len(body)), "Content-Type": "application/json"})
        self._wire.send_response(Response(status.value, status.phrase, headers, body))
        self._flush()

    # ---------------------------------------------------------------------------------------------- messages

    def _received(self, frame: Frame) -> None:
        if not self._open or frame.opcode not in (Opcode.TEXT, Opcode.CONT, Opcode.BINARY):
            return
        if frame.opcode is Opcode.BINARY:
            self._fail(*UNSUPPORTED)
            return
        if frame.data:  # empty fragments count against no limit, so they may not be kept
            self._parts.append(bytes(frame.data))
        if not frame.fin:
            return
        data = b"".join(self._parts)
        self._parts.clear()
        try:
            text = data.decode()
        except UnicodeDecodeError:
            self._fail(*INVALID_TEXT)
            return
        RECEIVED.inc()
        self._inbox.append(text)
        self._inbox_size += len(text)
        self._work()

    def _work(self) -> None:
        if not self._working:
            self._working = True
            self._registry.spawn(self, self._handle())

    async def _handle(self) -> None:
        """Hand on what is in the inbox, in order, and after it the end."""
        while self._inbox:
            self._pace()
            await self._message(self._inbox[0])
            self._inbox_size -= len(self._inbox.popleft())
        self._pace()
        self._working = False
        if self._end is not None:
            async with self._registry.disconnects:
                await self._registry.integration.disconnect(self.peer.disconnect(*self._end))

    async def _message(self, text: str) -> None:
        route, own_id = select(text)
        event = self.peer.message(text, route)
        answer = await self._registry.integration.message(event)
        if not self._open:
            return
        if answer.ok:
            self._reply(answer.body)
        elif self._speaks_json:
            self._reply(orjson.dumps(_unavailable(self.peer.connection, own_id)))
        else:
            self.close(*TRY_AGAIN)  # a subprotocol has its own errors, which the gateway does not speak

    def _reply(self, body: bytes) -> None:
        # Written even when the outbox is full: reading has stopped, so there are no more replies than the inbox holds.
        if body:
            self._active_at = self._loop.time()
            self._transport.write(encode_text(body))
            SENT.inc()

    # ----------------------------------------------------------------------------------------------- the wire

    def _flush(self) -> None:
        """Write what the protocol owes, and notice that it has begun to close."""
        for data in self._wire.data_to_send():
            if self._transport.is_closing():
                break
            if data:
                self._transport.write(data)
            elif self._wire.close_rcvd is not None:  # nothing more comes
                self._transport.close()
            else:  # half-closed, or a client still sending might get a reset before it reads the close frame
                self._transport.write_eof()
        if self._closing_since is None and self._wire.close_expected():
            self._closing_since = self._loop.time()
            self._ended()
        self._pace()

    def _fail(self, code: int, reason: str) -> None:
        """RFC 6455, section 7.1.7: what the client sends from here on is not looked at."""
        self._wire.fail(code, reason)
        self._flush()

    def _ended(self) -> None:
        if self._open:
            self._open = False
            self._registry.closed(self)

    def _pace(self) -> None:
        """Read only when there is room for what comes; always while closing, for the client's part of it."""
        crowded = len(self._inbox) >= self._limits.inbox_messages or self._inbox_size > self._limits.inbox
        pause = self._opening or (self._open and (crowded or self._full_since is not None))
        if pause != self._paused and not self._transport.is_closing():
            self._paused = pause
            if pause:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()

    def _how_it_ended(self) -> tuple[int, str]:
        received, sent = self._wire.close_rcvd, self._wire.close_sent
        close = received if self._wire.close_rcvd_then_sent else sent
        return (int(close.code), close.reason) if close is not None else ABNORMAL


_REFUSALS: Final = frozenset(status.value for status in http.HTTPStatus if status >= 400)


def _unavailable(connection: str, own_id: str | int | None) -> dict[str, str | int]:
    """The native protocol's error frame, for a message that the API did not take."""
    frame: dict[str, str | int] = {
        "type": "error",
        "code": "unavailable",
        "message": "The service is unavailable; try again later.",
        "connectionId": connection,
    }
    return frame if own_id is None else frame | {"id": own_id}
