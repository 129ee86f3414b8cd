"""From committed entries to frames on connections."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from random import Random

import orjson
import pytest

from kxmsg.bootstrap import App
from kxmsg.model.connection import Place
from kxmsg.model.envelope import Change
from kxmsg.model.preferences import Preferences
from kxmsg.model.target import Target
from kxmsg.ports import Outcome, Post
from kxmsg.services.delivery import RETRIES, YOUNG, Delivery
from kxmsg.testing.virtual import START
from tests.product import DESK, USER, bundle, connection, envelope, simulate

HOME = Place("acme", DESK)
TEAM = Target("channel", "team")


class FakeGateway:
    """Answers each frame as ``decide`` says, and keeps what arrived."""

    def __init__(self, decide: Callable[[str], Outcome] = lambda _: "ok") -> None:
        self.decide = decide
        self.arrived: dict[str, list[int]] = defaultdict(list)
        self.texts: dict[str, list[str]] = defaultdict(list)
        self.offered: dict[str, int] = defaultdict(int)
        self.cut: list[str] = []

    async def post(self, posts: Sequence[Post]) -> list[list[Outcome]]:
        await asyncio.sleep(0)
        return [[self._push(one, post.data) for one in post.connections] for post in posts]

    def _push(self, ident: str, data: bytes) -> Outcome:
        self.offered[ident] += 1
        outcome: Outcome = "gone" if ident in self.cut else self.decide(ident)
        if outcome == "ok":
            frame = orjson.loads(data)
            self.arrived[ident].append(frame["sequenceNumber"])
            self.texts[ident].append(frame.get("message"))
        return outcome

    async def disconnect(self, gateway: str, connection: str) -> Outcome:
        self.cut.append(connection)
        return "ok"


def delivery(app: App, gateway: FakeGateway) -> Delivery:
    return Delivery(app.connections, gateway, app.readers, app.clock)


MESSAGES = bundle(DESK, [envelope(f"m{n}", DESK) for n in range(4)])


@pytest.mark.parametrize("seed", range(25))
def test_each_connection_gets_a_prefix_in_order_and_is_cut_where_it_misses_any(seed: int) -> None:
    """Whatever the mix of outcomes: no frame overtakes another, unless the connection is cut for it."""

    async def scenario(app: App) -> None:
        random, names = Random(seed), [f"c{n}" for n in range(12)]
        outcomes: list[Outcome] = ["ok", "ok", "ok", "busy", "failed", "gone"]
        gateway = FakeGateway(lambda _: random.choice(outcomes))
        for n, name in enumerate(names):
            age = 1000 * (n % 2)
            await app.connections.open(connection(name, f"u{n}", connected_at=START - age), [HOME])
        await delivery(app, gateway).deliver([MESSAGES])
        left = {one.connection for one in (await app.connections.subscribers(HOME))[0]}
        for name in names:
            arrived = gateway.arrived[name]
            if name in left:
                assert arrived == [1, 2, 3, 4]
                assert name not in gateway.cut
            else:
                assert await app.connections.get(name) is None
                assert await app.connections.places(name) == []
            assert arrived == sorted(set(arrived)), "in order, once"

    simulate(scenario)


def test_the_senders_connection_gets_no_frame_and_its_others_do() -> None:
    async def scenario(app: App) -> None:
        gateway = FakeGateway()
        for name in ("c1", "c2"):
            await app.connections.open(connection(name), [HOME])
        await delivery(app, gateway).deliver([bundle(DESK, [envelope("a", DESK, origin="c1")])])
        assert gateway.arrived == {"c2": [1]}

    simulate(scenario)


def test_each_connection_gets_the_text_of_its_own_locale() -> None:
    async def scenario(app: App) -> None:
        gateway = FakeGateway()
        for name, locale in (("c1", "de-at"), ("c2", "fr"), ("c3", None)):
            await app.connections.open(connection(name, locale=locale), [HOME])
        payload = {"content": "Hello", "variants": {"de": {"content": "Hallo"}}}
        await delivery(app, gateway).deliver([bundle(DESK, [envelope("a", DESK, payload=payload)])])
        assert gateway.texts == {"c1": ["Hallo"], "c2": ["Hello"], "c3": ["Hello"]}

    simulate(scenario)


def test_signals_and_changes_are_told_whatever_one_prefers() -> None:
    """What happens to what is there already, and to one's own devices."""

    async def scenario(app: App) -> None:
        gateway = FakeGateway()
        deaf = Preferences(muted={"*": frozenset({"websocket"})})
        await app.connections.open(connection("c1"), [Place("acme", USER)], deaf)
        signal = bundle(
            USER, [envelope("s", kind="signal", payload={"type": "x", "message": "s", "sequenceNumber": 0})]
        )
        changed = bundle(USER, [envelope("n")], change=Change("updated", 1))
        for one, quiet in ((signal, False), (bundle(USER, [envelope("n")]), True), (changed, False)):
            delivered = await delivery(app, gateway).deliver([one])
            assert (gateway.arrived.pop("c1", None) is None, delivered.waits) == (quiet, set())

    simulate(scenario)


