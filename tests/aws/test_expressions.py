"""Requests to DynamoDB: their expressions, their keys, their cursors."""

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kxmsg.aws.expressions import cursor_of, key_attributes, put_item, query_request, selects_nothing, write_request
from kxmsg.aws.marshal import marshal
from kxmsg.errors import InvalidInput, Permanent
from kxmsg.ports import ABSENT, PRESENT, Check, Condition, Delete, Key, Put, Query, TransactItem, Update

KEY = Key("p", "s")
KEY_ATTRIBUTES = {"pk": {"S": "p"}, "sk": {"S": "s"}}
NAME = re.compile(r"#\w+")
VALUE = re.compile(r":\w+")
EXPRESSIONS = ("UpdateExpression", "ConditionExpression", "KeyConditionExpression", "ProjectionExpression")


def read(request: dict[str, Any]) -> dict[str, str]:
    """The request's expressions with names and values in place of their placeholders."""
    names, values = request.get("ExpressionAttributeNames", {}), request.get("ExpressionAttributeValues", {})

    def value(match: re.Match[str]) -> str:
        ((text,),) = [values[match[0]].values()]
        return repr(text)

    return {
        part: VALUE.sub(value, NAME.sub(lambda match: str(names[match[0]]), request[part]))
        for part in EXPRESSIONS
        if part in request
    }


def condition(value: Condition) -> str:
    _, request = write_request("t", Check("logs", KEY, value))
    return read(request)["ConditionExpression"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (PRESENT, "attribute_exists(pk)"),
        (ABSENT, "attribute_not_exists(pk)"),
        (Condition(equals={"seq": 5}), "seq = '5'"),
        (Condition(equals={"deleted": None}), "attribute_not_exists(deleted)"),
        (Condition(equals={"open": True}), "open = True"),
        (Condition(differs={"state": "x"}), "(NOT state = 'x')"),
        (Condition(differs={"state": None}), "attribute_exists(state)"),
        (Condition(less={"until": 1.5}), "until < '1.5'"),
        (Condition(at_least={"name": "m"}), "name >= 'm'"),
        (
            Condition(True, {"seq": 5, "deleted": None}, {"n": 6}, {"n": 7}, {"n": 4}),
            "attribute_exists(pk) AND seq = '5' AND attribute_not_exists(deleted)"
            " AND (NOT n = '6') AND n < '7' AND n >= '4'",
        ),
    ],
)
def test_a_condition_is_all_of_its_terms(value: Condition, text: str) -> None:
    assert condition(value) == text


@pytest.mark.parametrize(
    ("item", "kind", "request_"),
    [
        (Put("logs", {"pk": "p", "sk": "s", "n": 1}), "Put", {"Item": {**KEY_ATTRIBUTES, "n": {"N": "1"}}}),
        (Delete("logs", KEY), "Delete", {"Key": KEY_ATTRIBUTES}),
        (Update("logs", KEY), "Update", {"Key": KEY_ATTRIBUTES}),
        (
            Delete("logs", KEY, PRESENT),
            "Delete",
            {
                "Key": KEY_ATTRIBUTES,
                "ConditionExpression": "attribute_exists(#n0)",
                "ExpressionAttributeNames": {"#n0": "pk"},
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            },
        ),
        (
            Check("logs", KEY, Condition(equals={"n": 1})),
            "ConditionCheck",
            {
                "Key": KEY_ATTRIBUTES,
                "ConditionExpression": "#n0 = :v0",
                "ExpressionAttributeNames": {"#n0": "n"},
                "ExpressionAttributeValues": {":v0": {"N": "1"}},
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            },
        ),
        (
            Put("logs", {"pk": "p", "sk": "s"}, Condition()),
            "Put",
            {"Item": KEY_ATTRIBUTES},
        ),
    ],
    ids=["put", "delete", "empty update", "conditional delete", "check", "empty condition"],
)
def test_a_write_is_one_request(item: TransactItem, kind: str, request_: dict[str, Any]) -> None:
    """No token, no consumed capacity: nothing that is not relied on or looked at."""
    assert write_request("kx-logs", item) == (kind, {"TableName": "kx-logs", **request_})


def test_an_update_has_a_clause_for_each_kind_of_change() -> None:
    update = Update(
        "logs",
        KEY,
        set={"size": [1], "name": "x"},
        add={"n": -1},
        remove=["a", "b"],
        condition=Condition(less={"n": 9}),
    )
    kind, request = write_request("kx-logs", update)
    assert kind == "Update"
    assert read(request) == {
        "UpdateExpression": "SET size = [{'N': '1'}], name = 'x' ADD n '-1' REMOVE a, b",
        "ConditionExpression": "n < '9'",
    }
    assert sorted(request["ExpressionAttributeNames"].values()) == ["a", "b", "n", "name", "size"]


@given(
    st.builds(
        Update,
        st.just("logs"),
        st.just(KEY),
        set=st.dictionaries(st.text("ab :#=()", min_size=1), st.text(), max_size=2),
        remove=st.lists(st.text("cd,", min_size=1), unique=True, max_size=2),
        condition=st.builds(Condition, equals=st.dictionaries(st.text(min_size=1), st.text(), max_size=2)),
    )
)
def test_no_text_of_a_caller_is_syntax(update: Update) -> None:
    """An expression is made of placeholders and DynamoDB's own words alone, and has all that it is given."""
    _, request = write_request("kx-logs", update)
    names, values = request.get("ExpressionAttributeNames", {}), request.get("ExpressionAttributeValues", {})
    text = " ".join(request[part] for part in EXPRESSIONS if part in request)
    assert set(NAME.findall(text)) == set(names)
    assert set(VALUE.findall(text)) == set(values)
    assert re.fullmatch(r"(SET|REMOVE|AND|#n\d+|:v\d+|[ =,])*", text)
    assert update.condition is not None
    assert set(names.values()) == {*update.set, *update.remove, *update.condition.equals}
    wanted = [*update.set.values(), *update.condition.equals.values()]
    assert list(values.values()) == [marshal(value) for value in wanted]


