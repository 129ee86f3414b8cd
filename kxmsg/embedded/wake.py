"""Wake: tells other processes that a queue has something, by Unix datagrams. A hint only; listeners poll as well."""

import asyncio
import hashlib
import os
import secrets
import stat
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from socket import AF_UNIX, SOCK_DGRAM, socket
from typing import Final

from kxmsg.errors import StartError
from kxmsg.telemetry import get_logger

POLL: Final = 1.0
"""Seconds between a waiting receive's own looks, for a hint that got lost or a file system without sockets."""
LONGEST_PATH: Final = 103
"""Bytes of a socket's path: ``sun_path`` holds 104 on BSD and macOS, 108 on Linux, with the final zero."""
_SOCKET_NAME: Final = 16
_SETTLED_NS: Final = 1_000_000_000
"""A directory changed less than this ago may change again without its time showing it."""

_log = get_logger(__name__)


@dataclass(slots=True)
class _Listener:
    """This process's ear for one queue."""

    event: asyncio.Event = field(default_factory=asyncio.Event)
    ear: socket | None = None
    path: Path | None = None


@dataclass(slots=True)
class _Peers:
    """The sockets in a queue's directory, as of its modification time."""

    modified: int = -1
    paths: list[str] = field(default_factory=list)


class Wake:
    """Wake-ups by queue name. ``folder`` None: one process only, no sockets. For the event loop's thread.

    Each process that ever waited for a queue has a socket in that queue's directory.
    """

    def __init__(self, folder: Path | None) -> None:
        self.poll = POLL if folder else None
        """Seconds after which a waiter must look for itself; None: nobody else can have put anything there."""
        self._folder = folder.resolve() if folder else None  # every process must come to the same directories
        self._listeners: dict[str, _Listener] = {}
        self._directories: dict[str, Path] = {}
        self._peers: dict[str, _Peers] = {}
        self._pending: dict[str, None] = {}
        self._sender: socket | None = None

    def listen(self, name: str) -> asyncio.Event:
        """The event that the next :meth:`notify` sets. Get it before looking: then nothing is missed in between."""
        listener = self._listeners.get(name)
        if listener is None:
            listener = self._listeners[name] = _Listener()
            if self._folder:
                self._open(listener, self._directory(name))
        return listener.event

    def notify(self, name: str) -> None:
        """Wake whoever waits for the queue, at once in this process; others once per turn of the event loop."""
        if (listener := self._listeners.get(name)) is not None:
            _ring(listener)
        if self._folder:
            if not self._pending:
                asyncio.get_running_loop().call_soon(self._flush)
            self._pending[name] = None

    async def close(self) -> None:
        """Send what is still to be sent, and stop listening."""
        self._flush()
        for listener in self._listeners.values():
            if listener.ear is not None and listener.path is not None:
                asyncio.get_running_loop().remove_reader(listener.ear)
                listener.ear.close()
                listener.path.unlink(missing_ok=True)
        self._listeners.clear()
        if self._sender is not None:
            self._sender.close()
            self._sender = None

    # ---------------------------------------------------------------------------------------------- listening

    def _open(self, listener: _Listener, directory: Path) -> None:
        path = directory / secrets.token_hex(_SOCKET_NAME // 2)
        ear = socket(AF_UNIX, SOCK_DGRAM)
        try:
            ear.setblocking(False)
            ear.bind(str(path))
        except OSError as error:  # this file system has no sockets
            ear.close()
            _log.warning("no wake-ups, polling instead", directory=str(directory), error=str(error))
            return
        listener.ear, listener.path = ear, path
        asyncio.get_running_loop().add_reader(ear, _hear, listener, ear)

    def _directory(self, name: str) -> Path:
        """Where the queue's sockets are: the same for all processes with this data folder."""
        assert self._folder is not None  # noqa: S101 - callers have checked
        directory = self._directories.get(name)
        if directory is None:
            directory = self._folder / "wake" / name
            if len(os.fsencode(directory)) + 1 + _SOCKET_NAME <= LONGEST_PATH:
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            else:
                digest = hashlib.sha256(os.fsencode(self._folder / name)).hexdigest()[:24]
                directory = Path(tempfile.gettempdir()) / f"kxmsg-{os.getuid()}-{digest}"
                _make_private(directory)
            self._directories[name] = directory
        return directory

    # ------------------------------------------------------------------------------------------------ notifying

    def _flush(self) -> None:
        names, self._pending = self._pending, {}
        if not names:
            return
        if self._sender is None:
            self._sender = socket(AF_UNIX, SOCK_DGRAM)
            self._sender.setblocking(False)
        for name in names:
            for path in self._others(name):
                _send(self._sender, path)

    def _others(self, name: str) -> list[str]:
        """The sockets of the other processes. The directory is read again only when its time has changed."""
        directory = self._directory(name)
        peers = self._peers.setdefault(name, _Peers())
        modified = directory.stat().st_mtime_ns
        if modified != peers.modified:
            listener = self._listeners.get(name)
            own = str(listener.path) if listener else ""
            peers.paths = [entry.path for entry in os.scandir(directory) if entry.path != own]
            peers.modified = modified if time.time_ns() - modified > _SETTLED_NS else -1
        return peers.paths


def _ring(listener: _Listener) -> None:
    listener.event.set()
    listener.event = asyncio.Event()


def _hear(listener: _Listener, ear: socket) -> None:
    try:
        while True:
            ear.recv(1)
    except BlockingIOError:
        _ring(listener)


def _send(sender: socket, path: str) -> None:
    try:
        sender.sendto(b"!", path)
    except BlockingIOError:
        pass  # its buffer is full of hints that say the same
    except FileNotFoundError:
        pass  # it has just stopped listening
    except ConnectionRefusedError:  # its process died
        Path(path).unlink(missing_ok=True)
    except OSError as error:
        _log.warning("can't wake a listener", path=path, error=str(error))


def _make_private(directory: Path) -> None:
    """Make a directory that is this user's alone; one that somebody else put there is refused."""
    directory.mkdir(mode=0o700, exist_ok=True)
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise StartError(f"{directory} is not this user's private directory: remove it, or use a shorter KXMSG_DATA")
