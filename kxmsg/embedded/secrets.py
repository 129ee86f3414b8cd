"""Secrets of the embedded backend, made on first use and kept in files. For start-up only: every call may block."""

import json
import os
import tempfile
from pathlib import Path

from kxmsg.errors import StartError
from kxmsg.services.secrets import GATEWAY, NEW, Secrets, new_secret


class LocalSecrets(Secrets):
    """What ``secrets/`` under the data folder holds, readable by its owner alone.

    Processes that start together agree: a file appears whole, under its name, once.
    """

    def __init__(self, data: Path) -> None:
        self._folder = data / "secrets"

    def read(self, name: str) -> bytes:
        path = self._folder / name
        try:
            if not path.exists():
                self._create(path, NEW[name]())
            return path.read_bytes()
        except OSError as error:
            raise _unusable(path, error) from error

    def place(self, name: str) -> str:
        return str(self._folder / name)

    def rotate(self) -> list[str]:
        """Put a new gateway secret before the current one and forget the one before that."""
        current = self.gateway_secrets()[0]
        path = self._folder / GATEWAY
        try:
            self._temporary(json.dumps([new_secret(), current]).encode()).replace(path)
        except OSError as error:
            raise _unusable(path, error) from error
        return self.gateway_secrets()

    def _create(self, path: Path, content: bytes) -> None:
        """Put the file there unless another process was faster: a link, unlike a rename, replaces nothing."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._folder.chmod(0o700)
        temporary = self._temporary(content)
        try:
            path.hardlink_to(temporary)
        except FileExistsError:
            return
        finally:
            temporary.unlink()

    def _temporary(self, content: bytes) -> Path:
        """A new file beside the others (mode 0600) with ``content``, on disk."""
        descriptor, name = tempfile.mkstemp(prefix=".new-", dir=self._folder)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        return Path(name)


def _unusable(path: Path, error: OSError) -> StartError:
    reason = error.strerror or type(error).__name__
    return StartError(f"{path} can't be used ({reason}): give this user access to it or point KXMSG_DATA elsewhere")
