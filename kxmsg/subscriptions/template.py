"""Template: one notification or message that a mapping makes of an event."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from kxmsg.errors import Refusal
from kxmsg.model.notification import LOCALIZED, with_variants
from kxmsg.model.target import BROADCAST, EVERYBODY, Target, TargetType, check_id
from kxmsg.rendering import FieldsRenderer, RenderError
from kxmsg.subscriptions.fields import CONTENT, check_field, seconds
from kxmsg.subscriptions.windows import Digest, Throttle

MappingKind = Literal["notification", "message"]

DIGEST_KEY: Final = "digest.by"
THROTTLE_KEY: Final = "throttle.by"
"""Names under which the keys of windows are filled with the other fields."""


@dataclass(frozen=True, slots=True)
class Defaults:
    """What stands where neither template nor event says otherwise."""

    tenant: str = "default"
    locale: str = "en"


@dataclass(frozen=True, slots=True)
class Rendered:
    """What a template made of an event, for each log that it goes to. Times in seconds.

    ``digest_key`` and ``throttle_key`` part the windows of one target from each other.
    """

    places: tuple[tuple[str, Target], ...]
    payload: dict[str, Any]
    ttl: float | None
    deliver_after: float
    digest_key: str = ""
    throttle_key: str = ""


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled template: one function that gives all of its fields, or None where its condition is false.

    ``name`` is what ids are made from. ``at`` tells where each field stands (``file:line:column``), and by the empty
    name the template itself.
    """

    name: str
    kind: MappingKind
    target_type: TargetType
    fill: FieldsRenderer
    digest: Digest | None = None
    throttle: Throttle | None = None
    at: Mapping[str, str] = field(default_factory=dict)

    def render(self, event: Mapping[str, Any], defaults: Defaults) -> Rendered | None:
        """Fill the template, unless its ``when`` is false.

        Raises :class:`RenderError` naming the place and the field where the event doesn't fit.
        """
        values = self.values(event, defaults)
        return None if values is None else self.bind(values, defaults)

    def bind(self, values: Mapping[str, Any], defaults: Defaults) -> Rendered:
        """What the fields' values address and say; raises :class:`RenderError` for an id that can't be one."""
        try:
            places = tuple(self._places(values, values["tenantId"]))
        except Refusal as refusal:
            raise self._error(str(refusal)) from refusal
        payload = {name: values[name] for name in CONTENT if values.get(name) is not None}
        if any(isinstance(payload.get(name), dict) for name in LOCALIZED):
            payload = with_variants(payload, defaults.locale)
        if self.target_type == "channel":
            payload["channelId"] = places[0][1].id
        return Rendered(
            places,
            payload,
            None if values.get("ttl") is None else seconds(values["ttl"]),
            seconds(values.get("deliverAfter") or 0),
            str(values.get(DIGEST_KEY, "")),
            str(values.get(THROTTLE_KEY, "")),
        )

    def values(self, event: Mapping[str, Any], defaults: Defaults) -> dict[str, Any] | None:
        """Every field's value, checked, the tenant among them; None where ``when`` is false. Raises as render."""
        try:
            values = self.fill(event)
        except RenderError as error:
            raise self._error(str(error), error.field) from error
        if values is None:
            return None
        for name, value in values.items():
            if value is not None and name not in (DIGEST_KEY, THROTTLE_KEY) and (fault := check_field(name, value)):
                raise self._error(fault, name)
        detail = event["detail"]
        given = (values.get("tenantId"), detail.get("tenantId"), detail.get("clientId"))
        try:
            values["tenantId"] = check_id(
                _ident(next((one for one in given if one is not None and one != ""), defaults.tenant)), "tenantId"
            )
        except Refusal as refusal:
            raise self._error(str(refusal), "tenantId") from refusal
        return values

    def _error(self, fault: str, field: str | None = None) -> RenderError:
        at = self.at.get(field or "") or self.at.get("", "")
        return RenderError(f"{at}: {self.name}: {fault}" if at else f"{self.name}: {fault}")

    def _places(self, values: Mapping[str, Any], tenant: str) -> list[tuple[str, Target]]:
        match self.target_type:
            case "user":
                return [(tenant, Target.of("user", _ident(values["userId"])))]
            case "channel":
                return [(tenant, Target.of("channel", _ident(values["channelId"])))]
            case "client":
                client = Target.of("client", _ident(values["clientId"]))
                if values.get("targetUserIds") is None:
                    return [(client.id, client)]
                users = [Target.of("user", _ident(user)) for user in values["targetUserIds"]]
                return [(client.id, user) for user in dict.fromkeys(users)]
            case "broadcast":
                if values.get("targetClientIds") is None:
                    return [(EVERYBODY, BROADCAST)]
                clients = [Target.of("client", _ident(client)) for client in values["targetClientIds"]]
                return [(client.id, client) for client in dict.fromkeys(clients)]


def _ident(value: Any) -> Any:
    """Events may number what they name; ids are text."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value
