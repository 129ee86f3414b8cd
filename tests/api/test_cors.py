"""kxmsg.api.cors: which web pages may call."""

from collections.abc import Sequence

import pytest
from structlog.testing import capture_logs

from kxmsg.settings import Settings
from tests.api.serving import FakeApp, serving
from tests.api.test_app import router

PAGE = "https://app.example"
PREFLIGHT = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "authorization,if-match"}


def listing(*origins: str) -> FakeApp:
    return FakeApp(settings=Settings(origins=list(origins)))


@pytest.mark.parametrize(("origins", "answer"), [([PAGE, "https://b.example"], PAGE), ([], "*")])
async def test_a_page_of_the_list_may_call(origins: Sequence[str], answer: str) -> None:
    """With its token, but never with cookies; its browser is told so before, and again with the answer."""
    async with serving(router, app=listing(*origins)) as client:
        before = await client.call("OPTIONS", "/things/a", headers={"Origin": PAGE, **PREFLIGHT})
        assert before.status == 204
        assert before.headers["Access-Control-Allow-Origin"] == answer
        assert "PUT" in before.headers["Access-Control-Allow-Methods"]
        assert {"Authorization", "If-Match"} <= set(before.headers["Access-Control-Allow-Headers"].split(", "))
        assert before.headers["Access-Control-Max-Age"] == "600"
        after = await client.get("/things/a", headers={"Origin": PAGE})
        assert after.status == 200
        assert after.headers["Access-Control-Allow-Origin"] == answer
        assert "X-Correlation-Id" in after.headers["Access-Control-Expose-Headers"]
        assert "Access-Control-Allow-Credentials" not in {**before.headers, **after.headers}
        assert after.headers.get("Vary") == ("Origin" if origins else None)


@pytest.mark.parametrize("path", ["/nowhere", "/fails/crash", "/me"])
async def test_a_page_can_read_errors(path: str) -> None:
    """Else its browser would call each a network error."""
    with capture_logs():
        async with serving(router, app=listing(PAGE)) as client:
            answer = await client.get(path, headers={"Origin": PAGE})
    assert answer.status >= 400
    assert answer.headers["Access-Control-Allow-Origin"] == PAGE


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "https://app.example.evil", "http://app.example"])
async def test_any_other_page_is_told_nothing(origin: str) -> None:
    """Its preflight is an OPTIONS like any other; what is no browser gets its answer all the same."""
    async with serving(router, app=listing(PAGE)) as client:
        before = await client.call("OPTIONS", "/things", headers={"Origin": origin, **PREFLIGHT})
        after = await client.get("/things/a", headers={"Origin": origin})
    assert (before.status, before.code, after.status) == (405, "method_not_allowed", 200)
    for answer in (before, after):
        assert not [name for name in answer.headers if name.startswith("Access-Control")]
        assert answer.headers["Vary"] == "Origin"


async def test_without_an_origin_nothing_is_said() -> None:
    async with serving(router, app=listing()) as client:
        answer = await client.get("/things/a")
    assert not [name for name in answer.headers if name.startswith("Access-Control")]
