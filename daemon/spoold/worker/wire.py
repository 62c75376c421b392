"""The messages between runner and worker: the kind of frame and what is in it."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

import msgspec

from spoold.core.chunk import Chunk, Past
from spoold.core.ending import Ending


class Kind(IntEnum):
    """The kinds of frame."""

    CHUNK = 1
    """runner → worker: items to run."""
    AGAIN = 2
    """runner → worker: there is room on the disk, write the held record."""
    LOADED = 3
    """worker → runner: the handler is ready."""
    LOAD_FAILED = 4
    """worker → runner: it could not be made; the body says why."""
    ACK = 5
    """worker → runner: so many items of a chunk have their records."""
    FULL = 6
    """worker → runner: no room for a record; the worker waits with it."""
    GO = 8
    """runner → worker: go on after a failure; how many more may fail stands in the line."""
    BROKEN = 7
    """worker → runner: the segment failed and must not be appended to; the worker leaves."""


class Ack(msgspec.Struct, array_like=True, gc=False):
    """What a worker says of a chunk.

    Attributes:
        key: the chunk.
        done: items from its beginning that have their records.
        last: nothing more of it will be run here.
        seconds: time since the previous ack of this chunk.
        size: bytes of the segment after the newest record.
        q: number of the newest record.
        begun: the line's word of the newest attempt that has its record.
        endings: attempts that did not end ok, since the previous ack, in their order.
        noted: positions that failed and left notes (save, once, start) in the journal.
        waits: the worker takes no item before it is told to GO.
        fatal: the job is to end as failed, for this reason.
        tally: the builtins of a `core.tally.Tally` over the items since the previous ack.
    """

    key: int
    done: int
    last: bool
    seconds: float
    size: int
    q: int
    begun: int
    endings: list[Ending]
    noted: list[int]
    waits: bool
    fatal: str | None
    tally: dict[str, object] | None


class _Chunk(msgspec.Struct, array_like=True, gc=False):
    """A chunk on its way: what follows each other is first and count, and the texts of the items are lines of one."""

    key: int
    first: int | None
    ns: list[int] | None
    ids: list[str]
    text: bytes
    line: int | None
    lines: list[int] | None
    alone: bool
    pasts: list[Past | None] | None


_encoder = msgspec.msgpack.Encoder()
_chunk_decoder = msgspec.msgpack.Decoder(_Chunk)
_ack_decoder = msgspec.msgpack.Decoder(Ack)

encode_ack = _encoder.encode


def encode_chunk(chunk: Chunk) -> bytes:
    """The body of a CHUNK frame."""
    first, ns = _short(chunk.ns)
    line, lines = (None, None) if chunk.lines is None else _short(chunk.lines)
    text = b"\n".join(chunk.raws)
    return _encoder.encode(_Chunk(chunk.key, first, ns, chunk.ids, text, line, lines, chunk.alone, chunk.pasts))


def decode_chunk(body: bytes) -> Chunk:
    """The chunk of a CHUNK frame."""
    sent = _chunk_decoder.decode(body)
    count = len(sent.ids)
    lines = sent.lines if sent.line is None else range(sent.line, sent.line + count)
    ns = range(sent.first, sent.first + count) if sent.first is not None else sent.ns or ()
    return Chunk(sent.key, ns, sent.ids, sent.text.split(b"\n"), lines, sent.alone, sent.pasts)


def _short(numbers: Sequence[int]) -> tuple[int | None, list[int] | None]:
    """The first of numbers that follow each other, or all of them."""
    return (numbers.start, None) if isinstance(numbers, range) else (None, list(numbers))


def decode_ack(body: bytes) -> Ack:
    """The ack of an ACK frame."""
    return _ack_decoder.decode(body)
