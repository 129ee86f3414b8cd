"""POST /events: who may put what on the bus."""

from typing import Any

import pytest

from kxmsg.ports import Failure
from tests.api.conftest import Api

SHIPPED = {
    "source": "com.acme.orders",
    "detail-type": "order.shipped",
    "detail": {"tenantId": "acme", "customerId": "ana", "orderId": "A-1"},
}
MAINTENANCE = {
    "source": "com.acme.platform",
    "detail-type": "maintenance.scheduled",
    "detail": {"from": "22:00", "until": "23:00"},
}


async def test_a_services_event_reaches_the_path_as_it_was_sent(api: Api) -> None:
    answer = await api.call("POST", "/events", "erp", "system", json={**SHIPPED, "resources": ["arn:1"]})
    assert (answer.status, answer.body["event"]["wanted"]) == (202, True)
    (event,) = await api.events()
    assert event["detail"] == SHIPPED["detail"]
    assert (event["source"], event["detail-type"], event["resources"]) == (
        "com.acme.orders",
        "order.shipped",
        ["arn:1"],
    )
    assert event["id"]
    assert event["time"]


async def test_an_administrators_event_is_pinned_to_their_tenant(api: Api) -> None:
    detail = {"tenantId": "victim", "clientId": "victim", "customerId": "ana"}
    answer = await api.call("POST", "/events", "adam", "admin", json={**SHIPPED, "detail": detail})
    assert answer.status == 202
    (event,) = await api.events()
    assert event["detail"] == {"tenantId": "acme", "clientId": "acme", "customerId": "ana"}


async def test_an_administrators_event_may_not_reach_everybody(api: Api) -> None:
    """A broadcast is for services alone, however it is made."""
    refused = await api.call("POST", "/events", "adam", "admin", json=MAINTENANCE)
    assert (refused.status, refused.code) == (403, "forbidden")
    assert await api.events() == []
    assert (await api.call("POST", "/events", "ops", "system", json=MAINTENANCE)).status == 202


async def test_an_event_that_nobody_asks_for_is_accepted_and_said_to_be_unwanted(api: Api) -> None:
    answer = await api.call("POST", "/events", "erp", "system", json={**SHIPPED, "detail-type": "order.lost"})
    assert (answer.status, answer.body["event"]["wanted"]) == (202, False)
    assert await api.events() == []


@pytest.mark.parametrize("role", ["member", "employee", "bot", "lead"])
async def test_other_roles_may_not_put_events_on_the_bus(api: Api, role: str) -> None:
    assert (await api.call("POST", "/events", "eve", role, json=SHIPPED)).status == 403
    assert await api.events() == []


async def test_the_products_own_source_is_refused(api: Api) -> None:
    own = {**SHIPPED, "source": "kx-notifications-messaging"}
    assert (await api.call("POST", "/events", "erp", "system", json=own)).code == "invalid_input"


@pytest.mark.parametrize(
    "wrong",
    [
        {"source": ""},
        {"source": 7},
        {"detail-type": None},
        {"detail": []},
        {"detail": "x"},
        {"resources": "arn"},
        {"source": "s" * 257},
    ],
    ids=str,
)
async def test_a_malformed_event_is_refused_naming_the_field(api: Api, wrong: dict[str, Any]) -> None:
    answer = await api.call("POST", "/events", "erp", "system", json={**SHIPPED, **wrong})
    assert (answer.status, answer.code) == (400, "invalid_input")
    assert next(iter(wrong)) in answer.body["error"]["message"]


async def test_an_event_beyond_the_buss_limit_is_too_large(api: Api) -> None:
    answer = await api.call("POST", "/events", "erp", "system", json={**SHIPPED, "detail": {"text": "x" * 300_000}})
    assert (answer.status, answer.code) == (413, "too_large")


async def test_what_json_can_say_and_the_bus_cannot_is_refused(api: Api) -> None:
    """Integers beyond 64 bits."""
    answer = await api.call("POST", "/events", "erp", "system", json={**SHIPPED, "detail": {"n": 1 << 70}})
    assert answer.status == 400


async def test_a_bus_that_does_not_take_the_event_is_unavailable(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async def put(events: list[Any]) -> list[Failure]:
        return [Failure(0, "throttled")]

    monkeypatch.setattr(api.app.bus, "put", put)
    answer = await api.call("POST", "/events", "erp", "system", json=SHIPPED)
    assert (answer.status, answer.code) == (503, "unavailable")
