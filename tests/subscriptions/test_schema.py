"""The JSON Schema: valid itself, of one mind with the compiler, with a word on every key."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from kxmsg.errors import ConfigError
from kxmsg.matching.grammar import OPERATORS
from kxmsg.model.notification import locale_key
from kxmsg.subscriptions import load
from kxmsg.subscriptions.compiler import SUBSCRIPTION_KEYS
from kxmsg.subscriptions.examples import TEST_KEYS
from kxmsg.subscriptions.fields import FIELDS
from kxmsg.subscriptions.mappings import TEMPLATE_KEYS
from kxmsg.subscriptions.schema import schema

ROOT = Path(__file__).parents[2]

SCHEMA = schema()
VALIDATOR = Draft7Validator(SCHEMA)

FILES = sorted(
    path
    for folder in ("config", "tests/subscriptions/source_examples", "tests/simulation/config")
    for path in (ROOT / folder).rglob("*.yaml")
)

TEMPLATE = "{ targetType: user, userId: ana, content: hello }"


def file(pattern: str = "{ source: [shop] }", template: str = TEMPLATE, rest: str = "") -> str:
    return f"""
eventSubscriptions:
  - name: orders
    eventPattern: {pattern}
    notificationMapping:
      shipped: {template}
{rest}"""


def user(fields: str) -> str:
    return file(template=f"{{ targetType: user, userId: ana, content: hello, {fields} }}")


def with_test(text: str) -> str:
    return file("{ source: [shop], detail-type: [shipped] }", rest=f"    tests:\n      - {text}\n")


def faults(text: str) -> list[str]:
    """What the schema has against a file."""
    return [error.message for error in VALIDATOR.iter_errors(yaml.safe_load(text))]


def test_it_is_a_schema_of_draft_7() -> None:
    assert SCHEMA["$schema"] == "http://json-schema.org/draft-07/schema#"
    Draft7Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_that_compile_are_valid(path: Path) -> None:
    assert faults(path.read_text(encoding="utf-8")) == []


GOOD = {
    "a template or a list": file(template=f"[{TEMPLATE}, {TEMPLATE}]"),
    "literals": user("priority: high, tags: [a, '1'], displayDuration: 0, metadata: {a: {b: [1]}}, ttl: 90, sound: x"),
    "ids are texts or numbers": file(template="{ targetType: channel, channelId: 7, senderId: 8, content: x }"),
    "computed values": user(
        "priority: '{{ detail.p }}', tags: '{{ detail.t }}', displayDuration: '{{ detail.d }}', "
        "metadata: '{{ detail.m }}', ttl: '{{ detail.ttl }}', title: '{{ detail.a }} {{ detail.b }}'"
    ),
    "spans": user("ttl: 1h30m, deliverAfter: 1.5s"),
    "days": user("ttl: 30d, deliverAfter: 1.5d12h"),
    "no span": user("ttl: '0', deliverAfter: 0"),
    "locales": user("title: { en: Hello, pt-BR: Olá, DE: '{{ detail.de }}' }"),
    "cases": user(
        "priority: { cases: [{ when: 'detail.a', use: high }, { when: ' detail.b ', use: '{{ detail.p }}' }] }"
    ),
    "cases with a default": user("metadata: { cases: [{ when: 'detail.a', use: { a: 1 } }, { default: { b: 2 } }] }"),
    "cases of locales": user("title: { cases: [{ when: 'detail.a', use: { en: A, de: B } }, { default: C }] }"),
    "metadata may have cases beside others": user("metadata: { cases: 1, other: 2 }"),
    "a condition": user("when: has(detail.a)"),
    "windows": user(
        "throttle: { atMost: 3, per: 1h, by: '{{ detail.a }}' }, digest: { every: 900, title: '{{ count }}' }"
    ),
    "some of a client": file(template="{ targetType: client, clientId: a, targetUserIds: [u1, 2], content: x }"),
    "some of everybody": file(template="{ targetType: broadcast, targetClientIds: '{{ detail.c }}', content: x }"),
    "targets alone": "eventSubscriptions: [{ name: a, eventPattern: { source: [x] }, "
    "targets: [{ id: q, arn: 'arn:aws:sqs:eu-west-1:123456789012:q' }] }]",
    "a sample": file(rest="    sample: { detail: { a: 1 } }\n"),
    "samples": file(rest="    sample: [{ detail-type: shipped, detail: {} }, { detail-type: lost, detail: {} }]\n"),
    "a test": with_test("{ name: t, event: { detail: {} }, expect: { shipped: { userId: ana, title: null } } }"),
    "a test of none": with_test("{ name: t, event: { source: other }, expect: no-match }"),
    "a test of nothing": with_test("{ name: t, event: {}, expect: { shipped: [nothing] } }"),
    "exact values": file("{ source: [shop], detail: { a: [x, 1, 1.5, true, null] }, 'detail.b': [''] }"),
    "detailType": file("{ detailType: [shipped] }"),
    "affixes": file("{ source: [{ prefix: a }, { suffix: { equals-ignore-case: B } }, { exactly: c }] }"),
    "wildcards": file("{ source: [{ wildcard: 'a*b' }, { equals-ignore-case: C }] }"),
    "negations": file(
        "{ source: [{ anything-but: x }], detail: { a: [{ anything-but: [1, 2] }], "
        "b: [{ anything-but: { prefix: [x] } }], c: [{ anything-but: { wildcard: 'x*' } }], "
        "d: [{ anything-but: { equals-ignore-case: [x, y] } }] } }"
    ),
    "numbers": file(
        "{ detail: { a: [{ numeric: ['>', 0, '<=', 5] }, { numeric: ['=', 7] }], b: [{ exists: false }] } }"
    ),
    "addresses": file("{ detail: { ip: [{ cidr: 10.0.0.0/24 }, { cidr: '2001:db8::/32' }] } }"),
    "alternatives": file("{ source: [shop], $or: [{ detail: { a: [1] } }, { detail: { b: { c: [2] } } }] }"),
    "a field that is called $or": file("{ source: [shop], detail: { $or: [x, y] } }"),
}


@pytest.mark.parametrize("text", GOOD.values(), ids=GOOD)
def test_it_takes_what_the_compiler_takes(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.yaml").write_text(text)
    assert len(load(tmp_path).subscriptions) == 1
    assert faults(text) == []


BAD = {
    "no list": "eventSubscriptions: {}",
    "another key": "subscriptions: []",
    "no name": "eventSubscriptions: [{ eventPattern: { source: [x] }, notificationMapping: {} }]",
    "a name that is no text": file().replace("name: orders", "name: 5"),
    "no pattern": file().replace("    eventPattern: { source: [shop] }\n", ""),
    "a key of a subscription": file(rest="    test: []\n"),
    "maps nothing": "eventSubscriptions: [{ name: a, eventPattern: { source: [x] } }]",
    "no template": file(template="[]"),
    "no target type": file(template="{ userId: ana, content: x }"),
    "a computed target type": file(template="{ targetType: '{{ detail.t }}', userId: ana, content: x }"),
    "a target type that there isn't": file(template="{ targetType: users, userId: ana, content: x }"),
    "no content": file(template="{ targetType: user, userId: ana }"),
    "no user": file(template="{ targetType: user, content: x }"),
    "no client": file(template="{ targetType: client, userId: ana, content: x }"),
    "no channel": file(template="{ targetType: channel, content: x }"),
    "some users of a user": user("targetUserIds: [bo]"),
    "some clients of a client": file(template="{ targetType: client, clientId: a, targetClientIds: [b], content: x }"),
    "a key of a template": user("colour: red"),
    "a list for a text": user("title: [a]"),
    "a text for a list": user("tags: a"),
    "a number for a tag": user("tags: [a, 1]"),
    "no text": file(template="{ targetType: user, userId: ana, content: '' }"),
    "no text for a locale": file(template="{ targetType: user, userId: ana, content: { en: '' } }"),
    "days behind hours": user("ttl: 1h30d"),
    "a text for a map": user("metadata: a"),
    "nothing for a text": user("title: null"),
    "a bool for an id": user("senderId: true"),
    "a fraction for an id": user("senderId: 1.5"),
    "a priority that there isn't": user("priority: highest"),
    "a negative duration": user("displayDuration: -1"),
    "a span that is none": user("ttl: 3 days"),
    "a negative span": user("deliverAfter: -5"),
    "a locale that is none": user("title: { english: Hello }"),
    "no locale": user("title: {}"),
    "a locale's text that is none": user("title: { en: 5 }"),
    "locales of what has none": user("category: { en: a }"),
    "a condition in braces": user("when: '{{ detail.a }}'"),
    "a condition that is no text": user("when: true"),
    "an empty condition": user("when: ' '"),
    "no cases": user("priority: { cases: [] }"),
    "a case without a value": user("priority: { cases: [{ when: 'detail.a' }] }"),
    "a case whose condition is no text": user("priority: { cases: [{ when: true, use: high }] }"),
    "a case with a wrong value": user("priority: { cases: [{ when: 'detail.a', use: highest }] }"),
    "cases that are no list": user("metadata: { cases: 5 }"),
    "a digest that waits": user("digest: { every: 5m }, deliverAfter: 5"),
    "a digest without a window": user("digest: { title: x }"),
    "a digest of what it can't say": user("digest: { every: 5m, userId: x }"),
    "a window that is too short": user("throttle: { per: 0 }"),
    "a window that is computed": user("throttle: { per: '{{ detail.a }}' }"),
    "a throttle that lets none through": user("throttle: { per: 5m, atMost: 0 }"),
    "a key of a throttle": user("throttle: { every: 5m }"),
    "a target without an arn": file(rest="    targets: [{ id: a }]\n"),
    "a target with a wrong id": file(rest="    targets: [{ id: 'a b', arn: 'arn:aws:sqs:eu-west-1:1:q' }]\n"),
    "a target with a wrong arn": file(rest="    targets: [{ id: a, arn: queue }]\n"),
    "a sample that is none": file(rest="    sample: 5\n"),
    "a test without a name": with_test("{ event: {}, expect: no-match }"),
    "a test whose event is none": with_test("{ name: t, event: shipped, expect: no-match }"),
    "a test that expects something else": with_test("{ name: t, event: {}, expect: nothing }"),
    "a test that expects nothing": with_test("{ name: t, event: {}, expect: {} }"),
    "a field that no template gives": with_test("{ name: t, event: {}, expect: { shipped: { colour: red } } }"),
    "an empty pattern": file("{}"),
    "a pattern without a list": file("{ source: shop }"),
    "an empty list of values": file("{ source: [] }"),
    "a list of lists": file("{ source: [[shop]] }"),
    "an operator that there isn't": file("{ source: [{ prefixes: a }] }"),
    "two operators": file("{ source: [{ prefix: a, suffix: b }] }"),
    "a prefix that is no text": file("{ source: [{ prefix: 5 }] }"),
    "an empty prefix that is excluded": file("{ source: [{ anything-but: { prefix: '' } }] }"),
    "a range that is excluded": file("{ source: [{ anything-but: { numeric: ['=', 5] } }] }"),
    "numbers and texts that are excluded": file("{ source: [{ anything-but: [a, 5] }] }"),
    "a comparison that there isn't": file("{ detail: { a: [{ numeric: ['==', 5] }] } }"),
    "a range from above": file("{ detail: { a: [{ numeric: ['<', 5, '>', 0] }] } }"),
    "a number that is too large": file("{ detail: { a: [{ numeric: ['>', 6.0e+9] }] } }"),
    "an existence that is no bool": file("{ detail: { a: [{ exists: yes please }] } }"),
}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD)
def test_it_refuses_what_the_compiler_refuses(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(ConfigError):
        load(tmp_path)
    assert faults(text) != []


def definition(name: str) -> dict[str, Any]:
    found: dict[str, Any] = SCHEMA["definitions"][name]
    return found


def keys(name: str) -> set[str]:
    return set(definition(name)["properties"])


def test_it_knows_the_keys_that_are_declared_and_no_others() -> None:
    assert keys("subscription") == SUBSCRIPTION_KEYS
    assert keys("template") == TEMPLATE_KEYS
    assert keys("test") == TEST_KEYS
    (_, expectation) = definition("expectation")["anyOf"]
    assert set(expectation["properties"]) == set(FIELDS)
    (_, comparison) = definition("values")["items"]["anyOf"]
    assert set(comparison["properties"]) == set(OPERATORS)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("subscription", file(rest="    zzzzzzzz: 1\n")),
        ("template", user("zzzzzzzz: 1")),
        ("digest", user("digest: { every: 5m, zzzzzzzz: 1 }")),
        ("throttle", user("throttle: { per: 5m, zzzzzzzz: 1 }")),
        ("test", with_test("{ name: t, event: {}, expect: no-match, zzzzzzzz: 1 }")),
    ],
    ids=lambda value: value if value.isalpha() else "",
)
def test_it_knows_the_keys_that_the_compiler_names_and_no_others(tmp_path: Path, name: str, text: str) -> None:
    """The compiler lists them where it finds one that is like none of them."""
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(tmp_path)
    (listed,) = re.findall(r"has no 'zzzzzzzz'; known are (.*)", "\n".join(caught.value.problems))
    assert keys(name) == set(listed.split(", "))


def properties(node: Any) -> Iterator[tuple[str, Any]]:
    """Every key that the schema knows, with what it says of it; not what is only required or forbidden."""
    if isinstance(node, list):
        for one in node:
            yield from properties(one)
    elif isinstance(node, dict):
        for name, value in node.items():
            if name == "properties":
                yield from value.items()
            if name not in ("if", "then"):
                yield from properties(value)


def test_every_key_is_described() -> None:
    found = list(properties(SCHEMA))
    assert {"eventPattern", "content", "when", "numeric", "expect", "use", "every"} <= {name for name, _ in found}
    assert [name for name, value in found if not value.get("description", "").endswith((".", "…"))] == []


@pytest.mark.parametrize(
    "tag", ["en", "DE", "pt-BR", "zh_Hant_TW", "english", "e", "", "en-", "en-a", "de-AT-1901", "e1"]
)
def test_it_takes_the_locales_that_readers_have(tag: str) -> None:
    text = {"eventSubscriptions": [{"name": "a", "eventPattern": {"source": ["x"]}, "notificationMapping": {}}]}
    template = {"targetType": "user", "userId": "a", "content": {tag: "text"}}
    text["eventSubscriptions"][0]["notificationMapping"] = {"x": template}
    assert VALIDATOR.is_valid(text) == (locale_key(tag) is not None)
