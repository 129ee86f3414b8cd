"""Mappings that would answer what they make themselves."""

from pathlib import Path
from typing import Any

import pytest

from kxmsg.matching import Pattern
from kxmsg.model.event import OWN_SOURCE
from kxmsg.subscriptions.loops import Answer, loops
from kxmsg.subscriptions.problems import At
from tests.subscriptions.compiling import compiled, problems


def mapping(
    name: str,
    answers: str,
    *,
    pattern: str = f"{{source: [{OWN_SOURCE}]}}",
    makes: str = "notification",
    template: str = "targetType: user, userId: ana",
) -> str:
    return f"""\
  - name: {name}
    eventPattern: {pattern}
    {makes}Mapping:
      {answers}: {{{template}, content: x}}
"""


def found(folder: Path, *mappings: str) -> list[str]:
    return problems(folder, a="eventSubscriptions:\n" + "".join(mappings))


def allowed(folder: Path, *mappings: str) -> bool:
    compiled(folder, a="eventSubscriptions:\n" + "".join(mappings))
    return True


CLIENT = "targetType: client, clientId: acme"
CHANNEL = "targetType: channel, channelId: desk"


@pytest.mark.parametrize(
    ("answers", "makes", "template"),
    [
        ("notification.created", "notification", "targetType: user, userId: ana"),
        ("notification.created", "notification", CLIENT),
        ("notification.created", "notification", "targetType: broadcast"),
        ("client.notification.available", "notification", CLIENT),
        ("broadcast.notification.available", "notification", "targetType: broadcast"),
        ("message.created", "message", CHANNEL),
        ("chat.message.sent", "message", CHANNEL),
        ("chat.message.available", "message", CHANNEL),
        ("client.message.available", "message", CLIENT),
        ("broadcast.message.available", "message", "targetType: broadcast"),
        ("client.notification.available", "notification", "targetType: broadcast, targetClientIds: [acme]"),
    ],
)
def test_an_answer_to_what_it_makes_itself_is_refused(tmp_path: Path, answers: str, makes: str, template: str) -> None:
    (problem,) = found(tmp_path, mapping("echo", answers, makes=makes, template=template))
    fault = f"echo.{makes}.{answers}[0] answers what it makes itself; name other sources in the eventPattern"
    assert problem == f"a.yaml:5:{9 + len(answers)}: error[loop]: {fault}"


@pytest.mark.parametrize(
    ("answers", "makes", "template"),
    [
        # what is made is of another kind, or for others
        ("message.created", "notification", CHANNEL),
        ("notification.created", "message", CLIENT),
        ("client.notification.available", "notification", "targetType: user, userId: ana"),
        ("client.notification.available", "notification", "targetType: broadcast"),
        ("client.notification.available", "message", CLIENT),
        ("client.notification.available", "notification", f"{CLIENT}, targetUserIds: [ana]"),
        ("broadcast.notification.available", "notification", "targetType: broadcast, targetClientIds: [acme]"),
        ("chat.message.sent", "notification", CHANNEL),
        # nothing that is made is told so
        ("channel.created", "notification", "targetType: user, userId: ana"),
        ("user.joined.channel", "message", CHANNEL),
        ("notification.read", "notification", "targetType: user, userId: ana"),
        # it may end by itself
        ("notification.created", "notification", "targetType: user, userId: ana, when: detail.priority == 'high'"),
    ],
)
def test_an_answer_to_something_else_is_not(tmp_path: Path, answers: str, makes: str, template: str) -> None:
    assert allowed(tmp_path, mapping("echo", answers, makes=makes, template=template))


@pytest.mark.parametrize(
    "pattern",
    [
        "{detail-type: [notification.created]}",
        "{detail: {tenantId: [acme]}}",
        f"{{source: [shop, {OWN_SOURCE}]}}",
        "{source: [{prefix: kx-}]}",
        "{source: [{anything-but: shop}]}",
        f"{{source: [{OWN_SOURCE}], detail: {{targetType: [user]}}}}",
        f"{{source: [{OWN_SOURCE}], detail: {{eventType: [notification.created]}}}}",
        f"{{source: [{OWN_SOURCE}], detail: {{priority: [{{exists: false}}]}}}}",
        "{$or: [{source: [shop]}, {detail: {userId: [ana]}}]}",
    ],
)
def test_any_pattern_that_lets_our_own_events_through_counts(tmp_path: Path, pattern: str) -> None:
    (problem,) = found(tmp_path, mapping("echo", "notification.created", pattern=pattern))
    assert "error[loop]" in problem


