"""Several ways to push, chosen by the gateway's name."""

from collections.abc import Sequence

from kxmsg.ports import ConnectionGateway, Outcome, Post
from kxmsg.services.gateways import Gateways


class Recording:
    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        self.posts: list[Post] = []
        self.cut: list[tuple[str, str]] = []

    async def post(self, posts: Sequence[Post]) -> list[list[Outcome]]:
        self.posts += posts
        return [[self.outcome] * len(post.connections) for post in posts]

    async def disconnect(self, gateway: str, connection: str) -> Outcome:
        self.cut.append((gateway, connection))
        return self.outcome


async def test_each_post_goes_where_its_gateway_is_and_its_outcomes_come_back_to_it() -> None:
    own, hosted = Recording("ok"), Recording("gone")
    gateways = Gateways({"a": own, "b": hosted, "c": hosted})
    assert isinstance(gateways, ConnectionGateway)
    posts = [Post(name, ["1", "2"], name.encode()) for name in ("b", "a", "c", "a", "nowhere")]
    assert [outcome[0] for outcome in await gateways.post(posts)] == ["gone", "ok", "gone", "ok", "failed"]
    assert [post.data for post in own.posts] == [b"a", b"a"]
    assert [post.data for post in hosted.posts] == [b"b", b"c"]


async def test_a_connection_is_cut_at_its_own_gateway() -> None:
    own, hosted = Recording("ok"), Recording("gone")
    gateways = Gateways({"a": own, "b": hosted})
    assert [await gateways.disconnect(name, "1") for name in ("a", "b", "nowhere")] == ["ok", "gone", "failed"]
    assert (own.cut, hosted.cut) == ([("a", "1")], [("b", "1")])
