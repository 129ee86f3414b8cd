"""Whatever stands in a folder compiles or is refused, and every mistake has its place in a file."""

import re
import tempfile
from pathlib import Path
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kxmsg.errors import ConfigError
from kxmsg.subscriptions import Defaults, load
from kxmsg.subscriptions.inline_tests import run
from kxmsg.subscriptions.mappings import TEMPLATE_KEYS
from kxmsg.subscriptions.problems import CODES

LINE = re.compile(r"^(?P<file>.+?)(:(?P<line>\d+):(?P<column>\d+))?: error\[(?P<code>[a-z-]+)\]: .+")

GOOD = """\
eventSubscriptions:
  - name: incidents  # all but the small ones
    eventPattern:
      source: [com.acme.incidents]
      detail-type: [opened, closed]
      detail: { severity: [{ anything-but: low }], minutes: [{ numeric: ['>', 0, '<=', 60] }] }
    sample: { detail-type: opened, detail: &detail { id: 7, severity: high, minutes: 5, people: [u1, u2], name: "A" } }
    targets: [{ id: q, arn: "arn:aws:sqs:eu-west-1:123456789012:q" }]
    notificationMapping:
      opened:
        targetType: client
        clientId: acme
        targetUserIds: "{{ detail.severity == 'critical' ? detail.people + ['m'] : detail.people }}"
        title: { en: "Incident {{ detail.id }}", de: "Störung {{ detail.id }}" }
        content: "{{ detail.name.upperAscii() }} for {{ detail.minutes }} min"
        when: detail.minutes > 1
        priority: { cases: [{ when: "detail.severity == 'critical'", use: urgent }, { default: high }] }
        tags: [incident, "{{ detail.severity }}"]
        metadata: { minutes: "{{ detail.minutes }}", of: { id: "{{ detail.id }}" } }
        ttl: 2h
        throttle: { per: 1h, atMost: 2, by: "{{ detail.id }}" }
        digest: { every: 15m, title: "{{ count }} incidents", by: x }
      closed:
        - { targetType: broadcast, content: Closed. }
        - targetType: user
          userId: u1
          content: |
            It is over.
    tests:
      - { name: a, event: { detail: { severity: critical } }, expect: { opened: { priority: urgent } } }
      - { name: b, event: { detail-type: closed }, expect: { closed: [{}, { userId: u1 }] } }
      - { name: c, event: { detail: { severity: low } }, expect: no-match }
  - name: own
    eventPattern: { source: [kx-notifications-messaging], detail: { targetType: [client] } }
    messageMapping:
      message.created: { targetType: channel, channelId: desk, content: "{{ detail.messageId }}", senderId: bot }
"""


