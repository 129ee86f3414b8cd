"""From the YAML of one template to its function, or to all of its mistakes."""

from pathlib import Path

import pytest

from kxmsg.subscriptions import Defaults
from kxmsg.subscriptions.windows import Throttle
from tests.subscriptions.compiling import EVENT, HEAD, compiled, made, only, problems, template, with_template

B = "targetType: broadcast, content: x"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("targetType: user, content: x", ["5:16: error[missing-key]: a template for a user needs userId; add it"]),
        (
            "targetType: client, content: x",
            ["5:16: error[missing-key]: a template for a client needs clientId; add it"],
        ),
        (
            "targetType: channel, content: x",
            ["5:16: error[missing-key]: a template for a channel needs channelId; add"],
        ),
        ("targetType: broadcast", ["5:16: error[missing-key]: a template for a broadcast needs content; add it"]),
        (
            "content: x",
            ["5:16: error[missing-key]: a template needs targetType, one of user, client, broadcast, channel; add it"],
        ),
        ("targetType: usr, content: x", ["5:29: error[target-type]: targetType must be one of user, client"]),
        (
            "targetType: '{{ detail.t }}', content: x",
            ["5:29: error[target-type]: targetType must be one of user, client"],
        ),
        (
            "targetType: [user], content: 5",
            [
                "5:29: error[target-type]: targetType must be one of",
                "5:46: error[value]: content must be text, not number",
            ],
        ),
        (f"{B}, titel: x", ["5:52: error[unknown-key]: a template has no 'titel'; did you mean 'title'?"]),
        (f"{B}, priority: top", ["5:62: error[value]: priority must be one of low, medium"]),
        (f"{B}, messageType: sms", ["5:65: error[value]: messageType must be one of chat"]),
        (f"{B}, tags: x", ["5:58: error[value]: tags must be list, not text"]),
        (f"{B}, metadata: [x]", ["5:62: error[value]: metadata must be map, not list"]),
        (f"{B}, ttl: -1", ["5:57: error[value]: ttl must be 0 to"]),
        (
            f"{B}, ttl: soon",
            ["5:57: error[value]: ttl must be 0 to 3660d, as 90 (seconds), 15m, 1h30m or 30d, not 'soon'"],
        ),
        (f"{B}, deliverAfter: true", ["5:66: error[value]: deliverAfter must be 0 to 3660d"]),
        (f"{B}, title: ~", ["5:59: error[value]: title must be text, not null"]),
        (
            "targetType: broadcast, content: '{{ detail.a'",
            ["5:50: error[unpaired-braces]: content: '{{' is not closed"],
        ),
        (
            "targetType: broadcast, content: 'by {{ evnt.a }}'",
            ["5:56: error[unknown-name]: content: there is no 'evnt'; did you mean 'event'?"],
        ),
        (f"{B}, tags: [a, 'b {{{{ c }}}}']", ["5:68: error[unknown-name]: tags: there is no 'c'"]),
        (f"{B}, metadata: {{a: {{b: ['{{{{ c }}}}']}}}}", ["5:75: error[unknown-name]: metadata: there is no 'c'"]),
        (f"{B}, when: detail.a ==", ["5:69: error[syntax]: when: the end stands where"]),
        (f"{B}, when: '{{{{ detail.a }}}}'", ["5:59: error[syntax]: when: an expression stands here without braces"]),
        (f"{B}, when: [a]", ["5:58: error[value]: when must be an expression, not list; quote it"]),
        (f"{B}, when: true", ["5:58: error[value]: when must be an expression, not bool; quote it"]),
        (f"{B}, when: \"'a'\"", ["5:59: error[type]: when: the condition is of type string; compare it"]),
        (
            f"{B}, priority: {{cases: [{{when: 'nix', use: low}}]}}",
            ["5:79: error[unknown-name]: priority: there is no"],
        ),
        (f"{B}, priority: {{cases: [{{when: detail.a, use: top}}]}}", ["5:93: error[value]: priority must be one of"]),
        (f"{B}, priority: {{cases: [{{default: top}}]}}", ["5:81: error[value]: priority must be one of"]),
        (f"{B}, priority: {{cases: []}}", ["5:70: error[cases]: priority: cases is a list of 1 to 40"]),
        (f"{B}, priority: {{cases: [{{use: low}}]}}", ["5:71: error[cases]: priority: a case has when and use"]),
        (
            "targetType: broadcast, content: {cases: [{default: {xxxx: y}}]}",
            ["5:68: error[locale]: content: 'xxxx' is no"],
        ),
        ("targetType: broadcast, content: {}", ["5:49: error[locale]: content has no text; give it one"]),
        (
            "targetType: broadcast, content: {en: 5}",
            ["5:49: error[locale]: content: the text for en must be text, not number"],
        ),
        (
            "targetType: broadcast, content: {en: a, EN: b}",
            ["5:49: error[locale]: content: EN and en are the same locale"],
        ),
        (
            "targetType: broadcast, content: {en: a, de: 'b {{ c }}'}",
            ["5:67: error[unknown-name]: content: there is no 'c'"],
        ),
        ("targetType: user, userId: [a], content: x", ["5:43: error[value]: userId must be text or number, not list"]),
        ("targetType: user, userId: a#b, content: x", ["5:43: error[value]: userId may hold neither '#'"]),
        ("targetType: broadcast, content: ''", ["5:49: error[value]: content is empty; give it a text"]),
        ("targetType: broadcast, content: {en: ''}", ["5:49: error[locale]: content: the text for en is empty"]),
        (
            "targetType: broadcast, content: {cases: [{when: detail.a, use: x}]}",
            ["5:49: error[cases]: content must have a value for every event; end its cases with a default"],
        ),
        (
            "targetType: broadcast, content: {cases: [{default: x}], en: y}",
            ["5:49: error[locale]: content: cases can't stand beside other keys; move them into its values"],
        ),
        (
            "targetType: client, clientId: a, content: x, targetUserIds: {cases: [{when: detail.a, use: [u]}]}",
            ["5:77: error[cases]: targetUserIds must have a value for every event; end its cases with a default, []"],
        ),
        (
            "targetType: user, content: x, userId: {cases: [{when: detail.a, use: ana}]}",
            ["5:55: error[cases]: userId must have a value for every event; end its cases with a default"],
        ),
        ("targetType: client, clientId: '*', content: x", ["5:47: error[value]: clientId may not be '*', which"]),
        ("targetType: user, userId: a, tenantId: '*', content: x", ["5:56: error[value]: tenantId may not be '*'"]),
        (f"{B}, targetClientIds: [a, '*']", ["5:73: error[value]: targetClientIds may not be '*', which"]),
        (f"{B}, targetClientIds: ['{{{{ detail.a }}}}', '']", ["5:88: error[value]: targetClientIds must be"]),
        (
            f"{B}, tags: [1, {{a: 1}}, ~, '{{{{ detail.a }}}}']",
            [
                "5:59: error[value]: tags must be texts, not 1; quote it, or use string()",
                "5:62: error[value]: tags must be texts, not {'a': 1}",
                "5:70: error[value]: tags must be texts, not null",
            ],
        ),
        (
            "targetType: broadcast, content: 'hi ${ detail.name }, {{ detail.a }}'",
            ["5:53: error[syntax]: content: ${ detail.name } is no placeholder here; write {{ detail.name }}, or"],
        ),
        (
            "targetType: user, content: {en: x, de: '${a}'}, userId: '${b}', tags: ['${c}']",
            [
                "5:57: error[syntax]: content: ${a}",
                "5:74: error[syntax]: userId: ${b}",
                "5:89: error[syntax]: tags: ${c}",
            ],
        ),
        (
            f"{B}, digest: {{every: 1h, by: '${{a}}', title: '${{b}}'}}",
            ["5:77: error[syntax]: digest.by: ${a}", "5:92: error[syntax]: title: ${b}"],
        ),
        (f"{B}, tenantId: ''", ["5:62: error[value]: tenantId must be a non-empty string"]),
        (
            f"{B}, targetUserIds: [a]",
            ["5:52: error[misplaced-key]: targetUserIds is for templates with targetType: client"],
        ),
        (
            "targetType: client, clientId: a, content: x, targetClientIds: [a]",
            ["5:62: error[misplaced-key]: targetClientIds is for templates with targetType: broadcast"],
        ),
        (
            "targetType: client, clientId: a, content: x, targetUserIds: a",
            ["5:77: error[value]: targetUserIds must be list, not text"],
        ),
        (
            "targetType: client, clientId: a, content: x, targetUserIds: [a, '']",
            ["5:81: error[value]: targetUserIds must"],
        ),
        ("targetType: usr, titel: x, when: '', tags: 5", ["5:29", "5:34", "5:51", "5:60"]),
    ],
)
def test_each_mistake_is_told_at_its_place(tmp_path: Path, fields: str, expected: list[str]) -> None:
    found = problems(tmp_path, a=with_template(fields))
    assert [
        one for one, beginning in zip(found, expected, strict=False) if not one.startswith(f"a.yaml:{beginning}")
    ] == []
    assert len(found) == len(expected), found


