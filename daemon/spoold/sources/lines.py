"""Items from the lines of a text file: {"line": text}, the line itself being the id.

Every line is a record, also a blank one (which has no id of its own, so it fails unless `id` says something else).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from spoold.sources.base import MAX_RECORDS, Batch, cut
from spoold.sources.encode import decode_texts, encode_or_fault
from spoold.sources.files import blocks
from spoold.sources.identify import id_texts
from spoold.sources.split import Lines, split, too_long
from spoold.sources.textfile import TextFile

if TYPE_CHECKING:
    from collections.abc import Generator


class LinesSource(TextFile):
    """The lines of a text file, plain, .gz or .zst."""

    kind: ClassVar[str] = "lines"
    natural_ids: ClassVar[bool] = True
    own_json: ClassVar[bool] = True

    def batches(self, start: int = 0) -> Generator[Batch, None, int]:
        """The lines from position `start` on; returns how many there are in all.

        Raises:
            SourceError: the file can't be found or read on.
        """
        n = 0
        for lines in split(blocks(self.path), self.max_record):
            for low in range(0, len(lines.texts), MAX_RECORDS):
                high = min(low + MAX_RECORDS, len(lines.texts))
                if n + high > start:
                    yield from cut(self._records(n + low, lines, low, high), start)
            n += len(lines.texts)
        return n

    def _records(self, n: int, lines: Lines, low: int, high: int) -> Batch:
        """Lines `low` to `high - 1` of a block, the first at position `n`."""
        texts = decode_texts([text.removesuffix(b"\r") for text in lines.texts[low:high]])
        raws, faults = encode_or_fault([{"line": text} for text in texts], texts.__getitem__)
        for index, length in lines.long.items():
            if low <= index < high:
                faults[index - low] = too_long(length, self.max_record)
        return Batch(n, raws, line=lines.first + low, ids=id_texts(texts), faults=faults)
