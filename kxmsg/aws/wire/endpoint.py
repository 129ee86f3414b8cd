"""Endpoint: where requests go, read from a URL."""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from kxmsg.errors import ConfigError

_PORTS: Final = {"http": 80, "https": 443}
_HOST: Final = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+")
_PATH: Final = re.compile(r"(?:/(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})+)*")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """``path`` is what the requests' paths start with: a stage, ``/prod``, or nothing."""

    host: str
    port: int
    tls: bool
    path: str = ""

    @classmethod
    def parse(cls, url: str) -> "Endpoint":
        """The endpoint of ``https://host[:port][/stage]``. Raises :class:`~kxmsg.errors.ConfigError`."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            raise _unusable() from None
        path = parts.path.rstrip("/")
        plain = parts.username is None and not parts.query and not parts.fragment
        if parts.scheme not in _PORTS or not plain or not _HOST.fullmatch(host) or not _PATH.fullmatch(path):
            raise _unusable()
        return cls(host, port or _PORTS[parts.scheme], parts.scheme == "https", path)

    @property
    def authority(self) -> str:
        """The ``Host`` header, in which a scheme's own port isn't named (as botocore has it, which signs it)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS["https" if self.tls else "http"] else f"{host}:{self.port}"


def _unusable() -> ConfigError:
    # The URL is not shown: somebody may have written a password into it.
    return ConfigError(["an AWS endpoint's URL: write https://host[:port][/stage], without user, query or fragment"])
