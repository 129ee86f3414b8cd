"""Rendering one notification, beside what one might take instead. Microseconds, the best of several runs."""

import timeit
from collections.abc import Callable, Mapping
from typing import Any

from jinja2.sandbox import SandboxedEnvironment

from kxmsg.rendering import compile_expression, compile_fields

EVENT: dict[str, Any] = {
    "source": "order-system",
    "detail-type": "order.shipped",
    "detail": {
        "customerId": "customer-17",
        "orderId": "A-1093",
        "productName": "Desk lamp",
        "estimatedDelivery": "2026-02-03",
        "trackingNumber": "TRK-1",
        "carrier": "DHL",
        "severity": "critical",
        "items": 3,
    },
}

FIELDS: dict[str, Any] = {
    "userId": "{{ detail.customerId }}",
    "title": "Order #{{ detail.orderId }} Update",
    "content": "Your {{ detail.productName }} has shipped! Estimated delivery: {{ detail.estimatedDelivery }}",
    "priority": {"cases": [{"when": "detail.severity == 'critical'", "use": "urgent"}, {"default": "high"}]},
    "icon": "package",
    "category": "orders",
    "actionUrl": "/orders/{{ detail.orderId }}/track",
    "tags": ["shipping", "{{ detail.severity }}"],
    "displayDuration": 0,
    "metadata": {
        "orderId": "{{ detail.orderId }}",
        "trackingUrl": "https://track.example/{{ detail.trackingNumber }}",
        "carrier": "{{ detail.carrier }}",
        "items": "{{ detail.items }}",
    },
}
"""The source document's richest notification."""

EXPRESSIONS = (
    "detail.orderId",
    "detail.severity == 'critical' && detail.items > 2",
    "detail.severity in ['critical', 'high'] ? 'urgent' : 'high'",
    "detail.severity.upperAscii()",
    "coalesce(detail.nickname, detail.customerId)",
    "[1, 2, 3, 4].filter(n, n > detail.items)",
)


def notification() -> list[tuple[str, float]]:
    """Rows of what renders the whole notification: name and microseconds."""
    return [
        ("f-strings by hand", _measure(lambda: _by_hand(EVENT))),
        ("kxmsg: one generated function", _measure(_bound(compile_fields(FIELDS)))),
        ("Jinja2, sandboxed", _jinja()),
    ]


def expressions() -> list[tuple[str, float]]:
    """Rows of single expressions: text and microseconds."""
    return [(text, _measure(_bound(compile_expression(text).run))) for text in EXPRESSIONS]


def compilation() -> float:
    """Milliseconds to compile the notification."""
    return min(timeit.repeat(lambda: compile_fields(FIELDS, sample=EVENT), number=5, repeat=5)) / 5 * 1e3


def _bound(render: Callable[[Mapping[str, Any]], Any]) -> Callable[[], Any]:
    return lambda: render(EVENT)


def _measure(run: Callable[[], Any], number: int = 20_000) -> float:
    return min(timeit.repeat(run, number=number, repeat=7)) / number * 1e6


def _by_hand(event: Mapping[str, Any]) -> dict[str, Any]:
    detail = event["detail"]
    return {
        "userId": detail["customerId"],
        "title": f"Order #{detail['orderId']} Update",
        "content": f"Your {detail['productName']} has shipped! Estimated delivery: {detail['estimatedDelivery']}",
        "priority": "urgent" if detail["severity"] == "critical" else "high",
        "icon": "package",
        "category": "orders",
        "actionUrl": f"/orders/{detail['orderId']}/track",
        "tags": ["shipping", detail["severity"]],
        "displayDuration": 0,
        "metadata": {
            "orderId": detail["orderId"],
            "trackingUrl": f"https://track.example/{detail['trackingNumber']}",
            "carrier": detail["carrier"],
            "items": detail["items"],
        },
    }


def _jinja() -> float:
    """Every text of the notification as a template of its own; the condition as Jinja2 writes it."""
    environment = SandboxedEnvironment()
    condition = "{{ 'urgent' if detail.severity == 'critical' else 'high' }}"
    texts = {**FIELDS, "priority": condition}
    templates = [environment.from_string(text) for text in _texts(texts)]
    return _measure(lambda: [template.render(EVENT) for template in templates], number=500)


def _texts(value: Any) -> list[str]:
    match value:
        case str():
            return [value] if "{{" in value else []
        case list():
            return [text for item in value for text in _texts(item)]
        case dict():
            return [text for item in value.values() for text in _texts(item)]
        case _:
            return []
