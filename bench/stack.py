"""The whole product as separate processes on a data folder of its own."""

import asyncio
import os
import resource
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from kxmsg.settings import Settings

SUBSCRIPTIONS: Final = """\
eventSubscriptions:
  - name: bench
    eventPattern: { source: [bench], detail-type: [user, client] }
    notificationMapping:
      user:
        targetType: user
        userId: "{{ detail.userId }}"
        title: "Order {{ detail.orderId }}"
        content: "{{ detail.text }}"
        metadata: { at: "{{ detail.at }}" }
      client:
        targetType: client
        clientId: "{{ detail.tenantId }}"
        title: "Incident {{ detail.orderId }}"
        content: "{{ detail.text }}"
        metadata: { at: "{{ detail.at }}" }
"""

PROCESSES: Final = (
    ("api",),
    ("gateway",),
    ("worker", "event-consumer"),
    ("worker", "template-renderer"),
    ("worker", "sequence-processor"),
    ("worker", "storage-writer"),
    ("worker", "fanout"),
    ("worker", "scheduler"),
)


@dataclass(slots=True)
class Stack:
    """Running processes and how to reach them."""

    settings: Settings
    processes: dict[str, asyncio.subprocess.Process] = field(default_factory=dict)

    def cpu(self) -> dict[str, float]:
        """CPU seconds so far, by process; ``bench`` is this one."""
        own = resource.getrusage(resource.RUSAGE_SELF)
        return {name: _cpu(process.pid) for name, process in self.processes.items()} | {
            "bench": own.ru_utime + own.ru_stime
        }


@asynccontextmanager
async def running(durability: str = "full", commands: Sequence[tuple[str, ...]] = PROCESSES) -> AsyncIterator[Stack]:
    """Start every process, wait until all answer, and end them."""
    folder = Path(tempfile.mkdtemp(prefix="kxmsg-bench-", dir=os.environ.get("KXMSG_BENCH_DIR", ".")))
    (folder / "config").mkdir()
    (folder / "config" / "bench.yaml").write_text(SUBSCRIPTIONS)
    environment = {
        "KXMSG_DATA": str(folder / "data"),
        "KXMSG_CONFIG": str(folder / "config"),
        "KXMSG_API_PORT": str(_free_port()),
        "KXMSG_GATEWAY_PORT": str(_free_port()),
        "KXMSG_DURABILITY": durability,
        "LOG_LEVEL": "WARNING",
    }
    os.environ.update(environment)
    stack = Stack(Settings())
    try:
        for command in commands:
            stack.processes[command[-1]] = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "kxmsg.cli", *command, stdout=asyncio.subprocess.DEVNULL
            )
        await _until_ready(stack)
        yield stack
    finally:
        for process in stack.processes.values():
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
        await asyncio.gather(*(process.wait() for process in stack.processes.values()))
        shutil.rmtree(folder)


async def _until_ready(stack: Stack) -> None:
    settings = stack.settings
    beats = settings.data / "health"
    workers = sum(command[0] == "worker" for command in PROCESSES if command[-1] in stack.processes)
    async with asyncio.timeout(60):
        for port in (settings.api_port, settings.gateway_port):
            while not await _answers(settings.host, port):
                await asyncio.sleep(0.05)
        while sum(1 for _ in beats.glob("*-*")) < workers:  # noqa: ASYNC110 - other processes set no event of ours
            await asyncio.sleep(0.05)


async def _answers(host: str, port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    writer.close()
    return True


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
