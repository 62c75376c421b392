"""What the sources that read a text file line by line have in common: a path, and how it is told apart from another."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from spoold.sources.base import Size, parse_options
from spoold.sources.census import about
from spoold.sources.files import file_stat
from spoold.sources.many import files_at
from spoold.sources.split import MAX_RECORD

if TYPE_CHECKING:
    from collections.abc import Generator

    from spoold.sources.base import Batch, Source


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a manifest says of such a source."""

    path: str


class TextFile(ABC):
    """A text file, plain, .gz or .zst.

    Attributes:
        kind: the source's type, as a manifest names it.
        heading: lines at the top of the file that are no records.
    """

    kind: ClassVar[str]
    natural_ids: ClassVar[bool]
    unique: ClassVar[bool] = False
    own_json: ClassVar[bool]
    foreign: ClassVar[bool] = False
    heading: ClassVar[int] = 0

    def __init__(self, path: str, *, max_record: int = MAX_RECORD) -> None:
        self.path = path
        self.max_record = max_record

    @classmethod
    def from_options(cls, options: dict[str, Any], cwd: str) -> Source:
        """The source that a manifest describes; its path may be a pattern.

        Raises:
            SourceError: an option is missing, unknown, or of the wrong kind.
        """
        return files_at(parse_options(options, Options, cls.kind).path, cwd, cls)

    def stat(self) -> list[Any] | None:
        """A list that differs whenever the file's content may; None while the file is too young to tell.

        Raises:
            SourceError: the file can't be found.
        """
        return file_stat(self.path, self.kind)

    def size(self) -> Size | None:
        """About how many lines there are."""
        return about([self])

    def describe(self) -> str:
        """The source in a few words."""
        return f"{self.kind} {self.path}"

    @abstractmethod
    def batches(self, start: int = 0) -> Generator[Batch, None, int]:
        """The records from position `start` on; returns how many the file has in all.

        Raises:
            SourceError: the file can't be found or read on.
        """
