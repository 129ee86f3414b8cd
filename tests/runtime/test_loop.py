"""The process's loop and its signals."""

import asyncio
import os
import signal

import pytest

from kxmsg.runtime.loop import INTERRUPTED, run


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_asks_to_stop(number: signal.Signals) -> None:
    """The main coroutine ends in its own time."""

    async def main(stop: asyncio.Event) -> str:
        os.kill(os.getpid(), number)
        await stop.wait()
        return type(asyncio.get_running_loop()).__module__

    assert run(main) == "uvloop"


def test_a_second_signal_ends_at_once() -> None:
    """With the exit status of an interrupted process."""

    async def main(stop: asyncio.Event) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        await stop.wait()
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.Event().wait()

    with pytest.raises(SystemExit) as raised:
        run(main)
    assert raised.value.code == INTERRUPTED
