"""Endpoint: a user's coroutine function, read and wrapped so that a consumer can call it."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Self, get_args, get_origin

from kxmsg.claims import CLAIM, opened
from kxmsg.errors import ConfigError, Poison
from kxmsg.ports import Delivery
from kxmsg.runtime.consumer import Handle
from kxmsg.runtime.context import Context
from kxmsg.runtime.decoders import Decode, decoder
from kxmsg.runtime.faults import describe

Function = Callable[..., Awaitable[None]]
"""``(message)`` or ``(message, context)``."""

CallNext = Callable[[], Awaitable[None]]
"""What a middleware awaits to go on: the next middleware or, in the end, the handler."""

Middleware = Callable[[Context[Any], CallNext], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A handler: how its messages are decoded, whether it takes ``many`` at once, whether it wants the context."""

    function: Function
    decode: Decode
    many: bool
    with_context: bool

    @classmethod
    def of(cls, function: Function) -> Self:
        """Read ``function``'s signature; raises :class:`~kxmsg.errors.ConfigError`."""
        name = getattr(function, "__qualname__", repr(function))
        if not inspect.iscoroutinefunction(function):
            raise ConfigError([f"handler {name}: must be an 'async def' function"])
        try:
            parameters = list(inspect.signature(function, eval_str=True).parameters.values())
        except NameError as error:
            raise ConfigError([f"handler {name}: its annotations must be names of its module: {error}"]) from error
        if len(parameters) not in (1, 2) or any(one.kind is one.KEYWORD_ONLY for one in parameters):
            raise ConfigError([f"handler {name}: must take (message) or (message, context)"])
        kind = parameters[0].annotation
        if kind is inspect.Parameter.empty:
            raise ConfigError([f"handler {name}: annotate {parameters[0].name!r} with the type that it is decoded to"])
        many = get_origin(kind) is list
        if many:
            (kind,) = get_args(kind)
        try:
            decode = decoder(get_origin(kind) or kind)
        except (LookupError, AttributeError) as error:
            raise ConfigError(
                [f"handler {name}: can't decode to {kind!r}: {error}; register a decoder for it"]
            ) from error
        return cls(function, decode, many, with_context=len(parameters) == 2)

    def handle(self, middleware: Sequence[Middleware]) -> Handle:
        """What a consumer calls: decode, then ``middleware`` from the first to the last, then the function.

        What can't be decoded fails alone and is not seen by the rest.
        """
        call: Handle = self._call
        for layer in reversed(middleware):
            call = partial(_through, layer, call)

        async def handle(context: Context[Any]) -> None:
            claims = [index for index, delivery in enumerate(context.deliveries) if CLAIM in delivery.attributes]
            lost = await _read(claims, context) if claims else {}
            if self._decode(context, lost):
                await call(context)

        return handle

    def _decode(self, context: Context[Any], undecodable: dict[int, Poison]) -> bool:
        messages: list[Any] = []
        for index, delivery in enumerate(context.deliveries):
            if index in undecodable or index in context.failures:
                continue
            try:
                messages.append(self.decode(delivery))
            except Poison as poison:
                undecodable[index] = poison
            except Exception as error:  # a registered decoder may fail in any way, and would so again
                undecodable[index] = Poison(f"can't be decoded: {describe(error)}")
        context.keep(messages, undecodable)
        return bool(messages)

    async def _call(self, context: Context[Any]) -> None:
        message = context.messages if self.many else context.messages[0]
        await (self.function(message, context) if self.with_context else self.function(message))


async def _read(claims: Sequence[int], context: Context[Any]) -> dict[int, Poison]:
    """Fetch the bodies of messages that are claims; returns those that are lost."""
    lost: dict[int, Poison] = {}
    bodies = (opened(context.deliveries[index], context.app.blobs) for index in claims)
    for index, result in zip(claims, await asyncio.gather(*bodies, return_exceptions=True), strict=True):
        if isinstance(result, Delivery):
            context.deliveries[index] = result
        elif isinstance(result, Poison):
            lost[index] = result
        else:
            context.withhold(index, result)
    return lost


async def _through(layer: Middleware, call: Handle, context: Context[Any]) -> None:
    await layer(context, partial(call, context))
