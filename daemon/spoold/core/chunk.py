"""A run of items on its way to one worker."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec


class Past(msgspec.Struct, array_like=True, gc=False):
    """What the earlier attempts of an item left for the next one.

    Attributes:
        attempt: number of the next attempt.
        deferred: seconds that the item was put off by `RetryLater`.
        strikes: times that it ran out of memory.
        saved: JSON text of the state saved last.
        once: what `once` returned, as JSON text by name.
    """

    attempt: int = 1
    deferred: float = 0.0
    strikes: int = 0
    saved: bytes | None = None
    once: dict[str, bytes] | None = None

    def size(self) -> int:
        """Bytes of the texts."""
        return len(self.saved or b"") + sum(map(len, (self.once or {}).values()))


class Chunk(msgspec.Struct, gc=False):
    """Items that travel together; the sequences run in parallel.

    Attributes:
        key: number of the chunk within the runner's life.
        ns: positions in the source; a range, where they follow each other.
        ids: identities, as text.
        raws: each item as one JSON text.
        lines: line of each record in its source, as `ns`; None where the source has no lines.
        alone: the item is a suspect and shares its worker with no other.
        pasts: what earlier attempts left of each item; None where there was none, or for no item.
    """

    key: int
    ns: Sequence[int]
    ids: list[str]
    raws: list[bytes]
    lines: Sequence[int] | None = None
    alone: bool = False
    pasts: list[Past | None] | None = None

    def __len__(self) -> int:
        return len(self.ns)

    def past(self, i: int) -> Past | None:
        """What earlier attempts left of item `i`."""
        return None if self.pasts is None else self.pasts[i]

    def line(self, i: int) -> int | None:
        """Where item `i` stands in its source."""
        return None if self.lines is None else self.lines[i]

    def pick(self, key: int, indices: list[int], *, alone: bool = False) -> Chunk:
        """A new chunk of the items at `indices`."""
        return Chunk(
            key,
            [self.ns[i] for i in indices],
            [self.ids[i] for i in indices],
            [self.raws[i] for i in indices],
            None if self.lines is None else [self.lines[i] for i in indices],
            alone,
            None if self.pasts is None else [self.pasts[i] for i in indices],
        )

    def one(self, key: int, i: int, past: Past | None, *, alone: bool = False) -> Chunk:
        """A new chunk of item `i` alone, with another past."""
        lines = None if self.lines is None else [self.lines[i]]
        return Chunk(key, [self.ns[i]], [self.ids[i]], [self.raws[i]], lines, alone, None if past is None else [past])


def join(key: int, chunks: list[Chunk]) -> Chunk:
    """One chunk of the items of several, none of which is to be alone."""
    with_lines = all(chunk.lines is not None for chunk in chunks)
    return Chunk(
        key,
        [n for chunk in chunks for n in chunk.ns],
        [item_id for chunk in chunks for item_id in chunk.ids],
        [raw for chunk in chunks for raw in chunk.raws],
        [line for chunk in chunks for line in chunk.lines or ()] if with_lines else None,
        pasts=[chunk.past(i) for chunk in chunks for i in range(len(chunk))],
    )
