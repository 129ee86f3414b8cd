"""Commands on subscriptions: ``check``, ``test``, ``render``, ``match``, ``schema``."""

import io
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest
from jsonschema import Draft7Validator

from kxmsg.cli.report import compared
from tests.cli.conftest import Kxmsg
from tests.product import CONFIG

SHOP = """\
eventSubscriptions:
  - name: orders
    eventPattern: { source: [shop], detail-type: [shipped, lost] }
    sample: { source: shop, detail-type: shipped, detail: { tenantId: acme, order: 7, to: [ana, bo], big: false } }
    notificationMapping:
      shipped:
        - targetType: client
          clientId: "{{ detail.tenantId }}"
          targetUserIds: "{{ detail.to }}"
          title: { en: "Order {{ detail.order }}", de: "Auftrag {{ detail.order }}" }
          content: "It left."
          ttl: 1h
          deliverAfter: 90
        - targetType: user
          userId: boss
          when: detail.big
          content: A large one
          throttle: { per: 1h, atMost: 2, by: "{{ detail.order }}" }
          digest: { every: 15m }
      lost: { targetType: broadcast, content: "Order {{ detail.order }} is lost" }
    tests:
      - name: everybody is told
        event: {}
        expect: { shipped: [{ content: It left., targetUserIds: [ana, bo] }, nothing] }
      - name: others are ignored
        event: { source: market }
        expect: no-match
"""

FAILING = """\
eventSubscriptions:
  - name: letters
    eventPattern: { source: [post], detail-type: [letter] }
    notificationMapping:
      letter: { targetType: user, userId: ana, content: "{{ detail.text }}", metadata: { n: "{{ detail.n }}" } }
    tests:
      - name: short
        event: { detail: { text: hello, n: 1 } }
        expect: { letter: { content: bye } }
      - name: "long"
        event: { detail: { text: "one\\ntwo\\nthree\\nfour\\nfive", n: 1 } }
        expect: { letter: { content: "one\\ntwo\\nthree\\nfour\\n5", metadata: { n: 1 } } }
      - name: passes
        event: { detail: { text: hello, n: 1 } }
        expect: { letter: { content: hello, metadata: { n: 1 } } }
      - name: can't be rendered
        event: { detail: { n: 1 } }
        expect: { letter: { content: "" } }
      - name: does not match
        event: { source: shop, detail: { text: hello, n: 1 } }
        expect: { letter: { content: hello } }
"""


