"""kxmsg.api: errors, limits, identity, health and documentation, over real HTTP."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from io import BytesIO
from typing import Any

import pytest
import pytest_asyncio
import structlog
from fastapi import APIRouter, Depends, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from structlog.testing import capture_logs

from kxmsg.api import health
from kxmsg.api.middleware import MAX_BODY, SECURITY_HEADERS, body_limit
from kxmsg.api.responses import ErrorAnswer, JsonResponse
from kxmsg.api.security import GATEWAY_HEADER, Caller, gateway_only
from kxmsg.errors import Conflict, InvalidInput, NotFound, TooMany, Transient
from kxmsg.telemetry import current_trace
from tests.api.serving import JWKS, Client, FakeApp, serving, token

pytestmark = pytest.mark.asyncio(loop_scope="module")

router = APIRouter(tags=["things"])


class Part(BaseModel):
    size: int


class Thing(BaseModel):
    title: str
    parts: list[Part] = []


@router.post("/things", summary="Make a thing")
async def make_thing(thing: Thing) -> dict[str, Any]:
    return {"success": True, "thing": thing.model_dump()}


@router.get("/things/{ident}")
async def get_thing(ident: str, limit: int = 5) -> JsonResponse:
    if ident == "none":
        raise NotFound("no such thing")
    return JsonResponse({"success": True, "ident": ident, "limit": limit})


@router.post("/attachments")
@body_limit(2 * MAX_BODY)
async def attach(request: Request) -> dict[str, int]:
    return {"bytes": len(await request.body())}


@router.get("/me")
async def me(caller: Caller) -> dict[str, str]:
    return {"user": caller.user, "tenant": caller.tenant}


@router.post("/integration", dependencies=[Depends(gateway_only)])
async def integration() -> dict[str, bool]:
    return {"success": True}


@router.get("/trace")
async def trace(request: Request) -> dict[str, Any]:
    return {"trace": current_trace(), "bound": structlog.contextvars.get_contextvars()}


@router.get("/fails/{how}")
async def fails(how: str) -> None:
    errors = {
        "crash": RuntimeError("the password is hunter2"),
        "group": ExceptionGroup("several", [ValueError("one")]),
        "transient": Transient("table 'logs' is throttled"),
        "conflict": Conflict("already claimed", details={"claimedBy": "u2"}),
        "custom": InvalidInput("bad", code="invalid_cursor"),
        "busy": TooMany("slow down"),
    }
    raise errors[how]


@router.get("/breaks-off")
async def breaks_off() -> StreamingResponse:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"begun"
        raise RuntimeError("half-way")

    return StreamingResponse(chunks())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared() -> AsyncIterator[Client]:
    async with serving(router) as client:
        yield client


@pytest.fixture
def api(shared: Client) -> Client:
    shared.app.checks.clear()
    shared.app.gateway_secrets[:] = ["current", "previous"]
    return shared


# ------------------------------------------------------------------------------------------------------- errors


async def test_unknown_route(api: Client) -> None:
    """404 in the one shape."""
    answer = await api.get("/nowhere")
    assert (answer.status, answer.code) == (404, "not_found")


async def test_trailing_slash_is_another_route(api: Client) -> None:
    """No redirect, whose address would be made from the request's Host."""
    assert (await api.get("/health/", allow_redirects=False)).status == 404


async def test_wrong_method(api: Client) -> None:
    """405 says which methods there are."""
    answer = await api.call("PUT", "/things")
    assert (answer.status, answer.code) == (405, "method_not_allowed")
    assert answer.headers["Allow"] == "POST"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "body.title"),
        ({"title": 7}, "body.title"),
        ({"title": "x", "parts": [{"size": 1}, {"size": "big"}]}, "body.parts.1.size"),
    ],
)
async def test_invalid_body_names_the_field(api: Client, body: Any, field: str) -> None:
    """400 with the path of what is wrong."""
    answer = await api.post("/things", json=body)
    assert (answer.status, answer.code) == (400, "invalid_input")
    assert [problem["field"] for problem in answer.body["error"]["details"]["fields"]] == [field]
    assert answer.body["error"]["message"].startswith(f"{field}: ")


