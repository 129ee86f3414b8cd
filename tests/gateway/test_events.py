"""The proxy events have API Gateway's shape, and routes are selected by ``$request.body.action``."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kxmsg.gateway.events import Peer, select

PEER = Peer("c1", 1_700_000_000.5, "eu-1", "/ws", "10.0.0.1", "agent")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"action":"sendMessage"}', ("sendMessage", None)),
        ('{"action":"ping","id":"a"}', ("ping", "a")),
        ('{"id":7,"body":"hello"}', ("$default", 7)),
        ('{"action":"","id":null}', ("$default", None)),
        ('{"action":5,"id":[1]}', ("$default", None)),
        ('["action"]', ("$default", None)),
        ("CONNECT\n\n\0", ("$default", None)),
        ("", ("$default", None)),
    ],
)
def test_the_action_of_a_json_object_is_the_route(text: str, expected: tuple[str, str | int | None]) -> None:
    assert select(text) == expected


@given(st.text() | st.recursive(st.none() | st.text(), st.lists).map(lambda value: orjson.dumps(value).decode()))
def test_any_other_text_goes_to_the_default_route(text: str) -> None:
    assert select(text) == ("$default", None)


def test_a_connect_event() -> None:
    event = PEER.connect("token=t&empty=&a=1&a=2", {"host": "x"})
    context = event["requestContext"]
    assert isinstance(context, dict)
    assert {name: context[name] for name in ("routeKey", "eventType", "connectionId", "domainName", "stage")} == {
        "routeKey": "$connect",
        "eventType": "CONNECT",
        "connectionId": "c1",
        "domainName": "eu-1",
        "stage": "",
    }
    assert context["connectedAt"] == 1_700_000_000_500
    assert context["identity"] == {"sourceIp": "10.0.0.1", "userAgent": "agent"}
    assert event["queryStringParameters"] == {"token": "t", "empty": "", "a": "2"}
    assert event["headers"] == {"host": "x"}


def test_a_message_event() -> None:
    event = PEER.message("hello", "$default")
    assert (event["body"], event["isBase64Encoded"]) == ("hello", False)
    assert "queryStringParameters" not in event


def test_a_disconnect_event() -> None:
    context = PEER.disconnect(1001, "Going away")["requestContext"]
    assert isinstance(context, dict)
    assert (context["eventType"], context["disconnectStatusCode"], context["disconnectReason"]) == (
        "DISCONNECT",
        1001,
        "Going away",
    )


def test_every_event_has_its_own_request_id() -> None:
    contexts = [PEER.message("x", "$default")["requestContext"] for _ in range(10)]
    assert len({context["requestId"] for context in contexts if isinstance(context, dict)}) == 10
