"""Codec of the jobs that stages give each other: JSON, version 1."""

from typing import Any

from kxmsg.codecs.envelope import VERSION, bundle_fields, bundle_from, decode, encode
from kxmsg.model.job import Chunk, RenderJob
from kxmsg.model.preferences import Moment


def encode_render_job(job: RenderJob) -> bytes:
    """One render job as a message body; raises :class:`~kxmsg.errors.Poison` for an event nested too deeply."""
    fields = {
        "v": VERSION,
        "subscription": job.subscription,
        "index": job.index,
        "event": job.event,
        "trace": job.trace,
        "hops": job.hops,
    }
    return encode(fields)


def decode_render_job(body: bytes) -> RenderJob:
    """The render job of a message body; raises :class:`~kxmsg.errors.Poison` where it is none."""
    return decode(body, "a render job", _render_job)


def encode_chunk(chunk: Chunk) -> bytes:
    """One chunk as a message body."""
    moment = {} if chunk.moment is None else {"moment": [chunk.moment.since, chunk.moment.until]}
    return encode({"v": VERSION, "shard": chunk.shard, **moment, **bundle_fields(chunk.bundle)})


def decode_chunk(body: bytes) -> Chunk:
    """The chunk of a message body; raises :class:`~kxmsg.errors.Poison` where it is none."""
    return decode(body, "a chunk", _chunk)


def _chunk(fields: dict[str, Any]) -> Chunk:
    moment = Moment(*map(_seconds, fields["moment"])) if "moment" in fields else None
    return Chunk(fields["shard"], bundle_from(fields), moment)


def _seconds(value: Any) -> Any:
    if not isinstance(value, int | float):
        raise TypeError("a moment is two numbers")
    return value


def _render_job(fields: dict[str, Any]) -> RenderJob:
    job = RenderJob(fields["subscription"], fields["index"], fields["event"], fields["trace"], fields["hops"])
    if not isinstance(job.subscription, str) or not isinstance(job.index, int) or job.index < 0:
        raise ValueError("subscription must be a name, index a number from 0")
    if not isinstance(job.event["detail"], dict):
        raise ValueError("event must be an event")
    return job