def check(*texts: str) -> list[str]:
    """Compile files and run their tests; the mistakes, each with its place in one of them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number, text in enumerate(texts):
            (folder / f"{number}.yaml").write_bytes(text.encode(errors="surrogatepass"))
        try:
            catalogue = load(folder)
        except ConfigError as error:
            for problem in error.problems:
                _check_line(problem)
            return error.problems
        for subscription in catalogue.subscriptions:
            for _ in run(subscription, Defaults()):
                pass
        return []


def _check_line(problem: str) -> None:
    found = LINE.fullmatch(problem)
    assert found, problem
    assert found["code"] in CODES
    file = Path(found["file"])
    assert file.is_file(), problem
    if found["line"]:
        lines = re.split(r"\r\n|[\r\n\x85\u2028\u2029]", file.read_text(encoding="utf-8").removeprefix("\ufeff"))
        line, column = int(found["line"]), int(found["column"])
        assert 1 <= line <= len(lines), problem
        assert 1 <= column <= len(lines[line - 1]) + 1, problem


def test_the_file_that_is_mutated_is_good() -> None:
    assert check(GOOD) == []


SCRAPS = [
    *("eventSubscriptions:", "  - ", "    ", "name: a", "eventPattern:", "source:", "[shop]", "detail-type:"),
    *("sample:", "tests:", "expect:", "targets:", "{", "}", "[", "]", ", ", ": ", "{{ detail.a }}", "{{", "}}"),
    *("#", " # ", "no", "012", "12:30", "2026-01-01", ".inf", "=", "~", "\n", "\n    ", "&a ", "*a", "<<: "),
    *("!!set ", "!!binary ", "!!int ", "!!bool ", "'", '"', "|\n", "\u2028", "\ufeff", "\x00"),
]
signs = st.text(st.sampled_from("ab:-[]{}&*!|>'\"#%@,?= \n\t0.~<\\é"), max_size=60)
scraps = st.lists(st.sampled_from(SCRAPS), max_size=40).map("".join)


@given(signs | scraps | st.text(max_size=60))
@settings(deadline=None, max_examples=150)
def test_any_text_compiles_or_is_refused(text: str) -> None:
    check(text)
    check(f"eventSubscriptions:\n  - {text}")


def _mutations(good: str) -> st.SearchStrategy[str]:
    """A file with some of its pieces gone, doubled, exchanged or put elsewhere."""
    pieces = re.findall(r"\w+|\s+|[^\w\s]", good)
    place = st.integers(0, len(pieces) - 1)

    @st.composite
    def mutate(draw: st.DrawFn) -> str:
        made = list(pieces)
        for _ in range(draw(st.integers(1, 4))):
            at, other = draw(place) % len(made), draw(place) % len(made)
            match draw(st.integers(0, 4)):
                case 0:
                    del made[at]
                case 1:
                    made.insert(at, made[other])
                case 2:
                    made[at], made[other] = made[other], made[at]
                case 3:
                    made[at] = draw(scraps.filter(lambda text: len(text) < 20) | st.text(max_size=3))
                case _:
                    del made[at : at + draw(st.integers(1, 30))]
            made = made or [""]
        return "".join(made)

    return mutate()


@given(_mutations(GOOD))
@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
def test_a_good_file_in_disorder_compiles_or_is_refused(text: str) -> None:
    check(text)


TEXTS = [
    *("{{ detail.a }}", "x {{ detail }}", "{{ 1 + 1 }}", "{{ a", "user", "client", "1h", "detail.a"),
    *("no-match", "nothing", "high", "b.json"),
]
KEYS = [
    *("cases", "when", "use", "default", "en", "de", "every", "per", "by", "atMost", "id", "arn", "title", "detail"),
    *("detail-type", "properties", "$ref", "type", "opened", "$or", "prefix", "numeric", "anything-but"),
]
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.sampled_from(TEXTS),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)
templates = st.fixed_dictionaries(
    {
        "targetType": st.sampled_from(["user", "client", "broadcast", "channel"]) | values,
        "content": st.just("x") | values,
    },
    optional=dict.fromkeys(sorted(TEMPLATE_KEYS - {"targetType", "content"}), values),
)
mappings = st.dictionaries(
    st.sampled_from(["opened", "closed", "notification.created"]),
    templates | st.lists(templates, max_size=2) | values,
    max_size=2,
)
subscriptions = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["a", "b"]) | values,
        "eventPattern": st.just({"detail": {"a": [{"exists": True}]}}) | values,
    },
    optional={
        "notificationMapping": mappings,
        "messageMapping": mappings,
        "sample": values | st.lists(values, max_size=2),
        "targets": st.lists(values, max_size=2) | values,
        "tests": st.lists(
            st.fixed_dictionaries({}, optional={"name": values, "event": values, "expect": mappings | values}),
            max_size=2,
        ),
    },
)


@given(st.lists(subscriptions, min_size=1, max_size=2))
@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
def test_any_document_of_that_form_compiles_or_is_refused(given_subscriptions: list[dict[str, Any]]) -> None:
    check(yaml.safe_dump({"eventSubscriptions": given_subscriptions}, allow_unicode=True))


@given(_mutations(GOOD), _mutations(GOOD))
@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
def test_mistakes_of_one_file_do_not_hide_those_of_another(one: str, other: str) -> None:
    """Syntax and structure of each are told, whatever the other is like."""
    alone = [re.sub(r"^.*?/0\.yaml", "", problem) for problem in check(one)]
    both = [re.sub(r"^.*?/0\.yaml", "", problem) for problem in check(one, other)]
    told = [problem for problem in alone if not re.search(r"error\[(loop|duplicate-name)\]", problem)]
    assert [problem for problem in told if problem not in both] == []
