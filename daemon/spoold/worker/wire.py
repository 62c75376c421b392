"""The messages between runner and worker: the kind of frame and what is in it."""

from __future__ import annotations

from enum import IntEnum

import msgspec

from spoold.core.chunk import Chunk
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


_encoder = msgspec.msgpack.Encoder()
_chunk_decoder = msgspec.msgpack.Decoder(Chunk)
_ack_decoder = msgspec.msgpack.Decoder(Ack)

encode_chunk = _encoder.encode
encode_ack = _encoder.encode


def decode_chunk(body: bytes) -> Chunk:
    """The chunk of a CHUNK frame."""
    return _chunk_decoder.decode(body)


def decode_ack(body: bytes) -> Ack:
    """The ack of an ACK frame."""
    return _ack_decoder.decode(body)
