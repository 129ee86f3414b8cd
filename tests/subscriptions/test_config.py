"""The subscriptions in config/: all compile, their own tests pass, and each sample gives what it should."""

from typing import Any

import pytest

from kxmsg.model.target import BROADCAST, Target
from kxmsg.subscriptions import Defaults, Subscription, load
from kxmsg.subscriptions.inline_tests import run, untested
from tests.product import CONFIG
from tests.subscriptions.compiling import made

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
            "metadata": {
                "orderId": "A-1042",
                "trackingNumber": "NW-77-1042",
                "trackingUrl": "https://track.example.com/NW-77-1042",
                "estimatedDelivery": "2026-12-01",
                "carrier": "Northwind Post",
                "items": 2,
            },
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


@pytest.mark.parametrize("subscription", CATALOGUE.subscriptions, ids=lambda one: one.name)
def test_each_has_tests_that_pass_and_reach_every_mapping(subscription: Subscription) -> None:
    results = list(run(subscription, Defaults()))
    assert [(result.test.name, difference) for result in results for difference in result.differences] == []
    assert untested(subscription, results) == []
    assert any(result.test.expect is None for result in results)


@pytest.mark.parametrize("subscription", CATALOGUE.subscriptions, ids=lambda one: one.name)
def test_each_sample_file_renders_as_expected(subscription: Subscription) -> None:
    sample = subscription.samples[0].event
    assert sample is not None
    (rendered,) = made(CATALOGUE, sample)
    assert rendered is not None
    tenant, target, payload = GOLDEN[subscription.name]
    assert rendered.places == ((tenant, target),)
    assert rendered.payload == payload
