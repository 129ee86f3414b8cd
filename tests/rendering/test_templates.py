"""Templates: texts, values and whole sets of fields."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kxmsg.rendering import RenderError, TemplateError, compile_fields, compile_value
from tests.rendering.events import EVENT


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("plain", "plain"),
        ("", ""),
        (5, 5),
        (None, None),
        (1.5, 1.5),
        ("{{ detail.n }}", 2),
        ("{{detail.n}}", 2),
        ("{{ detail.list }}", [3, 1, 2]),
        ("{{ detail.none }}", None),
        ("{{ detail.n > 1 }}", True),
        ("{{ 'text' }}", "text"),
        ("{{ timestamp(0) }}", "1970-01-01T00:00:00Z"),
        ("{{ [duration('90m')] }}", ["5400s"]),
        ("{{ type(1) }}", "int"),
        (" {{ detail.n }}", " 2"),
        ("{{ detail.n }}{{ detail.f }}", "21.5"),
        ("#{{ detail.id }}: {{ detail.n }} of {{ detail.n }}", "#A-1: 2 of 2"),
        ("is {{ detail.yes }}", "is true"),
        ("is {{ !detail.yes }}", "is false"),
        ("is {{ detail.map }}", 'is {"a":"ä","b":"c"}'),
        ("is {{ detail.list + [4.0] }}", "is [3,1,2,4.0]"),
        ("is {{ 4.0 }} or {{ 0.1 + 0.2 }}", "is 4 or 0.30000000000000004"),
        ("is {{ 1e21 }}", "is 1e+21"),
        ("at {{ timestamp(detail.at) }}", "at 2026-01-31T23:30:00Z"),
        ("at {{ timestamp('2026-01-31T00:00:00.120Z') }}", "at 2026-01-31T00:00:00.12Z"),
        ("in {{ duration('-1.5s') }}", "in -1.5s"),
        ("{{ detailType }}/{{ source }}", "order.shipped/shop"),
        ("{{ {'a': {'b': 1}} }}", {"a": {"b": 1}}),
        ("{{ {'a': {'b': 1}}}}", {"a": {"b": 1}}),
        ("{{ '}}' }} and {{ '{{' }}", "}} and {{"),
        ("{{ detail\n.n }}", 2),
        (["{{ detail.id }}", 1], ["A-1", 1]),
        ({"k": {"d": "{{ detail.n }}"}}, {"k": {"d": 2}}),
        ({"{{ detail.id }}": 1}, {"{{ detail.id }}": 1}),
        ("a } b { c", "a } b { c"),
        ("100 % {x}", "100 % {x}"),
    ],
    ids=str,
)
def test_placeholders_are_filled_and_a_lone_one_keeps_its_type(value: Any, expected: Any) -> None:
    filled = compile_value(value)(EVENT)
    assert filled == expected
    assert type(filled) is type(expected)


@pytest.mark.parametrize("text", ["is {{ detail.none }}", "is {{ detail.absent }}", "is {{ coalesce(detail.absent) }}"])
def test_null_and_what_is_absent_have_no_text(text: str) -> None:
    with pytest.raises(RenderError, match=r"is null, which has no text|is absent"):
        compile_value(text)(EVENT)


@pytest.mark.parametrize("text", ["{{ 1.0 / 0.0 }}", "{{ [0.0 / 0.0] }}", "{{ {1: 2} }}", "{{ {'a': {true: 1}} }}"])
def test_what_json_cannot_hold_is_refused(text: str) -> None:
    with pytest.raises(RenderError, match="JSON"):
        compile_value(text)(EVENT)


def test_the_mapping_functions_of_the_source_document_can_be_written() -> None:
    """One by one what its TypeScript examples compute."""
    detail = {
        "customerId": "c-1", "orderId": "7", "productName": "lamp", "estimatedDelivery": "Monday", "carrier": "DHL",
        "trackingNumber": "T", "severity": "high", "oncallEngineers": ["u1"], "managers": ["m1"], "teamMembers": ["t1"],
        "title": "Disk full", "affectedClientId": "acme", "scheduledTime": "noon", "projectName": "X", "leadName": "Jo",
    }  # fmt: skip # as it comes
    fields = {
        "userId": "{{ detail.customerId }}",
        "clientId": "{{ detail.affectedClientId }}",
        "title": "{{ detail.severity.upperAscii() }} Incident",
        "content": "Your {{ detail.productName }} has shipped! Estimated delivery: {{ detail.estimatedDelivery }}",
        "actionUrl": "/orders/{{ detail.orderId }}/track",
        "priority": "{{ detail.severity == 'critical' ? 'urgent' : 'high' }}",
        "targetUserIds": "{{ detail.severity == 'critical' ? detail.oncallEngineers + detail.managers"
        " : detail.severity == 'high' ? detail.oncallEngineers : detail.teamMembers }}",
        "metadata": {
            "trackingUrl": "https://track.com/{{ detail.trackingNumber }}",
            "carrier": "{{ detail.carrier }}",
        },
    }
    render = compile_fields(fields, sample={"detail": detail})
    assert render({"detail": detail}) == {
        "userId": "c-1",
        "clientId": "acme",
        "title": "HIGH Incident",
        "content": "Your lamp has shipped! Estimated delivery: Monday",
        "actionUrl": "/orders/7/track",
        "priority": "high",
        "targetUserIds": ["u1"],
        "metadata": {"trackingUrl": "https://track.com/T", "carrier": "DHL"},
    }
    for severity, users in (("critical", ["u1", "m1"]), ("low", ["t1"])):
        rendered = render({"detail": {**detail, "severity": severity}})
        assert rendered is not None
        assert rendered["targetUserIds"] == users


def test_the_first_case_that_is_true_wins() -> None:
    render = compile_fields(
        {
            "priority": {
                "cases": [
                    {"when": "detail.severity == 'critical'", "use": "urgent"},
                    {"when": "detail.n > 1", "use": "{{ detail.id }}"},
                    {"default": "low"},
                ]
            },
            "icon": {"cases": [{"when": "detail.n > 5", "use": "many"}]},
        }
    )
    assert render(EVENT) == {"priority": "urgent", "icon": None}
    assert render({"detail": {"severity": "x", "n": 6, "id": "A"}}) == {"priority": "A", "icon": "many"}
    assert render({"detail": {"severity": "x", "n": 0}}) == {"priority": "low", "icon": None}


def test_a_map_with_cases_inside_a_field_is_a_map() -> None:
    assert compile_fields({"metadata": {"k": {"cases": 3}}})(EVENT) == {"metadata": {"k": {"cases": 3}}}


def test_nothing_is_rendered_where_a_condition_does_not_hold() -> None:
    render = compile_fields({"title": "{{ detail.absent }}"}, conditions={"when": "detail.n > 5", "and": "true"})
    assert render(EVENT) is None
    with pytest.raises(RenderError, match=r"^title: detail\.absent"):
        render({"detail": {"n": 6}})
    with pytest.raises(RenderError, match=r"^when: detail\.n is absent"):
        render({"detail": {}})


def test_literal_lists_are_made_anew_for_each_event() -> None:
    render = compile_fields({"tags": ["a"], "metadata": {"k": []}})
    first, second = render(EVENT), render(EVENT)
    assert first is not None
    assert second is not None
    first["tags"].append("b")
    first["metadata"]["k"].append(1)
    assert second == {"tags": ["a"], "metadata": {"k": []}}


def test_what_an_event_holds_is_never_taken_for_a_template() -> None:
    assert compile_value("say {{ detail.x }}")({"detail": {"x": "{{ detail.secret }}"}}) == "say {{ detail.secret }}"


@given(st.text())
def test_any_text_compiles_to_itself_or_is_refused_or_is_a_template(text: str) -> None:
    try:
        render = compile_value(text)
    except TemplateError:
        assert "{{" in text or "}}" in text
        return
    if "{{" not in text:
        assert render(EVENT) == text
