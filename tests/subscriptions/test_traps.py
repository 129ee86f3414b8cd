"""What YAML reads otherwise than it was meant is named, at its place."""

import pytest

from tests.subscriptions.compiling import read

COMMENT = "is a comment, and not part of the text; quote the text, or move the comment"
BRACES = 'without quotes, {{ }} is a map to YAML; write the whole text in quotes: "… {{ … }} …"'


@pytest.mark.parametrize(
    ("text", "place", "comment"),
    [
        ("a: Order {{ id }} #5", "1:4", "#5"),
        ("a: Order {{ id }}  # five", "1:4", "# five"),
        ("a: Order #{{ id }} is on its way!", "1:4", "#{{ id }} is on its way!"),
        ("a: Order # {{ id }}", "1:4", "# {{ id }}"),
        ("a: Order #A-{{ id }}", "1:4", "#A-{{ id }}"),
        ("a: #{{ id }}", "1:3", "#{{ id }}"),
        ("- Order {{ id }} #5", "1:3", "#5"),
        ("- b\n- Order #{{ id }}\n", "2:3", "#{{ id }}"),
        ("a {{ id }} #5\n", "1:1", "#5"),
        ("a: {{ id }}: b #c", "1:4", None),
        # of several lines
        ("a: Order {{ id }}\n  is there #5\n", "1:4", "#5"),
        ("a: Order\n  {{ id }} #5\nb: c\n", "1:4", "#5"),
        ("a: Order {{ id }} #5\n  is there\nb: c\n", "1:19", "#5"),
        ("a: Order #{{ id }}\n  is there\n", "1:10", "#{{ id }}"),
        # in braces and brackets
        ("a: {b: Order #{{ id }}\n  }", "1:8", "#{{ id }}"),
        ("a: {b: Order #{{ id }},\n  c: d}", "1:14", "#{{ id }},"),
        ("a: [b, Order #{{ id }}\n]", "1:8", "#{{ id }}"),
        ("a: [b, Order #{{ id }}, c]\nd: e", "1:14", "#{{ id }}, c]"),
        ("é: Größe {{ id }} #5", "1:4", "#5"),
    ],
)
def test_a_comment_that_cuts_off_a_template_is_named(text: str, place: str, comment: str | None) -> None:
    _, found = read(text)
    expected = f"error[yaml-comment]: {comment!r} {COMMENT}" if comment else f"error[yaml-braces]: {BRACES}"
    assert found == [f"a.yaml:{place}: {expected}"]


@pytest.mark.parametrize(
    "text",
    [
        'a: "Order {{ id }}" # a comment',
        "a: 'Order {{ id }}' #5",
        'a: "Order #{{ id }}"',
        'a: "Order\n  #{{ id }}"  # a comment',
        'a: "{{ id }}" # or {{ detail.id }}',
        'a: ["{{ id }}", # the first {{ }}\n  b]',
        "a: {b: '{{ id }}', # c\n  d: e}",
        "a: b # as in {{ id }}",
        "a: b #5",
        "a: Order {{ id }}\n# a comment\nb: c # another",
        "a: Order#{{ id }}",
        "a: >\n  Order {{ id }} #5\nb: |\n  Order #{{ id }}\n",
        "a: # {{ id }}, as above\n  b: c\n",
        "# {{ id }}\na: b",
    ],
)
def test_other_comments_are_left_alone(text: str) -> None:
    root, found = read(text)
    assert root is not None
    assert found == []


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a: {{ id }}", "1:4"),
        ("a: {{ id }}   # a comment", "1:4"),
        ("a:\n  - {{ id }}\n", "2:5"),
        ("a: [{{ id }}]", "1:5"),
        ("a: [b, {{ id }}, c]", "1:8"),
        ("a: {b: {{ id }}}", "1:8"),
        ("a: {b: c, d: {{ id }}, e: f}", "1:14"),
        ("a: {{ detail['id'] }}", "1:4"),
        ("a: {{ coalesce(id, source) }}", "1:4"),
        ("? {{ id }}\n: b", "1:3"),
        ("{{ id }}: b", "1:1"),
        # followed by text
        ("a: {{ id }} is there", "1:4"),
        ("a: {{ id }}: b", "1:4"),
        ("a: {{ 'b' + id }}", "1:4"),
        ("a:\n  - {{ id }} is there", "2:5"),
        ("- b\n- {{ id }} is there\n- c", "2:3"),
        ("a: [b, {{ id }} is there]", "1:8"),
        ("a: {b: {{ id }} is there}", "1:8"),
        ("a: {b: {{ id }} is there,\n  c: d}", "1:8"),
        # behind text
        ("a: {b: Order {{ id }}}", "1:14"),
        ("a: [Order {{ id }}, c]", "1:11"),
        ("a: {b: 'c', d: Order {{ id }} # e\n}", "1:22"),
        ("a: Order: {{ id }}", "1:11"),
        # not closed
        ("a: {{ id\nb: c\n", "1:4"),
        ("a: {{ id }\n", "1:4"),
        ("a:\n  {{ id }} b\n", "2:3"),
        ("é: [ü, {{ id }} ä]", "1:8"),
        ('a: {b: "it\'s {{ id }}", c: {{ id }} d}', "1:28"),
    ],
)
def test_braces_without_quotes_are_named(text: str, place: str) -> None:
    _, found = read(text)
    assert found == [f"a.yaml:{place}: error[yaml-braces]: {BRACES}"]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('a: "Hello, {{ id }}" b\n', "1:22"),
        ('a: "{{ id }}" b: c', "1:15"),
        ("a: b: c # see {{ id }}", "1:5"),
        ("a: Order {{ id }}\nb: c: d", "2:5"),
        ('a: "Hello, {{ id }}\nb: c\n', "1:4"),
        ("a: '{{ id }}\n", "1:4"),
    ],
)
def test_other_mistakes_are_not_blamed_on_braces_that_are_as_they_should_be(text: str, place: str) -> None:
    _, (problem,) = read(text)
    assert problem.startswith(f"a.yaml:{place}: error[yaml]: not YAML: ")


