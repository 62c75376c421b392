"""Items from a file with one JSON text a line.

The file's own bytes travel to the worker; nothing here decodes them. Blank lines are no records.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, ClassVar, Self

import msgspec

from spoold.sources.base import Batch, cut, parse_options
from spoold.sources.files import blocks, file_stat
from spoold.sources.split import MAX_RECORD, Lines, split, too_long

if TYPE_CHECKING:
    from collections.abc import Iterator


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a manifest says of a jsonl source."""

    path: str


class JsonlSource:
    """The records of a .jsonl file, plain, .gz or .zst."""

    natural_ids: ClassVar[bool] = False
    unique: ClassVar[bool] = False
    own_json: ClassVar[bool] = False

    def __init__(self, path: str, *, max_record: int = MAX_RECORD) -> None:
        self.path = path
        self.max_record = max_record

    @classmethod
    def from_options(cls, options: dict[str, Any], cwd: str) -> Self:
        """The source that a manifest describes.

        Raises:
            SourceError: an option is missing, unknown, or of the wrong kind.
        """
        return cls(os.path.join(cwd, parse_options(options, Options, "jsonl").path))

    def stat(self) -> list[Any] | None:
        """A list that differs whenever the file's content may; None while the file is too young to tell.

        Raises:
            SourceError: the file can't be found.
        """
        return file_stat(self.path, "jsonl")

    def batches(self, start: int = 0) -> Iterator[Batch]:
        """The records from position `start` on.

        Raises:
            SourceError: the file can't be found or read on.
        """
        n = 0
        for lines in split(blocks(self.path), self.max_record):
            records = self._records(n, lines)
            n += len(records.raws)
            if n > start:
                yield from cut(records, start)

    def describe(self) -> str:
        """The source in a few words."""
        return f"jsonl {self.path}"

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
