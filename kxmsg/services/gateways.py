"""Gateways: several ways to push as one; the name of a gateway decides."""

import asyncio
from collections.abc import Mapping, Sequence

from kxmsg.ports import ConnectionGateway, Outcome, Post
from kxmsg.telemetry import get_logger

_log = get_logger(__name__)


class Gateways:
    """See :class:`~kxmsg.ports.ConnectionGateway`. ``by_name``: how each gateway of the allow-list is reached."""

    def __init__(self, by_name: Mapping[str, ConnectionGateway]) -> None:
        self._by_name = by_name

    async def post(self, posts: Sequence[Post]) -> list[list[Outcome]]:
        outcomes: list[list[Outcome]] = [["failed"] * len(post.connections) for post in posts]
        shares: dict[int, tuple[ConnectionGateway, list[int]]] = {}
        for place, post in enumerate(posts):
            gateway = self._find(post.gateway)
            if gateway is not None:
                shares.setdefault(id(gateway), (gateway, []))[1].append(place)
        calls = [gateway.post([posts[place] for place in places]) for gateway, places in shares.values()]
        for (_, places), results in zip(shares.values(), await asyncio.gather(*calls), strict=True):
            for place, result in zip(places, results, strict=True):
                outcomes[place] = result
        return outcomes

    async def disconnect(self, gateway: str, connection: str) -> Outcome:
        found = self._find(gateway)
        return "failed" if found is None else await found.disconnect(gateway, connection)

    def _find(self, name: str) -> ConnectionGateway | None:
        gateway = self._by_name.get(name)
        if gateway is None:
            _log.error("post to a gateway that is not on the allow-list", gateway=name)
        return gateway