async def test_invalid_body_is_not_repeated(api: Client) -> None:
    """A value may be a secret; the answer holds none."""
    answer = await api.post("/things", json={"title": ["hunter2"], "parts": "hunter2"})
    assert answer.code == "invalid_input"
    assert "hunter2" not in str(answer.body)


async def test_invalid_query_names_the_parameter(api: Client) -> None:
    """As for a body."""
    answer = await api.get("/things/a", params={"limit": "many"})
    assert (answer.status, answer.body["error"]["details"]["fields"][0]["field"]) == (400, "query.limit")


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b"[" * 100_000, b"nothing"])
async def test_unreadable_json(api: Client, body: bytes) -> None:
    """400, however broken."""
    answer = await api.post("/things", data=body, headers={"Content-Type": "application/json"})
    assert (answer.status, answer.code) == (400, "invalid_input")


async def test_many_problems_are_cut_off(api: Client) -> None:
    """A huge list of bad parts doesn't make a huge answer."""
    answer = await api.post("/things", json={"title": "x", "parts": [{}] * 1000})
    assert len(answer.body["error"]["details"]["fields"]) == 20


@pytest.mark.parametrize(
    ("how", "status", "code"),
    [("conflict", 409, "conflict"), ("custom", 400, "invalid_cursor"), ("busy", 429, "too_many_requests")],
)
async def test_refusal_has_its_status_and_code(api: Client, how: str, status: int, code: str) -> None:
    """What a service raises is what the caller gets."""
    answer = await api.get(f"/fails/{how}")
    assert (answer.status, answer.code) == (status, code)


async def test_refusal_carries_details(api: Client) -> None:
    """Such as who was faster."""
    assert (await api.get("/fails/conflict")).body["error"]["details"] == {"claimedBy": "u2"}


async def test_transient_failure_is_worth_repeating(api: Client) -> None:
    """503 with Retry-After, and nothing of the backend's words."""
    answer = await api.get("/fails/transient")
    assert (answer.status, answer.code, answer.headers["Retry-After"]) == (503, "unavailable", "1")
    assert "logs" not in str(answer.body)


@pytest.mark.parametrize("how", ["crash", "group"])
async def test_crash_is_logged_and_hidden(api: Client, how: str) -> None:
    """500 'internal' without a word of the exception, which stands in the log under the same correlation id."""
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as logs:
        answer = await api.get(f"/fails/{how}")
    assert (answer.status, answer.code) == (500, "internal")
    assert "hunter2" not in str(answer.body)
    (failure,) = [line for line in logs if line["event"] == "request failed"]
    assert failure["exc_info"] is True
    assert failure["correlation_id"] == answer.body["correlationId"]


async def test_answer_that_breaks_off_is_cut(api: Client) -> None:
    """Too late for an error: the client sees that the answer isn't whole."""
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    with capture_logs() as logs:
        writer.write(b"GET /breaks-off HTTP/1.1\r\nHost: x\r\n\r\n")
        received = await reader.read()
    writer.close()
    await writer.wait_closed()
    assert b"begun" in received
    assert not received.endswith(b"0\r\n\r\n")
    assert "request failed" in [line["event"] for line in logs]


# ------------------------------------------------------------------------------------------- correlation, headers


async def test_correlation_id_is_accepted(api: Client) -> None:
    """And answered."""
    answer = await api.get("/health", headers={"X-Correlation-Id": "my id 7"})
    assert answer.headers["X-Correlation-Id"] == "my id 7"


@pytest.mark.parametrize("ident", ["", "x" * 129, "é", "a\tb"])
async def test_odd_correlation_id_is_replaced(api: Client, ident: str) -> None:
    """Only 128 printable characters get into the logs."""
    answer = await api.get("/nowhere", headers={"X-Correlation-Id": ident})
    assert answer.code == "not_found"
    assert len(answer.headers["X-Correlation-Id"]) == 32


