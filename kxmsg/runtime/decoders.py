"""Decoders: what a message body becomes, by the type that a handler asks for."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, ValidationError

from kxmsg.codecs.envelope import decode_bundle, decode_parcel
from kxmsg.codecs.job import decode_chunk, decode_render_job
from kxmsg.errors import Poison
from kxmsg.model.envelope import Bundle, Parcel
from kxmsg.model.event import Event
from kxmsg.model.job import Chunk, RenderJob
from kxmsg.ports import Delivery
from kxmsg.runtime.faults import invalid_fields

Decode = Callable[[Delivery], Any]

_T = TypeVar("_T")

_decoders: dict[type, Callable[[Any, Delivery], Any]] = {}


def register(kind: type[_T], decode: Callable[[type[_T], Delivery], _T]) -> None:
    """Let handlers ask for ``kind`` and its subclasses; ``decode`` gets the class asked for.

    It raises :class:`~kxmsg.errors.Poison` for what can never be decoded.
    """
    _decoders[kind] = decode


def decoder(kind: type) -> Decode:
    """How to decode for a handler that asks for ``kind``, by its nearest registered base; raises LookupError."""
    for base in kind.__mro__:
        if base in _decoders:
            return partial(_decoders[base], kind)
    raise LookupError(f"no decoder is registered for {kind.__name__}")


def _model(model: type[BaseModel], delivery: Delivery) -> BaseModel:
    try:
        return model.model_validate_json(delivery.body)
    except ValidationError as error:
        raise Poison(f"not a {model.__name__}: {invalid_fields(error)}") from None


def _object(_: type, delivery: Delivery) -> dict[str, Any]:
    try:
        value = orjson.loads(delivery.body)
    except orjson.JSONDecodeError as error:
        raise Poison(f"body: not JSON: {error.msg} at character {error.pos}") from None
    if not isinstance(value, dict):
        raise Poison("body: not a JSON object")
    return value


def _event(_: type, delivery: Delivery) -> Event:
    fields = _object(dict, delivery)
    for name, shape in (("source", str), ("detail-type", str), ("detail", dict)):
        if not isinstance(fields.get(name), shape):
            raise Poison(f"not an event: {name}: must be {'a string' if shape is str else 'an object'}")
    return Event(
        source=fields["source"],
        detail_type=fields["detail-type"],
        detail=fields["detail"],
        id=str(fields.get("id", "")),
        time=str(fields.get("time", "")),
        resources=tuple(map(str, fields.get("resources") or ())),
        account=str(fields.get("account", "")),
        region=str(fields.get("region", "")),
    )


def _text(_: type, delivery: Delivery) -> str:
    try:
        return delivery.body.decode()
    except UnicodeDecodeError as error:
        raise Poison(f"body: not UTF-8 at byte {error.start}") from None


register(Delivery, lambda _, delivery: delivery)
register(bytes, lambda _, delivery: delivery.body)
register(str, _text)
register(dict, _object)
register(BaseModel, _model)
register(Event, _event)
register(Parcel, lambda _, delivery: decode_parcel(delivery.body))
register(Bundle, lambda _, delivery: decode_bundle(delivery.body))
register(RenderJob, lambda _, delivery: decode_render_job(delivery.body))
register(Chunk, lambda _, delivery: decode_chunk(delivery.body))
