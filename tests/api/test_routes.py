"""How the product's routes are made."""

from collections.abc import Iterator
from inspect import iscoroutinefunction

import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from kxmsg.api.routes import ROUTERS

ROUTES = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.methods} {route.path}")
def test_nothing_of_a_route_is_handed_to_a_thread(route: APIRoute) -> None:
    """FastAPI does so with every function that is not async, which costs a fifth of a small request."""
    handed = [call for call in _calls(route.dependant) if not iscoroutinefunction(call)]
    assert [call for call in handed if not iscoroutinefunction(getattr(call, "__call__", None))] == []  # noqa: B004


def _calls(dependant: Dependant) -> Iterator[object]:
    yield dependant.call
    for inner in dependant.dependencies:
        yield from _calls(inner)
