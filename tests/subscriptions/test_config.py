"""The subscriptions in config/: all compile, and each sample gives what it should."""

from typing import Any

import pytest

from kxmsg.model.target import BROADCAST, Target
from kxmsg.subscriptions import load
from tests.product import CONFIG

GOLDEN: dict[str, tuple[str, Target, dict[str, Any]]] = {
    "orders": (
        "acme",
        Target("user", "ana"),
        {
            "title": "Order A-1042 is on its way",
            "content": "Trail lamp was handed to Northwind Post and should arrive on 2026-12-01.",
            "priority": "medium",
            "icon": "📦",
            "category": "orders",
            "actionUrl": "/orders/A-1042/track",
            "tags": ["order", "shipping"],
            "displayDuration": 0,
            "sound": "notification-success",
            "metadata": {"orderId": "A-1042", "trackingNumber": "NW-77-1042", "items": 2},
        },
    ),
    "incidents": (
        "acme",
        Target("client", "acme"),
        {
            "title": "Incident INC-7",
            "content": "Checkout is degraded in eu-west-1.",
            "priority": "urgent",
            "category": "incidents",
            "tags": ["incident", "critical"],
            "metadata": {"minutes": 12},
        },
    ),
    "leads": (
        "acme",
        Target("channel", "lead-desk"),
        {
            "channelId": "lead-desk",
            "senderId": "crm",
            "messageType": "chat",
            "content": "John Doe asks about the annual plan.",
            "priority": "high",
            "metadata": {"leadId": "L-123", "page": "/pricing"},
        },
    ),
    "maintenance": (
        "*",
        BROADCAST,
        {
            "title": "Scheduled maintenance",
            "content": "The platform is in maintenance from 2026-12-24T22:00:00Z to 2026-12-24T23:30:00Z.",
            "priority": "urgent",
            "category": "platform",
            "icon": "🛠",
        },
    ),
}

CATALOGUE = load(CONFIG)


def test_every_subscription_has_its_expectation() -> None:
    assert {subscription.name for subscription in CATALOGUE.subscriptions} == set(GOLDEN)


@pytest.mark.parametrize("name", GOLDEN)
def test_each_sample_renders_as_expected(name: str) -> None:
    (subscription,) = [one for one in CATALOGUE.subscriptions if one.name == name]
    assert subscription.sample is not None
    (hit,) = CATALOGUE.hits(dict(subscription.sample))
    template = CATALOGUE.template(hit, subscription.sample["detail-type"])
    assert hit.subscription == name
    assert template is not None
    rendered = template.render(subscription.sample, "default")
    assert rendered is not None
    tenant, target, payload = GOLDEN[name]
    assert rendered.places == ((tenant, target),)
    assert rendered.payload == payload
