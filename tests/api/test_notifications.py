"""GET /notifications: a user's inbox over HTTP."""

import time
from typing import Any

import pytest

from kxmsg.model.target import BROADCAST, EVERYBODY, Target
from tests.api.conftest import Api
from tests.product import envelope


async def fill(api: Api) -> None:
    """Two entries of ana's own, one of her client's, one of everybody's; and what is not hers."""
    logs = api.app.logs
    now = int(time.time() * 1000)
    ana = Target("user", "ana")
    await logs.append("acme", ana, [envelope("own-1", created_at=now + 1), envelope("own-2", created_at=now + 4)])
    client = Target("client", "acme")
    await logs.append("acme", client, [envelope("client-1", client, created_at=now + 2)])
    everybody = envelope("all-1", BROADCAST, tenant=EVERYBODY, created_at=now + 3)
    await logs.append(EVERYBODY, BROADCAST, [everybody])
    await logs.append("other", ana, [envelope("namesake", tenant="other", created_at=now)])
    bo = Target("user", "bo")
    await logs.append("acme", bo, [envelope("bos", bo, created_at=now)])


def idents(body: Any) -> list[str]:
    return [one["notificationId"] for one in body["notifications"]]


async def test_the_inbox_is_newest_first_across_its_logs_and_nobody_elses(api: Api) -> None:
    await fill(api)
    answer = await api.call("GET", "/notifications", "ana")
    assert answer.status == 200
    assert idents(answer.body) == ["own-2", "all-1", "client-1", "own-1"]
    assert (answer.body["count"], answer.body["hasMore"], answer.body["nextCursor"]) == (4, False, None)
    assert answer.body["queryParams"] == {"userId": "ana", "tenantId": "acme", "targetTypes": None, "limit": 50}


async def test_pages_follow_one_another_without_gap_or_repeat(api: Api) -> None:
    await fill(api)
    seen: list[str] = []
    params = {"limit": "1"}
    while True:
        body = (await api.call("GET", "/notifications", "ana", params=params)).body
        seen += idents(body)
        if not body["hasMore"]:
            break
        params["cursor"] = body["nextCursor"]
    assert seen == ["own-2", "all-1", "client-1", "own-1"]


async def test_target_types_narrow_it(api: Api) -> None:
    await fill(api)
    body = (await api.call("GET", "/notifications?targetTypes=user,%20client", "ana")).body
    assert idents(body) == ["own-2", "client-1", "own-1"]


async def test_texts_are_those_of_the_language_asked_for_and_variants_are_never_shown(api: Api) -> None:
    ana = Target("user", "ana")
    variants = {"de": {"title": "Hallo"}, "fr": {"title": "Bonjour"}}
    payload = {"title": "Hello", "content": "?", "variants": variants}
    await api.app.logs.append("acme", ana, [envelope("one", payload=payload, created_at=int(time.time() * 1000))])
    app = api.app
    token = app.secrets.mint("ana", "acme", ["member"], 60, app.settings.issuer, app.settings.audience)
    for accepted, title in (("de-AT, fr;q=0.9", "Hallo"), ("fr", "Bonjour"), ("it", "Hello"), ("*", "Hello")):
        headers = {"Authorization": f"Bearer {token}", "Accept-Language": accepted}
        answer = await api.raw("GET", "/notifications", headers=headers)
        (record,) = answer.body["notifications"]
        assert (record["title"], record["content"]) == (title, "?")
        assert "variants" not in record


async def test_an_admin_reads_others_inboxes_and_a_member_only_their_own(api: Api) -> None:
    await fill(api)
    assert idents((await api.call("GET", "/notifications?userId=ana", "adam", "admin")).body)[0] == "own-2"
    refused = await api.call("GET", "/notifications?userId=ana", "bo")
    assert (refused.status, refused.code) == (403, "forbidden")


async def test_another_tenant_is_refused_even_to_a_service(api: Api) -> None:
    assert (await api.call("GET", "/notifications?tenantId=acme", "ana")).status == 200
    assert (await api.call("GET", "/notifications?tenantId=other", "ana", "system")).status == 403


async def test_a_cursor_is_good_for_its_user_and_query_alone(api: Api) -> None:
    await fill(api)
    cursor = (await api.call("GET", "/notifications?limit=1", "ana")).body["nextCursor"]
    for user, query in (("bo", ""), ("ana", "&targetTypes=user")):
        assert (await api.call("GET", f"/notifications?cursor={cursor}{query}", user)).status == 400
    assert (await api.call("GET", f"/notifications?cursor=x{cursor}", "ana")).status == 400


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=x", "targetTypes=channel", "userId=a%23b"])
async def test_a_wrong_parameter_is_refused(api: Api, query: str) -> None:
    answer = await api.call("GET", f"/notifications?{query}", "adam", "admin")
    assert (answer.status, answer.body["success"]) == (400, False)


async def test_without_a_token_there_is_no_inbox(api: Api) -> None:
    assert (await api.raw("GET", "/notifications")).status == 401
