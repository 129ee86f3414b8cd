"""What a request asks of tables and queues is the same for who has ten entries and for who has thousands."""

from typing import Any

import pytest

from tests.api.conftest import Api
from tests.filling import ROOM, USER, fill
from tests.port_calls import counting

REQUESTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "a page of the inbox": ("GET", "/notifications?limit=10", {}),
    "how much is unread": ("GET", "/notifications/unread-count", {}),
    "a message to a channel": ("POST", "/messages", {"json": {"channelId": ROOM.id, "content": "hello"}}),
}

CALLS = {
    "a page of the inbox": {"get_many": 3},  # heads and marks, entries, when they were read
    "how much is unread": {"get_many": 1},
    "a message to a channel": {"get_many": 1, "send": 1},  # whether it is open, and one takes part
}

ITEMS = {
    "a page of the inbox": 6 + 2 * 10 + 2 + 2,  # of two logs, as no more than a page is of either
    "how much is unread": 6,
    "a message to a channel": 3,
}


@pytest.mark.parametrize("name", REQUESTS)
async def test_a_request_asks_as_much_of_10_entries_as_of_thousands(name: str, api: Api) -> None:
    for tenant, entries in {"small": 10, "large": 3_000}.items():
        await fill(api.app, tenant, entries)
        await api.call("GET", "/users/me", USER, tenant=tenant)  # the directory knows her from now on
        method, path, options = REQUESTS[name]
        with counting(api.app) as counts:
            answer = await api.call(method, path, USER, tenant=tenant, **options)
        assert answer.status < 300
        assert counts.calls == CALLS[name]
        assert sum(counts.items.values()) <= ITEMS[name]