def test_what_stands_in_braces_is_read_as_meant_so_that_the_rest_is_checked() -> None:
    root, found = read("ü: [é, {{ detail.a }}]\nb: c")
    assert root is not None
    assert root.plain == {"ü": ["é", "{{ detail.a }}"], "b": "c"}
    assert len(found) == 1


@pytest.mark.parametrize("word", ["no", "No", "NO", "yes", "Yes", "YES", "on", "On", "off", "OFF"])
@pytest.mark.parametrize(
    ("text", "place"),
    [("a: {}", "1:4"), ("{}: a", "1:1"), ("a: [{}]", "1:5"), ("- {}", "1:3"), ("a: {{b: {}}}", "1:8")],
)
def test_words_that_are_read_as_bools_are_named_and_read_as_text(word: str, text: str, place: str) -> None:
    read_as = "true" if word.lower() in ("yes", "on") else "false"
    root, found = read(text.format(word))
    fault = f"{word} is read as {read_as}; quote it if it is text, or write {read_as}"
    assert found == [f"a.yaml:{place}: error[yaml-bool]: {fault}"]
    assert root is not None
    assert f"'{word}'" in str(root.plain)


def test_a_country_among_the_locales_is_one_mistake() -> None:
    """The Norway problem."""
    root, found = read("title: {en: Hi, no: Hei}")
    assert len(found) == 1
    assert root is not None
    assert root.plain == {"title": {"en": "Hi", "no": "Hei"}}


def test_true_and_false_are_bools_and_y_and_n_are_texts() -> None:
    root, found = read("a: [true, False, TRUE, y, N, 'no', \"off\", !!str yes]\ny: n")
    assert root is not None
    assert root.plain == {"a": [True, False, True, "y", "N", "no", "off", "yes"], "y": "n"}
    assert found == []


@pytest.mark.parametrize(
    ("text", "number"),
    [("012", "10"), ("-017", "-15"), ("0_7", "7"), ("12:30", "750"), ("1:02:03", "3723"), ("1:30.5", "90.5")],
)
def test_octal_numbers_and_those_to_base_60_are_named(text: str, number: str) -> None:
    for yaml, place in ((f"a: {text}", "1:4"), (f"a: [b, {text}]", "1:8")):
        _, found = read(yaml)
        fault = f"{text} is read as the number {number}; quote it if it is text, or write {number}"
        assert found == [f"a.yaml:{place}: error[yaml-number]: {fault}"]


def test_other_numbers_are_numbers_and_quoted_ones_texts() -> None:
    root, found = read("a: [0, -1, 1.5, 0x1F, 0b11, 1_000, 08, '012', \"12:30\", 1e3]")
    assert root is not None
    assert root.plain == {"a": [0, -1, 1.5, 31, 3, 1000, "08", "012", "12:30", "1e3"]}
    assert found == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (".inf", "JSON has no number inf"),
        ("-.INF", "JSON has no number -inf"),
        (".nan", "JSON has no number nan"),
        ("18446744073709551616", "the number has more than 64 bits"),
        ("-9223372036854775809", "the number has more than 64 bits"),
        ("!!binary aGk=", "JSON has no binary data"),
    ],
)
def test_what_json_can_not_say_is_named(text: str, fault: str) -> None:
    _, (problem,) = read(f"a: {text}")
    assert problem.startswith(f"a.yaml:1:4: error[json]: {fault}; ")


