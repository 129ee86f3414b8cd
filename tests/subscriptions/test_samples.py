"""What an event looks like, by an example or by a JSON Schema of it."""

import os
from pathlib import Path
from time import process_time
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kxmsg.subscriptions.samples import MAX_BYTES, MAX_DEPTH, MAX_NODES, Sample, SampleError, read, whole
from tests.subscriptions.compiling import HEAD, problems, without_unknown

NOWHERE = Path("nowhere")

BUS = {"version", "id", "source", "detail-type", "account", "region", "time", "resources", "detail"}


def schema(detail: Any, **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"detail": detail}, **more}


def detail_of(value: dict[str, Any]) -> Any:
    return without_unknown(read(value, NOWHERE).shape["detail"])


def refusal(value: Any, folder: Path = NOWHERE) -> str:
    with pytest.raises(SampleError) as caught:
        read(value, folder)
    return str(caught.value)


EVENT = {"source": "shop", "detail-type": "shipped", "detail": {"id": 1}}


def test_an_event_is_read_inline_or_from_a_file_beside_the_subscription(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "shipped.json").write_bytes(orjson.dumps(EVENT))
    inline, file = read(EVENT, tmp_path), read("sub/shipped.json", tmp_path)
    assert inline == file
    assert inline.event == EVENT
    assert inline.detail_types == frozenset({"shipped"})


def test_the_shape_of_an_event_has_what_the_bus_adds() -> None:
    shape = read(EVENT, NOWHERE).shape
    assert set(shape) == BUS
    assert {**shape, **EVENT} == shape
    assert whole(EVENT) == shape
    assert whole({})["detail"] == {}


def test_an_event_may_leave_out_what_it_likes() -> None:
    sample = read({"detail": {"id": 1}}, NOWHERE)
    assert sample.detail_types is None
    assert sample.is_of("shipped")
    assert sample.kinds() == [{}]
    assert read({}, NOWHERE).shape["detail"] == {}


def test_a_sample_tells_what_it_is_of() -> None:
    sample = read(EVENT, NOWHERE)
    assert sample.is_of("shipped")
    assert not sample.is_of("lost")
    assert sample.kinds() == [{"source": "shop", "detail-type": "shipped"}]


@pytest.mark.parametrize("value", [[], 5, None, True])
def test_what_is_no_object_is_refused(value: Any) -> None:
    assert refusal(value) == "the sample must be one event, a JSON object, or a JSON Schema of it"


