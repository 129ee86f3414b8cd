"""From a folder of YAML to a catalogue, or to all mistakes at once."""

import textwrap
from pathlib import Path
from typing import Any

import pytest

from kxmsg.errors import ConfigError
from kxmsg.subscriptions import Catalogue, load

HEAD = """\
eventSubscriptions:
  - name: orders
    eventPattern: {source: [shop], detail-type: [shipped, lost]}
"""

GOOD = f"""{HEAD}
    notificationMapping:
      shipped: {{targetType: user, userId: ana, content: hello}}
"""


def compiled(folder: Path, **files: str) -> Catalogue:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(textwrap.dedent(text))
    return load(folder)


def problems(folder: Path, **files: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        compiled(folder, **files)
    return [problem.removeprefix(f"{folder}/") for problem in caught.value.problems]


def template_problems(folder: Path, fields: str) -> list[str]:
    """The problems of a template, which begins at 5:16."""
    return problems(folder, a=f"{HEAD}    notificationMapping:\n      shipped: {{{fields}}}\n")


def test_a_good_file_compiles(tmp_path: Path) -> None:
    catalogue = compiled(tmp_path, a=GOOD)
    assert [subscription.name for subscription in catalogue.subscriptions] == ["orders"]


def test_files_below_the_folder_are_found_and_others_left_alone(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.yml").write_text(GOOD)
    (tmp_path / "notes.txt").write_text("{{{")
    (tmp_path / "empty.yaml").write_text("")
    assert len(load(tmp_path).subscriptions) == 1


def test_a_missing_folder_is_named_with_the_setting(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere: no such folder; set KXMSG_CONFIG"):
        load(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- a", ["a.yaml:1:1: the file must be a map, not list", "a.yaml:1:1: has no eventSubscriptions;"]),
        ("eventSubscription: []", ["a.yaml:1:1: unknown field 'eventSubscription'", "a.yaml:1:1: has no"]),
        ("eventSubscriptions: {}", ["a.yaml:1:21: eventSubscriptions must be a list"]),
        (
            "eventSubscriptions: [5]",
            [
                "a.yaml:1:22: a subscription must be a map, not int",
                "a.yaml:1:22: a subscription needs a name",
                "a.yaml:1:22: a subscription needs an eventPattern",
            ],
        ),
        (HEAD, ["a.yaml:2:5: orders maps nothing; give it a notificationMapping or a messageMapping"]),
        (HEAD.replace("name: orders", "name: 5"), ["a.yaml:2:11: name must be text, not 5; quote it"]),
        (
            GOOD.replace("{source: [shop], ", "{source: shop, "),
            ["a.yaml:3:28: eventPattern: source: must be a list of values, as ['shop']"],
        ),
        (
            GOOD.replace("detail-type: [shipped, lost]", "detail: {a: [{prefixes: x}]}"),
            ["a.yaml:3:60: eventPattern: detail.a.0.prefixes: is no operator; did you mean 'prefix'?"],
        ),
        (GOOD.replace("{source: [shop], detail-type: [shipped, lost]}", "{}"), ["a.yaml:3:19: eventPattern: names no"]),
        (GOOD.replace("{source: [shop], detail-type: [shipped, lost]}", "x"), ["a.yaml:3:19: eventPattern must be"]),
        (
            GOOD.replace("detail-type: [shipped, lost]", "detail-type: [shipped], detailType: [shipped]"),
            ["a.yaml:3:60: eventPattern: detailType is another name of detail-type"],
        ),
        (
            GOOD.replace("      shipped:", "      shiped:"),
            ["a.yaml:6:7: no event of detail-type 'shiped' passes the eventPattern; did you mean 'shipped'?"],
        ),
        (
            GOOD.replace("notificationMapping", "notificationMappings"),
            ["a.yaml:5:5: unknown field 'notificationMappings'; did you mean 'notificationMapping'?"],
        ),
        (
            GOOD.replace("{targetType: user, userId: ana, content: hello}", "[]"),
            ["a.yaml:6:16: shipped has no template"],
        ),
        (f"{GOOD}    sample: none.json", ["a.yaml:7:13: the sample"]),
        (GOOD + GOOD.removeprefix("eventSubscriptions:\n"), ["a.yaml:7:11: the name 'orders' is used twice, first at"]),
    ],
)
def test_each_mistake_is_told_with_place_and_remedy(tmp_path: Path, text: str, expected: list[str]) -> None:
    found = problems(tmp_path, a=text)
    assert len(found) == len(expected), found
    for problem, beginning in zip(found, expected, strict=True):
        assert problem.startswith(beginning)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("targetType: user, content: x", ["5:16: a template for a user needs userId"]),
        ("targetType: client, content: x", ["5:16: a template for a client needs clientId"]),
        ("targetType: channel, content: x", ["5:16: a template for a channel needs channelId"]),
        ("targetType: broadcast", ["5:16: a template for a broadcast needs content"]),
        ("content: x", ["5:16: targetType must be one of user, client, broadcast, channel, not None"]),
        ("targetType: usr, content: x", ["5:29: targetType must be one of user, client"]),
        ("targetType: [user], content: 5", ["5:29: targetType must be one of", "5:46: content must be str, not int"]),
        ("targetType: broadcast, content: x, titel: x", ["5:52: unknown field 'titel'; did you mean 'title'?"]),
        ("targetType: broadcast, content: x, priority: top", ["5:62: priority must be one of low, medium"]),
        ("targetType: broadcast, content: x, messageType: sms", ["5:65: messageType must be one of chat"]),
        ("targetType: broadcast, content: x, tags: x", ["5:58: tags must be list, not str"]),
        ("targetType: broadcast, content: x, metadata: [x]", ["5:62: metadata must be dict, not list"]),
        ("targetType: broadcast, content: x, ttl: -1", ["5:57: ttl must be 0 to"]),
        ("targetType: broadcast, content: x, ttl: .inf", ["5:57: ttl must be 0 to"]),
        ("targetType: broadcast, content: x, ttl: .nan", ["5:57: ttl must be 0 to"]),
        ("targetType: broadcast, content: x, deliverAfter: true", ["5:66: deliverAfter must be int or float"]),
        ("targetType: broadcast, content: x, metadata: {a: !!binary aGk=}", ["5:62: metadata holds what JSON has not"]),
        ("targetType: broadcast, content: '{{ detail.a'", ["5:50: content: '{{' is not closed"]),
        (
            "targetType: broadcast, content: 'by {{ evnt.a }}'",
            ["5:56: content: there is no 'evnt'; did you mean 'event'?"],
        ),
        ("targetType: broadcast, content: x, when: detail.a ==", ["5:58: when: the end stands where"]),
        (
            "targetType: broadcast, content: x, priority: {cases: [{when: 'nix', use: low}]}",
            ["5:79: priority: there is no 'nix'"],
        ),
        ("targetType: user, userId: [a], content: x", ["5:43: userId must be str or int, not list"]),
        ("targetType: broadcast, content: x, targetUserIds: [a]", ["5:52: targetUserIds is for templates with"]),
        ("targetType: client, clientId: a, content: x, targetClientIds: [a]", ["5:62: targetClientIds is for"]),
        ("targetType: client, clientId: a, content: x, targetUserIds: a", ["5:77: targetUserIds must be list"]),
    ],
)
def test_each_mistake_of_a_template_is_told(tmp_path: Path, fields: str, expected: list[str]) -> None:
    found = template_problems(tmp_path, fields)
    assert len(found) == len(expected), found
    for problem, beginning in zip(found, expected, strict=True):
        assert problem.startswith(f"a.yaml:{beginning}")


