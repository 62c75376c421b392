"""About how many lines text files have, from a look at a few places of each.

Lines differ in length, and the first ones may be unlike the rest: so the places are spread evenly over the file. Of a
compressed file only the beginning can be read, and what it decompresses to stands for the whole.
"""

from __future__ import annotations

import os
from time import monotonic
from typing import TYPE_CHECKING, Final, Protocol

from spoold.errors import SourceError
from spoold.sources.base import Size
from spoold.sources.files import BLOCK, blocks_of, open_regular

if TYPE_CHECKING:
    from collections.abc import Iterable

_PLACES: Final = 64
_PIECE: Final = 16 * 1024  # bytes read at each place
_PATIENCE: Final = 0.1  # seconds; files that were not looked at by then are taken to be like the others


class Lined(Protocol):
    """A text file, plain, .gz or .zst, with so many lines of heading."""

    path: str

    @property
    def heading(self) -> int:
        """Lines at its top that are no records."""
        ...


def about(files: Iterable[Lined]) -> Size | None:
    """About how many records the files have in all, if each is a line; None where they can't be read."""
    lines = seen = unseen = 0.0
    until = monotonic() + _PATIENCE
    for file in files:
        try:
            size = os.stat(file.path).st_size
            if monotonic() > until:
                unseen += size
                continue
            lines += max(0.0, size * _density(file.path, size) - file.heading)
        except (OSError, SourceError):
            return None  # whoever reads the source says what is wrong with it
        seen += size
    return Size(round(lines * (1 + unseen / seen)) if seen else 0, exact=False)


def _density(path: str, size: int) -> float:
    """Lines in a byte of the file as it lies there; 0 for an empty one."""
    if not size:
        return 0.0
    if os.path.splitext(path)[1] in (".gz", ".zst"):
        return _packed(path, size)
    with open_regular(path) as file:
        if size <= _PLACES * _PIECE:
            text = file.read(size)
            return _lines(text) / size
        count = length = 0
        for place in range(_PLACES):
            file.seek(place * (size - _PIECE) // (_PLACES - 1))
            text = file.read(_PIECE)
            count, length = count + text.count(b"\n"), length + len(text)
        return count / max(1, length)


def _packed(path: str, size: int) -> float:
    """The same of a compressed file, by how many of its bytes the first blocks were made of."""
    with open_regular(path) as file:
        count = length = 0
        for block in blocks_of(file, path):
            count, length = count + _lines(block), length + len(block)
            if length >= 4 * BLOCK:
                break
        return count / (file.tell() or size)


def _lines(text: bytes) -> int:
    return text.count(b"\n") + (text[-1:] not in (b"\n", b""))
