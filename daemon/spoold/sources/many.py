"""A path that may be a pattern: the files it matches are one source.

Files come in the order of a glob source: those of a directory by name, then its directories. Positions go on from file
to file. A path at which something lies is that file, whatever characters it has.
"""

from __future__ import annotations

import hashlib
import os
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec

from spoold.errors import SourceError
from spoold.sources.base import Size, Source
from spoold.sources.census import about
from spoold.sources.walk import Pattern, Unlisted, is_pattern, walk

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from spoold.sources.base import Batch


_MOST_FILES: Final = 10_000  # listed for an estimate


class FileSource(Source, Protocol):
    """A source that is one file."""

    path: str

    @property
    def heading(self) -> int:
        """Lines at the top of the file that are no records."""
        ...

    def batches(self, start: int = 0) -> Generator[Batch, None, int]:
        """The records from position `start` on; returns how many the file has in all.

        Raises:
            SourceError: as for any source.
        """
        ...


def files_at(path: str, cwd: str, make: Callable[[str], FileSource]) -> Source:
    """The file at `path`, or the files that match it.

    Args:
        path: as the manifest has it.
        cwd: folder that a relative path is relative to.
        make: the source of one file.

    Raises:
        SourceError: the pattern makes no sense, or the options of `make` do not.
    """
    whole = os.path.join(cwd, path)
    return make(whole) if not is_pattern(path) or os.path.lexists(whole) else ManyFiles(path, cwd, make)


class ManyFiles:
    """The files that match a pattern, all of one kind, one after the other."""

    def __init__(self, pattern: str, cwd: str, make: Callable[[str], FileSource]) -> None:
        """Matches `pattern` below `cwd`.

        Raises:
            SourceError: the pattern names no files or has `..` after a wildcard.
        """
        self.pattern = pattern
        self._cwd = cwd
        self._parsed = Pattern(pattern)
        self._make = make
        self._model = make(os.path.join(cwd, pattern))  # never opened: what holds for it holds for all
        self.natural_ids = self._model.natural_ids
        self.unique = False
        self.own_json = self._model.own_json
        self.foreign = self._model.foreign

    def stat(self) -> list[Any] | None:
        """A list that differs whenever a file's content may, or there are others; None while one is too young to tell.

        Raises:
            SourceError: there is no such file.
        """
        digest, count = hashlib.sha256(), 0
        for path, source in self._files():
            one = source.stat()
            if one is None:
                return None
            digest.update(msgspec.json.encode([_shown(path), one]))
            count += 1
        return ["files", count, digest.hexdigest()]

    def batches(self, start: int = 0) -> Iterator[Batch]:
        """The records from position `start` on.

        Raises:
            SourceError: there is no such file, or one can't be read on.
        """
        before = 0
        for path, source in self._files():
            before += yield from _moved(source, before, start, _shown(path))

    def size(self) -> Size | None:
        """About how many lines there are; None for very many files, or such as have no lines."""
        if self.foreign:
            return None
        try:
            files = [source for _, source in islice(self._files(), _MOST_FILES + 1)]
        except SourceError:
            return None  # whoever reads the source says what is wrong with it
        return about(files) if len(files) <= _MOST_FILES else None

    def describe(self) -> str:
        """The source in a few words."""
        return self._model.describe()

    def _files(self) -> Iterator[tuple[str, FileSource]]:
        """Each path that matches, as the pattern begins it, and its source."""
        none = True
        for path in walk(self._parsed, self._cwd):
            if isinstance(path, Unlisted):
                raise SourceError(path.reason, where=path.path, remedy="let it be read, or name the files' folders")
            none = False
            yield path, self._make(os.path.join(self._cwd, path))
        if none:
            raise SourceError(
                f"no file matches {self.pattern}", where=self._cwd or ".", remedy="mend the path or `cwd`"
            )


def _moved(source: FileSource, before: int, start: int, name: str) -> Generator[Batch, None, int]:
    """A file's records from position `start` of all files on, numbered in all; returns how many the file has."""
    reading = source.batches(max(0, start - before))
    while True:
        try:
            batch = next(reading)
        except StopIteration as end:
            count: int = end.value
            return count
        batch.n += before
        batch.name = name
        yield batch


def _shown(path: str) -> str:
    """A path as text, bytes that are not UTF-8 escaped."""
    return path.encode(errors="surrogateescape").decode(errors="backslashreplace")