def test_an_events_detail_must_be_a_map() -> None:
    assert refusal({"detail": [1]}) == "the sample's detail must be a map"
    assert refusal(schema({"type": "object"}, examples=[{"detail": 5}])) == "the sample's detail must be a map"


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("none.json", "can't be read: No such file or directory; name a file beside this one"),
        ("", "is no regular file; name a JSON file beside this one"),
        (".", "is no regular file; name a JSON file beside this one"),
        ("pipe", "is no regular file; name a JSON file beside this one"),
        ("large.json", f"is larger than {MAX_BYTES} bytes; leave some of it out"),
        ("bad.json", "is not JSON: line 2, column 3: unexpected content after document; mend it there"),
        ("a\0b", "can't be read: embedded null byte; name a file beside this one"),
    ],
)
def test_a_file_that_can_not_be_read_is_named(name: str, fault: str, tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text("{\n} 5")
    (tmp_path / "large.json").write_text(f'{{"a": "{"x" * MAX_BYTES}"}}')
    os.mkfifo(tmp_path / "pipe")
    assert refusal(name, tmp_path) == f"the sample {tmp_path / name} {fault}"


@pytest.mark.parametrize(
    ("detail", "shape"),
    [
        ({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "integer"}}}, {"a": "", "b": 0}),
        ({"properties": {"a": {"type": "boolean"}}}, {"a": True}),
        ({"type": "object", "properties": {"a": {"type": "number"}}}, {"a": "?"}),
        ({"properties": {"a": {"type": "array", "items": {"type": "string"}}}}, {"a": [""]}),
        (
            {"properties": {"a": {"type": "array", "items": {"properties": {"b": {"type": "string"}}}}}},
            {"a": [{"b": ""}]},
        ),
        ({"properties": {"a": {"type": "array"}}}, {"a": "?"}),
        ({"properties": {"a": {"type": "array", "items": [{"type": "string"}]}}}, {"a": ["?"]}),
        ({"properties": {}}, {}),
        # what may be null
        ({"properties": {"a": {"type": ["string", "null"]}}}, {"a": ""}),
        (
            {"properties": {"a": {"type": ["null", "object"], "properties": {"b": {"type": "integer"}}}}},
            {"a": {"b": 0}},
        ),
        ({"properties": {"a": {"type": ["string", "integer"]}}}, {"a": "?"}),
        ({"properties": {"a": {"type": "null"}}}, {"a": "?"}),
        ({"properties": {"a": {"type": []}}}, {"a": "?"}),
        # what says nothing
        ({"properties": {"a": True, "b": False, "c": {}}}, {"a": "?", "b": "?", "c": "?"}),
        ({"properties": {"a": {"enum": [1, 2]}}}, {"a": "?"}),
        ({"type": "object"}, "?"),
        (True, "?"),
        ({"type": "object", "properties": 5}, "?"),
        ({"type": {"a": 1}}, "?"),
        # what may have more than is named
        ({"properties": {"a": {}}, "additionalProperties": True}, "?"),
        ({"properties": {"a": {}}, "additionalProperties": {"type": "string"}}, "?"),
        ({"properties": {"a": {}}, "additionalProperties": False}, {"a": "?"}),
        ({"properties": {"a": {}}, "patternProperties": {"^b": {}}}, "?"),
        ({"properties": {"a": {}}, "anyOf": [{"properties": {"b": {}}}]}, "?"),
        ({"properties": {"a": {}}, "oneOf": [{"properties": {"b": {}}}]}, "?"),
        ({"properties": {"a": {}}, "if": {}, "then": {"properties": {"b": {}}}}, "?"),
        # all of several
        ({"allOf": [{"properties": {"a": {"type": "string"}}}, {"properties": {"b": {}}}]}, {"a": "", "b": "?"}),
        ({"allOf": [{"properties": {"a": {}}}], "properties": {"b": {"type": "string"}}}, {"b": "", "a": "?"}),
        ({"allOf": [{"properties": {"a": {}}}, {"type": "object"}]}, "?"),
        ({"allOf": [{"properties": {"a": {}}}], "anyOf": [{"properties": {"b": {}}}]}, "?"),
        ({"allOf": [{"properties": {"a": {}}}], "description": "b"}, {"a": "?"}),
        (
            {
                "allOf": [
                    {"properties": {"a": {"properties": {"b": {}}}}},
                    {"properties": {"a": {"properties": {"c": {}}}}},
                ]
            },
            {"a": {"b": "?", "c": "?"}},
        ),
    ],
)
def test_a_schema_gives_the_shape_that_every_event_has(detail: Any, shape: Any) -> None:
    assert detail_of(schema(detail)) == shape


def test_a_schema_is_told_from_an_event() -> None:
    assert read({"$schema": "x", "properties": {"detail": {}}, "detail": 5}, NOWHERE).event is None
    assert read({"properties": 5, "detail": {"a": 1}}, NOWHERE).shape["detail"] == {"a": 1}


def test_of_the_rest_of_an_event_nothing_is_known_unless_the_schema_says() -> None:
    shape = without_unknown(
        read(schema({}) | {"properties": {"detail": {}, "source": {"type": "string"}}}, NOWHERE).shape
    )
    assert shape == {**dict.fromkeys(BUS, "?"), "source": ""}


@pytest.mark.parametrize(
    ("kind", "kinds"),
    [
        ({"const": "shipped"}, {"shipped"}),
        ({"enum": ["shipped", "lost"]}, {"shipped", "lost"}),
        ({"$ref": "#/definitions/Kind"}, {"lost"}),
        ({"type": "string"}, None),
        ({"enum": 5}, None),
        ({"enum": []}, None),
        (True, None),
    ],
)
def test_a_schema_says_which_detail_types_it_is_of(kind: Any, kinds: set[str] | None) -> None:
    value = schema({"type": "object"}, definitions={"Kind": {"const": "lost"}})
    value["properties"]["detail-type"] = kind
    assert read(value, NOWHERE).detail_types == kinds


def test_a_schema_may_stand_behind_a_reference() -> None:
    """As AWS's schema registry writes them."""
    value = {
        "$schema": "http://json-schema.org/draft-04/schema#",
        "$ref": "#/definitions/Event",
        "definitions": {
            "Event": {"properties": {"detail": {"$ref": "#/definitions/Order"}, "detail-type": {"const": "shipped"}}},
            "Order": {"properties": {"id": {"$ref": "#/definitions/a~1b~0c"}, "x": {"$ref": "#/definitions/list/1"}}},
            "a/b~c": {"type": "string"},
            "list": [{"type": "integer"}, {"type": "boolean"}],
        },
    }
    assert detail_of(value) == {"id": "", "x": True}
    assert read(value, NOWHERE).detail_types == frozenset({"shipped"})


def test_what_refers_to_itself_is_known_once() -> None:
    order = {"properties": {"id": {"type": "string"}, "parent": {"$ref": "#/definitions/Order"}}}
    assert detail_of(schema({"$ref": "#/definitions/Order"}, definitions={"Order": order})) == {"id": "", "parent": "?"}
    assert detail_of(schema({"properties": {"cause": {"$ref": "#"}}})) == {"cause": "?"}


