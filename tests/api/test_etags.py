"""kxmsg.api.etags: an update of what was seen, or none."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi import APIRouter, Response

from kxmsg.api.etags import IfMatch, Match, etag
from kxmsg.errors import InvalidInput, PreconditionFailed
from tests.api.serving import Client, serving

TAG, OTHER = etag({"version": 1}), etag({"version": 2})


def test_a_tag_says_whether_two_states_are_the_same() -> None:
    """Whatever the order of their fields; it is a strong one, in quotes."""
    assert etag({"a": 1, "b": 2}) == etag({"b": 2, "a": 1})
    assert TAG != OTHER
    assert TAG[0] == TAG[-1] == '"'


@pytest.mark.parametrize("header", [None, "*", " * ", TAG, f"{OTHER}, {TAG}", f'"x" ,{TAG}'])
def test_what_matches_passes(header: str | None) -> None:
    Match(header).check(TAG)


@pytest.mark.parametrize("header", [OTHER, f"W/{TAG}", '"*"', '""', f"{OTHER},{OTHER}"])
def test_what_does_not_match_is_refused_with_the_tag_that_would(header: str) -> None:
    """A weak tag matches nothing (RFC 9110, section 8.8.3.2)."""
    with pytest.raises(PreconditionFailed) as refused:
        Match(header).check(TAG)
    assert refused.value.details == {"etag": TAG}


@pytest.mark.parametrize("header", ["", "abc", f"{TAG} {TAG}", f"{TAG},", "*, *", '"a'])
def test_what_is_no_list_of_tags_is_refused(header: str) -> None:
    with pytest.raises(InvalidInput, match="If-Match"):
        Match(header)


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    router = APIRouter()
    thing = {"title": "first"}

    @router.get("/thing")
    async def get(response: Response) -> dict[str, Any]:
        response.headers["ETag"] = etag(thing)
        return thing

    @router.put("/thing")
    async def put(body: dict[str, Any], match: IfMatch, response: Response) -> dict[str, Any]:
        match.check(etag(thing))
        thing.update(body)
        response.headers["ETag"] = etag(thing)
        return thing

    async with serving(router) as running:
        yield running


async def test_the_second_of_two_who_saw_the_same_is_refused(client: Client) -> None:
    """412; without the header it would be the last who wins."""
    seen = (await client.get("/thing")).headers["ETag"]
    first = await client.call("PUT", "/thing", json={"title": "mine"}, headers={"If-Match": seen})
    second = await client.call("PUT", "/thing", json={"title": "yours"}, headers={"If-Match": seen})
    assert (first.status, second.status, second.code) == (200, 412, "precondition_failed")
    again = {"If-Match": first.headers["ETag"]}
    assert (await client.call("PUT", "/thing", json={"title": "yours"}, headers=again)).status == 200
    assert (await client.call("PUT", "/thing", json={"title": "last"})).status == 200


async def test_the_document_tells_of_it(client: Client) -> None:
    put = (await client.get("/openapi.json")).body["paths"]["/thing"]["put"]
    assert put["responses"]["412"] == {"$ref": "#/components/responses/PreconditionFailed"}
    assert "if-match" in [parameter.get("name") for parameter in put["parameters"]]
