"""The locale in which a caller reads an answer."""

from typing import Any

import pytest
from fastapi import APIRouter

from kxmsg.api.locale import CallerReads
from tests.api.serving import serving, token
from tests.product import envelope

router = APIRouter()


@router.get("/locale")
async def show(reader: CallerReads) -> dict[str, Any]:
    """What an endpoint is told of an entry with variants, and of one without."""
    with_variants = envelope("n", payload={"variants": {"de": {"content": "Hallo"}}})
    assert await reader.locale([envelope("m")]) is None
    return {"locale": await reader.locale([envelope("m"), with_variants])}


@pytest.mark.parametrize(
    ("accepted", "claim", "locale"),
    [
        (["de-AT, de;q=0.9"], None, "de-at"),
        (["de"], "fr", "de"),
        ([], "pt_BR", "pt-br"),
        (["*"], "fr", "fr"),
        ([], 7, None),
        ([], None, None),
        (["en;q=0.5", "de"], None, "de"),  # a list may come on several lines (RFC 9110, section 5.3)
    ],
)
async def test_the_header_goes_before_the_token_and_caches_are_told(
    accepted: list[str], claim: Any, locale: str | None
) -> None:
    headers = [("Authorization", f"Bearer {token(locale=claim)}"), *(("Accept-Language", one) for one in accepted)]
    async with serving(router) as client:
        answer = await client.get("/locale", headers=headers)
    assert answer.body == {"locale": locale}
    assert answer.headers["Vary"] == "Accept-Language"


async def test_without_a_token_nothing_is_told() -> None:
    async with serving(router) as client:
        assert (await client.get("/locale", headers={"Accept-Language": "de"})).status == 401
