"""Stack: the whole product as separate processes on one data folder, for tests from outside."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from kxmsg.settings import Settings
from kxmsg.topology import TOPOLOGY

COMMANDS: Final[Mapping[str, tuple[str, ...]]] = {
    "api": ("api",),
    "gateway": ("gateway",),
    **{spec.name: ("worker", spec.name) for spec in TOPOLOGY.workers},
}
"""The processes of ``Procfile`` by name."""

START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 40.0


class Stack:
    """Processes on ``data`` and ``config``, at free ports of 127.0.0.1. Use with ``async with``, which ends them all.

    ``environment`` is added to theirs. What they log goes to ``<data>/logs/<name>.log``.
    """

    def __init__(
        self,
        data: Path,
        config: Path,
        *,
        commands: Mapping[str, tuple[str, ...]] = COMMANDS,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.settings = Settings(data=data, config=config, api_port=_free_port(), gateway_port=_free_port())
        self._commands = commands
        self._environment = {
            **os.environ,
            "KXMSG_DATA": str(data),
            "KXMSG_CONFIG": str(config),
            "KXMSG_API_PORT": str(self.settings.api_port),
            "KXMSG_GATEWAY_PORT": str(self.settings.gateway_port),
            **(environment or {}),
        }
        self._processes: dict[str, asyncio.subprocess.Process] = {}

    async def __aenter__(self) -> Self:
        try:
            await asyncio.gather(*(self.start(name) for name in self._commands))
            await self.ready()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def pids(self) -> dict[str, int]:
        """Process ids by name, of those that run."""
        return {name: process.pid for name, process in self._processes.items() if process.returncode is None}

    async def start(self, name: str, crash_at: int | None = None) -> None:
        """Start one process; with ``crash_at`` it kills itself at that suspension (:mod:`kxmsg.testing.crash`)."""
        entry = ("kxmsg.cli",) if crash_at is None else ("kxmsg.testing.crash", str(crash_at))
        folder = self.settings.data / "logs"
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / f"{name}.log").open("ab") as output:
            self._processes[name] = await asyncio.create_subprocess_exec(
                sys.executable, "-m", *entry, *self._commands[name], stdout=output, stderr=output, env=self._environment
            )

    async def run(self, *arguments: str, limits: str = ":") -> tuple[int, str, str]:
        """Run one ``kxmsg`` command to its end: exit status, standard output, standard error.

        ``limits``: what the shell does before, such as ``ulimit -f 200``.
        """
        process = await asyncio.create_subprocess_exec(
            *("/bin/sh", "-c", f'{limits}; exec "$@"', "sh", sys.executable, "-m", "kxmsg.cli", *arguments),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=self._environment,
        )
        try:
            out, err = await asyncio.wait_for(process.communicate(), START_SECONDS)
        finally:
            if process.returncode is None:  # nobody waits for it any more
                process.kill()
                await process.wait()
        return process.returncode or 0, out.decode(), err.decode()

    async def ready(self) -> None:
        """Until everything answers; raises :class:`RuntimeError` where a process ended instead."""
        ports = [
            port
            for name, port in (("api", self.settings.api_port), ("gateway", self.settings.gateway_port))
            if name in self._commands or "dev" in self._commands
        ]
        async with asyncio.timeout(START_SECONDS):
            while not (all([await self._answers(port) for port in ports]) and self._beat()):
                for name, process in self._processes.items():
                    if process.returncode is not None:
                        raise RuntimeError(f"{name} ended with {process.returncode}; see its log")
                await asyncio.sleep(0.02)

    async def wait(self, name: str) -> int:
        """Until the process has ended by itself; its exit status."""
        return await self._processes[name].wait()

    async def kill(self, name: str) -> None:
        """``kill -9``."""
        process = self._processes[name]
        if process.returncode is None:
            process.kill()
        await process.wait()

    async def terminate(self, *names: str, number: signal.Signals = signal.SIGTERM) -> list[int]:
        """Ask processes (all, if none is named) to stop; their exit statuses once they have."""
        ending = [self._processes[name] for name in names or self._processes]
        for process in ending:
            if process.returncode is None:
                process.send_signal(number)
        return await asyncio.wait_for(asyncio.gather(*(process.wait() for process in ending)), STOP_SECONDS)

    async def stop(self) -> None:
        """End everything, by force where asking does not help."""
        try:
            await self.terminate()
        except TimeoutError:
            await asyncio.gather(*(self.kill(name) for name in self._processes))
            raise

    def logs(self, names: Sequence[str] = ()) -> str:
        """What the processes logged."""
        chosen = names or list(self._commands)
        files = [self.settings.data / "logs" / f"{name}.log" for name in chosen]
        return "\n".join(file.read_text() for file in files if file.exists())

    def _beat(self) -> bool:
        """Whether every worker has a heartbeat."""
        health = self.settings.data / "health"
        workers = {"worker": 1, "dev": len(TOPOLOGY.workers)}
        return all(
            len(list(health.glob(f"*-{self._processes[name].pid}"))) >= workers.get(kind, 0)
            for name, (kind, *_) in self._commands.items()
        )

    async def _answers(self, port: int) -> bool:
        try:
            _, writer = await asyncio.open_connection(self.settings.host, port)
        except OSError:
            return False
        writer.close()
        return True


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
