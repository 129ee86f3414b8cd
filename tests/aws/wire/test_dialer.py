"""kxmsg.aws.wire.dialer: connections to whom they should be, in time, or a clear reason."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from kxmsg.aws.wire.connection import Connection, NoAnswer
from kxmsg.aws.wire.dialer import Dialer
from kxmsg.aws.wire.endpoint import Endpoint
from kxmsg.errors import ConfigError
from tests.aws.wire.certificates import Authority
from tests.aws.wire.conftest import Start
from tests.aws.wire.responder import OK

LONG = 30.0
REQUEST = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n"


async def dial(url: str, *, dialer: Dialer | None = None, seconds: float = LONG) -> Connection:
    deadline = asyncio.get_running_loop().time() + seconds
    return await (dialer or Dialer(connect_timeout=LONG)).dial(Endpoint.parse(url), deadline, lambda _: None)


async def works(connection: Connection) -> None:
    """A request and its answer, and the end."""
    answer = await connection.send(REQUEST, asyncio.get_running_loop().time() + LONG)
    assert answer.status == 200
    connection.abort()
    await connection.lost


async def refusal(url: str, **options: Any) -> NoAnswer:
    with pytest.raises(NoAnswer) as caught:
        await dial(url, **options)
    assert not caught.value.sent
    return caught.value


@pytest.fixture
async def silent() -> AsyncIterator[asyncio.Server]:
    """A server, on another address, that accepts connections and says nothing."""
    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        ended.set()

    server = await asyncio.start_server(serve, "127.0.0.2", 0)
    yield server
    server.close()
    await ended.wait()


def resolve_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Let every name have these addresses."""

    async def lookup(*_: object, **__: object) -> list[tuple[Any, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in addresses]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", lookup)


async def test_a_plain_connection_works(start: Start) -> None:
    await works(await dial((await start(OK)).url))


async def test_tls_works_with_the_authority_of_the_bundle(start: Start, authority: Authority, trusted: Path) -> None:
    await works(await dial((await start(OK, tls=authority.server_context("localhost"))).url))


async def test_a_certificate_for_another_host_is_refused(start: Start, authority: Authority, trusted: Path) -> None:
    responder = await start(OK, tls=authority.server_context("other.example"))
    error = await refusal(responder.url)
    assert error.code == "Unreachable"
    assert "not valid for 'localhost'" in error.message
    assert not responder.requests


async def test_an_unknown_authority_is_refused_with_the_remedy(
    start: Start, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
    responder = await start(OK, tls=authority.server_context("localhost"))
    error = await refusal(responder.url)
    assert error.code == "Unreachable"
    assert "not trusted" in error.message
    assert "AWS_CA_BUNDLE" in error.message
    assert not responder.requests


async def test_a_server_without_tls_is_refused() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        assert (await refusal(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}")).code == "Unreachable"


@pytest.mark.parametrize("content", [None, b"no certificate"], ids=["missing", "no PEM"])
def test_a_bundle_that_can_not_be_read_is_a_mistake_of_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    file = tmp_path / "bundle.pem"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(file))
    with pytest.raises(ConfigError, match=r"AWS_CA_BUNDLE: .*bundle\.pem can't be read"):
        Dialer(connect_timeout=LONG)


async def test_nobody_there_is_unreachable(start: Start) -> None:
    responder = await start(OK)
    url, place = responder.url, f"127.0.0.1:{responder.port}"
    await responder.stop()
    error = await refusal(url)
    assert error.code == "Unreachable"
    assert error.message.startswith(f"{place}: ")


async def test_a_name_without_an_address_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    async def lookup(*_: object, **__: object) -> list[tuple[Any, ...]]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", lookup)
    error = await refusal("https://sqs.nowhere.example")
    assert (error.code, error.message) == (
        "Unreachable",
        "sqs.nowhere.example: its name has no address (Name or service not known)",
    )


async def test_the_next_address_is_tried_where_one_refuses(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    responder = await start(OK)
    resolve_to(monkeypatch, "127.0.0.2", "127.0.0.1")
    await works(await dial(f"http://sqs.example:{responder.port}"))


async def test_the_next_address_is_tried_where_one_hangs(
    silent: asyncio.Server, authority: Authority, trusted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time-out is each address's own, and includes the TLS handshake."""
    port = silent.sockets[0].getsockname()[1]
    greeted = asyncio.Event()

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        greeted.set()
        await reader.read()
        writer.close()

    context = authority.server_context("sqs.example")
    async with await asyncio.start_server(greet, "127.0.0.1", port, ssl=context):
        resolve_to(monkeypatch, "127.0.0.2", "127.0.0.1")
        connection = await dial(f"https://sqs.example:{port}", dialer=Dialer(connect_timeout=0.5))
        await greeted.wait()
        connection.abort()
        await connection.lost


@pytest.mark.parametrize(
    ("connect_timeout", "seconds"), [(0.02, LONG), (LONG, 0.02)], ids=["connect time-out", "deadline"]
)
async def test_a_server_that_hangs_is_a_timeout(silent: asyncio.Server, connect_timeout: float, seconds: float) -> None:
    port = silent.sockets[0].getsockname()[1]
    dialer = Dialer(connect_timeout=connect_timeout)
    error = await refusal(f"https://127.0.0.2:{port}", dialer=dialer, seconds=seconds)
    assert (error.code, error.message) == ("Timeout", f"no connection to 127.0.0.2:{port} in time")


async def test_a_closed_dialer_opens_no_more_connections(start: Start) -> None:
    responder = await start(OK)
    dialer = Dialer(connect_timeout=LONG)
    dialer.close()
    assert (await refusal(responder.url, dialer=dialer)).message == "the client has been closed"
    assert not responder.connections


async def test_a_connection_that_opens_while_the_dialer_is_closed_is_ended(start: Start) -> None:
    responder = await start(OK)
    dialer = Dialer(connect_timeout=LONG)
    dialing = asyncio.create_task(dial(responder.url, dialer=dialer))
    await asyncio.sleep(0)
    dialer.close()
    with pytest.raises(NoAnswer, match="closed"):
        await dialing
    await responder.all_closed()