@pytest.mark.parametrize(
    "pattern",
    [
        "{source: [shop]}",
        f"{{source: [{{anything-but: {OWN_SOURCE}}}]}}",
        f"{{source: [{OWN_SOURCE}], detail: {{targetType: [client]}}}}",
        f"{{source: [{OWN_SOURCE}], detail: {{eventType: [message.created]}}}}",
        f"{{source: [{OWN_SOURCE}], detail: {{priority: [high]}}}}",
    ],
)
def test_a_pattern_that_does_not_let_it_through_is_no_loop(tmp_path: Path, pattern: str) -> None:
    assert allowed(tmp_path, mapping("echo", "notification.created", pattern=pattern))


@pytest.mark.parametrize(
    ("priority", "wanted", "loop"),
    [
        ("low", "[high]", False),
        ("high", "[high]", True),
        ("high", "[{anything-but: high}]", False),
        ("'{{ detail.priority }}'", "[high]", True),
        ("{cases: [{when: detail.x, use: low}, {default: low}]}", "[high]", True),
    ],
)
def test_a_priority_that_is_known_decides(tmp_path: Path, priority: str, wanted: str, loop: bool) -> None:
    pattern = f"{{source: [{OWN_SOURCE}], detail: {{priority: {wanted}}}}}"
    text = mapping(
        "echo", "notification.created", pattern=pattern, template=f"targetType: broadcast, priority: {priority}"
    )
    if loop:
        assert "error[loop]" in found(tmp_path, text)[0]
    else:
        assert allowed(tmp_path, text)


def test_a_loop_through_two_mappings_is_told_at_both_with_the_way(tmp_path: Path) -> None:
    one = mapping("one", "message.created")
    two = mapping("two", "notification.created", makes="message", template=CHANNEL)
    first, second = found(tmp_path, one, two)
    other = "two.message.notification.created[0]"
    way = f"one.notification.message.created[0] answers what it makes itself, which {other} answers"
    assert first.startswith(f"a.yaml:5:24: error[loop]: {way};")
    assert second.startswith(
        "a.yaml:9:29: error[loop]: two.message.notification.created[0] answers what it makes itself,"
    )


def test_a_loop_through_files_and_kinds_is_found(tmp_path: Path) -> None:
    one = mapping("one", "chat.message.sent", template=CLIENT)
    two = mapping("two", "client.notification.available", template="targetType: broadcast, targetClientIds: [acme]")
    three = mapping("three", "client.notification.available", makes="message", template=CHANNEL)
    files = {name: f"eventSubscriptions:\n{text}" for name, text in (("a", one), ("b", two), ("c", three))}
    told = problems(tmp_path, **files)
    assert [one.split(":")[0] for one in told] == ["a.yaml", "b.yaml", "c.yaml"]
    assert "one.notification.chat.message.sent[0] answers what it makes itself, which three.message." in told[0]


def test_a_mapping_outside_of_a_loop_may_feed_it_unharmed(tmp_path: Path) -> None:
    echo = mapping("echo", "notification.created")
    feeds = mapping("feeds", "message.created")
    (problem,) = found(tmp_path, feeds, echo)
    assert "echo.notification" in problem


def test_no_loop_is_found_among_mappings_with_mistakes(tmp_path: Path) -> None:
    text = mapping("echo", "notification.created").replace("content", "contnt")
    assert all("error[loop]" not in problem for problem in found(tmp_path, text))


def answer(name: str, detail_type: str, target_type: Any, **known: str | None) -> Answer:
    pattern = Pattern({"source": [OWN_SOURCE]})
    return Answer(name, At(Path("a"), 1, 1), pattern, detail_type, "notification", target_type, known)


def test_ways_are_the_shortest() -> None:
    short = answer("short", "client.notification.available", "client")
    ways = list(loops([short, answer("other", "notification.created", "client")]))
    assert [[one.name for one in way] for way in ways] == [["short"], ["other"]]
    assert list(loops([])) == []