async def test_correlation_ids_differ(api: Client) -> None:
    """A fresh one for each request."""
    answers = [await api.get("/health") for _ in range(3)]
    assert len({answer.headers["X-Correlation-Id"] for answer in answers}) == 3


async def test_trace_is_continued_or_begun(api: Client) -> None:
    """W3C Trace Context: a valid traceparent is kept, any other replaced."""
    given = f"00-{'a' * 32}-{'b' * 16}-01"
    answer = await api.get("/trace", headers={"traceparent": given})
    assert answer.body["trace"] == given
    assert answer.headers["X-Correlation-Id"] == "a" * 32
    for odd in ("x", f"00-{'0' * 32}-{'b' * 16}-01", f"{given}-more"):
        fresh = (await api.get("/trace", headers={"traceparent": odd})).body["trace"]
        assert fresh.startswith("00-")
        assert fresh not in (odd, given)


async def test_nothing_is_bound_from_the_request_before(api: Client) -> None:
    """Pipelined requests run in one context; the caller of one isn't logged for the next."""
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    secret = token().encode()
    writer.write(b"GET /me HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + secret + b"\r\n\r\n")
    writer.write(b"GET /trace HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    received = await reader.read()
    writer.close()
    await writer.wait_closed()
    assert received.count(b"200 OK") == 2
    assert b'"u1"' in received.split(b"200 OK")[1]
    assert b'"u1"' not in received.split(b"200 OK")[2]


@pytest.mark.parametrize("path", ["/health", "/nowhere", "/fails/crash"])
async def test_every_answer_has_the_security_headers(api: Client, path: str) -> None:
    """Errors too; the server's name is not among the headers."""
    with capture_logs():
        answer = await api.get(path)
    assert {name: answer.headers.get(name) for name in SECURITY_HEADERS} == SECURITY_HEADERS
    assert "Server" not in answer.headers
    assert "Date" in answer.headers


async def test_request_is_logged_without_its_query(api: Client) -> None:
    """Method, template, status and time; a token in the query or an id in the path stays out."""
    with capture_logs() as logs:
        await api.get("/things/secret-id", params={"token": "hunter2"})
        await api.get("/nowhere/hunter2")
    lines = [line for line in logs if line["event"] == "request"]
    assert [(line["method"], line["route"], line["status"]) for line in lines] == [
        ("GET", "/things/{ident}", 200),
        ("GET", "unmatched", 404),
    ]
    assert all(line["ms"] >= 0 for line in lines)
    assert "hunter2" not in str(logs)
    assert "secret-id" not in str(logs)


# --------------------------------------------------------------------------------------------------- body limit


def _title(size: int) -> bytes:
    """A body of ``size`` bytes."""
    return b'{"title":"' + b"x" * (size - 12) + b'"}'


JSON = {"Content-Type": "application/json"}


async def test_body_up_to_the_limit_passes(api: Client) -> None:
    """1 MiB exactly."""
    assert (await api.post("/things", data=_title(MAX_BODY), headers=JSON)).status == 200


async def test_declared_body_over_the_limit_is_refused(api: Client) -> None:
    """413 in the one shape."""
    answer = await api.post("/things", data=BytesIO(_title(MAX_BODY + 1)), headers=JSON)
    assert (answer.status, answer.code) == (413, "too_large")


async def test_chunked_body_over_the_limit_is_refused(api: Client) -> None:
    """No length is declared: it is counted."""

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(17):
            yield b"x" * (1 << 16)

    answer = await api.post("/things", data=chunks(), headers=JSON)
    assert (answer.status, answer.code) == (413, "too_large")


async def _raw(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    status = await reader.readline()
    writer.close()
    await writer.wait_closed()
    return status


@pytest.mark.parametrize(
    ("length", "status"),
    [
        (b"1048577", b"413"),
        (b"99999999999999", b"413"),
        (b"-1", b"400"),
        (b"1e3", b"400"),
        (b"5\r\nContent-Length: 9", b"400"),
    ],
)
async def test_lying_length_is_refused_at_once(api: Client, length: bytes, status: bytes) -> None:
    """Nothing is waited for that the client only claims to send."""
    request = (
        b"POST /things HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %b\r\n\r\n{" % length
    )
    assert (await _raw(api.port, request)).split()[1] == status


async def test_continue_is_not_offered_for_too_much(api: Client) -> None:
    """A client that asks first is refused before it sends (RFC 9110, section 10.1.1)."""
    request = b"POST /things HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\nExpect: 100-continue\r\n\r\n"
    assert (await _raw(api.port, request)).split()[1] == b"413"


async def test_endpoint_may_take_more(api: Client) -> None:
    """Its own limit counts, and holds."""
    assert (await api.post("/attachments", data=BytesIO(b"x" * (2 * MAX_BODY)))).body == {"bytes": 2 * MAX_BODY}
    assert (await api.post("/attachments", data=BytesIO(b"x" * (2 * MAX_BODY + 1)))).code == "too_large"


# ------------------------------------------------------------------------------------------------------ identity


async def test_caller_is_known_by_its_token(api: Client) -> None:
    """Whatever the case of the scheme."""
    for scheme in ("Bearer", "bearer"):
        answer = await api.get("/me", headers={"Authorization": f"{scheme} {token()}"})
        assert answer.body == {"user": "u1", "tenant": "t1"}


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Basic dTpw"}, {"Authorization": "Bearer"}])
async def test_no_token(api: Client, headers: dict[str, str]) -> None:
    """401; RFC 6750, section 3.1: no error code where there was no token."""
    answer = await api.get("/me", headers=headers)
    assert (answer.status, answer.code, answer.headers["WWW-Authenticate"]) == (401, "unauthenticated", "Bearer")


@pytest.mark.parametrize(
    ("bad", "code"), [("garbage", "invalid_token"), (token(exp=1), "token_expired"), (token(aud="x"), "invalid_token")]
)
async def test_bad_token(api: Client, bad: str, code: str) -> None:
    """401 says that the token is at fault, without repeating it; neither does the log."""
    with capture_logs() as logs:
        answer = await api.get("/me", headers={"Authorization": f"Bearer {bad}"})
    assert (answer.status, answer.code) == (401, code)
    assert answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
    assert bad not in f"{answer.body}{logs}"


async def test_token_in_the_query_is_no_token(api: Client) -> None:
    """REST takes it from the header alone."""
    assert (await api.get("/me", params={"token": token()})).status == 401


@pytest.mark.parametrize("secret", ["current", "previous"])
async def test_gateway_is_known_by_its_secret(api: Client, secret: str) -> None:
    """Two are valid while they rotate."""
    assert (await api.post("/integration", headers={GATEWAY_HEADER: secret})).status == 200


@pytest.mark.parametrize("headers", [{}, {GATEWAY_HEADER: ""}, {GATEWAY_HEADER: "wrong"}, {GATEWAY_HEADER: "é"}])
async def test_anybody_else_gets_one_and_the_same_refusal(api: Client, headers: dict[str, str]) -> None:
    """A missing secret and a wrong one look alike; a user's token doesn't help."""
    headers = {**headers, "Authorization": f"Bearer {token()}"}
    answer = await api.post("/integration", headers=headers)
    assert (answer.status, answer.code) == (403, "forbidden")
    assert answer.body["error"]["message"] == "this route is for the gateway"


@pytest.mark.parametrize("secrets", [[], [""]])
async def test_no_secret_opens_for_nobody(api: Client, secrets: list[str]) -> None:
    """An empty secret in the settings is not one that an empty header matches."""
    api.app.gateway_secrets[:] = secrets
    assert (await api.post("/integration", headers={GATEWAY_HEADER: ""})).status == 403
    assert (await api.post("/integration")).status == 403


# ------------------------------------------------------------------------------------------------ health, keys


async def passes() -> None:
    """A check that passes."""


async def breaks() -> None:
    raise ConnectionError("the address of the database")


async def hangs() -> None:
    await asyncio.Event().wait()


async def test_health_asks_nobody(api: Client) -> None:
    """The process is alive even if all that it depends on is not."""
    api.app.checks["queues"] = breaks
    answer = await api.get("/health")
    assert (answer.status, answer.body) == (200, {"success": True, "status": "ok"})


async def test_ready_when_all_checks_pass(api: Client) -> None:
    """It names them."""
    api.app.checks.update(queues=passes, tables=passes)
    answer = await api.get("/ready")
    assert (answer.status, answer.body["checks"]) == (200, {"queues": "ok", "tables": "ok"})


@pytest.mark.parametrize("check", [breaks, hangs])
async def test_not_ready_when_one_fails_or_hangs(
    api: Client, check: Callable[[], Awaitable[None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """503 names which; why is for the log alone."""
    monkeypatch.setattr(health, "CHECK_SECONDS", 0.02)
    api.app.checks.update(queues=passes, tables=check)
    with capture_logs() as logs:
        answer = await api.get("/ready")
    assert (answer.status, answer.code) == (503, "not_ready")
    assert answer.body["error"]["details"]["checks"] == {"queues": "ok", "tables": "failed"}
    assert "database" not in str(answer.body)
    assert [line["check"] for line in logs if line["event"] == "not ready"] == ["tables"]


async def test_local_keys_are_published(api: Client) -> None:
    """So that others can verify our tokens."""
    answer = await api.get("/.well-known/jwks.json")
    assert answer.body == JWKS
    assert answer.headers["Cache-Control"] == "public, max-age=300"


async def test_others_keys_are_not(api: Client) -> None:
    """The issuer publishes its own."""
    async with serving(app=FakeApp(jwks=None)) as client:
        assert (await client.get("/.well-known/jwks.json")).code == "not_found"
        assert "/.well-known/jwks.json" not in (await client.get("/openapi.json")).body["paths"]


# ------------------------------------------------------------------------------------------------ documentation


async def test_openapi_describes_our_errors(api: Client) -> None:
    """One shape for every operation, and not the framework's own."""
    document = (await api.get("/openapi.json")).body
    assert document["openapi"].startswith("3.1")
    for operations in document["paths"].values():
        for operation in operations.values():
            assert operation["responses"]["4XX"] == {"$ref": "#/components/responses/Refused"}
            assert operation["responses"]["5XX"] == {"$ref": "#/components/responses/Failed"}
            assert "422" not in operation["responses"]
    for shared in document["components"]["responses"].values():
        content = shared["content"]["application/json"]
        assert content["schema"] == {"$ref": "#/components/schemas/ErrorAnswer"}
        ErrorAnswer.model_validate(content["example"])
    assert "HTTPValidationError" not in document["components"]["schemas"]
    assert set(document["components"]["schemas"]["ErrorAnswer"]["properties"]) == {"success", "error", "correlationId"}


async def test_openapi_says_where_a_token_is_needed(api: Client) -> None:
    """Bearer, a JWT."""
    document = (await api.get("/openapi.json")).body
    assert document["paths"]["/me"]["get"]["security"] == [{"HTTPBearer": []}]
    assert "security" not in document["paths"]["/health"]["get"]
    assert document["components"]["securitySchemes"]["HTTPBearer"]["bearerFormat"] == "JWT"


async def test_docs_need_nothing_from_elsewhere(api: Client) -> None:
    """A page that reads without network: no script, no address but our own."""
    answer = await api.get("/docs")
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "<script" not in answer.body
    assert "://" not in answer.body
    assert "script-src" not in answer.headers["Content-Security-Policy"]
    for expected in ("/things/{ident}", "Make a thing", "Needs a bearer token", 'href="#Thing"', 'id="Thing"'):
        assert expected in answer.body
