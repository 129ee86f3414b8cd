"""Template: one notification or message that a mapping makes of an event."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from kxmsg.errors import Refusal
from kxmsg.model.notification import LOCALIZED, with_variants
from kxmsg.model.target import BROADCAST, EVERYBODY, Target, TargetType, check_id, check_tenant
from kxmsg.rendering import FieldsRenderer, RenderError
from kxmsg.subscriptions.fields import CONTENT, check_field, check_null, seconds
from kxmsg.subscriptions.limits import too_large
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
        """What the fields' values address and say.

        Raises :class:`RenderError` for an id that can't be one, and for more than readers can take.
        """
        places = tuple(self._places(values, values["tenantId"]))
        payload = {name: values[name] for name in CONTENT if values.get(name) is not None}
        if any(isinstance(payload.get(name), dict) for name in LOCALIZED):
            payload = with_variants(payload, defaults.locale)
        if self.target_type == "channel":
            payload["channelId"] = places[0][1].id
        if fault := too_large(payload, len(places)):
            raise self._error(fault)
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
            if name not in (DIGEST_KEY, THROTTLE_KEY):
                fault = check_null(name, self.target_type) if value is None else check_field(name, value)
                if fault:
                    raise self._error(fault, name)
        detail = event["detail"]
        given = (values.get("tenantId"), detail.get("tenantId"), detail.get("clientId"))
        tenant = next((one for one in given if one is not None and one != ""), defaults.tenant)
        # A broadcast is kept under that tenant anyway, and a client is a tenant itself, whatever its event says.
        everybodys = self.target_type == "broadcast" or (self.target_type == "client" and not given[0])
        check = check_id if everybodys else check_tenant
        try:
            values["tenantId"] = check(_ident(tenant), "tenantId")
        except Refusal as refusal:
            raise self._error(str(refusal), "tenantId") from refusal
        return values

    def _error(self, fault: str, field: str | None = None) -> RenderError:
        at = self.at.get(field or "") or self.at.get("", "")
        return RenderError(f"{at}: {self.name}: {fault}" if at else f"{self.name}: {fault}")

    def _places(self, values: Mapping[str, Any], tenant: str) -> list[tuple[str, Target]]:
        match self.target_type:
            case "user" | "channel" as kind:
                return [(tenant, one) for one in self._targets(kind, [values[f"{kind}Id"]], f"{kind}Id")]
            case "client":
                (client,) = self._targets("client", [values["clientId"]], "clientId")
                if "targetUserIds" not in values:
                    return [(client.id, client)]
                return [(client.id, user) for user in self._targets("user", values["targetUserIds"], "targetUserIds")]
            case "broadcast":
                if "targetClientIds" not in values:
                    return [(EVERYBODY, BROADCAST)]
                clients = self._targets("client", values["targetClientIds"], "targetClientIds")
                return [(client.id, client) for client in clients]

    def _targets(self, kind: TargetType, idents: Iterable[Any], field: str) -> Iterable[Target]:
        """What the ids of a field name, each once."""
        try:
            return dict.fromkeys(Target.of(kind, _ident(ident)) for ident in idents)
        except Refusal as refusal:
            raise self._error(str(refusal), field) from refusal


def _ident(value: Any) -> Any:
    """Events may number what they name; ids are text."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value
