"""kxmsg.services.identity.jwks: caching, rotation, failure."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from jwt.algorithms import ECAlgorithm

from kxmsg.errors import Unavailable
from kxmsg.services.identity import CachedKeys, StaticKeys, key_source
from kxmsg.services.identity.jwks import MAX_AGE, MAX_BYTES, RETRY_PAUSE, UNKNOWN_PAUSE, fetch, parse_keys
from tests.services.identity.tokens import EC_KEY, JWKS, OTHER_KEY, RSA_KEY, jwk


class Place:
    """Where keys are loaded from; what it answers, and when, is up to the test."""

    def __init__(self, *kids: str) -> None:
        self.time = 1000.0
        self.loads = 0
        self.failure: Exception | None = None
        self.entered = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()
        self.hold(*kids)
        self.keys = CachedKeys(self._load, "place", monotonic=lambda: self.time)

    def hold(self, *kids: str) -> None:
        self.document = json.dumps({"keys": [jwk(EC_KEY, kid) for kid in kids]}).encode()

    async def _load(self) -> bytes:
        self.loads += 1
        self.entered.set()
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        return self.document


async def _settle(keys: CachedKeys) -> None:
    """Wait for a load behind the scenes."""
    assert keys._loading is not None
    await keys._loading


def test_parse_keeps_public_signature_keys_alone() -> None:
    """Encryption keys, symmetric keys, keys without an id and broken ones are passed over."""
    kept = parse_keys(
        {
            "keys": [
                *JWKS["keys"],
                jwk(EC_KEY, "enc", use="enc"),
                {"kty": "oct", "kid": "hmac", "k": "c2VjcmV0"},
                {**jwk(EC_KEY, "x"), "kid": None},
                {"kty": "EC", "kid": "broken", "crv": "P-256", "x": "AA", "y": "AA"},
                {"kty": "RSA", "kid": "empty"},
                jwk(EC_KEY, "odd", alg="XX999"),
                "text",
            ]
        }
    )
    assert set(kept) == {"rsa", "ec"}


def test_parse_leaves_private_parts_out() -> None:
    """A file that holds the whole key is used as if it held the public half."""
    whole = {**json.loads(ECAlgorithm.to_jwk(EC_KEY)), "kid": "ec"}
    assert "d" in whole
    assert not hasattr(parse_keys({"keys": [whole]})["ec"].key, "private_numbers")


@pytest.mark.parametrize("document", [{}, {"keys": []}, {"keys": {}}, {"keys": "x"}, [], "x", None])
def test_parse_refuses_a_set_without_keys(document: Any) -> None:
    """Nothing usable is an error, not an empty set."""
    with pytest.raises(ValueError, match="no usable key"):
        parse_keys(document)


async def test_static_keys() -> None:
    """By id; unknown is None."""
    keys = StaticKeys(JWKS)
    assert await keys.find("ec") is not None
    assert await keys.find("nobody") is None


async def test_keys_are_loaded_once_for_ten_minutes() -> None:
    """At the first look-up, then not again."""
    place = Place("a")
    assert await place.keys.find("a")
    place.time += MAX_AGE - 1
    assert await place.keys.find("a")
    assert place.loads == 1


async def test_old_keys_are_refreshed_behind_the_callers_back() -> None:
    """The caller that finds them too old doesn't wait."""
    place = Place("a")
    await place.keys.find("a")
    place.time += MAX_AGE
    place.gate.clear()
    assert await place.keys.find("a")
    place.hold("b")
    place.gate.set()
    await _settle(place.keys)
    assert place.loads == 2
    assert await place.keys.find("a") is None
    assert await place.keys.find("b")


async def test_rotation_is_noticed_at_the_first_token_with_the_new_key() -> None:
    """An unknown kid loads the set again."""
    place = Place("a")
    await place.keys.find("a")
    place.hold("a", "b")
    place.time += UNKNOWN_PAUSE
    assert await place.keys.find("b")
    assert place.loads == 2


async def test_made_up_kids_load_at_most_every_thirty_seconds() -> None:
    """An attacker can't turn us against the issuer."""
    place = Place("a")
    await place.keys.find("a")
    for number in range(100):
        assert await place.keys.find(f"made-up-{number}") is None
    assert place.loads == 1
    place.time += UNKNOWN_PAUSE
    for number in range(100):
        assert await place.keys.find(f"made-up-{number}") is None
    assert place.loads == 2


async def test_callers_share_one_load() -> None:
    """A hundred at once cause one."""
    place = Place("a")
    place.gate.clear()
    waiting = [asyncio.create_task(place.keys.find("a")) for _ in range(100)]
    await place.entered.wait()
    place.gate.set()
    assert all(await asyncio.gather(*waiting))
    assert place.loads == 1


