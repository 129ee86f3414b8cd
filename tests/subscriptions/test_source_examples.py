"""The mappings of the source document and the example of the contract, written as YAML."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kxmsg.model.channel import Channel
from kxmsg.model.target import BROADCAST, Target
from kxmsg.own_events import channel_created
from kxmsg.subscriptions import Defaults, Subscription, load
from kxmsg.subscriptions.catalogue import Destination
from kxmsg.subscriptions.inline_tests import run, untested
from tests.subscriptions.compiling import made

CATALOGUE = load(Path(__file__).parent / "source_examples")
BY_NAME = {one.name: one for one in CATALOGUE.subscriptions}


def test_each_example_of_the_sources_is_there() -> None:
    assert set(BY_NAME) == {
        *("OrderNotifications", "RichOrderNotifications", "NewOrders", "LeadNotifications", "UserNotifications"),
        *("TeamNotifications", "SystemNotifications", "IncidentNotifications", "incidents"),
        *("ChatMessageBroadcast", "NewLeadAlert"),
    }


@pytest.mark.parametrize("subscription", CATALOGUE.subscriptions, ids=lambda one: one.name)
def test_its_own_tests_pass_and_reach_every_mapping(subscription: Subscription) -> None:
    results = list(run(subscription, Defaults()))
    assert [(result.test.name, difference) for result in results for difference in result.differences] == []
    assert untested(subscription, results) == []


def event(source: str, detail_type: str, **detail: Any) -> dict[str, Any]:
    return {"source": source, "detail-type": detail_type, "detail": {"tenantId": "acme", **detail}}


def users(*names: str, tenant: str = "acme") -> list[tuple[str, Target]]:
    return [(tenant, Target("user", name)) for name in names]


INCIDENT: dict[str, Any] = {
    "affectedClientId": "globex",
    "title": "Fire",
    "oncallEngineers": ["e1", "e2"],
    "managers": ["m1", "e1"],
    "teamMembers": ["t1"],
}


@pytest.mark.parametrize(
    ("given", "places", "payload"),
    [
        (
            event("order-system", "order.shipped", customerId="ana", orderId=7),
            users("ana"),
            {"title": "Order Shipped", "content": "Order #7 is on its way!", "priority": "medium"},
        ),
        (
            event("order-system", "order.delivered", customerId="ana", orderId=7),
            users("ana"),
            {"title": "Order Delivered", "content": "Order #7 has been delivered!", "priority": "high"},
        ),
        (
            event(
                "shop",
                "order.shipped",
                customerId="ana",
                orderId="7",
                productName="kettle",
                estimatedDelivery="Monday",
                trackingNumber="T7",
                carrier="Post",
            ),
            users("ana"),
            {
                "title": "Order #7 Update",
                "content": "Your kettle has shipped! Estimated delivery: Monday",
                "priority": "medium",
                "icon": "📦",
                "category": "orders",
                "actionUrl": "/orders/7/track",
                "tags": ["shipping", "order"],
                "displayDuration": 0,
                "sound": "notification-success",
                "metadata": {
                    "orderId": "7",
                    "trackingNumber": "T7",
                    "trackingUrl": "https://track.example.com/T7",
                    "estimatedDelivery": "Monday",
                    "carrier": "Post",
                },
            },
        ),
        (
            event("order-service", "order.created", customerId="ana", orderId=7),
            users("ana"),
            {"title": "New Order", "content": "Order #7 created!", "priority": "high"},
        ),
        (
            event("crm-system", "lead.created", clientId="globex", leadName="Jane"),
            [("globex", Target("client", "globex"))],
            {"title": "New Lead Created", "content": "Lead Jane needs attention"},
        ),
        (
            event("user-system", "profile.updated", userId="ana"),
            users("ana"),
            {"title": "Profile Updated", "content": "Your changes have been saved"},
        ),
        (
            event("project-system", "project.completed", projectName="X"),
            [("acme", Target("client", "acme"))],
            {"title": "Project Completed", "content": "Project X has been completed!", "priority": "high"},
        ),
        (
            event("system", "maintenance.scheduled", scheduledTime="noon"),
            [("*", BROADCAST)],
            {
                "title": "Scheduled Maintenance",
                "content": "System maintenance scheduled for noon",
                "priority": "urgent",
            },
        ),
        (
            event("incident-system", "incident.created", **INCIDENT, severity="critical"),
            users("e1", "e2", "m1", tenant="globex"),
            {"title": "CRITICAL Incident", "content": "Fire - Immediate attention required", "priority": "urgent"},
        ),
        (
            event("incident-system", "incident.created", **INCIDENT, severity="high"),
            users("e1", "e2", tenant="globex"),
            {"title": "HIGH Incident", "content": "Fire - Immediate attention required", "priority": "high"},
        ),
        (
            event("incident-system", "incident.created", **INCIDENT, severity="minor"),
            users("t1", tenant="globex"),
            {"title": "MINOR Incident", "content": "Fire - Immediate attention required", "priority": "high"},
        ),
        (
            event(
                "com.acme.incidents",
                "IncidentOpened",
                **INCIDENT,
                severity="critical",
                incidentId="I1",
                service="Search",
                status="down",
                region="eu",
                durationMin=3,
            ),
            users("e1", "e2", "m1"),
            {
                "title": "Incident I1",
                "content": "Search is down in eu",
                "priority": "urgent",
                "tags": ["incident", "critical"],
                "metadata": {"minutes": 3},
                "variants": {"de": {"title": "Störung I1"}},
            },
        ),
    ],
    ids=lambda value: value["detail-type"] if isinstance(value, Mapping) and "detail-type" in value else "",
)
def test_an_event_becomes_what_the_mapping_says(
    given: dict[str, Any], places: list[tuple[str, Target]], payload: dict[str, Any]
) -> None:
    (rendered,) = made(CATALOGUE, given)
    assert rendered is not None
    assert list(rendered.places) == places
    assert rendered.payload == payload


@pytest.mark.parametrize(
    ("name", "target", "function"),
    [
        ("ChatMessageBroadcast", "WebSocketBroadcast", "websocket-handler"),
        ("NewLeadAlert", "NotifyEmployees", "notify-new-lead"),
    ],
)
def test_our_own_events_go_to_functions_of_others(name: str, target: str, function: str) -> None:
    arn = f"arn:aws:lambda:eu-west-1:123456789012:function:{function}"
    assert BY_NAME[name].targets == (Destination(target, arn),)
    assert BY_NAME[name].templates == {}


def test_an_alert_is_of_new_leads_alone() -> None:
    group = Channel("c", "acme", "group", "2026-01-01T00:00:00.000Z", "ana")
    lead = replace(group, type="lead", lead_status="unclaimed")
    told = [event.as_dict() for channel in (lead, group) for event in channel_created(channel, 0)]
    wanted = [one["detail"]["channelType"] for one in told if BY_NAME["NewLeadAlert"].pattern.matches(one)]
    assert wanted == ["lead"]