def test_whole_numbers_of_64_bits_are_read() -> None:
    root, found = read("a: [18446744073709551615, -9223372036854775808]")
    assert root is not None
    assert root.plain == {"a": [2**64 - 1, -(2**63)]}
    assert found == []


@pytest.mark.parametrize("text", ["2026-01-01", "2026-01-01 10:00:00", "2026-01-01T10:00:00Z"])
def test_dates_are_named_and_read_as_text(text: str) -> None:
    root, found = read(f"a: {text}")
    fault = f"{text} is read as a date, which JSON has not; quote it"
    assert found == [f"a.yaml:1:4: error[yaml-date]: {fault}"]
    assert root is not None
    assert root.plain == {"a": text}
    assert read(f"a: '{text}'")[1] == []


def test_a_date_as_a_key_is_one_mistake() -> None:
    root, found = read("2026-01-01: a")
    assert len(found) == 1
    assert root is not None
    assert root.plain == {"2026-01-01": "a"}


def test_keys_that_are_no_texts_are_told() -> None:
    _, found = read("5: a\n~: b\n? [c]\n: d\n1.5: e\ntrue: f\n? {g: h}\n")
    assert [problem.partition(" not ")[2] for problem in found] == [
        *("5; quote it", "null; quote it", "['c']; quote it", "1.5; quote it", "true; quote it", "{'g': 'h'}; quote it")
    ]


def test_a_key_that_stands_twice_is_told_and_the_first_kept() -> None:
    root, found = read("a: 1\nb:\n  c: 2\n  c: 3\na: 4\na: 5\n")
    assert root is not None
    assert root.plain == {"a": 1, "b": {"c": 2}}
    assert found == [
        "a.yaml:4:3: error[yaml-duplicate]: 'c' stands twice, first in line 3; keep one",
        "a.yaml:5:1: error[yaml-duplicate]: 'a' stands twice, first in line 1; keep one",
        "a.yaml:6:1: error[yaml-duplicate]: 'a' stands twice, first in line 1; keep one",
    ]


def test_a_merge_of_maps_is_told() -> None:
    """YAML 1.2 dropped it; quoted it is a key like any other."""
    root, found = read("a: &a {b: 1}\nc:\n  <<: *a\n  d: 2\n")
    fault = "'<<' does not merge here; write the keys out, or use an alias for a whole value"
    assert found == [f"a.yaml:3:3: error[yaml]: {fault}"]
    assert root is not None
    assert root.plain["c"] == {"d": 2}
    assert read("'<<': 1")[1] == []


def test_a_lone_equals_sign_is_text() -> None:
    root, found = read("numeric: [=, 3, <=, 5]")
    assert root is not None
    assert root.plain == {"numeric": ["=", 3, "<=", 5]}
    assert found == []


@pytest.mark.parametrize(
    "text", ["!important x", "!!set {b, c}", "!!omap [{b: c}]", "!mine [b]", "!!str {b: c}", "!!seq b"]
)
def test_types_that_are_not_known_are_told(text: str) -> None:
    _, found = read(f"a: {text}")
    assert found == [
        f"a.yaml:1:4: error[yaml]: YAML's {text.split()[0]} is not known here; "
        "remove it, or quote the text that it begins"
    ]


@pytest.mark.parametrize(
    "text", ["!!bool maybe", "!!int ''", "!!int x", "!!float x", "!!timestamp x", "!!binary é", "2026-02-30"]
)
def test_values_that_are_not_what_they_are_said_to_be_are_told(text: str) -> None:
    root, found = read(f"a: {text}\nb: c")
    assert len(found) == 1
    assert found[0].startswith("a.yaml:1:4: error[yaml]: ")
    assert " is no " in found[0]
    assert root is not None
    assert root.plain["b"] == "c"


def test_a_tab_that_indents_is_told() -> None:
    assert read("a:\n\tb: c\n")[1] == ["a.yaml:2:1: error[yaml]: not YAML: a tab stands here; indent with spaces"]


def test_a_mistake_that_aliases_repeat_is_told_once() -> None:
    assert len(read("a: &a [no, {{ b }}, 012]\nc: [*a, *a]\nd: *a\n")[1]) == 3
