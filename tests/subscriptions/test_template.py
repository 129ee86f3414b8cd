"""What a template makes of an event."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kxmsg.model.envelope import MAX_PAYLOAD
from kxmsg.model.target import BROADCAST, Target
from kxmsg.rendering import RenderError, compile_fields
from kxmsg.subscriptions.fields import FIELDS
from kxmsg.subscriptions.limits import MAX_RENDERED
from kxmsg.subscriptions.template import Defaults, Rendered, Template
from tests.subscriptions.compiling import EVENT, compiled, made, with_template

DEFAULTS = Defaults()


def fill(target_type: Any, **fields: Any) -> Template:
    values = {"targetType": target_type, "content": "hi", **fields}
    return Template("t", "notification", target_type, compile_fields(values))


def render(target_type: Any, detail: dict[str, Any], defaults: Defaults = DEFAULTS, **fields: Any) -> Rendered:
    rendered = fill(target_type, **fields).render({**EVENT, "detail": detail}, defaults)
    assert rendered is not None
    return rendered


@pytest.mark.parametrize(
    ("detail", "fields", "tenant"),
    [
        ({}, {}, "default"),
        ({"tenantId": "acme"}, {}, "acme"),
        ({"clientId": "globex"}, {}, "globex"),
        ({"tenantId": "acme", "clientId": "globex"}, {}, "acme"),
        ({"tenantId": "acme"}, {"tenantId": "own"}, "own"),
        ({"tenantId": "acme"}, {"tenantId": "{{ detail.of }}"}, "acme"),
        ({"tenantId": None, "clientId": ""}, {}, "default"),
        ({"tenantId": 42}, {}, "42"),
        ({"tenantId": 0}, {}, "0"),
    ],
)
def test_the_tenant_is_the_templates_or_the_events_or_the_default(
    detail: dict[str, Any], fields: dict[str, Any], tenant: str
) -> None:
    rendered = render("user", {"of": None, **detail}, DEFAULTS, userId="ana", **fields)
    assert rendered.places == ((tenant, Target("user", "ana")),)


def test_the_default_tenant_is_a_setting() -> None:
    assert render("user", {}, Defaults(tenant="acme"), userId="ana").places[0][0] == "acme"


@pytest.mark.parametrize("tenant", ["a#LOG#user", "a\n", {"a": 1}, ["a"], 1.5, True, False, [], {}, "x" * 300])
def test_a_tenant_that_can_not_stand_in_a_key_is_poison(tenant: Any) -> None:
    with pytest.raises(RenderError, match="tenantId"):
        render("user", {"tenantId": tenant}, userId="ana")


@pytest.mark.parametrize("ident", ["a#b", "", None, [], {}, 1.5, True])
def test_an_id_that_can_not_stand_in_a_key_is_poison(ident: Any) -> None:
    for kind in ("user", "client", "channel"):
        with pytest.raises(RenderError, match=r"^t: "):
            render(kind, {"x": ident}, DEFAULTS, **{f"{kind}Id": "{{ detail.x }}"})


def test_events_may_number_what_they_name() -> None:
    assert render("channel", {"n": 7}, channelId="{{ detail.n }}").payload["channelId"] == "7"
    assert render("user", {"n": 7}, userId="{{ detail.n }}").places[0][1] == Target("user", "7")


def test_a_client_is_its_own_tenant_and_some_of_its_users_are_users() -> None:
    assert render("client", {"tenantId": "acme"}, clientId="globex").places == (("globex", Target("client", "globex")),)
    some = render("client", {}, clientId="globex", targetUserIds=["a", "b", "a"]).places
    assert some == (("globex", Target("user", "a")), ("globex", Target("user", "b")))
    assert render("client", {}, clientId="globex", targetUserIds=[]).places == ()


def test_a_broadcast_is_everybodys_or_some_clients() -> None:
    assert render("broadcast", {"tenantId": "acme"}).places == (("*", BROADCAST),)
    some = render("broadcast", {}, targetClientIds=["a", "b", "a"]).places
    assert some == (("a", Target("client", "a")), ("b", Target("client", "b")))


@pytest.mark.parametrize(
    ("kind", "name"), [("client", "targetUserIds"), ("broadcast", "targetClientIds")], ids=["client", "broadcast"]
)
@pytest.mark.parametrize(
    "audience",
    [
        "{{ detail.x }}",
        {"cases": [{"when": "false", "use": ["a"]}]},
        {"cases": [{"when": "true", "use": "{{ null }}"}]},
    ],
    ids=["null", "no case", "a case of null"],
)
def test_an_audience_that_is_null_is_poison_and_not_everybody(kind: str, name: str, audience: Any) -> None:
    with pytest.raises(RenderError, match=rf"^t: {name} is null, .*\[\] for nobody"):
        render(kind, {"x": None}, clientId="acme", **{name: audience})
    assert render(kind, {"x": []}, DEFAULTS, clientId="acme", **{name: "{{ detail.x }}"}).places == ()


@pytest.mark.parametrize("content", [None, "", {}, {"en": "a", "de": ""}])
def test_a_text_that_is_null_or_empty_is_poison(content: Any) -> None:
    with pytest.raises(RenderError, match=r"^t: content\b"):
        render("broadcast", {"x": content}, content="{{ detail.x }}")


@pytest.mark.parametrize("tags", [[1], [None], [{"a": 1}], ["a", True]])
def test_tags_that_are_no_texts_are_poison(tags: Any) -> None:
    with pytest.raises(RenderError, match=r"^t: tags must be texts, not "):
        render("broadcast", {"x": tags}, tags="{{ detail.x }}")


@pytest.mark.parametrize(
    ("kind", "detail", "fields"),
    [
        ("user", {"tenantId": "*"}, {}),
        ("channel", {"clientId": "*"}, {}),
        ("user", {"of": "*"}, {"tenantId": "{{ detail.of }}"}),
        ("client", {"of": "*"}, {"tenantId": "{{ detail.of }}"}),
        ("client", {"of": "*"}, {"clientId": "{{ detail.of }}"}),
        ("broadcast", {"of": ["acme", "*"]}, {"targetClientIds": "{{ detail.of }}"}),
    ],
)
def test_the_tenant_of_everybody_is_nobodys_own(kind: str, detail: dict[str, Any], fields: dict[str, Any]) -> None:
    ids = {"userId": "ana", "clientId": "acme", "channelId": "desk"}
    with pytest.raises(RenderError, match=r"may not be '\*', which stands for everybody"):
        render(kind, detail, DEFAULTS, **{**ids, **fields})


def test_what_is_told_of_a_broadcast_may_be_answered() -> None:
    """Its events name the tenant of everybody."""
    assert render("broadcast", {"tenantId": "*"}).places == (("*", BROADCAST),)
    assert render("client", {"tenantId": "*"}, clientId="ops").places == (("ops", Target("client", "ops")),)
    assert render("user", {"tenantId": "*"}, userId="ana", tenantId="ops").places == (("ops", Target("user", "ana")),)


def test_more_than_readers_can_take_is_poison() -> None:
    with pytest.raises(
        RenderError, match=rf"^t: gives \d+ bytes, most of them in title, .* {MAX_PAYLOAD}; make it short"
    ):
        render("broadcast", {"x": "x" * MAX_PAYLOAD}, title="{{ detail.x }}")
    users = [f"u{number}" for number in range(MAX_RENDERED // 80_000 + 1)]
    with pytest.raises(RenderError, match=rf"^t: gives {len(users)} entries of 800\d\d bytes"):
        render("client", {"x": "x" * 80_000, "to": users}, clientId="a", content="{{ detail.x }}", targetUserIds=users)


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@given(
    st.sampled_from(["user", "client", "channel", "broadcast"]),
    st.sampled_from(sorted(set(FIELDS) - {"targetType", "icon", "category", "sound"})),
    json,
)
def test_whatever_an_event_holds_it_renders_or_is_poison(kind: str, name: str, value: Any) -> None:
    fields: dict[str, Any] = {"userId": "u", "clientId": "c", "channelId": "ch", name: "{{ detail.x }}"}
    try:
        rendered = render(kind, {"x": value}, **fields)
    except RenderError:
        return
    assert all(isinstance(tenant, str) and "#" not in tenant + target.id for tenant, target in rendered.places)
    assert rendered.ttl is None or int(rendered.ttl) >= 0
    assert all(isinstance(rendered.payload.get(field, ""), str) for field in ("title", "content", "actionUrl"))


def test_fields_that_render_to_nothing_are_left_out_and_times_are_kept() -> None:
    rendered = render("broadcast", {"none": None}, title="{{ detail.none }}", ttl=60, deliverAfter="5s")
    assert rendered.payload == {"content": "hi"}
    assert (rendered.ttl, rendered.deliver_after) == (60, 5)
    assert (render("broadcast", {}).ttl, render("broadcast", {}).deliver_after) == (None, 0)


def test_variants_are_stored_beside_the_default_locales_text() -> None:
    title = {"en": "Order {{ detail.n }}", "de": "Auftrag {{ detail.n }}"}
    english = render("broadcast", {"n": 1}, title=title).payload
    assert english == {"title": "Order 1", "content": "hi", "variants": {"de": {"title": "Auftrag 1"}}}
    german = render("broadcast", {"n": 1}, Defaults(locale="de-AT"), title=title).payload
    assert german == {"title": "Auftrag 1", "content": "hi", "variants": {"en": {"title": "Order 1"}}}


def test_variants_may_come_from_the_event() -> None:
    texts = {"en": "Hello", "de": "Hallo"}
    payload = render("broadcast", {"texts": texts}, title="{{ detail.texts }}").payload
    assert (payload["title"], payload["variants"]) == ("Hello", {"de": {"title": "Hallo"}})
    with pytest.raises(RenderError, match="t: title: 'x y' is no locale"):
        render("broadcast", {"texts": {"x y": "z"}}, title="{{ detail.texts }}")


def test_a_field_that_does_not_fit_is_named() -> None:
    with pytest.raises(RenderError, match=r"t: title: detail\.name is absent from the event"):
        render("broadcast", {}, title="{{ detail.name }}")
    with pytest.raises(RenderError, match="t: priority must be one of low, medium, high, urgent, not 'top'"):
        render("broadcast", {"p": "top"}, priority="{{ detail.p }}")


@pytest.mark.parametrize(
    ("fields", "column", "fault"),
    [
        ("targetType: broadcast, content: x, title: '{{ detail.a }}'", 59, "title: detail.a is absent from the event"),
        (
            "targetType: broadcast, content: x, priority: '{{ source }}'",
            62,
            "priority must be one of low, medium, high",
        ),
        ("targetType: broadcast, content: x, ttl: '{{ source }}'", 57, "ttl must be 0 to 3660d, as 90"),
        ("targetType: broadcast, content: x, when: detail.a", 58, "when: detail.a is absent from the event"),
        ("targetType: broadcast, content: x, tenantId: 'a{{ ''#'' }}'", 62, "tenantId may hold neither '#' nor"),
        ("targetType: user, userId: 'a{{ ''#'' }}', content: x", 43, "userId may hold neither '#' nor"),
        (
            "targetType: broadcast, content: x, throttle: {per: 1h, by: '{{ detail.a }}'}",
            16,
            "throttle.by: detail.a is",
        ),
    ],
)
def test_a_fault_names_the_place_in_the_file(tmp_path: Path, fields: str, column: int, fault: str) -> None:
    catalogue = compiled(tmp_path, a=with_template(fields))
    place = re.escape(f"{tmp_path}/a.yaml:5:{column}: orders.notification.shipped[0]: {fault}")
    with pytest.raises(RenderError, match=f"^{place}"):
        made(catalogue, EVENT)


def test_values_are_the_fields_before_they_are_bound() -> None:
    template = fill("client", clientId=7, targetUserIds=["a"], title={"en": "A", "de": "B"})
    assert template.values({**EVENT, "detail": {}}, DEFAULTS) == {
        "targetType": "client",
        "clientId": 7,
        "targetUserIds": ["a"],
        "title": {"en": "A", "de": "B"},
        "content": "hi",
        "tenantId": "default",
    }
