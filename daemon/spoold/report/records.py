"""A segment's records in whole blocks, with the fields that a report needs.

A block whose checksums and numbers are right is decoded at once, failures included; any other is read line by line by
the journal's own rules, which alone say what is void.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, TypeAlias
from zlib import crc32

import msgspec

from spoold.journal.format import TAIL, ItemRecord, JobRecord
from spoold.journal.scan import whole_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from spoold.journal.scan import Reader

_LARGE: Final = 1 << 21  # bytes; one huge record is not to be copied about
_BODY: Final = 1 - TAIL  # where the checksum's key begins in a line without its newline
_SUM: Final = slice(-10, -2)  # its digits


class Entry(msgspec.Struct, gc=False):
    """An item record; its fields are those of the journal's format."""

    q: int
    n: int
    id: str
    s: str
    t: float
    attempt: int = msgspec.field(name="try", default=1)
    ms: float | None = None
    error: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    due: float | None = None


Item: TypeAlias = Entry | ItemRecord
_decode: Final = msgspec.json.Decoder(Entry).decode_lines


def blocks(reader: Reader) -> Iterator[Sequence[Item | JobRecord]]:
    """The valid records of an open segment, many at a time.

    Raises:
        OSError: it can't be read.
    """
    for chunk in whole_lines(reader.fd, reader.offset):
        block = _whole(chunk.data, reader.header.crc, reader.q) if len(chunk.data) < _LARGE else None
        if block:
            reader.accept(chunk, block[-1].q)
            yield block
        else:
            yield [found.record for found in reader.take(chunk)]


def _whole(data: bytes, seed: int, q: int) -> Sequence[Entry] | None:
    """The records of lines that are all item records numbered from q + 1 on; None if one may not be."""
    lines = data.split(b"\n")
    lines.pop()
    sums = [crc32(line[:_BODY], seed) for line in lines]
    if b'"'.join([line[_SUM] for line in lines]) != struct.pack(f">{len(lines)}I", *sums).hex('"', 4).encode():
        return None
    try:
        found = _decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return found if [one.q for one in found] == list(range(q + 1, q + 1 + len(lines))) else None