@pytest.mark.parametrize(
    "fields",
    [
        "content: '{{ ''${'' }}name} costs ${{ detail.price }} or $5'",
        "content: x, metadata: {template: '${name}'}",
        "content: x, tenantId: '*'",
        "content: x, title: {cases: [{when: detail.a, use: y}]}",
        "content: {cases: [{when: detail.a, use: x}, {default: y}]}, targetClientIds: []",
    ],
)
def test_what_only_looks_like_a_mistake_is_none(tmp_path: Path, fields: str) -> None:
    assert template(tmp_path, f"targetType: broadcast, {fields}")


@pytest.mark.parametrize("text", ["x", "[a]", "5", "~"])
def test_a_template_is_a_map(tmp_path: Path, text: str) -> None:
    (found,) = problems(tmp_path, a=f"{HEAD}    notificationMapping:\n      shipped: [{text}]\n")
    assert found.startswith("a.yaml:5:17: error[shape]: a template must be a map, not ")


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        ("digest: {title: x}", "5:60: error[missing-key]: has no every; say how long the window is, as every: 15m"),
        ("digest: x", "5:60: error[shape]: digest must be a map, not text"),
        (
            "digest: {every: 0.5}",
            "5:68: error[value]: every must be 1 to 2678400 seconds, or a text as 15m, 1h30m or 7d",
        ),
        ("digest: {every: 32000h}", "5:68: error[value]: every must be"),
        ("digest: {every: [1h]}", "5:68: error[value]: every must be"),
        ("digest: {every: true}", "5:68: error[value]: every must be"),
        ("digest: {every: 1h, atMost: 2}", "5:72: error[unknown-key]: digest has no 'atMost'"),
        (
            "digest: {every: 1h, title: '{{ detail.a }}'}",
            "5:83: error[unknown-name]: title: there is no 'detail'; known are",
        ),
        ("digest: {every: 1h, priority: top}", "5:82: error[value]: priority must be one of"),
        ("digest: {every: 1h, title: {xxxx: y}}", "5:79: error[locale]: title: 'xxxx' is no locale"),
        ("digest: {every: 1h, by: '{{ count }}'}", "5:80: error[unknown-name]: digest.by: there is no 'count'"),
        ("digest: {every: 1h}, deliverAfter: 5", "5:73: error[misplaced-key]: a digest waits by itself; remove"),
        ("throttle: {atMost: 2}", "5:62: error[missing-key]: has no per; say how long the window is, as per: 15m"),
        ("throttle: [1h]", "5:62: error[shape]: throttle must be a map, not list"),
        ("throttle: {per: 0}", "5:68: error[value]: per must be 1 to"),
        ("throttle: {per: 1h, atMost: 0}", "5:80: error[value]: atMost must be a whole number from 1 to 1000, not 0"),
        ("throttle: {per: 1h, atMost: 1.5}", "5:80: error[value]: atMost must be a whole number"),
        ("throttle: {per: 1h, atMost: true}", "5:80: error[value]: atMost must be a whole number"),
        ("throttle: {per: 1h, evry: 2}", "5:72: error[unknown-key]: throttle has no 'evry'"),
        ("throttle: {per: 1h, by: '{{ nix }}'}", "5:80: error[unknown-name]: throttle.by: there is no 'nix'"),
    ],
)
def test_each_mistake_of_a_window_is_told_at_its_place(tmp_path: Path, window: str, expected: str) -> None:
    (found,) = problems(tmp_path, a=with_template(f"{B}, {window}"))
    assert found.startswith(f"a.yaml:{expected}")