def test_who_was_subscribed_is_told_for_each_target_and_only_they_get_its_frames() -> None:
    async def scenario(app: App) -> None:
        gateway = FakeGateway()
        await app.connections.open(connection("c1", "ana"), [HOME])
        await app.connections.open(connection("c2", "bob"), [Place("acme", TEAM)])
        await app.connections.open(connection("c3", "eve", tenant="globex"), [Place("globex", DESK)])
        other = bundle(TEAM, [envelope("t", TEAM)], first=9)
        reached = (await delivery(app, gateway).deliver([MESSAGES, other])).subscribers
        assert {place.target.key: [one.user for one in some] for place, some in reached.items()} == {
            "channel#desk": ["ana"],
            "channel#team": ["bob"],
        }
        assert gateway.arrived == {"c1": [1, 2, 3, 4], "c2": [9]}

    simulate(scenario)


def test_gone_means_gone_for_an_old_connection() -> None:
    async def scenario(app: App) -> None:
        gateway = FakeGateway(lambda _: "gone")
        await app.connections.open(connection("old", connected_at=START - YOUNG), [HOME, Place("acme", TEAM)])
        await delivery(app, gateway).deliver([MESSAGES])
        assert gateway.offered["old"] == len(MESSAGES.entries)
        assert await app.connections.get("old") is None
        assert await app.connections.subscribers(Place("acme", TEAM)) == ([], None)
        assert gateway.cut == []

    simulate(scenario)


def test_a_young_connection_may_not_be_open_yet_and_is_tried_again() -> None:
    async def scenario(app: App) -> None:
        answers: list[Outcome] = ["gone"] * 8
        gateway = FakeGateway(lambda _: answers.pop() if answers else "ok")
        await app.connections.open(connection("new"), [HOME])
        await delivery(app, gateway).deliver([MESSAGES])
        assert gateway.arrived["new"] == [1, 2, 3, 4]
        assert await app.connections.get("new") is not None

    simulate(scenario)


def test_a_busy_connection_is_tried_thrice_more_and_then_cut() -> None:
    async def scenario(app: App) -> None:
        gateway = FakeGateway(lambda name: "busy" if name == "slow" else "ok")
        for name in ("slow", "fine"):
            await app.connections.open(connection(name), [HOME])
        await delivery(app, gateway).deliver([bundle(DESK, [envelope("a", DESK)])])
        assert gateway.offered == {"slow": 1 + RETRIES, "fine": 1}
        assert gateway.cut == ["slow"]
        assert await app.connections.get("slow") is None
        assert app.clock.now() > START, "it waited in between"

    simulate(scenario)


def test_what_has_expired_on_its_way_is_shown_to_nobody() -> None:
    """And what comes after it is."""

    async def scenario(app: App) -> None:
        gateway = FakeGateway()
        await app.connections.open(connection("c1"), [HOME])
        late = bundle(DESK, [envelope("old", DESK, expires_at=int(START) - 1), envelope("new", DESK)])
        await delivery(app, gateway).deliver([late])
        assert gateway.arrived == {"c1": [2]}

    simulate(scenario)


def test_a_gateway_that_does_not_answer_is_asked_once_to_cut_and_its_connections_are_forgotten() -> None:
    """A request that times out for each of them would hold up everybody else for minutes."""

    class Hung(FakeGateway):
        async def disconnect(self, gateway: str, connection: str) -> Outcome:
            self.cut.append(connection)
            return "failed"

    async def scenario(app: App) -> None:
        gateway = Hung(lambda _: "failed")
        for n in range(5):
            await app.connections.open(connection(f"c{n}", f"u{n}"), [HOME])
        await delivery(app, gateway).deliver([MESSAGES])
        assert len(gateway.cut) == 1
        assert (await app.connections.subscribers(HOME))[0] == []

    simulate(scenario)
