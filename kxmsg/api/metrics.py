"""``POST /metrics``: what clients measure, into the metrics of this process [S2]."""

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter
from pydantic import Field, model_validator

from kxmsg.api.deps import Answer, Body, Caller, Product
from kxmsg.errors import Forbidden, InvalidInput
from kxmsg.policy import Action, allowed
from kxmsg.telemetry import CLIENT_COUNT, CLIENT_MEASURED

router = APIRouter(tags=["operation"])

MAX_MEASUREMENTS: Final = 100

MAX_SERIES: Final = 1000
"""Distinct sets of tags that a process tells apart: clients make them up, and each costs memory."""

OTHERS: Final = "other"
"""The tags of all further sets."""

_TAG_CHARS: Final = r"^[A-Za-z0-9._/ -]{1,64}$"

_seen: Final[set[str]] = set()


class Measurement(Body):
    """One value that a client measured."""

    name: str = Field(max_length=64, examples=["send_to_screen"])
    value: float = Field(ge=0, le=1e12, allow_inf_nan=False, examples=[142])
    unit: Literal["Seconds", "Milliseconds", "Bytes", "Count"] = Field("Milliseconds")
    tags: dict[str, Annotated[str, Field(pattern=_TAG_CHARS)]] = Field(
        default_factory=dict, max_length=10, examples=[{"platform": "ios", "version": "4.2"}]
    )


class MeasurementsIn(Body):
    """Measurements: one, or up to 100 as ``metrics``."""

    metrics: list[Measurement] = Field(
        min_length=1,
        max_length=MAX_MEASUREMENTS,
        examples=[[{"name": "send_to_screen", "value": 142, "unit": "Milliseconds", "tags": {"platform": "ios"}}]],
    )

    @model_validator(mode="before")
    @classmethod
    def _one_alone(cls, given: Any) -> Any:
        return {"metrics": [given]} if isinstance(given, dict) and "metrics" not in given else given


@router.post("/metrics", status_code=202, summary="Report what a client measured")
async def put_metrics(body: MeasurementsIn, who: Caller, app: Product) -> Answer:
    """All or none: a name that is not allowed refuses the report."""
    if not allowed(who.roles, Action.SUBMIT_METRICS):
        raise Forbidden("your roles may not report measurements")
    names = app.settings.client_metrics
    for one in body.metrics:
        if one.name not in names:
            raise InvalidInput(f"name takes {', '.join(names)}", code="unknown_metric")
    for one in body.metrics:
        _observe(one, app.settings.client_tags)
    return {"success": True, "accepted": len(body.metrics)}


def _observe(one: Measurement, names: list[str]) -> None:
    tags = _bounded(",".join(f"{name}={one.tags[name]}" for name in sorted(names) if name in one.tags))
    match one.unit:
        case "Count":
            CLIENT_COUNT.labels(one.name, tags).inc(one.value)
        case "Milliseconds":
            CLIENT_MEASURED.labels(one.name, "Seconds", tags).observe(one.value / 1000)
        case unit:
            CLIENT_MEASURED.labels(one.name, unit, tags).observe(one.value)


def _bounded(tags: str) -> str:
    if tags not in _seen:
        if len(_seen) >= MAX_SERIES:
            return OTHERS
        _seen.add(tags)
    return tags
