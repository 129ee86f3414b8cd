"""Declared: queues that users' workers brought along, so that every process on the folder knows of them.

On AWS this is ``kxmsg provision``'s work. Here a worker that starts writes its queue and subscriptions down, a file
each, and whoever publishes to a topic reads them.
"""

import os
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final

import orjson

from kxmsg.errors import StartError
from kxmsg.topology import QueueSpec, SubscriptionSpec

_SETTLED_NS: Final = 1_000_000_000


class Declared:
    """The folder of declarations. Files are small and few, and read again only when the folder has changed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "subscriptions"
        self._seen = -1
        self._subscriptions: list[SubscriptionSpec] = []

    def declare(self, queue: QueueSpec, subscriptions: Sequence[SubscriptionSpec]) -> None:
        """Write down a queue's subscriptions, in place of those it had. Blocks; for the start of a process."""
        fields = [{"topic": one.topic, "filter": one.filter} for one in subscriptions]
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with NamedTemporaryFile(dir=self._folder, delete=False) as file:
                file.write(orjson.dumps(fields))
            Path(file.name).replace(self._folder / f"{queue.name}.json")
        except OSError as error:
            raise StartError(f"{self._folder}: {error.strerror}: check the folder and its permissions") from error

    def knows(self, queue: str) -> bool:
        """Whether there is such a queue, or a queue whose dead-letter queue this is."""
        specs = [QueueSpec(file.name.removesuffix(".json")) for file in self._folder.glob("*.json")]
        return any(queue in (spec.name, spec.dlq) for spec in specs)

    def subscriptions(self, topic: str) -> list[SubscriptionSpec]:
        """Who else gets a topic's messages. Costs one look at the folder, as long as nothing has changed."""
        try:
            changed = os.stat(self._folder).st_mtime_ns  # noqa: PTH116 - asked at each publish; a Path costs more
        except FileNotFoundError:
            return []
        if changed != self._seen:
            files = sorted(self._folder.glob("*.json"))
            self._subscriptions = [one for file in files for one in _read(file)]
            self._seen = changed if time.time_ns() - changed > _SETTLED_NS else -1  # a change may share its tick
        return [one for one in self._subscriptions if one.topic == topic]


def _read(file: Path) -> list[SubscriptionSpec]:
    queue = file.name.removesuffix(".json")
    return [
        SubscriptionSpec(one["topic"], queue, {name: tuple(values) for name, values in one["filter"].items()})
        for one in orjson.loads(file.read_bytes())
    ]