@pytest.mark.parametrize(
    ("reference", "fault"),
    [
        ("#/definitions/None", "which it does not have"),
        ("#/definitions/A/type/x", "which it does not have"),
        ("#/definitions/A/allOf/7", "which it does not have"),
        ("other.json", "only parts of its own file are read"),
        ("https://example.com/schema", "only parts of its own file are read"),
        ("#anchor", "only parts of its own file are read"),
        (5, "only parts of its own file are read"),
    ],
)
def test_a_reference_that_leads_nowhere_is_refused(reference: Any, fault: str) -> None:
    definitions = {"A": {"type": "string", "allOf": []}}
    refused = refusal(schema({"$ref": reference}, definitions=definitions))
    assert refused.startswith("the JSON Schema refers to ")
    assert refused.endswith(fault)


def test_a_reference_to_itself_is_refused() -> None:
    definitions = {"A": {"$ref": "#/definitions/B"}, "B": {"$ref": "#/definitions/A"}}
    refused = refusal(schema({"$ref": "#/definitions/A"}, definitions=definitions))
    assert refused == "the JSON Schema's '#/definitions/A' refers to itself; say there what it is"


def test_a_schema_must_speak_of_the_detail() -> None:
    values: list[dict[str, Any]] = [{"$schema": "x"}, {"properties": {"id": {}}}, {"$schema": "x", "type": "string"}]
    for value in values:
        assert refusal(value).startswith("the JSON Schema has no property detail; describe the whole event")


def test_a_schema_that_unfolds_without_end_is_refused_quickly() -> None:
    definitions = {
        f"A{n}": {"properties": {f"p{m}": {"$ref": f"#/definitions/A{n + 1}"} for m in range(10)}} for n in range(50)
    }
    began = process_time()
    refused = refusal(schema({"$ref": "#/definitions/A0"}, definitions={**definitions, "A50": {}}))
    assert process_time() - began < 2
    assert f"more than {MAX_NODES} parts" in refused


@pytest.mark.parametrize("around", ['{"properties": {"a": %s}}', '{"allOf": [%s]}', '{"type": "array", "items": %s}'])
def test_a_schema_that_is_nested_too_deep_is_refused(around: str, tmp_path: Path) -> None:
    text = "{}"
    for _ in range(400):
        text = around % text
    (tmp_path / "deep.json").write_text(f'{{"properties": {{"detail": {text}}}}}')
    assert refusal("deep.json", tmp_path) == (f"the JSON Schema is nested deeper than {MAX_DEPTH}; describe less of it")


def test_the_first_example_of_a_schema_is_its_event() -> None:
    sample = read(schema({}, examples=[5, EVENT, {}]), NOWHERE)
    assert sample.event == EVENT
    assert read(schema({}, examples="none"), NOWHERE).event is None
    assert read(schema({}), NOWHERE).event is None


def test_a_field_that_the_schema_lacks_is_told_with_what_was_meant(tmp_path: Path) -> None:
    order = {"type": "object", "properties": {"orderId": {"type": "string"}, "total": {"type": "number"}}}
    (tmp_path / "order.json").write_bytes(orjson.dumps(schema(order)))
    text = f"""{HEAD}    sample: order.json
    notificationMapping:
      shipped:
        targetType: broadcast
        title: "{{{{ detail.orderid }}}}"
        content: "{{{{ detail.orderId - 1 }}}} {{{{ time }}}} {{{{ detail.total * 2 }}}}"
"""
    wrong_type, absent = sorted(problems(tmp_path, a=text), key=lambda problem: "title" in problem)
    assert absent.startswith("a.yaml:8:27: error[unknown-field]: title: ")
    assert "did you mean 'orderId'?" in absent
    assert wrong_type.startswith("a.yaml:9:22: error[type]: content: ")


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
keywords = st.sampled_from(
    ["properties", "type", "allOf", "items", "enum", "const", "examples", "additionalProperties", "$ref"]
)
schemas = st.recursive(
    json | st.sampled_from(["object", "string", "array", "#", "#/properties/detail", "#/x"]),
    lambda inner: st.dictionaries(keywords | st.sampled_from(["detail", "detail-type", "a"]), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(keywords, schemas, max_size=4), schemas)
def test_anything_is_a_sample_or_refused(value: dict[str, Any], detail: Any) -> None:
    for given_value in ({"$schema": "x", **value}, {"properties": {"detail": detail}, **value}, value):
        try:
            sample = read(given_value, NOWHERE)
        except SampleError:
            continue
        assert isinstance(sample, Sample)
        assert "detail" in sample.shape
        assert sample.kinds()
