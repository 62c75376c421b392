"""A run of items on its way to one worker."""

from __future__ import annotations

import msgspec


class Chunk(msgspec.Struct, array_like=True, gc=False):
    """Items that travel together; the lists run in parallel.

    Attributes:
        key: number of the chunk within the runner's life.
        ns: positions in the source.
        ids: identities, as text.
        raws: each item as one JSON text.
        lines: line of each record in its source; None where the source has no lines.
        alone: the item is a suspect and shares its worker with no other.
    """

    key: int
    ns: list[int]
    ids: list[str]
    raws: list[bytes]
    lines: list[int] | None = None
    alone: bool = False

    def __len__(self) -> int:
        return len(self.ns)

    def pick(self, key: int, indices: list[int], *, alone: bool = False) -> Chunk:
        """A new chunk of the items at `indices`."""
        return Chunk(
            key,
            [self.ns[i] for i in indices],
            [self.ids[i] for i in indices],
            [self.raws[i] for i in indices],
            None if self.lines is None else [self.lines[i] for i in indices],
            alone,
        )
