"""Items from the lines of a text file: {"line": text}, the line itself being the id.

Every line is a record, also a blank one (which has no id of its own, so it fails unless `id` says something else).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, ClassVar, Self

import msgspec

from spoold.sources.base import MAX_RECORDS, Batch, cut, parse_options
from spoold.sources.encode import decode_texts, encode_or_fault
from spoold.sources.files import blocks, file_stat
from spoold.sources.identify import id_texts
from spoold.sources.split import MAX_RECORD, Lines, split, too_long

if TYPE_CHECKING:
    from collections.abc import Iterator


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a manifest says of a lines source."""

    path: str


class LinesSource:
    """The lines of a text file, plain, .gz or .zst."""

    natural_ids: ClassVar[bool] = True
    unique: ClassVar[bool] = False
    own_json: ClassVar[bool] = True

    def __init__(self, path: str, *, max_record: int = MAX_RECORD) -> None:
        self.path = path
        self.max_record = max_record

    @classmethod
    def from_options(cls, options: dict[str, Any], cwd: str) -> Self:
        """The source that a manifest describes.

        Raises:
            SourceError: an option is missing, unknown, or of the wrong kind.
        """
        return cls(os.path.join(cwd, parse_options(options, Options, "lines").path))

    def stat(self) -> list[Any] | None:
        """A list that differs whenever the file's content may; None while the file is too young to tell.

        Raises:
            SourceError: the file can't be found.
        """
        return file_stat(self.path, "lines")

    def batches(self, start: int = 0) -> Iterator[Batch]:
        """The lines from position `start` on.

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

    def describe(self) -> str:
        """The source in a few words."""
        return f"lines {self.path}"

    def _records(self, n: int, lines: Lines, low: int, high: int) -> Batch:
        """Lines `low` to `high - 1` of a block, the first at position `n`."""
        texts = decode_texts([text.removesuffix(b"\r") for text in lines.texts[low:high]])
        raws, faults = encode_or_fault([{"line": text} for text in texts], texts.__getitem__)
        for index, length in lines.long.items():
            if low <= index < high:
                faults[index - low] = too_long(length, self.max_record)
        return Batch(n, raws, line=lines.first + low, ids=id_texts(texts), faults=faults)
