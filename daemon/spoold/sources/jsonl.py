"""Items from a file with one JSON text a line.

The file's own bytes travel to the worker; nothing here decodes them. Blank lines are no records.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from spoold.sources.base import Batch, cut
from spoold.sources.files import blocks
from spoold.sources.split import Lines, split, too_long
from spoold.sources.textfile import TextFile

if TYPE_CHECKING:
    from collections.abc import Generator


class JsonlSource(TextFile):
    """The records of a .jsonl file, plain, .gz or .zst."""

    kind: ClassVar[str] = "jsonl"
    natural_ids: ClassVar[bool] = False
    own_json: ClassVar[bool] = False

    def batches(self, start: int = 0) -> Generator[Batch, None, int]:
        """The records from position `start` on; returns how many there are in all.

        Raises:
            SourceError: the file can't be found or read on.
        """
        n = 0
        for lines in split(blocks(self.path), self.max_record):
            records = self._records(n, lines)
            n += len(records.raws)
            if n > start:
                yield from cut(records, start)
        return n

    def _records(self, n: int, lines: Lines) -> Batch:
        """The lines that hold something."""
        raws = list(map(bytes.strip, lines.texts))
        faults = {index: too_long(length, self.max_record) for index, length in lines.long.items()}
        if b"" not in raws:
            return Batch(n, raws, line=lines.first, faults=faults)
        kept = [index for index, raw in enumerate(raws) if raw or index in faults]
        return Batch(
            n,
            [raws[index] for index in kept],
            lines=[lines.first + index for index in kept],
            faults={at: faults[index] for at, index in enumerate(kept) if index in faults} if faults else {},
        )
