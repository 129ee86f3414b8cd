"""Emulator: ministack as a process of its own on 127.0.0.1, for tests that speak AWS's protocols over real HTTP."""

import os
import socket
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PYTHON: Final = ROOT / ".venv-ministack" / "bin" / "python"
MAIN: Final = Path(__file__).with_name("emulator_main.py")
REGION: Final = "eu-central-1"
ACCOUNT: Final = "000000000000"
START_TIMEOUT: Final = 60
STOP_TIMEOUT: Final = 20
KEEP_ALIVE: Final = 75


@dataclass(frozen=True, slots=True)
class Emulator:
    """A running emulator; ``url`` is the endpoint of every service."""

    url: str
    clock: Path
    region: str = REGION
    account: str = ACCOUNT

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which kxmsg finds it, and nothing of the user's own."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": self.region,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def set_ahead(self, seconds: float) -> None:
        """Put its clock so many seconds before the true time, from now on."""
        _write_clock(self.clock, seconds)


def installed() -> bool:
    """Whether ``make setup`` has made the emulator's environment."""
    return PYTHON.exists()


@contextmanager
def running(folder: Path) -> Iterator[Emulator]:
    """Start an emulator that keeps its files and its output in ``folder``; stop it at the end.

    It inherits a socket that already listens, so the port is nobody else's and the first request waits until the
    emulator serves it. It ends with this process, however that ends. Raises RuntimeError with its output where it
    doesn't start.
    """
    output, clock = folder / "ministack.log", folder / "clock"
    _write_clock(clock, 0)
    with socket.create_server(("127.0.0.1", 0)) as listener, output.open("wb") as log:
        port = listener.getsockname()[1]
        command = [str(PYTHON), str(MAIN), str(clock), "ministack.app:app", "--workers", "0"]
        command += ["--bind", f"fd://{listener.fileno()}", "--keep-alive", str(KEEP_ALIVE)]
        process = subprocess.Popen(  # noqa: S603 - nothing in it comes from outside
            command,
            env=_environment(folder, port),
            pass_fds=[listener.fileno()],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        try:
            _wait_until_ready(port)
        except OSError as error:
            raise RuntimeError(f"ministack did not start: {error}\n{output.read_text()}") from error
        yield Emulator(f"http://127.0.0.1:{port}", clock)
    finally:
        try:
            process.communicate(timeout=STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _write_clock(file: Path, seconds: float) -> None:
    with file.open("r+b" if file.exists() else "wb") as clock:
        clock.write(struct.pack("d", seconds))


def _environment(folder: Path, port: int) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "MINISTACK_REGION": REGION,
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "LOG_LEVEL": "WARNING",
    }


def _wait_until_ready(port: int) -> None:
    connection = HTTPConnection("127.0.0.1", port, timeout=START_TIMEOUT)
    try:
        connection.request("GET", "/_ministack/ready")
        status = connection.getresponse().status
    finally:
        connection.close()
    if status != 200:
        raise OSError(f"it answers {status}")
