"""The whole product as separate processes on a data folder of its own, and the CPU time that they take."""

import os
import resource
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from kxmsg.bootstrap import App
from kxmsg.testing.stack import Stack

SUBSCRIPTIONS: Final = """\
eventSubscriptions:
  - name: bench
    eventPattern: { source: [bench], detail-type: [user, client, channel] }
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
      channel:
        targetType: channel
        channelId: "{{ detail.channelId }}"
        senderId: bench
        content: "{{ detail.text }}"
"""


@asynccontextmanager
async def running(durability: str = "full", environment: Mapping[str, str] | None = None) -> AsyncIterator[Stack]:
    """The product on a fresh folder beside the working one, so that it is the same disk; with more ``environment``."""
    folder = Path(tempfile.mkdtemp(prefix=".kxmsg-bench-", dir="."))
    (folder / "config").mkdir()
    (folder / "config" / "bench.yaml").write_text(SUBSCRIPTIONS)
    settings = {"KXMSG_DURABILITY": durability, "LOG_LEVEL": "ERROR", **(environment or {})}
    try:
        async with Stack(folder / "data", folder / "config", environment=settings) as stack:
            yield stack
    finally:
        shutil.rmtree(folder)


def cpu(stack: Stack) -> dict[str, float]:
    """CPU seconds so far, by process; ``bench`` is this one."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    return {name: cpu_of(pid) for name, pid in stack.pids.items()} | {"bench": own.ru_utime + own.ru_stime}


def cpu_of(pid: int) -> float:
    """CPU seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def empty(app: App, queues: Iterable[str]) -> bool:
    """Whether nothing waits in these queues, or is being handled."""
    depths = [await app.queue(name).depth() for name in queues]
    return not any(depth.visible or depth.in_flight or depth.delayed for depth in depths)
