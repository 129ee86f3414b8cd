"""The codec of the jobs that stages give each other."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kxmsg.codecs.job import decode_chunk, decode_render_job, encode_chunk, encode_render_job
from kxmsg.errors import Poison
from kxmsg.model.job import Chunk, RenderJob
from kxmsg.model.target import BROADCAST
from tests.product import bundle, envelope

JOB = RenderJob("orders", 1, {"detail-type": "x", "detail": {"a": [1]}}, "00-trace", 2)
CHUNK = Chunk(3, bundle(BROADCAST, [envelope("a", BROADCAST)]))


def test_jobs_survive_the_round_trip() -> None:
    assert decode_render_job(encode_render_job(JOB)) == JOB
    assert decode_chunk(encode_chunk(CHUNK)) == CHUNK


@given(st.binary(max_size=30))
def test_garbage_is_poison(body: bytes) -> None:
    with pytest.raises(Poison, match="not a render job"):
        decode_render_job(body)
    with pytest.raises(Poison, match="not a chunk"):
        decode_chunk(body)


@pytest.mark.parametrize("changes", [{"v": 2}, {"index": "0"}, {"event": None}, {"event": {"detail": 1}}], ids=str)
def test_a_job_that_can_not_be_is_poison(changes: dict[str, Any]) -> None:
    with pytest.raises(Poison):
        decode_render_job(orjson.dumps({**orjson.loads(encode_render_job(JOB)), **changes}))


def test_an_event_nested_too_deeply_is_poison_alone() -> None:
    detail = orjson.loads('{"a":' * 300 + "1" + "}" * 300)
    with pytest.raises(Poison):
        encode_render_job(RenderJob("orders", 0, {"detail": detail}, "00-trace"))