def test_windows_are_compiled_with_their_keys(tmp_path: Path) -> None:
    """What the key is made from may differ from event to event, and parts the windows."""
    found = template(
        tmp_path,
        f"{B}, throttle: {{per: 1h, atMost: 2, by: '{{{{ detail.a }}}}'}}"
        ", digest: {every: 15m, by: b, title: '{{ count }}!'}",
    )
    assert found.throttle == Throttle(2, 3600)
    assert found.digest is not None
    assert (found.digest.every, found.digest.place) == (900, f"{tmp_path}/a.yaml:5:114")
    assert found.digest.summary([{"content": "c"}], 3, "en") == {"content": "c", "title": "3!"}
    rendered = found.render({**EVENT, "detail": {"a": 7}}, Defaults())
    assert rendered is not None
    assert (rendered.throttle_key, rendered.digest_key) == ("7", "b")
    assert rendered.payload == {"content": "x"}


def test_a_throttle_lets_one_through_unless_it_says_more(tmp_path: Path) -> None:
    assert template(tmp_path, f"{B}, throttle: {{per: 60}}").throttle == Throttle(1, 60)


def test_a_template_knows_where_its_fields_stand(tmp_path: Path) -> None:
    at = template(tmp_path, "targetType: broadcast, when: detail.a, content: x").at
    file = f"{tmp_path}/a.yaml"
    assert at == {"": f"{file}:5:16", "targetType": f"{file}:5:29", "when": f"{file}:5:46", "content": f"{file}:5:65"}


