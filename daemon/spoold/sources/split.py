"""Splits a stream of bytes into lines, holding no more than one block and one line.

Lines end at newlines; the last one counts without. A line longer than the limit is read over: only its beginning is
kept, and its length is told.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from spoold.sources.base import FAULT_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAX_RECORD: Final = 64 * 1024 * 1024
"""Bytes of one record, unless a source says otherwise."""


@dataclass(slots=True)
class Lines:
    """Consecutive lines, without their newlines.

    Attributes:
        first: number of the first line, from 1.
        texts: the lines.
        long: index of each line over the limit, whose text is only its beginning, to its true length in bytes.
    """

    first: int
    texts: list[bytes]
    long: dict[int, int]


def too_long(length: int, limit: int) -> str:
    """What is wrong with a record of `length` bytes."""
    return f"the record is {length} bytes long, over the limit of {limit}"


def split(blocks: Iterable[bytes], limit: int = MAX_RECORD) -> Iterator[Lines]:
    """The lines of a stream, a block's worth at a time."""
    number = 1
    held: list[bytes] = []  # the beginning of a line whose end is not read yet
    size = 0  # bytes of that line so far, also when no longer held
    for block in blocks:
        end = block.rfind(b"\n")
        if end >= 0:
            lines = _lines(number, held, size, block[:end], limit)
            number += len(lines.texts)
            yield lines
            held, size = [], 0
        held.append(block[end + 1 :])
        size += len(held[-1])
        if size > limit:
            held = _beginning(held)
    if size:
        yield _lines(number, held, size, b"", limit)


def _lines(first: int, held: list[bytes], size: int, block: bytes, limit: int) -> Lines:
    """Lines from the `size` bytes begun in `held` (perhaps only partly kept) and a block that ends at a line's end."""
    long: dict[int, int] = {}
    texts = b"".join([*held, block]).split(b"\n")
    if size + len(block) > limit:
        dropped = size - sum(map(len, held))
        for index, text in enumerate(texts):
            length = len(text) + (dropped if index == 0 else 0)
            if length > limit:
                long[index] = length
                texts[index] = text[:FAULT_BYTES]
    return Lines(first, texts, long)


def _beginning(held: list[bytes]) -> list[bytes]:
    """The first FAULT_BYTES bytes of the pieces, without joining them all."""
    kept = b""
    for piece in held:
        kept += piece[: FAULT_BYTES - len(kept)]
        if len(kept) == FAULT_BYTES:
            break
    return [kept]