@pytest.fixture
def config(kxmsg: Kxmsg, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of subscriptions, named as a user in its parent would name it."""
    (tmp_path / "config").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KXMSG_CONFIG", "config")
    return tmp_path / "config"


@pytest.fixture
def shop(config: Path) -> Path:
    (config / "shop.yaml").write_text(SHOP)
    return config


@pytest.fixture
def failing(shop: Path) -> Path:
    (shop / "post").mkdir()
    (shop / "post" / "post.yaml").write_text(FAILING)
    return shop


def event(kind: str = "shipped", **detail: Any) -> dict[str, Any]:
    """Without what the bus adds."""
    fields = {"tenantId": "acme", "order": 7, "to": ["ana", "bo"], "big": False}
    return {"source": "shop", "detail-type": kind, "detail": {**fields, **detail}}


def written(folder: Path, content: Any, name: str = "event.json") -> Path:
    (folder / name).write_bytes(content if isinstance(content, bytes) else orjson.dumps(content))
    return folder / name


def on_stdin(monkeypatch: pytest.MonkeyPatch, text: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))


# ----------------------------------------------------------------------------------------------------- check


def test_check_counts_what_compiles(kxmsg: Kxmsg) -> None:
    done = kxmsg("check")
    assert (done.status, done.out) == (0, f"{CONFIG}: 4 subscriptions, no mistakes\n")


def test_check_names_every_mistake_and_begins_with_its_place(kxmsg: Kxmsg, config: Path) -> None:
    """So that editors can jump to it."""
    for name in ("a.yaml", "b.yaml"):
        (config / name).write_text("eventSubscriptions:\n  - name: x\n    nam: x\n")
    done = kxmsg("check")
    assert (done.status, done.out) == (2, "")
    unknown = [line for line in done.err.splitlines() if "unknown-key" in line]
    assert [line.partition(" has no")[0] for line in unknown] == [
        f"config/{name}.yaml:3:5: error[unknown-key]: a subscription" for name in "ab"
    ]
    assert all(line.startswith("config/") for line in done.err.splitlines())


def test_check_of_a_folder_that_is_not_there_says_so(kxmsg: Kxmsg, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KXMSG_CONFIG", "/nowhere")
    done = kxmsg("check")
    assert (done.status, done.out) == (2, "")
    assert done.err == (
        "/nowhere: error[folder]: no such folder; set KXMSG_CONFIG to the folder of your subscriptions\n"
    )


def test_check_of_some_files_tells_their_mistakes_alone(kxmsg: Kxmsg, failing: Path) -> None:
    assert kxmsg("check", "config/shop.yaml").out == "config/shop.yaml: 1 subscription, no mistakes\n"
    (failing / "shop.yaml").write_text("eventSubscriptions: 5\n")
    assert kxmsg("check", "config/post").out == "config/post: 1 subscription, no mistakes\n"
    for path in ("config/shop.yaml", "."):
        done = kxmsg("check", path)
        assert (done.status, done.out) == (2, "")
        assert done.err.startswith("config/shop.yaml:1:21: error[shape]: ")


@pytest.mark.usefixtures("shop")
def test_check_of_a_file_elsewhere_is_2(kxmsg: Kxmsg) -> None:
    done = kxmsg("check", "elsewhere.yaml")
    assert (done.status, done.out) == (2, "")
    fault = "kxmsg: elsewhere.yaml: no file of config stands there; name another folder with --config\n"
    assert done.err == fault


# ------------------------------------------------------------------------------------------------------ test


@pytest.mark.usefixtures("shop")
def test_tests_that_pass_are_counted(kxmsg: Kxmsg) -> None:
    done = kxmsg("test")
    assert (done.status, done.out, done.err) == (0, "2 tests passed\n", "")


def test_no_tests_are_no_failure(kxmsg: Kxmsg, config: Path) -> None:
    (config / "a.yaml").write_text(SHOP.partition("    tests:")[0])
    done = kxmsg("test")
    assert (done.status, done.out) == (0, "there are no tests; give a subscription some, under 'tests'\n")


@pytest.mark.usefixtures("failing")
def test_what_fails_is_shown_with_its_place_and_what_differs(kxmsg: Kxmsg) -> None:
    done = kxmsg("test")
    assert (done.status, done.err) == (1, "")
    assert done.out.splitlines() == [
        "config/post/post.yaml:7:9: letters › short",
        "  letter.content",
        "    expected: bye",
        "    got:      hello",
        "config/post/post.yaml:10:9: letters › long",
        "  letter.content",
        "    - expected, + got",
        "      three",
        "      four",
        "    - 5",
        "    + five",
        "config/post/post.yaml:16:9: letters › can't be rendered",
        "  letter",
        "    expected: {content: ''}",
        "    got:      'error: config/post/post.yaml:5:57: letters.notification.letter[0]: content: detail.text is"
        " absent from the event'",
        "config/post/post.yaml:19:9: letters › does not match",
        "  eventPattern",
        "    expected: match",
        "    got:      no-match",
        "4 failed, 3 passed",
    ]


@pytest.mark.parametrize(
    ("chosen", "counted"),
    [
        (["config/shop.yaml"], "2 tests passed"),
        (["config/post"], "4 failed, 1 passed"),
        (["config/shop.yaml", "config/post/post.yaml"], "4 failed, 3 passed"),
        (["-k", "LETTERS › S"], "1 failed"),
        (["-k", "ignored"], "1 test passed"),
    ],
)
@pytest.mark.usefixtures("failing")
def test_tests_are_chosen_by_place_and_by_name(kxmsg: Kxmsg, chosen: list[str], counted: str) -> None:
    assert counted in kxmsg("test", *chosen).out.splitlines()[-1]


@pytest.mark.parametrize(
    ("chosen", "remedy"),
    [
        (["elsewhere"], "kxmsg: elsewhere: no subscription of config stands there; name another folder with --config"),
        (["-k", "nonsense"], "kxmsg: -k: no test has 'nonsense' in its name; leave it out to run all 2"),
    ],
)
@pytest.mark.usefixtures("shop")
def test_choosing_what_there_is_not_is_2(kxmsg: Kxmsg, chosen: list[str], remedy: str) -> None:
    done = kxmsg("test", *chosen)
    assert (done.status, done.out, done.err.strip()) == (2, "", remedy)


def test_another_folder_can_be_named(kxmsg: Kxmsg, shop: Path) -> None:
    shop.rename(shop.parent / "other")
    assert kxmsg("test", "--config", "other").out == "2 tests passed\n"
    assert kxmsg("check", "--config", "other").out == "other: 1 subscription, no mistakes\n"
    done = kxmsg("render", "--config", "other", "--event", written(shop.parent, event("lost")))
    assert done.out.startswith("other/shop.yaml:20:13: orders.notification.lost[0]: notification\n")


def test_what_readers_could_not_take_fails(kxmsg: Kxmsg, config: Path) -> None:
    """The worker would dead-letter it, for the same reason."""
    (config / "a.yaml").write_text(
        """\
eventSubscriptions:
  - name: letters
    eventPattern: { source: [post], detail-type: [letter] }
    notificationMapping:
      letter: { targetType: broadcast, content: "{{ detail.text + detail.text }}" }
    tests:
      - name: large
        event: { detail: { text: LARGE } }
        expect: { letter: {} }
""".replace("LARGE", "x" * 50_000)
    )
    place = "config/a.yaml:5:15: letters.notification.letter[0]"
    fault = f"{place}: gives 100014 bytes, most of them in content, and readers can take 98304; make it shorter"
    done = kxmsg("test")
    assert done.status == 1
    assert f"error: {fault}" in " ".join(done.out.split())
    letter = {"source": "post", "detail-type": "letter", "detail": {"text": "x" * 50_000}}
    done = kxmsg("render", "--event", written(config, letter))
    assert (done.status, done.err) == (1, f"{fault}\n")


def test_wrong_yaml_is_2_and_runs_no_test(kxmsg: Kxmsg, shop: Path) -> None:
    (shop / "bad.yaml").write_text("eventSubscriptions: 5\n")
    done = kxmsg("test")
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith("config/bad.yaml:1:21: error[shape]: ")


@pytest.mark.usefixtures("shop")
def test_coverage_lists_the_mappings_that_no_test_reaches_and_is_1(kxmsg: Kxmsg) -> None:
    done = kxmsg("test", "--coverage")
    assert done.status == 1
    assert done.out.splitlines() == [
        "2 tests passed",
        "config/shop.yaml:20:13: orders.notification.lost[0]: no test reaches it",
        "2 of 3 mappings reached",
    ]


def test_coverage_of_every_mapping_is_0(kxmsg: Kxmsg, shop: Path) -> None:
    lost = "{ name: it is lost, event: { detail-type: lost }, expect: { lost: { content: Order 7 is lost } } }"
    (shop / "shop.yaml").write_text(f"{SHOP}      - {lost}\n")
    done = kxmsg("test", "--coverage")
    assert (done.status, done.out) == (0, "3 tests passed\n3 of 3 mappings reached\n")


@pytest.mark.parametrize(
    ("expected", "got", "shown"),
    [
        (1, "1", ["expected: 1", "got:      '1'"]),
        ("true", True, ["expected: 'true'", "got:      true"]),
        (["a"], None, ["expected: [a]", "got:      null"]),
        ({"b": 1, "a": "ü"}, {}, ["expected: {a: ü, b: 1}", "got:      {}"]),
        ("a\n", "a", ['expected: "a\\n"', "got:      a"]),
        ({"a": 1}, "x" * 90, ["expected: {a: 1}", f"got:      {'x' * 90}"]),
        ({"a": "1\n2"}, {"a": "1\n3"}, ['expected: {a: "1\\n2"}', 'got:      {a: "1\\n3"}']),
        ("x " * 44 + "end", "x " * 44 + "END", ["- expected, + got", "  " + "x " * 44, "- end", "+ END"]),
        (
            {"a": "x" * 90, "b": [1, 2]},
            {"a": "x" * 90, "b": [1, 3]},
            ["- expected, + got", "  b:", "  - 1", "- - 2", "+ - 3"],
        ),
        (
            list(range(40)),
            [-1, *range(1, 39), 40],
            ["- expected, + got", "- - 0", "+ - -1", "  - 1", "  - 2", "  …", "  - 37", "  - 38", "- - 39", "+ - 40"],
        ),
    ],
    ids=[
        "types",
        "texts",
        "none",
        "maps",
        "line ends",
        "kinds",
        "lines in maps",
        "long texts",
        "long maps",
        "long lists",
    ],
)
def test_values_are_compared_as_yaml_and_long_ones_line_by_line(expected: Any, got: Any, shown: list[str]) -> None:
    assert list(compared(expected, got)) == shown


# ---------------------------------------------------------------------------------------------------- render


def test_render_shows_what_is_made_for_whom(kxmsg: Kxmsg, shop: Path) -> None:
    done = kxmsg("render", "--event", written(shop, event(big=True)))
    assert (done.status, done.err) == (0, "")
    assert done.out == (
        "config/shop.yaml:7:11: orders.notification.shipped[0]: notification\n"
        "  for acme: user#ana\n"
        "  for acme: user#bo\n"
        "  ttl: 3600 s\n"
        "  deliverAfter: 90 s\n"
        "  payload:\n"
        "    title: Order 7\n"
        "    content: It left.\n"
        "  in de:\n"
        "    title: Auftrag 7\n"
        "config/shop.yaml:14:11: orders.notification.shipped[1]: notification\n"
        "  for acme: user#boss\n"
        "  digest: every 900 s\n"
        "  throttle: at most 2 per 3600 s, by '7'\n"
        "  payload:\n"
        "    content: A large one\n"
    )


def test_render_says_where_nothing_is_made(kxmsg: Kxmsg, shop: Path) -> None:
    done = kxmsg("render", "--event", written(shop, event(to=[])))
    assert done.status == 0
    assert "  for nobody\n" in done.out
    assert done.out.endswith("orders.notification.shipped[1]: notification: nothing is made, when is false\n")
    for wanted, text in (("market", "no subscription matches\n"), ("shop", "orders matches and has no mapping for")):
        (shop / "shop.yaml").write_text(SHOP.replace("[shipped, lost]", "[shipped, lost, found]"))
        done = kxmsg("render", "--event", written(shop, {**event("found"), "source": wanted}))
        assert done.status == 0
        assert text in done.out


def test_render_names_the_first_targets_of_many_and_where_else_the_event_goes(kxmsg: Kxmsg, shop: Path) -> None:
    arn = "arn:aws:sqs:eu-west-1:123456789012:audit"
    (shop / "shop.yaml").write_text(f"{SHOP}    targets: [{{ id: audit, arn: '{arn}' }}]\n")
    many = written(shop, event(to=[f"u{n}" for n in range(100)]))
    done = kxmsg("render", "--event", many)
    assert done.out.startswith(f"config/shop.yaml:2:5: orders matches: the event also goes to audit, {arn}\n")
    assert "  for acme: user#u19\n  and 80 more\n" in done.out
    (found,) = orjson.loads(kxmsg("render", "--json", "--event", many).out)["matches"]
    assert found["alsoTo"] == [{"id": "audit", "arn": arn}]
    assert len(found["templates"][0]["targets"]) == 100


def test_render_for_machines_is_one_document(kxmsg: Kxmsg, shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_stdin(monkeypatch, orjson.dumps(event()))
    done = kxmsg("render", "--event", "-", "--json")
    assert (done.status, done.err) == (0, "")
    document = orjson.loads(done.out)
    assert document["event"]["time"].endswith("Z")
    assert document["matches"] == [
        {
            "subscription": "orders",
            "at": "config/shop.yaml:2:5",
            "alsoTo": [],
            "templates": [
                {
                    "template": "orders.notification.shipped[0]",
                    "at": "config/shop.yaml:7:11",
                    "kind": "notification",
                    "when": True,
                    "targets": [
                        {"tenant": "acme", "target": "user#ana"},
                        {"tenant": "acme", "target": "user#bo"},
                    ],
                    "ttl": 3600,
                    "deliverAfter": 90,
                    "payload": {"title": "Order 7", "content": "It left."},
                    "variants": {"de": {"title": "Auftrag 7"}},
                },
                {
                    "template": "orders.notification.shipped[1]",
                    "at": "config/shop.yaml:14:11",
                    "kind": "notification",
                    "when": False,
                },
            ],
        }
    ]


@pytest.mark.parametrize("options", [[], ["--json"]], ids=["text", "json"])
def test_what_can_not_be_rendered_is_1_and_told_with_its_place_beside_the_rest(
    kxmsg: Kxmsg, shop: Path, options: list[str]
) -> None:
    broken = event(big=True)
    del broken["detail"]["to"]
    done = kxmsg("render", *options, "--event", written(shop, broken))
    assert done.status == 1
    assert done.err.startswith("config/shop.yaml:9:26: orders.notification.shipped[0]: targetUserIds: detail.to is")
    assert "A large one" in done.out
    if options:
        assert orjson.loads(done.out)["matches"][0]["templates"][0]["error"] == done.err.strip()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"{nonsense", "event.json:1:2: not JSON: "),
        ([event()], "event.json: an event is one JSON object, not list; write {…}"),
        ({**event(), "detail": 5}, "event.json: detail: must be an object; write it as {…}"),
        ({"source": "shop", "detail": {}}, "event.json: detail-type: an event needs one, a text; add it"),
        ({**event(), "source": 5}, "event.json: source: an event needs one, a text; add it"),
    ],
)
def test_render_of_what_is_no_event_is_2(kxmsg: Kxmsg, shop: Path, content: Any, problem: str) -> None:
    done = kxmsg("render", "--event", written(shop, content))
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith(f"kxmsg: {shop}/{problem}")


def test_an_event_file_that_is_not_there_is_2(kxmsg: Kxmsg) -> None:
    done = kxmsg("render", "--event", "nothing.json")
    assert (done.status, done.err) == (2, "kxmsg: nothing.json: can't be read: No such file or directory\n")


# ----------------------------------------------------------------------------------------------------- match


@pytest.mark.parametrize(
    ("name", "pattern", "wanted"),
    [
        ("p.json", b'{"source": ["shop"]}', True),
        ("p.json", b'{"source": ["market"]}', False),
        ("p.json", b'{"detail": {"order": [{"numeric": ["<", 1e1]}]}}', True),
        ("p.yaml", b"source: [{ prefix: sh }]\ndetail.order: [7]\n", True),
        ("p.yml", b"detailType: [lost]\n", False),
        ("p", b'{"detailType": ["shipped"]}', True),
        ("p", b"detail: { to: [bo] }", True),
    ],
)
def test_match_tells_by_word_and_by_status(
    kxmsg: Kxmsg, tmp_path: Path, name: str, pattern: bytes, wanted: bool
) -> None:
    done = kxmsg("match", "--pattern", written(tmp_path, pattern, name), "--event", written(tmp_path, event()))
    assert (done.status, done.out, done.err) == ((0, "match\n", "") if wanted else (1, "no match\n", ""))


def test_match_takes_one_of_both_from_stdin(kxmsg: Kxmsg, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_stdin(monkeypatch, b"source: [shop]")
    assert kxmsg("match", "--pattern", "-", "--event", written(tmp_path, event())).status == 0
    on_stdin(monkeypatch, orjson.dumps(event("lost")))
    pattern = written(tmp_path, {"detail-type": ["shipped"]}, "p.json")
    assert kxmsg("match", "--pattern", pattern, "--event", "-").status == 1
    done = kxmsg("match", "--pattern", "-", "--event", "-")
    assert done.status == 2
    assert "can't both be stdin" in done.err


@pytest.mark.parametrize(
    ("name", "pattern", "problem"),
    [
        ("p.json", b'{"source": [{"prefx": 1}]}', "p.json: error[pattern]: source.0.prefx: is no operator; did you"),
        ("p.yaml", b"detail:\n  a: [{ prefx: 1 }]\n", "p.yaml:2:16: error[pattern]: detail.a.0.prefx: is no operator"),
        (
            "p.yaml",
            b"source: a\ndetail:\n  a: [{ prefx: 1 }]\n",
            "p.yaml:1:9: error[pattern]: source: must be a list of values, as ['a'], or a map of fields\n"
            "p.yaml:3:16: error[pattern]: detail.a.0.prefx: is no operator",
        ),
        ("p.yaml", b"source: [a]\nsource: [b]\n", "p.yaml:2:1: error[yaml-duplicate]: 'source' stands twice"),
        ("p.yaml", b"source: [", "p.yaml:1:9: error[yaml]: "),
        ("p.yaml", b"", "p.yaml: error[pattern]: must be a map of fields"),
        ("p.json", b"[]", "p.json: error[pattern]: must be a map of fields"),
        ("p.json", b"source: [a]", "kxmsg: p.json:1:1: not JSON: "),
        ("p.yaml", b"\xff", "kxmsg: p.yaml: byte 1 is not UTF-8; save the file as UTF-8 text"),
    ],
)
def test_a_pattern_that_can_not_be_is_2_and_its_fault_named(
    kxmsg: Kxmsg, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, pattern: bytes, problem: str
) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path, pattern, name)
    done = kxmsg("match", "--pattern", name, "--event", written(tmp_path, event()))
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith(problem)


def test_match_of_what_is_no_event_is_2(kxmsg: Kxmsg, tmp_path: Path) -> None:
    done = kxmsg("match", "--pattern", written(tmp_path, {"source": ["a"]}, "p.json"), "--event", written(tmp_path, 5))
    assert (done.status, done.out) == (2, "")
    assert "an event is one JSON object, not number" in done.err


# ---------------------------------------------------------------------------------------------------- schema


def test_schema_prints_a_schema_that_editors_can_use(kxmsg: Kxmsg) -> None:
    done = kxmsg("schema")
    assert (done.status, done.err) == (0, "")
    schema = orjson.loads(done.out)
    Draft7Validator.check_schema(schema)
    assert not Draft7Validator(schema).is_valid({"subscriptions": []})
