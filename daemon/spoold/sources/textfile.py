"""What the sources that read a text file line by line have in common: a path, and how it is told apart from another."""

from __future__ import annotations

import os
from typing import Any, ClassVar, Self

import msgspec

from spoold.sources.base import parse_options
from spoold.sources.files import file_stat
from spoold.sources.split import MAX_RECORD


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a manifest says of such a source."""

    path: str


class TextFile:
    """A text file, plain, .gz or .zst.

    Attributes:
        kind: the source's type, as a manifest names it.
    """

    kind: ClassVar[str]

    def __init__(self, path: str, *, max_record: int = MAX_RECORD) -> None:
        self.path = path
        self.max_record = max_record

    @classmethod
    def from_options(cls, options: dict[str, Any], cwd: str) -> Self:
        """The source that a manifest describes.

        Raises:
            SourceError: an option is missing, unknown, or of the wrong kind.
        """
        return cls(os.path.join(cwd, parse_options(options, Options, cls.kind).path))

    def stat(self) -> list[Any] | None:
        """A list that differs whenever the file's content may; None while the file is too young to tell.

        Raises:
            SourceError: the file can't be found.
        """
        return file_stat(self.path, self.kind)

    def describe(self) -> str:
        """The source in a few words."""
        return f"{self.kind} {self.path}"
