"""From a folder of YAML to a catalogue, or to all mistakes at once."""

from pathlib import Path
from typing import Any

import pytest

from kxmsg.subscriptions import load
from kxmsg.subscriptions.catalogue import Destination
from tests.subscriptions.compiling import EVENT, GOOD, HEAD, compiled, made, only, problems


def test_a_good_file_compiles(tmp_path: Path) -> None:
    subscription = only(compiled(tmp_path, a=GOOD))
    assert (subscription.name, str(subscription.at)) == ("orders", f"{tmp_path}/a.yaml:2:5")
    assert list(subscription.templates) == ["shipped"]


def test_files_below_the_folder_are_found_and_others_left_alone(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.yml").write_text(GOOD)
    (tmp_path / "notes.txt").write_text("{{{")
    (tmp_path / "empty.yaml").write_text("")
    assert len(load(tmp_path).subscriptions) == 1


def test_a_folder_named_as_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").mkdir()
    fault = "a.yaml: error[file]: can't be read: Is a directory; only YAML files end in .yaml or .yml"
    assert problems(tmp_path) == [fault]


def test_an_empty_folder_has_no_subscriptions(tmp_path: Path) -> None:
    assert load(tmp_path).subscriptions == ()


PATTERN = "{source: [shop], detail-type: [shipped, lost]}"
TEMPLATE = "{targetType: user, userId: ana, content: hello}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- a", ["1:1: error[shape]: the file must be a map, not list; write 'key: value' lines"]),
        (
            "eventSubscription: []",
            [
                "1:1: error[missing-key]: has no eventSubscriptions; begin the file with",
                "1:1: error[unknown-key]: the file has no 'eventSubscription'; did you mean 'eventSubscriptions'?",
            ],
        ),
        ("eventSubscriptions: {}", ["1:21: error[shape]: eventSubscriptions must be a list"]),
        ("eventSubscriptions:", ["1:20: error[shape]: eventSubscriptions must be a list"]),
        ("eventSubscriptions: [5]", ["1:22: error[shape]: a subscription must be a map, not number"]),
        (
            "eventSubscriptions: [{targets: []}]",
            [
                "1:22: error[missing-key]: ? maps nothing; give it a notificationMapping",
                "1:22: error[missing-key]: a subscription needs a name; add one",
                "1:22: error[missing-key]: a subscription needs an eventPattern; add one",
            ],
        ),
        (HEAD, ["2:5: error[missing-key]: orders maps nothing; give it a notificationMapping or a messageMapping"]),
        (GOOD.replace("name: orders", "name: 5"), ["2:11: error[value]: name must be text, not 5; quote it"]),
        (GOOD.replace("name: orders", "name: ''"), ["2:11: error[value]: name must be text, not ''; quote it"]),
        (
            f"{HEAD}    notificationMapping: {{}}\n    targets: []",
            ["2:5: error[missing-key]: orders maps nothing; give it a notificationMapping or a messageMapping"],
        ),
        (
            GOOD.replace(PATTERN, "{source: shop, detail: {a: [{prefixes: x}], b: {}}}"),
            [
                "3:28: error[pattern]: eventPattern: source: must be a list of values, as ['shop']",
                "3:58: error[pattern]: eventPattern: detail.a.0.prefixes: is no operator; did you mean 'prefix'?",
                "3:66: error[pattern]: eventPattern: detail.b: is empty; name a field",
            ],
        ),
        (
            GOOD.replace("{source: [shop], ", "{source: shop, "),
            ["3:28: error[pattern]: eventPattern: source: must be a list of values, as ['shop']"],
        ),
        (
            GOOD.replace("detail-type: [shipped, lost]", "detail: {a: [{prefixes: x}]}"),
            ["3:60: error[pattern]: eventPattern: detail.a.0.prefixes: is no operator; did you mean 'prefix'?"],
        ),
        (GOOD.replace(PATTERN, "{}"), ["3:19: error[pattern]: eventPattern: names no"]),
        (GOOD.replace(PATTERN, "x"), ["3:19: error[shape]: eventPattern must be a map, not text"]),
        (
            GOOD.replace("detail-type: [shipped, lost]", "detail-type: [shipped], detailType: [shipped]"),
            ["3:60: error[yaml-duplicate]: detailType is another name of detail-type; keep one"],
        ),
        (
            GOOD.replace("detail-type:", "detailType:").replace("[shipped, lost]", "lost"),
            ["3:48: error[pattern]: eventPattern: detail-type: must be a list of values"],
        ),
        (
            GOOD.replace("      shipped:", "      shiped:"),
            ["5:7: error[unreachable]: no event of detail-type 'shiped' passes the eventPattern; did you mean 'ship"],
        ),
        (
            GOOD.replace("detail-type: [shipped, lost]", "detail-type: [{prefix: order.}]"),
            ["5:7: error[unreachable]: no event of detail-type 'shipped' passes the eventPattern"],
        ),
        (
            GOOD.replace("notificationMapping", "notificationMappings"),
            [
                "2:5: error[missing-key]: orders maps nothing",
                "4:5: error[unknown-key]: a subscription has no 'notificationMappings'; did you mean 'not",
            ],
        ),
        (
            GOOD.replace(TEMPLATE, "[]"),
            ["5:16: error[missing-key]: shipped has no template; give it one, or leave it out"],
        ),
        (f"{HEAD}    messageMapping: [x]\n", ["4:21: error[shape]: messageMapping must be a map, not list"]),
        (f"{GOOD}    sample: none.json", ["6:13: error[sample]: the sample "]),
        (f"{GOOD}    sample: [{{}}, 5]", ["6:18: error[sample]: the sample must be one event, a JSON object, or"]),
        (
            f"{GOOD}    sample: {{detail-type: shiped}}",
            ["6:13: error[sample]: the eventPattern does not want the sample"],
        ),
        (f"{GOOD}    sample: {{source: market}}", ["6:13: error[sample]: the eventPattern does not want the sample"]),
        (f"{GOOD}    tests: x", ["6:12: error[shape]: tests must be a list"]),
    ],
)
def test_each_mistake_is_told_with_place_and_remedy(tmp_path: Path, text: str, expected: list[str]) -> None:
    found = problems(tmp_path, a=text)
    assert [
        one for one, beginning in zip(found, expected, strict=False) if not one.startswith(f"a.yaml:{beginning}")
    ] == []
    assert len(found) == len(expected), found


