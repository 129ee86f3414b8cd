"""What a template makes of an event."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kxmsg.model.target import BROADCAST, Target
from kxmsg.rendering import RenderError, compile_fields
from kxmsg.subscriptions.template import Rendered, Template


def render(target_type: Any, detail: dict[str, Any], **fields: Any) -> Rendered:
    values = {"targetType": target_type, "content": "hi", **fields}
    template = Template("t", "notification", target_type, compile_fields(values))
    rendered = template.render({"source": "s", "detail-type": "d", "detail": detail}, "default")
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
        ({"tenantId": 42}, {}, "42"),
    ],
)
def test_the_tenant_is_the_templates_or_the_events_or_the_default(
    detail: dict[str, Any], fields: dict[str, Any], tenant: str
) -> None:
    assert render("user", detail, userId="ana", **fields).places == ((tenant, Target("user", "ana")),)


@pytest.mark.parametrize("tenant", ["a#LOG#user", "a\n", {"a": 1}, ["a"], 1.5, True, "x" * 300])
def test_a_tenant_that_can_not_stand_in_a_key_is_poison(tenant: Any) -> None:
    with pytest.raises(RenderError, match="tenantId"):
        render("user", {"tenantId": tenant}, userId="ana")


@pytest.mark.parametrize("ident", ["a#b", "", None, [], {}, 1.5, True])
def test_an_id_that_can_not_stand_in_a_key_is_poison(ident: Any) -> None:
    for kind in ("user", "client", "channel"):
        with pytest.raises(RenderError, match=r"^t: "):
            render(kind, {"x": ident}, **{f"{kind}Id": "{{ detail.x }}"})


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


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@given(
    st.sampled_from(["user", "client", "channel", "broadcast"]),
    st.sampled_from([
        "userId", "clientId", "channelId", "tenantId", "targetUserIds", "targetClientIds", "title", "content",
        "priority", "tags", "displayDuration", "metadata", "ttl", "deliverAfter", "senderId", "messageType",
    ]),
    json,
)  # fmt: skip
def test_whatever_an_event_holds_it_renders_or_is_poison(kind: str, name: str, value: Any) -> None:
    fields: dict[str, Any] = {"userId": "u", "clientId": "c", "channelId": "ch", name: "{{ detail.x }}"}
    try:
        rendered = render(kind, {"x": value}, **fields)
    except RenderError:
        return
    assert all(isinstance(tenant, str) and "#" not in tenant + target.id for tenant, target in rendered.places)
    assert rendered.ttl is None or int(rendered.ttl) >= 0


def test_fields_that_render_to_nothing_are_left_out_and_times_are_kept() -> None:
    rendered = render("broadcast", {"none": None}, title="{{ detail.none }}", ttl=60, deliverAfter=5)
    assert rendered.payload == {"content": "hi"}
    assert (rendered.ttl, rendered.deliver_after) == (60, 5)


def test_a_field_that_does_not_fit_is_named() -> None:
    with pytest.raises(RenderError, match=r"t: title: detail\.name is absent from the event"):
        render("broadcast", {}, title="{{ detail.name }}")
    with pytest.raises(RenderError, match="t: priority must be one of low, medium, high, urgent, not 'top'"):
        render("broadcast", {"p": "top"}, priority="{{ detail.p }}")
