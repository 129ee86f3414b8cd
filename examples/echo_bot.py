"""A bot: answers whatever is said in its channels with the same words.

Run it beside ``make dev`` with a token of a bot::

    KXMSG_TOKEN=$(kxmsg token --user echo --tenant acme --role employee) python -m examples.echo_bot lead-desk
"""

import asyncio
import os
import sys
from collections.abc import Sequence

from kxmsg.client import Client, Events, Frame
from kxmsg.errors import Refusal


async def answer(events: Events, me: str, frame: Frame) -> None:
    """Say it again, but for what the bot itself has said: two bots would talk for ever, so it answers people alone."""
    if frame["type"] != "chat.message" or frame["senderId"] == me or "echo" in frame["metadata"]:
        return
    try:
        await events.send(frame["channelId"], f"You said: {frame['message']}", metadata={"echo": frame["messageId"]})
    except Refusal as refused:  # the bot was put out of the channel meanwhile; the others go on
        sys.stderr.write(f"{frame['channelId']}: {refused.message}\n")


async def run(client: Client, me: str, channels: Sequence[str]) -> None:
    """Join ``channels``, then answer in every channel that the bot takes part in, until cancelled.

    What was said while it was cut off comes when it is connected again, so that nobody waits for an answer in vain.
    """
    for channel in channels:
        await client.join(channel)
    async with client.events() as events:
        async for frame in events:
            await answer(events, me, frame)


async def main(channels: Sequence[str]) -> None:
    """Take the addresses from the environment; the defaults are those of ``make dev``."""
    api = os.environ.get("KXMSG_API_URL", "http://127.0.0.1:8080")
    gateway = os.environ.get("KXMSG_GATEWAY_URL", "ws://127.0.0.1:8081/")
    async with Client(api, os.environ["KXMSG_TOKEN"], gateway_url=gateway) as client:
        await run(client, os.environ.get("KXMSG_USER", "echo"), channels)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
