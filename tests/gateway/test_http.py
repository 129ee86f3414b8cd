"""The HTTP side keeps no socket for a request head that does not end."""

import pytest

from kxmsg.gateway import http
from tests.gateway.fakes import Gateway


@pytest.mark.parametrize("begun", [b"", b"GET /health HTTP/1.1\r\nhost:"], ids=["silent", "dripping"])
async def test_a_head_that_does_not_end_in_time_is_cut(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    monkeypatch.setattr(http, "HEAD_SECONDS", 0.02)
    reader, writer = await gateway.raw()
    writer.write(begun)
    assert await reader.read() == b""
    writer.close()


async def test_a_head_that_is_too_large_is_a_bad_request(gateway: Gateway) -> None:
    reader, writer = await gateway.raw()
    writer.write(b"GET /health HTTP/1.1\r\nx: " + b"x" * 40_000)
    assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 400 ")
    writer.close()


async def test_a_large_body_is_no_large_head(gateway: Gateway) -> None:
    status, _, _ = await gateway.request("POST", "/@connections/x", b"x" * 100_000)
    assert status == 410


async def test_a_connection_serves_one_request_after_the_other(gateway: Gateway) -> None:
    reader, writer = await gateway.raw()
    for _ in range(3):
        writer.write(b"GET /health HTTP/1.1\r\nhost: a\r\n\r\n")
        assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 200 ")
        await reader.readuntil(b"}")
    writer.close()
