"""Reading a whole block of records at once, for journals of millions.

The same rules as `format.decode_record`, item by item, applied to the usual case: item records in an unbroken sequence,
with a result or nothing behind their fixed part. Any line that is something else sends the block back to the slow path,
which alone decides what is damaged.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from zlib import crc32

import msgspec

from spoold.journal.format import HEAD, MAX_N, TAIL, Status

_LARGE: Final = 1 << 20  # bytes; a block this large is one huge record, not to be copied about

if TYPE_CHECKING:
    from collections.abc import Sequence

_LINE: Final = HEAD + rb'(?:,"result":[^\n]++(?<=,"crc":"........"\})|,"crc":"........"\})\n'
_BLOCK: Final = re.compile(rb"(?:" + _LINE + rb")++")


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


def decode_block(data: bytes, seed: int, q: int) -> Sequence[BulkRecord] | None:
    """All the lines of `data` as valid item records numbered from q + 1 on; None if any of them needs a closer look."""
    if len(data) > _LARGE or not _BLOCK.fullmatch(data):
        return None
    lines = data.split(b"\n")
    lines.pop()
    # Without its newline a line's tail is one byte shorter.
    sums = tuple([crc32(line[: 1 - TAIL], seed) for line in lines])
    if b"".join([line[1 - TAIL :] for line in lines]) != (b',"crc":"%08x"}' * len(sums)) % sums:
        return None
    records: Sequence[BulkRecord]
    try:
        records = (_whole_decoder if b',"result":' in data else _decoder).decode_lines(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if [record.q for record in records] != list(range(q + 1, q + 1 + len(lines))):
        return None
    return records if max([record.n for record in records]) <= MAX_N else None
