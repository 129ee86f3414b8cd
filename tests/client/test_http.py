"""kxmsg.client.http: a call that comes to an end."""

from collections.abc import AsyncIterator, Iterator

import pytest
from aiohttp import web

from kxmsg.client import http as module
from kxmsg.client.http import Credentials, Http, Reply
from kxmsg.errors import Conflict, Forbidden, NotFound, PreconditionFailed, Refusal, TooMany, Transient, Unauthenticated
from kxmsg.retry import Backoff
from tests.client.serving import Scripted, error, scripted

DONE = {"success": True}


def done() -> web.Response:
    return web.json_response(DONE)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BACKOFF", Backoff(base=1e-6, cap=1e-6))


@pytest.fixture
async def server() -> AsyncIterator[Scripted]:
    async with scripted() as running:
        yield running


@pytest.fixture
async def http(server: Scripted) -> AsyncIterator[Http]:
    client = Http(server.url, Credentials("secret"), attempts=3)
    yield client
    await client.close()


async def test_a_call_says_who_calls_and_what_for(server: Scripted, http: Http) -> None:
    reply = await http.call("POST", "/things/a%2Fb", query={"x": 1, "y": None, "z": True}, body={"é": 1})
    assert reply == Reply(DONE, None)
    (asked,) = server.asked
    assert (asked.method, asked.path, asked.query, asked.body) == (
        "POST",
        "/things/a%2Fb",
        {"x": "1", "z": "true"},
        {"é": 1},
    )
    assert (asked.headers["Authorization"], asked.headers["Content-Type"]) == ("Bearer secret", "application/json")


@pytest.mark.parametrize("lost", [None, error(503, "unavailable"), error(502, "x"), web.Response(status=504)])
async def test_what_may_succeed_is_repeated_under_one_key(
    server: Scripted, http: Http, lost: web.Response | None
) -> None:
    """A POST whose answer is lost is done once all the same."""
    server.answers(lost, done())
    assert (await http.call("POST", "/things", body={})).body == DONE
    first, second = server.asked
    assert first.headers["Idempotency-Key"] == second.headers["Idempotency-Key"]
    server.answers(done())
    await http.call("POST", "/things", body={})
    assert server.asked[2].headers["Idempotency-Key"] != first.headers["Idempotency-Key"]


async def test_a_key_of_ones_own_is_taken(server: Scripted, http: Http) -> None:
    await http.call("POST", "/things", headers={"Idempotency-Key": "mine"})
    assert server.asked[0].headers["Idempotency-Key"] == "mine"
    await http.call("PUT", "/things")
    assert "Idempotency-Key" not in server.asked[1].headers


async def test_a_server_says_when_to_come_again(server: Scripted, http: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PAUSE", 1e-6)
    server.answers(
        error(429, "too_many_requests", **{"Retry-After": "7"}),
        error(409, "request_in_progress", **{"Retry-After": "1"}),
        done(),
    )
    assert (await http.call("POST", "/things")).body == DONE


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7), ("0", 0), ("9999", module.MAX_PAUSE), (None, None), ("soon", None), ("-1", None)]
)
def test_its_word_is_taken_within_reason(header: str | None, seconds: float | None) -> None:
    """A date, which it may also say (RFC 9110, section 10.2.3), is left to the back-off."""
    assert module._pause(header) == seconds


async def test_there_is_an_end_to_it(server: Scripted, http: Http) -> None:
    server.script = lambda asked: error(503, "unavailable")
    with pytest.raises(Transient, match="503"):
        await http.call("GET", "/things")
    server.script = lambda asked: error(429, "too_many_requests")
    with pytest.raises(TooMany):
        await http.call("GET", "/things")
    assert len(server.asked) == 6
    server.script = lambda asked: None
    with pytest.raises(Transient, match="no answer"):
        await http.call("GET", "/things")


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, Unauthenticated), (403, Forbidden), (404, NotFound), (409, Conflict), (412, PreconditionFailed)],
)
async def test_a_refusal_is_raised_as_such(server: Scripted, http: Http, status: int, kind: type[Refusal]) -> None:
    """At once, with its code and words."""
    server.answers(error(status, "why", "because"))
    with pytest.raises(kind) as caught:
        await http.call("POST", "/things")
    assert (caught.value.code, caught.value.message) == ("why", "because")


async def test_a_failure_of_the_servers_own_is_not_repeated(server: Scripted, http: Http) -> None:
    """500 is a mistake that would be made again."""
    server.answers(error(500, "internal"))
    with pytest.raises(Transient):
        await http.call("POST", "/things")


@pytest.mark.parametrize("text", ["<html>", "[1]", '"x"'])
async def test_what_is_no_answer_of_ours_is_told(server: Scripted, http: Http, text: str) -> None:
    """Such as a proxy's."""
    server.answers(web.Response(text=text), web.Response(status=418, text=text))
    with pytest.raises(Transient, match="JSON"):
        await http.call("GET", "/things")
    with pytest.raises(Refusal, match="418"):
        await http.call("GET", "/things")


async def test_a_conditional_change_is_not_repeated_blindly(server: Scripted, http: Http) -> None:
    """The second try would find what the first had changed, and call it somebody else's."""
    server.answers(None)
    with pytest.raises(Transient, match="no answer"):
        await http.call("PUT", "/things", body={}, headers={"If-Match": '"1"'})
    assert len(server.asked) == 1


async def test_a_token_that_is_no_longer_good_is_renewed_once(server: Scripted) -> None:
    tokens: Iterator[str] = iter(["old", "new", "other", "another"])

    async def renew() -> str:
        return next(tokens)

    client = Http(server.url, Credentials(renew))
    server.answers(error(401, "token_expired"), done(), error(401, "token_expired"), error(401, "invalid_token"))
    await client.call("GET", "/things")
    assert [asked.headers["Authorization"] for asked in server.asked] == ["Bearer old", "Bearer new"]
    with pytest.raises(Unauthenticated) as caught:
        await client.call("GET", "/things")
    assert caught.value.code == "invalid_token"
    await client.close()


async def test_a_redirect_is_not_followed(server: Scripted, http: Http) -> None:
    """It would take the token elsewhere."""
    server.answers(web.Response(status=302, headers={"Location": "/elsewhere"}))
    with pytest.raises(Transient):
        await http.call("GET", "/things")
    assert len(server.asked) == 1