def with_sample(sample: str, *lines: str) -> str:
    """A template whose first line is the seventh, indented by eight."""
    fields = "".join(f"        {line}\n" for line in ("targetType: broadcast", *lines))
    return f"{HEAD}    sample: {sample}\n    notificationMapping:\n      shipped:\n{fields}"


SAMPLE = "{detail-type: shipped, detail: {orderId: 1, name: Ana, tags: [a], items: [], none: null, empty: ''}}"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            'content: "Order {{ detail.orderid }}"',
            "8:35: error[unknown-field]: content: the sample event has no 'orderid'",
        ),
        (
            'content: "{{ detail.orderId }}"',
            "8:18: error[type]: the sample does not fit: content must be text, not number",
        ),
        (
            'content: "{{ detail.none }}"',
            "8:18: error[type]: the sample does not fit: content is null, and a template for",
        ),
        ('content: "{{ detail.empty }}"', "8:18: error[type]: the sample does not fit: content is empty; give it a"),
        ('content: "{{ detail.name - 1 }}"', "8:22: error[type]: content: there is no - for a string"),
        ('content: "{{ detail.items[0] }}"', "8:18: error[sample]: the sample can't be rendered: content: "),
        (
            'content: {en: a, de: "{{ detail.nam }}"}',
            "8:41: error[unknown-field]: content: the sample event has no 'nam'",
        ),
    ],
)
def test_a_field_is_tried_on_the_sample(tmp_path: Path, line: str, expected: str) -> None:
    (found,) = problems(tmp_path, a=with_sample(SAMPLE, line))
    assert found.startswith(f"a.yaml:{expected}")