def test_a_name_that_is_used_twice_is_told_with_both_places(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, a=GOOD, b=GOOD)
    fault = f"the name 'orders' is used twice, first at {tmp_path}/a.yaml:2:11; choose another"
    assert problem == f"b.yaml:2:11: error[duplicate-name]: {fault}"


def test_all_mistakes_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        a=GOOD.replace("content", "contnt").replace("[shop]", "shop"),
        b="a: [",
        c=GOOD + "    name: again\n",
        d=GOOD,
    )
    places = [tuple(problem.split(": ")[:2]) for problem in found]
    assert places == [
        ("a.yaml:3:28", "error[pattern]"),
        ("a.yaml:5:16", "error[missing-key]"),
        ("a.yaml:5:48", "error[unknown-key]"),
        ("b.yaml:1:4", "error[yaml]"),
        ("c.yaml:2:11", "error[duplicate-name]"),
        ("c.yaml:6:5", "error[yaml-duplicate]"),
        ("d.yaml:2:11", "error[duplicate-name]"),
    ]


def test_detail_type_has_another_name(tmp_path: Path) -> None:
    catalogue = compiled(tmp_path, a=GOOD.replace("detail-type", "detailType"))
    assert len(made(catalogue, EVENT)) == 1


def test_templates_of_one_event_have_names_of_their_own(tmp_path: Path) -> None:
    """Ids are made of them: two templates of one name and target would make one entry."""
    catalogue = compiled(
        tmp_path,
        a=f"""{HEAD}
    messageMapping:
      shipped: {{targetType: broadcast, content: c}}
    notificationMapping:
      shipped: [{{targetType: broadcast, content: a}}, {{targetType: broadcast, content: b}}]
""",
    )
    hits = catalogue.hits(dict(EVENT))
    templates = [catalogue.template(hit, "shipped") for hit in hits]
    assert [template.kind for template in templates if template] == ["notification", "notification", "message"]
    assert [template.name for template in templates if template] == [
        "orders.notification.shipped[0]",
        "orders.notification.shipped[1]",
        "orders.message.shipped[0]",
    ]


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        ("x", "6:14: error[shape]: targets must be a list"),
        ("[x]", "6:15: error[shape]: a target must be a map, not text"),
        ("[{id: q, arn: my-queue}]", "6:28: error[target]: the arn 'my-queue' must be like arn:aws:sqs:"),
        ("[{id: q}]", "6:15: error[missing-key]: a target needs arn; add it"),
        ("[{}]", "6:15: error[missing-key]: a target needs id and arn; add it"),
        ("[{id: q, arn: ~}]", "6:28: error[target]: the arn null must be like arn:aws:sqs:"),
        (
            "[{arn: 'arn:aws:sqs:eu-west-1:123456789012:q'}]",
            "6:15: error[missing-key]: a target needs id; add it",
        ),
        (
            "[{id: a b, arn: 'arn:aws:sqs:eu-west-1:123456789012:q'}]",
            "6:20: error[target]: the id 'a b' must be its own",
        ),
        (
            "[{id: q, arn: 'arn:aws:sqs:eu-west-1:123456789012:q'}, {id: q, arn: 'arn:aws:sns:eu:1:r'}]",
            "6:74: error[target]: the id 'q' must be its own",
        ),
        (
            "[{id: q, arn: 'arn:aws:sqs:eu-west-1:123456789012:q', roleArn: x}]",
            "6:68: error[unknown-key]: a target has no 'roleArn'; known are arn, id",
        ),
    ],
)
def test_each_mistake_of_a_target_is_told(tmp_path: Path, targets: str, expected: str) -> None:
    found = problems(tmp_path, a=f"{GOOD}    targets: {targets}\n")
    assert len(found) == 1, found
    assert found[0].startswith(f"a.yaml:{expected}")


