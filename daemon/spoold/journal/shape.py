"""What is made of records that are put in order: themselves, or lines of results.jsonl."""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING, Final, Protocol
from zlib import crc32

import msgspec

from spoold.journal.bulk import decode_block, decode_plain
from spoold.journal.format import MAX_N, TAIL
from spoold.journal.raw import raw_field

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

_AFTER: Final = 1 - TAIL  # where a result ends in a line without its newline
_FRAME: Final = TAIL  # bytes of a line behind its body
_LARGE: Final = 1 << 20
# The body; what is kept of its head, and the position in that; the result; the checksum.
_WITH_RESULT: Final = re.compile(
    rb'(\{"q":[0-9]++,("n":([0-9]++),"id":"(?:[^"\\\x00-\x1f]++|\\.)*+"),"s":"ok","t":[0-9]++\.[0-9]{3}'
    rb',"ms":[0-9]++\.[0-9]{2}(,"result":[^\n]*)),"crc":"([0-9a-f]{8})"\}\n'
)
_numbers: Final = msgspec.json.Decoder(list[int]).decode


class Shape(Protocol):
    """How the lines are made."""

    def block(
        self, data: bytes, seed: int, q: int, statuses: Collection[str], *, usual: bool
    ) -> tuple[Sequence[int], Sequence[bytes]] | None:
        """Positions and lines of all the records in `data`, in their order there, if they are of the usual kind.

        Args:
            data: lines.
            seed: what their checksums start from.
            q: number of the record before them.
            statuses: that records may have.
            usual: they seem to be item records, numbered from q + 1 on, with nothing behind a result.

        Returns:
            None where each record has to be looked at.
        """

    def line(self, line: bytes) -> bytes:
        """What is made of one valid record, given without its newline."""


class AsRecords:
    """The records as they are, without their newlines."""

    def block(
        self, data: bytes, seed: int, q: int, statuses: Collection[str], *, usual: bool
    ) -> tuple[Sequence[int], Sequence[bytes]] | None:
        """As `Shape.block`; whatever stands behind a result."""
        del usual
        block = decode_plain(data, seed, q) or decode_block(data, seed, q)
        if block is None or not {record.s for record in block}.issubset(statuses):
            return None
        lines = data.split(b"\n")
        lines.pop()
        return [record.n for record in block], lines

    def line(self, line: bytes) -> bytes:
        """As `Shape.line`."""
        return line


class AsResults:
    """Lines of results.jsonl; empty for a record without a result.

    What stands in a result is passed on: its checksum is right, and whoever made the history has looked at the rest.
    """

    def block(
        self, data: bytes, seed: int, q: int, statuses: Collection[str], *, usual: bool
    ) -> tuple[Sequence[int], Sequence[bytes]] | None:
        """As `Shape.block`."""
        if not usual or "ok" not in statuses or len(data) > _LARGE:
            return None
        plain = decode_plain(data, seed, q)
        if plain is not None:
            return [record.n for record in plain], [b""] * len(plain)
        found = _WITH_RESULT.findall(data)
        bodies = [body for body, _, _, _, _ in found]
        if not found or sum(map(len, bodies)) + _FRAME * len(found) != len(data):
            return None
        sums = struct.pack(f">{len(found)}I", *[crc32(body, seed) for body in bodies])
        if b'"'.join([digits for _, _, _, _, digits in found]) != sums.hex('"', 4).encode():
            return None
        try:
            ns = _numbers(b"[%b]" % b",".join([n for _, _, n, _, _ in found]))
        except msgspec.MsgspecError:
            return None
        return (ns, [b"{%b%b}\n" % (head, result) for _, head, _, result, _ in found]) if max(ns) <= MAX_N else None

    def line(self, line: bytes) -> bytes:
        """As `Shape.line`."""
        at = line.find(b',"result":')
        before = line[:at]
        # No quote stands bare in an id: so it is the record's own key, if nothing nested precedes or may follow it.
        if at >= 0 and b"{" not in before[1:] and b',"item":' not in line and b',"due":' not in line:
            begin, end = before.index(b'"n":'), before.index(b',"s":"')
            return b"{%b%b}\n" % (before[begin:end], line[at:_AFTER])
        result = raw_field(line, "result") if at >= 0 else None
        if result is None:
            return b""
        begin, end = line.index(b'"n":'), line.index(b',"s":"')
        return b'{%b,"result":%b}\n' % (line[begin:end], result)