@pytest.mark.parametrize(
    ("query", "text"),
    [
        (Query("p"), "pk = 'p'"),
        (Query("p", begins="a"), "pk = 'p' AND begins_with(sk, 'a')"),
        (Query("p", first="a"), "pk = 'p' AND sk >= 'a'"),
        (Query("p", last="z"), "pk = 'p' AND sk <= 'z'"),
        (Query("p", first="a", last="z"), "pk = 'p' AND sk BETWEEN 'a' AND 'z'"),
        (Query("p", index="by1", first="a"), "by1pk = 'p' AND by1sk >= 'a'"),
    ],
)
def test_a_query_narrows_the_sort_key(query: Query, text: str) -> None:
    request = query_request("logs", "kx-logs", query)
    assert read(request) == {"KeyConditionExpression": text}
    assert request["TableName"] == "kx-logs"
    assert request.get("IndexName") == query.index
    used = set(NAME.findall(request["KeyConditionExpression"]))
    assert used == set(request["ExpressionAttributeNames"]), "DynamoDB refuses a name that no expression uses"


def test_a_query_asks_only_for_what_differs_from_the_default() -> None:
    plain = query_request("logs", "kx-logs", Query("p"))
    assert set(plain) == {
        "TableName", "KeyConditionExpression", "ExpressionAttributeNames", "ExpressionAttributeValues",
    }  # fmt: skip
    request = query_request("logs", "kx-logs", Query("p", reverse=True, limit=5, consistent=True))
    assert {name: request[name] for name in set(request) - set(plain)} == {
        "ScanIndexForward": False,
        "Limit": 5,
        "ConsistentRead": True,
    }


def test_the_fields_asked_for_come_with_the_key_and_once() -> None:
    request = query_request("logs", "kx-logs", Query("p", fields=["size", "sk", "size"]))
    assert read(request)["ProjectionExpression"] == "pk, sk, size"


@pytest.mark.parametrize(("index", "position"), [(None, ["sk"]), ("by1", ["by1sk", "pk", "sk"])])
def test_a_cursor_leads_back_to_where_the_page_ended(index: str | None, position: list[str]) -> None:
    partition = "pk" if index is None else f"{index}pk"
    last = {partition: "p", **{name: f"{name} 🎉" for name in position if name != partition}}
    if index is not None:
        last["pk"] = "other"
    query = Query("p", index)
    request = query_request("logs", "kx-logs", replace(query, cursor=cursor_of(query, last)))
    assert request["ExclusiveStartKey"] == {name: {"S": text} for name, text in last.items()}


@pytest.mark.parametrize(
    "cursor", ["", "x", "bnVsbA==", "e30=", "WyJwIiwiIl0=", "WyJwIiwxXQ==", "WyJwIiwiYSIsImIiXQ=="]
)
def test_a_cursor_of_another_making_is_the_callers_fault(cursor: str) -> None:
    """Nothing, no base64, null, {}, then ["p", ""], ["p", 1], ["p", "a", "b"]."""
    with pytest.raises(InvalidInput, match="cursor"):
        query_request("logs", "kx-logs", Query("p", cursor=cursor))


@pytest.mark.parametrize(
    ("first", "last", "nothing"),
    [("a", "b", False), ("a", "a", False), ("b", "a", True), ("\uffff", "😀", False), ("😀", "\uffff", True)],
)
def test_a_range_that_ends_before_it_begins_in_utf8_order(first: str, last: str, nothing: bool) -> None:
    assert selects_nothing(Query("p", first=first, last=last)) is nothing
    assert (first.encode() > last.encode()) is nothing


@pytest.mark.parametrize(
    ("key", "complaint"),
    [
        (Key("", "s"), "logs: pk is empty, which DynamoDB refuses in a key"),
        (Key("p", ""), "logs: sk is empty, which DynamoDB refuses in a key"),
        (Key("p" * 2049, "s"), "logs: pk is longer than 2048 bytes"),
        (Key("p", "ü" * 513), "logs: sk is longer than 1024 bytes"),
        (Key("p", "\ud800"), "logs: sk has half a surrogate pair"),
        (Key("p", 7), "logs: sk must be text"),  # type: ignore[arg-type] # wrong on purpose
    ],
)
def test_a_key_that_dynamodb_refuses_is_not_sent(key: Key, complaint: str) -> None:
    with pytest.raises(Permanent, match=complaint):
        key_attributes("logs", key)
    with pytest.raises(Permanent, match=complaint):
        put_item(Put("logs", {"pk": key.pk, "sk": key.sk}))


@pytest.mark.parametrize(
    "item",
    [
        Put("logs", {"pk": "p", "sk": "s", "x": {1}}),
        Update("logs", KEY, set={"x": {1}}),
        Update("logs", KEY, add={"x": float("nan")}),
        Delete("logs", KEY, Condition(equals={"x": float("inf")})),
    ],
    ids=["put", "set", "add", "condition"],
)
def test_a_value_that_is_not_json_is_refused_with_the_tables_name(item: TransactItem) -> None:
    with pytest.raises(Permanent, match=r"logs: .* can't be stored: "):
        write_request("kx-logs", item)


def test_an_update_names_an_attribute_once() -> None:
    with pytest.raises(Permanent, match="logs: an update names an attribute twice"):
        write_request("kx-logs", Update("logs", KEY, set={"n": 1}, add={"n": 1}))