def test_an_audience_is_tried_on_the_sample(tmp_path: Path) -> None:
    text = with_sample(SAMPLE, "content: x", 'targetClientIds: "{{ detail.none }}"')
    (found,) = problems(tmp_path, a=text)
    assert found.startswith("a.yaml:9:26: error[type]: the sample does not fit: targetClientIds is null, ")


def test_the_sample_of_one_detail_type_says_nothing_of_others(tmp_path: Path) -> None:
    text = with_sample(SAMPLE, "content: x") + "      lost: {targetType: broadcast, content: 'a {{ detail.place }}'}\n"
    assert len(only(compiled(tmp_path, a=text)).templates) == 2


def test_a_sample_may_lack_what_every_event_has(tmp_path: Path) -> None:
    compiled(tmp_path, a=with_sample("{detail: {a: 1}}", 'content: "{{ id }} {{ time }} {{ source }} {{ account }}"'))


def test_what_a_condition_keeps_off_need_not_fit(tmp_path: Path) -> None:
    lines = ("when: size(detail.items) > 0", 'content: "{{ detail.items[0] }}"')
    assert only(compiled(tmp_path, a=with_sample(SAMPLE, *lines))).templates["shipped"]


def test_a_condition_is_tried_on_the_sample(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, a=with_sample(SAMPLE, "when: detail.items[0] == 1", "content: x"))
    assert found.startswith("a.yaml:8:15: error[sample]: the sample can't be rendered: when: detail.items[0] ")


def test_all_fields_are_computed_of_the_event(tmp_path: Path) -> None:
    """Lists, maps and cases; a text that is one expression alone keeps its type."""
    text = with_sample(
        "{detail: {level: 3, by: ana}}",
        "content: {en: 'Level {{ detail.level }}', de: 'Stufe {{ detail.level }}'}",
        "priority: {cases: [{when: detail.level > 2, use: urgent}, {default: low}]}",
        "tags: [level, '{{ string(detail.level) }}']",
        "metadata: {level: '{{ detail.level }}', of: {by: 'by {{ detail.by }}'}}",
        "ttl: '{{ detail.level * 60 }}'",
    )
    (rendered,) = made(compiled(tmp_path, a=text), {"detail": {"level": 3, "by": "ana"}})
    assert rendered is not None
    assert rendered.payload == {
        "content": "Level 3",
        "priority": "urgent",
        "tags": ["level", "3"],
        "metadata": {"level": 3, "of": {"by": "by ana"}},
        "variants": {"de": {"content": "Stufe 3"}},
    }
    assert rendered.ttl == 180


def test_all_mistakes_of_a_field_are_told_at_their_places(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        a=with_sample(
            SAMPLE,
            "content: >-",
            "  {{ detail.nme }} or",
            "  {{ detail.orderId }} or {{ detail.nam }}",
            'tags: ["{{ x }}", ok, "\\u00e9 {{ y }}"]',
            "priority: {cases: [{when: a, use: top}, {default: '{{ b }}'}]}",
        ),
    )
    assert [one.split(": ")[0] + " " + one.split("error[")[1].split("]")[0] for one in found] == [
        "a.yaml:9:21 unknown-field",
        "a.yaml:10:45 unknown-field",
        "a.yaml:11:20 unknown-name",
        "a.yaml:11:42 unknown-name",
        "a.yaml:12:35 unknown-name",
        "a.yaml:12:43 value",
        "a.yaml:12:63 unknown-name",
    ]


def test_all_fields_that_do_not_fit_the_sample_are_told(tmp_path: Path) -> None:
    lines = (
        "content: '{{ detail.items[0] }}'",
        "title: '{{ detail.none }}!'",
        "priority: top",
        "icon: '{{ detail.orderId }}'",
        "tags: ['{{ detail.name }}']",
    )
    found = problems(tmp_path, a=with_sample(SAMPLE, *lines))
    assert [one.split("error[")[0] + one.split("error[")[1].split("]")[0] for one in found] == [
        "a.yaml:8:18: sample",
        "a.yaml:9:16: sample",
        "a.yaml:10:19: value",
        "a.yaml:11:15: type",
    ]