async def test_cancelled_caller_does_not_cancel_the_others_load() -> None:
    """The load goes on."""
    place = Place("a")
    place.gate.clear()
    first, second = (asyncio.create_task(place.keys.find("a")) for _ in range(2))
    await place.entered.wait()
    first.cancel()
    place.gate.set()
    assert await second
    assert place.loads == 1


@pytest.mark.parametrize("failure", [OSError("refused"), TimeoutError(), ValueError("the answer is 500")])
async def test_failed_load_keeps_the_keys(failure: Exception) -> None:
    """An issuer that is away breaks nothing for known keys, and is asked again later."""
    place = Place("a")
    await place.keys.find("a")
    place.failure = failure
    place.time += MAX_AGE
    assert await place.keys.find("a")
    await _settle(place.keys)
    assert await place.keys.find("a")
    assert place.loads == 2
    place.failure = None
    place.time += UNKNOWN_PAUSE
    assert await place.keys.find("a")
    await _settle(place.keys)
    assert place.loads == 3


async def test_unusable_document_keeps_the_keys() -> None:
    """As a failed load does."""
    place = Place("a")
    await place.keys.find("a")
    place.document = b'{"keys": []}'
    place.time += MAX_AGE
    await place.keys.find("a")
    await _settle(place.keys)
    assert await place.keys.find("a")


async def test_no_keys_at_all_is_unavailable_and_soon_tried_again() -> None:
    """Every two seconds, not for each request."""
    place = Place("a")
    place.failure = OSError("refused")
    for _ in range(5):
        with pytest.raises(Unavailable):
            await place.keys.find("a")
    assert place.loads == 1
    place.failure = None
    place.time += RETRY_PAUSE
    assert await place.keys.find("a")


async def test_ready_loads_and_tells() -> None:
    """A readiness check: raises while there are no keys, and then costs nothing."""
    place = Place("a")
    place.failure = OSError("refused")
    with pytest.raises(Unavailable):
        await place.keys.ready()
    place.failure = None
    place.time += RETRY_PAUSE
    await place.keys.ready()
    await place.keys.ready()
    assert place.loads == 2


async def test_close_ends_a_load_under_way() -> None:
    """Nothing is left running."""
    place = Place("a")
    place.gate.clear()
    waiting = asyncio.create_task(place.keys.find("a"))
    await place.entered.wait()
    await place.keys.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await Place().keys.close()


# ------------------------------------------------------------------------------------------------------- places


async def test_file(tmp_path: Path) -> None:
    """A path is read, and read again when its keys rotate."""
    file = tmp_path / "jwks.json"
    file.write_text(json.dumps(JWKS))
    assert await key_source(str(file)).find("rsa")


async def test_missing_file_is_unavailable(tmp_path: Path) -> None:
    """As an issuer that is away."""
    with pytest.raises(Unavailable):
        await key_source(str(tmp_path / "none.json")).find("rsa")


@pytest.fixture
async def url() -> AsyncIterator[str]:
    """A server of key sets, good and bad."""

    async def good(_: web.Request) -> web.Response:
        return web.json_response({"keys": [jwk(RSA_KEY, "rsa"), jwk(OTHER_KEY, "other")]})

    async def moved(_: web.Request) -> web.Response:
        raise web.HTTPFound("/jwks.json")

    async def huge(_: web.Request) -> web.Response:
        return web.Response(body=b" " * (MAX_BYTES + 1))

    over = asyncio.Event()

    async def never(_: web.Request) -> web.Response:
        await over.wait()
        return web.Response()

    app = web.Application()
    app.router.add_get("/jwks.json", good)
    app.router.add_get("/moved", moved)
    app.router.add_get("/huge", huge)
    app.router.add_get("/never", never)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    yield f"http://{host}:{port}"
    over.set()
    await runner.cleanup()


async def test_url(url: str) -> None:
    """An address is fetched."""
    keys = key_source(f"{url}/jwks.json")
    assert await keys.find("rsa")
    assert await keys.find("nobody") is None


@pytest.mark.parametrize("path", ["/moved", "/huge", "/none"])
async def test_other_answers_are_failures(url: str, path: str) -> None:
    """A redirect may lead anywhere, an endless answer would fill the memory."""
    with pytest.raises(ValueError, match=r"answer is|longer"):
        await fetch(url + path)
    with pytest.raises(Unavailable):
        await key_source(url + path).find("rsa")


async def test_silent_server_times_out(url: str) -> None:
    """A caller doesn't wait for ever."""
    with pytest.raises(TimeoutError):
        await fetch(f"{url}/never", timeout=0.05)