def test_all_mistakes_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        a=GOOD.replace("content", "contnt").replace("[shop]", "shop"),
        b="a: [",
        c=GOOD + "    name: again\n",
        d=GOOD,
    )
    files = [problem.split(":")[0].removesuffix(".yaml") for problem in found]
    assert files == ["a", "a", "a", "b", "c", "c", "d"]
    assert "unknown field 'contnt'" in found[1]
    assert "'name' stands twice, first in line 2" in found[4]
    assert "is used twice, first at" in found[5]


def test_a_sample_must_be_an_object(tmp_path: Path) -> None:
    (tmp_path / "list.json").write_text("[]")
    (problem,) = problems(tmp_path, a=f"{GOOD}    sample: list.json\n")
    assert "must hold one event, a JSON object" in problem


def test_a_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(ConfigError, match=r"a\.yaml: can't be read as UTF-8 text"):
        load(tmp_path)


def test_detail_type_has_another_name(tmp_path: Path) -> None:
    catalogue = compiled(tmp_path, a=GOOD.replace("detail-type", "detailType"))
    assert len(catalogue.hits({"source": "shop", "detail-type": "shipped", "detail": {}})) == 1


def test_templates_of_one_event_have_names_of_their_own(tmp_path: Path) -> None:
    """Ids are made of them: two templates of one name and target would make one entry."""
    catalogue = compiled(
        tmp_path,
        a=f"""{HEAD}
    notificationMapping:
      shipped: [{{targetType: broadcast, content: a}}, {{targetType: broadcast, content: b}}]
    messageMapping:
      shipped: {{targetType: broadcast, content: c}}
""",
    )
    hits = catalogue.hits({"source": "shop", "detail-type": "shipped", "detail": {}})
    templates = [catalogue.template(hit, "shipped") for hit in hits]
    assert [template.kind for template in templates if template] == ["notification", "notification", "message"]
    assert len({template.name for template in templates if template}) == 3


def test_a_field_that_the_sample_lacks_is_told_at_its_place_with_what_was_meant(tmp_path: Path) -> None:
    """Only for the detail-type that the sample is of."""
    text = f"""{HEAD}    sample: {{source: shop, detail-type: shipped, detail: {{orderId: 1}}}}
    notificationMapping:
      shipped: {{targetType: broadcast, content: "Order {{{{ detail.orderid }}}}"}}
      lost: {{targetType: broadcast, content: "Order {{{{ detail.orderid }}}}"}}
"""
    (problem,) = problems(tmp_path, a=text)
    assert problem.startswith("a.yaml:6:66: ")
    assert "did you mean 'orderId'" in problem


def test_cases_and_when_decide_by_the_event(tmp_path: Path) -> None:
    """The first true case wins; where ``when`` is false nothing is made."""
    catalogue = compiled(
        tmp_path,
        a=f"""{HEAD}    notificationMapping:
      shipped:
        targetType: broadcast
        when: detail.level > 0
        content: "{{{{ detail.level > 1 ? 'many' : 'one' }}}}"
        priority:
          cases:
            - {{ when: detail.level > 2, use: urgent }}
            - {{ default: low }}
""",
    )
    made = {level: _rendered(catalogue, level) for level in (0, 1, 3)}
    assert made[0] is None
    assert made[1] == {"content": "one", "priority": "low"}
    assert made[3] == {"content": "many", "priority": "urgent"}


def _rendered(catalogue: Catalogue, level: int) -> dict[str, Any] | None:
    event = {"source": "shop", "detail-type": "shipped", "detail": {"level": level}}
    (hit,) = catalogue.hits(event)
    template = catalogue.template(hit, "shipped")
    assert template is not None
    rendered = template.render(event, "default")
    return rendered.payload if rendered else None
