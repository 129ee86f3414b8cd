"""Who gets a frame."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from kxmsg.audience import inbox, posts
from kxmsg.model.connection import Place, Subscriber
from kxmsg.model.envelope import Bundle, Entry
from kxmsg.model.target import BROADCAST, Target
from tests.product import DESK, bundle, envelope


def subscriber(ident: str, gateway: str = "g", codec: str = "native") -> Subscriber:
    return Subscriber(ident, gateway, "acme", "ana", codec, 0)


@given(
    st.dictionaries(st.sampled_from("abcdefgh"), st.tuples(st.sampled_from("xy"), st.sampled_from("jk"))),
    st.lists(st.sampled_from(["a", "b", None]), min_size=1, max_size=5),
)
def test_each_connection_gets_each_entry_once_in_order_but_for_its_own(
    connections: dict[str, tuple[str, str]], origins: list[str | None]
) -> None:
    encoded: Counter[tuple[str, int]] = Counter()

    def encode(codec: str, _: Bundle, entry: Entry) -> bytes:
        encoded[codec, entry.sequence] += 1
        return f"{codec}{entry.sequence}".encode()

    committed = bundle(DESK, [envelope(str(n), DESK, origin=origin) for n, origin in enumerate(origins)])
    got: dict[str, list[bytes]] = {ident: [] for ident in connections}
    for post in posts(committed, [subscriber(ident, *where) for ident, where in connections.items()], encode):
        for ident in post.connections:
            assert connections[ident][0] == post.gateway
            got[ident].append(post.data)
    for ident, (_, codec) in connections.items():
        wanted = [n for n, origin in enumerate(origins, start=1) if origin != ident]
        assert got[ident] == [f"{codec}{n}".encode() for n in wanted]
    assert all(times == 1 for times in encoded.values())


def test_an_inbox_is_ones_own_the_clients_and_everybodys_log() -> None:
    assert inbox("acme", "ana") == (
        Place("acme", Target("user", "ana")),
        Place("acme", Target("client", "acme")),
        Place("*", BROADCAST),
    )
