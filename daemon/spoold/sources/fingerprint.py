"""Recognises a source again: a digest of each block of BLOCK records.

A block's digest is BLAKE2b over its records, each followed by a newline (records contain none, so nothing else has
the same bytes). The digest of a block not yet complete covers the records so far, and stays comparable when the
source has grown: the first so many records of that block must still give it.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from spoold.sources.base import Batch

BLOCK: Final = 65_536
"""Records in a block."""
_DIGEST_BYTES: Final = 16


class Mark(NamedTuple):
    """The digest of a block's first records: block number, how many, hex."""

    block: int
    items: int
    digest: str


def _update(digest: hashlib.blake2b, raws: list[bytes]) -> None:
    digest.update(b"\n".join(raws))
    digest.update(b"\n")


class Digest:
    """Digests records as they are read.

    It may begin anywhere; of a block whose first records it did not see, it says nothing.
    """

    def __init__(self, n: int = 0) -> None:
        """Begins at position `n`."""
        self.n = n
        self._hash: hashlib.blake2b | None = None

    def feed(self, raws: list[bytes]) -> list[Mark]:
        """Takes the next records; returns the blocks that they completed."""
        marks: list[Mark] = []
        low = 0
        while low < len(raws):
            at = self.n % BLOCK
            if at == 0:
                self._hash = hashlib.blake2b(digest_size=_DIGEST_BYTES)
            part = raws[low : low + BLOCK - at]
            if self._hash is not None:
                _update(self._hash, part)
            self.n += len(part)
            low += len(part)
            if self._hash is not None and self.n % BLOCK == 0:
                marks.append(Mark(self.n // BLOCK - 1, BLOCK, self._hash.hexdigest()))
                self._hash = None
        return marks

    def mark(self) -> Mark | None:
        """The block under way, as far as it was read; None if it has no records yet or its beginning was not seen."""
        if self._hash is None:
            return None
        return Mark(self.n // BLOCK, self.n % BLOCK, self._hash.hexdigest())


class Check:
    """Compares records, from position 0 on, with the blocks recorded of an earlier reading.

    Attributes:
        changed: the first block that is not as recorded; None if none is so far.
    """

    def __init__(self, blocks: Mapping[int, tuple[int, str]]) -> None:
        """Expects `blocks`: block number to how many of its records were digested, and the digest."""
        self.changed: int | None = None
        self._blocks = blocks
        self._left = len(blocks)
        self._n = 0
        self._hash = hashlib.blake2b(digest_size=_DIGEST_BYTES)

    @property
    def settled(self) -> bool:
        """Whether reading on can't change the answer."""
        return self.changed is not None or self._left == 0

    @property
    def unchanged(self) -> bool:
        """Whether every recorded block was met again; False at the source's end: it changed or became shorter."""
        return self.changed is None and self._left == 0

    def feed(self, raws: list[bytes]) -> bool:
        """Takes the next records; False once a block is not as recorded."""
        low = 0
        while low < len(raws) and not self.settled:
            block, at = divmod(self._n, BLOCK)
            if at == 0:
                self._hash = hashlib.blake2b(digest_size=_DIGEST_BYTES)
            items, digest = self._blocks.get(block, (0, ""))
            part = raws[low : low + (items if at < items else BLOCK) - at]
            if at < items:
                _update(self._hash, part)
            self._n += len(part)
            low += len(part)
            if at < items == at + len(part):
                self._left -= 1
                if self._hash.hexdigest() != digest:
                    self.changed = block
        return self.changed is None


class Readable(Protocol):
    """What has records, numbered from 0."""

    def batches(self, start: int = 0) -> Iterator[Batch]:
        """Those from position `start` on."""
        ...


def verify_prefix(source: Readable, blocks: Mapping[int, tuple[int, str]]) -> bool:
    """Whether the source still begins with every block recorded of it; it may have grown since.

    Raises:
        SourceError: the source can't be read that far.
    """
    check = Check(blocks)
    for batch in source.batches():
        if check.settled:
            break
        check.feed(batch.raws)
    return check.unchanged
