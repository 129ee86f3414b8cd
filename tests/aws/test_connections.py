"""Pushing through API Gateway: order, outcomes, throttles."""

import asyncio
from collections.abc import Callable

import pytest

from kxmsg.aws.connections import ApiGateways
from kxmsg.aws.errors import AwsError
from kxmsg.ports import ConnectionGateway, Post

URL = "https://abc.execute-api.eu-west-1.amazonaws.com/prod"


class Api:
    """Answers as ``status`` tells, and notes what it was asked."""

    def __init__(self, status: Callable[[str, bytes], int]) -> None:
        self.status = status
        self.posted: list[tuple[str, bytes]] = []
        self.deleted: list[str] = []
        self.running = self.most = 0

    async def post_to_connection(
        self, endpoint: str, connection_id: str, data: bytes, *, timeout: float | None = None
    ) -> int:
        assert endpoint == URL
        assert timeout is not None
        self.running += 1
        self.most = max(self.most, self.running)
        await asyncio.sleep(0)
        self.running -= 1
        self.posted.append((connection_id, data))
        status = self.status(connection_id, data)
        if status == 0:
            raise AwsError("apigatewaymanagementapi", "PostToConnection", "Timeout", unclear=True)
        return status

    async def delete_connection(self, endpoint: str, connection_id: str, *, timeout: float | None = None) -> int:
        self.deleted.append(connection_id)
        return self.status(connection_id, b"")


def gateways(status: Callable[[str, bytes], int], calls: int = 64) -> tuple[ApiGateways, Api]:
    api = Api(status)
    return ApiGateways(api, {"main": f"{URL}/"}, calls=calls), api


def test_it_is_a_connection_gateway() -> None:
    assert isinstance(gateways(lambda _c, _d: 200)[0], ConnectionGateway)


async def test_outcomes_stand_where_the_connections_stood() -> None:
    statuses = {"a": 200, "b": 410, "c": 429, "d": 403, "e": 500, "f": 0}
    gateway, _ = gateways(lambda connection, _: statuses[connection])
    posts = [Post("main", ["a", "b", "c"], b"1"), Post("main", ["f", "e", "d"], b"2")]
    assert await gateway.post(posts) == [["ok", "gone", "busy"], ["failed", "failed", "failed"]]


async def test_a_connection_gets_its_frames_in_order() -> None:
    gateway, api = gateways(lambda _c, _d: 200, calls=3)
    frames = [b"1", b"2", b"3", b"4"]
    posts = [Post("main", [f"c{number}" for number in range(10)], frame) for frame in frames]
    assert await gateway.post(posts) == [["ok"] * 10] * 4
    for number in range(10):
        assert [data for connection, data in api.posted if connection == f"c{number}"] == frames


@pytest.mark.parametrize(("status", "outcome"), [(429, "busy"), (410, "gone"), (0, "failed")])
async def test_the_first_frame_that_fails_holds_the_later_ones_back(status: int, outcome: str) -> None:
    """Else they would overtake it when it is repeated."""
    gateway, api = gateways(lambda _, data: status if data == b"2" else 200)
    posts = [Post("main", ["a"], data) for data in (b"1", b"2", b"3")]
    assert await gateway.post(posts) == [["ok"], [outcome], [outcome]]
    assert api.posted == [("a", b"1"), ("a", b"2")]


async def test_connections_are_served_side_by_side_within_the_limit() -> None:
    gateway, api = gateways(lambda _c, _d: 200, calls=7)
    await asyncio.gather(*(gateway.post([Post("main", [f"{n}-{m}" for m in range(20)], b"x")]) for n in range(3)))
    assert api.most == 7


async def test_throttles_make_the_calls_fewer_and_success_more_again() -> None:
    throttled = True
    gateway, api = gateways(lambda _c, _d: 429 if throttled else 200, calls=32)
    everybody = [Post("main", [str(number) for number in range(200)], b"x")]
    assert set((await gateway.post(everybody))[0]) == {"busy"}
    throttled, api.most = False, 0
    await gateway.post([Post("main", [str(number) for number in range(30)], b"x")])
    assert api.most <= 12
    for _ in range(5):
        await gateway.post(everybody)
    api.most = 0
    await gateway.post(everybody)
    assert api.most == 32


async def test_a_gateway_that_is_not_on_the_list_is_never_called() -> None:
    gateway, api = gateways(lambda _c, _d: 200)
    assert await gateway.post([Post("other", ["a"], b"x"), Post("main", ["b"], b"y")]) == [["failed"], ["ok"]]
    assert await gateway.disconnect("other", "a") == "failed"
    assert api.posted == [("b", b"y")]
    assert api.deleted == []


@pytest.mark.parametrize(("status", "outcome"), [(204, "ok"), (410, "gone"), (403, "failed")])
async def test_a_connection_is_cut(status: int, outcome: str) -> None:
    gateway, api = gateways(lambda _c, _d: status)
    assert await gateway.disconnect("main", "a") == outcome
    assert api.deleted == ["a"]
