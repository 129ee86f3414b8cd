"""Who gets a frame."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from kxmsg.audience import inbox, posts
from kxmsg.model.connection import Place, Subscriber
from kxmsg.model.envelope import Bundle, Change, Entry
from kxmsg.model.notification import VARIANTS, localized
from kxmsg.model.target import BROADCAST, Target
from tests.product import DESK, bundle, envelope


def subscriber(ident: str, gateway: str = "g", codec: str = "native", locale: str | None = None) -> Subscriber:
    return Subscriber(ident, gateway, "acme", "ana", codec, 0, locale)


@given(
    st.dictionaries(st.sampled_from("abcdefgh"), st.tuples(st.sampled_from("xy"), st.sampled_from("jk"))),
    st.lists(st.sampled_from(["a", "b", None]), min_size=1, max_size=5),
)
def test_each_connection_gets_each_entry_once_in_order_but_for_its_own(
    connections: dict[str, tuple[str, str]], origins: list[str | None]
) -> None:
    encoded: Counter[tuple[str, int]] = Counter()

    def encode(codec: str, locale: str | None, _: Bundle, entry: Entry) -> bytes:
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


locales = st.sampled_from([None, "en", "de", "de-at", "de-ch", "de-at-1996", "fr-fr"])
texts = st.fixed_dictionaries({"title": st.sampled_from("xyz")})


@given(
    st.dictionaries(st.sampled_from("abcdefgh"), st.tuples(st.sampled_from("xy"), st.sampled_from("jk"), locales)),
    st.lists(st.dictionaries(st.sampled_from(["de", "de-at", "en-gb", "fr"]), texts), min_size=1, max_size=4),
)
def test_readers_get_the_texts_of_their_locale_and_each_text_is_encoded_once_per_codec(
    connections: dict[str, tuple[str, str, str | None]], variants: list[dict[str, dict[str, str]]]
) -> None:
    """An entry without variants is encoded and posted as if nobody had a locale."""
    encoded: Counter[tuple[str, int]] = Counter()

    def encode(codec: str, locale: str | None, _: Bundle, entry: Entry) -> bytes:
        encoded[codec, entry.sequence] += 1
        return f"{codec} {entry.sequence} {localized(entry.envelope.payload, locale)['title']}".encode()

    payloads = [{"title": "?", VARIANTS: some} if some else {"title": "?"} for some in variants]
    committed = bundle(DESK, [envelope(str(n), DESK, payload=payload) for n, payload in enumerate(payloads)])
    owed = posts(committed, [subscriber(ident, *who) for ident, who in connections.items()], encode)
    got = {ident: [post.data.decode() for post in owed if ident in post.connections] for ident in connections}
    for ident, (_, codec, locale) in connections.items():
        shown = [localized(payload, locale)["title"] for payload in payloads]
        assert got[ident] == [f"{codec} {n} {title}" for n, title in enumerate(shown, start=1)]
    for (_, sequence), times in encoded.items():
        assert times <= 1 + len(variants[sequence - 1])


def test_locales_that_see_the_same_variant_share_a_frame() -> None:
    payload = {"title": "Hello", VARIANTS: {"de": {"title": "Hallo"}}}
    committed = bundle(DESK, [envelope("one", DESK, payload=payload), envelope("two", DESK)])
    asked: list[tuple[int, str | None]] = []

    def encode(_codec: str, locale: str | None, _: Bundle, entry: Entry) -> bytes:
        asked.append((entry.sequence, locale))
        return b""

    readers = [("a", "de-at"), ("b", "en"), ("c", "de-ch"), ("d", None), ("e", "de")]
    owed = posts(committed, [subscriber(ident, locale=locale) for ident, locale in readers], encode)
    assert asked == [(1, "de"), (1, None), (2, None)]
    assert [list(post.connections) for post in owed] == [["a", "c", "e"], ["b", "d"], ["a", "b", "c", "d", "e"]]


def test_an_inbox_is_ones_own_the_clients_and_everybodys_log() -> None:
    assert inbox("acme", "ana") == (
        Place("acme", Target("user", "ana")),
        Place("acme", Target("client", "acme")),
        Place("*", BROADCAST),
    )


def test_a_change_is_not_shown_to_who_asked_for_it_but_to_who_sent_the_entry() -> None:
    changed = bundle(DESK, [envelope("m", DESK, origin="sender")], change=Change("deleted", 1, origin="editor"))
    subscribers = [subscriber("sender"), subscriber("editor"), subscriber("other")]
    (post,) = posts(changed, subscribers, lambda *_: b"frame")
    assert list(post.connections) == ["sender", "other"]