def test_a_subscription_may_pass_its_events_on_alone(tmp_path: Path) -> None:
    arn = "arn:aws:lambda:eu-west-1:123456789012:function:notify"
    catalogue = compiled(tmp_path, a=f"{HEAD}    targets: [{{id: Notify, arn: '{arn}'}}]\n")
    assert only(catalogue).targets == (Destination("Notify", arn),)
    assert made(catalogue, EVENT) == []


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
    rendered = {level: made(catalogue, {"detail": {"level": level}})[0] for level in (0, 1, 3)}
    payloads: dict[int, Any] = {level: one and one.payload for level, one in rendered.items()}
    assert payloads[0] is None
    assert payloads[1] == {"content": "one", "priority": "low"}
    assert payloads[3] == {"content": "many", "priority": "urgent"}


def test_samples_of_several_detail_types_are_each_for_their_own(tmp_path: Path) -> None:
    text = f"""{HEAD}    sample:
      - {{detail-type: shipped, detail: {{a: 1}}}}
      - {{detail-type: lost, detail: {{b: 1}}}}
    notificationMapping:
      shipped: {{targetType: broadcast, content: "x {{{{ detail.b }}}}"}}
      lost: {{targetType: broadcast, content: "x {{{{ detail.b }}}}"}}
"""
    (problem,) = problems(tmp_path, a=text)
    assert problem.startswith("a.yaml:8:62: error[unknown-field]: content: the sample event has no 'b' there")


def test_a_template_may_be_shared_by_an_alias(tmp_path: Path) -> None:
    text = GOOD.replace("shipped: {", "shipped: &told {") + "      lost: *told\n"
    shipped, lost = only(compiled(tmp_path, a=text)).templates.values()
    assert shipped[0].name != lost[0].name
    assert shipped[0].at == lost[0].at
