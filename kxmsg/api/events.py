"""``POST /events``: business events onto the bus, for those who can't put them there themselves."""

from typing import Any

from fastapi import APIRouter
from pydantic import Field

from kxmsg.api.deps import Answer, Body, Caller, Product
from kxmsg.bootstrap import App
from kxmsg.errors import Forbidden, InvalidInput, Poison, TooLarge, Unavailable
from kxmsg.model.event import OWN_SOURCE, Event
from kxmsg.policy import Action, allowed

router = APIRouter(tags=["events"])


class EventIn(Body):
    """An event in EventBridge's shape; id and time are given by the bus."""

    source: str = Field(min_length=1, max_length=256, examples=["com.acme.orders"])
    detail_type: str = Field(alias="detail-type", min_length=1, max_length=128, examples=["order.shipped"])
    detail: dict[str, Any] = Field(examples=[{"tenantId": "acme", "customerId": "ana", "orderId": "A-1042"}])
    resources: list[str] = Field(default_factory=list)


@router.post("/events", status_code=202, summary="Put an event on the bus")
async def put_event(event: EventIn, who: Caller, app: Product) -> Answer:
    """For services; an administrator's event is pinned to their tenant."""
    if not allowed(who.roles, Action.PUBLISH_EVENT):
        raise Forbidden("your roles may not put events on the bus")
    if event.source == OWN_SOURCE:
        raise InvalidInput(f"{OWN_SOURCE} is the source of our own events; choose another")
    detail = event.detail if who.is_system else {**event.detail, "tenantId": who.tenant, "clientId": who.tenant}
    made = Event(event.source, event.detail_type, detail, resources=tuple(event.resources))
    if not who.is_system and not _stays_within(who.tenant, made, app):
        raise Forbidden("this event would reach others than your tenant")
    for failure in await app.bus.put([made]):
        if failure.retryable:
            raise Unavailable("the event bus did not take the event; try again")
        refusal = TooLarge if failure.code == TooLarge.code else InvalidInput
        raise refusal(failure.message or failure.code, code=failure.code)
    wanted = app.bus.matches(event.source, event.detail_type)
    return {"success": True, "event": {"source": event.source, "detailType": event.detail_type, "wanted": wanted}}


def _stays_within(tenant: str, event: Event, app: App) -> bool:
    """Whether all that the subscriptions make of an event is for ``tenant``: they may address whom they like."""
    fields = event.as_dict()
    for hit in app.catalogue.hits(fields):
        template = app.catalogue.template(hit, event.detail_type)
        try:
            rendered = template.render(fields, app.defaults) if template else None
        except Poison:
            continue  # it will be dead-lettered and reach nobody
        if rendered is not None and any(owner != tenant for owner, _ in rendered.places):
            return False
    return True
