"""Reading a whole block of records at once, for journals of millions.

The same rules as `format.decode_record`, item by item, applied to the usual case: item records in an unbroken sequence,
with a result or nothing behind their fixed part. Any line that is something else sends the block back to the slow path,
which alone decides what is damaged.
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING, Final
from zlib import crc32

import msgspec

from spoold.journal.format import HEAD, MAX_N, TAIL, Status

if TYPE_CHECKING:
    from collections.abc import Sequence

_LARGE: Final = 1 << 20  # bytes; a block this large is one huge record, not to be copied about
_LONG: Final = 256  # bytes; of lines longer than that a view is made sooner than a copy

_LINE: Final = HEAD + rb'(?:,"result":[^\n]++(?<=,"crc":"........"\})|,"crc":"........"\})\n'
_BLOCK: Final = re.compile(rb"(?:" + _LINE + rb")++")
# What most lines of most journals are; ranges are matched sooner than \d, and no number that JSON allows is let out.
_PLAIN: Final = re.compile(
    rb'(?:\{"q":[0-9]++,"n":[0-9]++,"id":"[^"\\\x00-\x1f]*+","s":"ok","t":[0-9]++\.[0-9][0-9][0-9]'
    rb',"ms":[0-9]++\.[0-9][0-9],"crc":"........"\}\n)++'
)
_BODY: Final = 1 - TAIL  # where the checksum's key begins in a line without its newline
_SUM: Final = slice(-10, -2)  # its digits


class BulkRecord(msgspec.Struct, gc=False):
    """An item record, as far as replay wants it."""

    q: int
    n: int
    id: str
    s: Status
    attempt: int = msgspec.field(name="try", default=1)
    ms: float | None = None
    result: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class _WholeRecord(BulkRecord, forbid_unknown_fields=True, kw_only=True, gc=False):
    """The same, for lines on which something unknown could stand behind the result."""

    t: msgspec.Raw
    crc: msgspec.Raw


_decoder: Final = msgspec.json.Decoder(BulkRecord)
_whole_decoder: Final = msgspec.json.Decoder(_WholeRecord)


def decode_plain(data: bytes, seed: int, q: int) -> Sequence[BulkRecord] | None:
    """As `decode_block`, sooner, if all are `ok` at their first attempt and have no result; None also if one is not."""
    if len(data) > _LARGE or not _PLAIN.fullmatch(data):
        return None
    return _decode(data, seed, q, _decoder)


def decode_block(data: bytes, seed: int, q: int) -> Sequence[BulkRecord] | None:
    """All the lines of `data` as valid item records numbered from q + 1 on; None if any of them needs a closer look."""
    if len(data) > _LARGE or not _BLOCK.fullmatch(data):
        return None
    return _decode(data, seed, q, _whole_decoder if b',"result":' in data else _decoder)


def _decode(
    data: bytes, seed: int, q: int, decoder: msgspec.json.Decoder[BulkRecord] | msgspec.json.Decoder[_WholeRecord]
) -> Sequence[BulkRecord] | None:
    """The records of lines that have the right form; None if a checksum, a number or a value is wrong."""
    lines = data.split(b"\n")
    lines.pop()
    count = len(lines)
    if len(data) < _LONG * count:
        sums = [crc32(line[:_BODY], seed) for line in lines]
    else:
        sums = [crc32(memoryview(line)[:_BODY], seed) for line in lines]
    if b'"'.join([line[_SUM] for line in lines]) != struct.pack(f">{count}I", *sums).hex('"', 4).encode():
        return None
    records: Sequence[BulkRecord]
    try:
        records = decoder.decode_lines(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if [record.q for record in records] != list(range(q + 1, q + 1 + count)):
        return None
    return records if max([record.n for record in records]) <= MAX_N else None
