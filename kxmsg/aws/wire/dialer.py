"""Dialer: opens connections, with TLS verified and a time-out for each address."""

import asyncio
import os
import socket
import ssl
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from kxmsg.aws.wire.connection import Connection, NoAnswer
from kxmsg.aws.wire.endpoint import Endpoint
from kxmsg.errors import ConfigError

_BUFFER: Final = 64 * 1024


class Dialer:
    """Opens connections, on one event loop. ``connect_timeout`` in seconds is for one address, TLS handshake included.

    The system's certificate authorities are trusted, or instead of them those of the file that ``AWS_CA_BUNDLE`` names,
    as the SDKs have it. Raises :class:`~kxmsg.errors.ConfigError` where that can't be read.
    """

    def __init__(self, *, connect_timeout: float) -> None:
        self._connect_timeout = connect_timeout
        self._tls = _trusting(os.environ.get("AWS_CA_BUNDLE"))
        self._buffer = memoryview(bytearray(_BUFFER))
        self._closed = False

    def close(self) -> None:
        """Open no more connections."""
        self._closed = True

    async def dial(self, endpoint: Endpoint, deadline: float, on_lost: Callable[[Connection], None]) -> Connection:
        """A connection to the endpoint, by ``deadline`` in the loop's time. Raises :class:`NoAnswer`.

        The host's addresses are tried one after the other, in the order that the system gives them (RFC 6724): where
        IPv6 comes first and leads nowhere, each new connection costs a ``connect_timeout``.
        """
        self._check_open()
        place = endpoint.authority
        try:
            async with asyncio.timeout_at(deadline):
                connection = await self._try_addresses(endpoint, on_lost)
        except TimeoutError:
            raise NoAnswer("Timeout", f"no connection to {place} in time", sent=False) from None
        except OSError as error:
            raise NoAnswer("Unreachable", f"{place}: {_reason(error)}", sent=False) from error
        try:
            self._check_open()
        except NoAnswer:
            connection.abort()
            raise
        return connection

    def _check_open(self) -> None:
        if self._closed:
            raise NoAnswer("Unreachable", "the client has been closed", sent=False)

    async def _try_addresses(self, endpoint: Endpoint, on_lost: Callable[[Connection], None]) -> Connection:
        loop = asyncio.get_running_loop()
        problem = OSError("it has no address")
        for *_, address in await loop.getaddrinfo(endpoint.host, None, type=socket.SOCK_STREAM):
            try:
                async with asyncio.timeout(self._connect_timeout):
                    _, connection = await loop.create_connection(
                        lambda: Connection(loop, self._buffer, on_lost),
                        str(address[0]),
                        endpoint.port,
                        ssl=self._tls if endpoint.tls else None,
                        server_hostname=endpoint.host if endpoint.tls else None,
                    )
                    return connection
            except OSError as error:  # TimeoutError is one
                problem = error
        raise problem


@lru_cache(maxsize=4)
def _trusting(ca_bundle: str | None) -> ssl.SSLContext:
    """Certificates and host names are verified, TLS is 1.2 at least: Python's defaults. Reading takes 35 ms, once."""
    try:
        context = ssl.create_default_context(cafile=ca_bundle)
    except OSError as error:
        # ssl.SSLError is one: a file without a certificate.
        problem = f"AWS_CA_BUNDLE: {ca_bundle} can't be read ({_reason(error)}); name a file of PEM certificates"
        raise ConfigError([problem]) from error
    context.set_alpn_protocols(["http/1.1"])
    return context


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message}); AWS_CA_BUNDLE can name another authority"
    if isinstance(error, socket.gaierror):
        return f"its name has no address ({error.strerror})"
    return error.strerror or str(error) or type(error).__name__
