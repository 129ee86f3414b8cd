"""Expressions: what each construct gives."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kxmsg.rendering import compile_expression
from kxmsg.rendering.kinds import Kind
from tests.rendering.events import EVENT


def evaluate(text: str) -> Any:
    return compile_expression(text)(EVENT)


LITERALS: dict[str, Any] = {
    "0": 0,
    "42": 42,
    "-42": -42,
    "0x1F": 31,
    "-0xff": -255,
    "9223372036854775807": 2**63 - 1,
    "-9223372036854775808": -(2**63),
    "1.5": 1.5,
    ".5": 0.5,
    "1e3": 1000.0,
    "-2.5e-1": -0.25,
    "true": True,
    "false": False,
    "null": None,
    "''": "",
    '"double"': "double",
    "'''three ' quotes'''": "three ' quotes",
    '"""line\nbreak"""': "line\nbreak",
    r"'\a\b\f\n\r\t\v\\\?\"\'\`'": "\a\b\f\n\r\t\v\\?\"'`",
    r"'\x41\X42\u00e9\U0001f431\101'": "ABé🐱A",
    r"r'\n\x'": r"\n\x",
    r"R'\'": "\\",
    "r'''a'b'''": "a'b",
    "[]": [],
    "[1, 'a', [true],]": [1, "a", [True]],
    "{}": {},
    "{'a': 1, 'b': {'c': []},}": {"a": 1, "b": {"c": []}},
    "{2: 'two', true: 'yes'}": {2: "two", True: "yes"},
    "1 // a remark\n + 1": 2,
}

ARITHMETIC: dict[str, Any] = {
    "1 + 2 * 3": 7,
    "(1 + 2) * 3": 9,
    "7 / 2": 3,
    "-7 / 2": -3,
    "7 % 3": 1,
    "-7 % 3": -1,
    "7 % -3": 1,
    "10 - 4 - 3": 3,
    "24 / 4 / 2": 3,
    "2 - -2": 4,
    "--2": 2,
    "detail.n-detail.n": 0,
    "detail.n-1": 1,
    "-detail.n": -2,
    "-(1.5)": -1.5,
    "1.0 / 4.0": 0.25,
    "1.0 / 0.0": math.inf,
    "-1.0 / 0.0": -math.inf,
    "1 + 0.5": 1.5,
    "detail.n * detail.f": 3.0,
    "detail.n - 0.5": 1.5,
    "detail.f / 3": 0.5,
    "'a' + 'b'": "ab",
    "detail.id + '!'": "A-1!",
    "[1] + [2]": [1, 2],
    "timestamp('2026-01-31') + duration('1h')": datetime(2026, 1, 31, 1, tzinfo=UTC),
    "duration('1h') + timestamp('2026-01-31')": datetime(2026, 1, 31, 1, tzinfo=UTC),
    "timestamp('2026-01-31') - duration('1m')": datetime(2026, 1, 30, 23, 59, tzinfo=UTC),
    "timestamp('2026-02-01') - timestamp('2026-01-31')": timedelta(days=1),
    "duration('1h') - duration('1h30m')": timedelta(minutes=-30),
    "duration('1h') + duration('1s')": timedelta(seconds=3601),
}

COMPARISONS: dict[str, bool] = {
    "1 == 1.0": True,
    "1 < 1.5": True,
    "detail.n == 2.0": True,
    "detail.yes == dyn(1)": False,
    "dyn(0) != false": True,
    "[1, [true]] == [1.0, [dyn(1)]]": False,
    "[1, {'a': 2}] == [1.0, {'a': 2.0}]": True,
    "{'a': 1} == {'b': 1}": False,
    "{'a': 1} == {}": False,
    "null == detail.none": True,
    "detail.n != null": True,
    "'a' < 'b' && 'Z' < 'a'": True,
    "detail.id >= 'A-1'": True,
    "detail.id > detail.severity": False,
    "false < true": True,
    "detail.n <= 2": True,
    "detail.n >= 3": False,
    "timestamp('2026-01-31') < timestamp('2026-02-01')": True,
    "duration('60s') == duration('1m')": True,
    "0.0 / 0.0 == 0.0 / 0.0": False,
    "1 in [2, 1]": True,
    "true in [1]": False,
    "1.0 in [2, 1]": True,
    "'a' in detail.map": True,
    "'z' in detail.map": False,
    "detail.severity in ['high', 'critical']": True,
    "detail.yes in ['true']": False,
    "1 in {1: 'x'}": True,
    "true in {1: 'x'}": False,
    "[1] in [[1]]": True,
    "1 + 1 == 2 && 2 * 2 > 3": True,
    "!detail.no == true": True,
    "1 < 2 == true": True,
}

LOGIC: dict[str, Any] = {
    "true && true": True,
    "true || false && false": True,
    "(true || false) && false": False,
    "detail.absent == 1 || true": True,
    "true || detail.absent == 1": True,
    "detail.absent == 1 && false": False,
    "false && detail.absent == 1": False,
    "detail.absent == 1 && detail.n == 2 && false": False,
    "dyn('text') && false": False,
    "false || dyn(1) || true": True,
    "detail.yes ? 1 : 2": 1,
    "detail.no ? 1 : detail.yes ? 2 : 3": 2,
    "detail.yes ? 'present' : detail.absent": "present",
    "!(detail.n > 5)": True,
    "!!true": True,
}

MEMBERS: dict[str, Any] = {
    "detail.map.a": "ä",
    "detail['map']['a']": "ä",
    "detail['a-b']": "hyphen",
    "detail.`a-b`": "hyphen",
    "detail.list[0]": 3,
    "detail.list[dyn(1.0)]": 1,
    "detail.people[1].name": "Bob",
    "detail.map['a' + '']": "ä",
    "{'in': 1}['in'] + {'for': 2}.for": 3,
    "{1: 'a', 2: 'b'}[2]": "b",
    "{1: 'a'}[dyn(1.0)]": "a",
    "{true: 'a'}[true]": "a",
    "detailType": "order.shipped",
    "source + id + time + account + region": "shope-12026-01-31T08:00:00Z1eu",
    "resources[0]": "r-1",
    "event.detail.n": 2,
    "event['detail-type']": "order.shipped",
    "has(detail.n)": True,
    "has(detail.none)": True,
    "has(detail.absent)": False,
    "has(detail.absent.deeper)": False,
    "has(detail.none.deeper)": False,
    "has(detail['a-b'])": True,
    "has({'a': 1}.a)": True,
    "coalesce(detail.absent, detail.none, detail.n)": 2,
    "coalesce(detail.absent.deeper, 'x')": "x",
    "coalesce(detail.absent)": None,
    "coalesce(detail.none)": None,
    "coalesce(detail.absent.upperAscii(), 'x')": "x",
    "coalesce(detail.id.upperAscii(), 1 / 0)": "A-1",
    "coalesce(detail.list[7], -1)": -1,
    "coalesce(detail, 1) == detail": True,
    "type(detail.n)": Kind.INT,
    "type(detail.none) == null_type": True,
    "type(type(1)) == type": True,
    "type(detail.map) == map && type(detail.f) == double": True,
}

LOOPS: dict[str, Any] = {
    "detail.list.map(x, x * 2)": [6, 2, 4],
    "detail.list.map(x, x > 1, x * 2)": [6, 4],
    "detail.list.filter(x, x > 1)": [3, 2],
    "detail.list.all(x, x > 0)": True,
    "detail.list.all(x, x > 1)": False,
    "detail.list.exists(x, x == 2)": True,
    "detail.list.exists(x, x == 9)": False,
    "detail.list.exists_one(x, x > 2)": True,
    "detail.list.existsOne(x, x > 1)": False,
    "detail.empty.all(x, x.nothing)": True,
    "detail.empty.exists(x, x.nothing)": False,
    "[0, 1].exists(x, 1 / x == 1)": True,
    "[0, 2].all(x, 1 / x == 1)": False,
    "detail.map.map(k, k)": ["a", "b"],
    "detail.map.exists(k, k == 'b')": True,
    "detail.map.exists(k, v, k == 'b' && v == 'c')": True,
    "detail.list.exists(i, v, i == 9 || v == 9)": False,
    "[0, 1].exists(i, v, 1 / v == i)": True,
    "detail.list.all(i, v, i + v > 1)": True,
    "detail.list.exists_one(i, v, i == v)": False,
    "detail.list.transformList(i, v, i * v)": [0, 1, 4],
    "detail.list.transformList(i, v, i > 0, v)": [1, 2],
    "detail.map.transformMap(k, v, v + k)": {"a": "äa", "b": "cb"},
    "detail.map.transformMap(k, v, k == 'a', v)": {"a": "ä"},
    "detail.people.filter(p, p.age >= 18).map(p, p.name)": ["Ada"],
    "detail.people.map(p, detail.names.filter(n, n == p.name).size())": [2, 1],
    "[1, 2].map(x, [3].map(x, x))": [[3], [3]],
    "[1].map(detail, detail)": [1],
    "coalesce(detail.absent, [1]).map(x, x)": [1],
    "[[1], [2]].map(x, x.map(y, x[0] + y))": [[2], [4]],
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (text, expected)
        for table in (LITERALS, ARITHMETIC, COMPARISONS, LOGIC, MEMBERS, LOOPS)
        for text, expected in table.items()
    ],
)
def test_each_construct_gives_what_cel_says(text: str, expected: Any) -> None:
    value = evaluate(text)
    assert value == expected
    assert type(value) is type(expected)


def test_the_type_that_is_expected_is_known_before_any_event() -> None:
    assert compile_expression("1 + 2").kind == "int"
    assert compile_expression("detail.n + 2").kind == "dyn"
    assert compile_expression("detail.n + 2", sample=EVENT).kind == "int"
    assert compile_expression("detail.n > 2").kind == "bool"
    assert compile_expression("coalesce(detail.absent, detail.id)", sample=EVENT).kind == "dyn"


def test_names_may_stand_for_other_fields() -> None:
    assert compile_expression("x + y.z", names={"x": "a", "y": "b"})({"a": 1, "b": {"z": 2}}) == 3
