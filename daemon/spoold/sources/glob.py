"""Items that are the files a pattern matches: {"path": path}, the path being the id.

Regular files only (a symbolic link to one counts); `*`, `?` and `[…]` match within a name, `**` any number of
directories. Names that begin with a dot are matched by patterns that do, as in a shell. `**` does not follow symbolic
links to directories, so no path comes twice and no loop is endless. Each directory is listed once, its matching files
in order of name, then its directories in the same order, and forgotten.

A name that is not UTF-8 and a directory that may not be listed are faults, not ends.
"""

from __future__ import annotations

from itertools import islice
from time import monotonic
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

import msgspec

from spoold.errors import SourceError
from spoold.sources.base import MAX_RECORDS, Batch, Size, cut, parse_options
from spoold.sources.encode import encode_or_fault
from spoold.sources.identify import id_texts
from spoold.sources.walk import Pattern, Unlisted, walk

if TYPE_CHECKING:
    from collections.abc import Iterator


_PATIENCE: Final = 0.25  # seconds


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a manifest says of a glob source."""

    pattern: str


class GlobSource:
    """The files a pattern matches; a relative pattern gives paths relative to `cwd`."""

    natural_ids: ClassVar[bool] = True
    unique: ClassVar[bool] = True
    own_json: ClassVar[bool] = True
    foreign: ClassVar[bool] = False

    def __init__(self, pattern: str, cwd: str = "") -> None:
        """Matches `pattern` below `cwd`.

        Raises:
            SourceError: the pattern is empty or has `..` after a wildcard.
        """
        self.pattern = pattern
        self._cwd = cwd
        self._parsed = Pattern(pattern)

    @classmethod
    def from_options(cls, options: dict[str, Any], cwd: str) -> Self:
        """The source that a manifest describes.

        Raises:
            SourceError: an option is missing, unknown, or of the wrong kind.
        """
        return cls(parse_options(options, Options, "glob").pattern, cwd)

    def stat(self) -> list[Any] | None:
        """None: only listing the directories tells."""
        return None

    def batches(self, start: int = 0) -> Iterator[Batch]:
        """The files from position `start` on.

        Raises:
            SourceError: the directory that the pattern begins with can't be listed, or there is no room to sort names.
        """
        n = 0
        found = walk(self._parsed, self._cwd)
        while paths := list(islice(found, MAX_RECORDS)):
            if n + len(paths) > start:
                yield from cut(_records(n, paths), start)
            n += len(paths)

    def size(self) -> Size | None:
        """How many files match at this moment; None where that takes too long to find out."""
        until, found = monotonic() + _PATIENCE, 0
        try:
            for _ in walk(self._parsed, self._cwd):
                found += 1
                if found % MAX_RECORDS == 0 and monotonic() > until:
                    return None
        except SourceError:
            return None  # whoever reads the source says what is wrong with it
        return Size(found, exact=False)

    def describe(self) -> str:
        """The source in a few words."""
        return f"glob {self.pattern}"


def _records(n: int, paths: list[str | Unlisted]) -> Batch:
    """Paths as records, the first at position `n`."""
    names = [path if isinstance(path, str) else path.path for path in paths]
    raws, faults = encode_or_fault([{"path": name} for name in names], names.__getitem__)
    for index, path in enumerate(paths):
        if not isinstance(path, str):
            faults[index] = path.reason
    return Batch(n, raws, ids=id_texts(names), faults=faults)
