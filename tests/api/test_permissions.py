"""/permissions: grants, revokes, lists, over HTTP."""

from typing import Any

import pytest

from tests.api.conftest import Api

GRANT = {"userId": "ana", "chatId": "chat-1", "role": "member"}


async def test_a_service_lets_users_into_a_chat_that_was_not_there(api: Api) -> None:
    granted = await api.call("POST", "/permissions", "svc", "system", json={**GRANT, "userName": "Ana"})
    assert (granted.status, granted.body["message"]) == (201, "Permission granted successfully")
    permission = granted.body["permission"]
    assert permission.pop("grantedAt")
    assert permission == {**GRANT, "channelId": "chat-1", "userName": "Ana"}
    assert (await api.call("GET", "/channels/chat-1", "ana")).body["channel"]["channelType"] == "group"
    await api.call("POST", "/permissions", "svc", "system", json={"userId": "bob", "chatId": "chat-1"})
    by_chat = (await api.call("GET", "/permissions?chatId=chat-1&limit=1", "root", "admin")).body
    assert ([one["userId"] for one in by_chat["permissions"]], by_chat["hasMore"]) == (["ana"], True)
    params = {"chatId": "chat-1", "limit": 1, "cursor": by_chat["nextCursor"]}
    following = (await api.call("GET", "/permissions", "root", "admin", params=params)).body
    assert ([one["userId"] for one in following["permissions"]], following["nextCursor"]) == (["bob"], None)
    by_user = (await api.call("GET", "/permissions?userId=ana", "ana")).body
    assert [one["chatId"] for one in by_user["permissions"]] == ["chat-1"]
    assert by_user["queryParams"] == {"userId": "ana", "chatId": None, "limit": 50}


async def test_a_revoke_takes_the_chat_away(api: Api) -> None:
    await api.call("POST", "/permissions", "root", "admin", json=GRANT)
    revoked = await api.call("DELETE", "/permissions?userId=ana&chatId=chat-1", "root", "admin")
    assert revoked.body == {"success": True, "message": "Permission revoked successfully"}
    assert (await api.call("GET", "/channels/chat-1", "ana")).status == 404
    assert (await api.call("GET", "/permissions?userId=ana", "ana")).body["permissions"] == []
    never = await api.call("DELETE", "/permissions?userId=bob&chatId=chat-1", "root", "admin")
    assert (never.status, never.code) == (404, "permission_not_found")


async def test_who_does_not_administer_a_chat_grants_nothing(api: Api) -> None:
    await api.call("POST", "/permissions", "root", "admin", json=GRANT)
    more = {"userId": "bob", "chatId": "chat-1"}
    assert (await api.call("POST", "/permissions", "ana", json=more)).status == 403
    there = await api.call("POST", "/permissions", "eve", "employee", json=more)
    absent = await api.call("POST", "/permissions", "eve", "employee", json={**more, "chatId": "none"})
    assert there.status == absent.status == 404
    assert there.body["error"]["message"].replace("chat-1", "none") == absent.body["error"]["message"]
    assert (await api.call("GET", "/permissions?userId=ana", "bob", "employee")).status == 403
    await api.call("POST", "/permissions", "root", "admin", json={**GRANT, "role": "owner"})
    assert (await api.call("POST", "/permissions", "ana", json=more)).status == 201


@pytest.mark.parametrize("wrong", [{"role": "king"}, {"userId": ""}, {"chatId": "a#b"}, {"chatId": None}])
async def test_a_malformed_grant_is_refused(api: Api, wrong: dict[str, Any]) -> None:
    assert (await api.call("POST", "/permissions", "root", "admin", json={**GRANT, **wrong})).status == 400


@pytest.mark.parametrize("query", ["", "?userId=ana&chatId=c", "?userId=a%23b", "?userId=root&cursor=x"])
async def test_a_malformed_list_is_refused(api: Api, query: str) -> None:
    assert (await api.call("GET", f"/permissions{query}", "root", "admin")).status == 400
