"""kxmsg.api.paths: families of routes elsewhere than by default."""

import pytest
from fastapi import APIRouter
from structlog.testing import capture_logs

from kxmsg.api.app import create_app
from kxmsg.errors import ConfigError
from kxmsg.settings import Settings
from tests.api.serving import FakeApp, serving

router = APIRouter()


@router.get("/notifications")
@router.get("/messages/{ident}")
@router.get("/notifications-of-others")
async def thing(ident: str = "all") -> dict[str, str]:
    return {"ident": ident}


def settings(**paths: str) -> Settings:
    return Settings.model_validate(paths)


async def test_routes_are_where_the_settings_say() -> None:
    """And nowhere else; what only begins with the same letters stays. Logs name routes as they are declared."""
    moved = settings(messages_path="/api/v1/messages", notifications_path="/messages")
    async with serving(router, app=FakeApp(settings=moved)) as client:
        with capture_logs() as logs:
            assert (await client.get("/api/v1/messages/7?x=1")).body == {"ident": "7"}
            assert (await client.get("/messages")).body == {"ident": "all"}
        assert [line["route"] for line in logs] == ["/messages/{ident}", "/notifications"]
        assert (await client.get("/notifications-of-others")).status == 200
        for gone in ("/notifications", "/messages/7", "/api/v1/messages", "/api/v1/messagesx/7"):
            answer = await client.get(gone)
            assert (answer.status, answer.code) == (404, "not_found")
        paths = (await client.get("/openapi.json")).body["paths"]
        assert {"/api/v1/messages/{ident}", "/messages", "/notifications-of-others"} <= set(paths)


@pytest.mark.parametrize(
    ("paths", "problem"),
    [
        ({"messages_path": "/health"}, "KXMSG_MESSAGES_PATH: /health would hide /health"),
        ({"messages_path": "/docs"}, "would hide /docs"),
        ({"messages_path": "/channels"}, "is, or is within, KXMSG_CHANNELS_PATH"),
        ({"messages_path": "/channels/m"}, "KXMSG_MESSAGES_PATH: /channels/m is, or is within, KXMSG_CHANNELS_PATH"),
    ],
)
def test_a_path_that_would_hide_another_stops_the_start(paths: dict[str, str], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        create_app(FakeApp(settings=settings(**paths)), [router])


@pytest.mark.parametrize("path", ["", "/", "messages", "/a/", "/a b", "/a//b", "/{x}"])
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="messages_path"):
        settings(messages_path=path)
