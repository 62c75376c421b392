"""Items from a CSV file with a header: {"column": "text", …}.

Values stay text. Rows with too few or too many columns, broken quotes or bytes that are not UTF-8 are faults of their
own row.
"""

from __future__ import annotations

import csv
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec

from spoold.errors import SourceError
from spoold.sources.base import MAX_RECORDS, Batch, Size, cut, parse_options
from spoold.sources.census import about
from spoold.sources.csv_rows import ROW_LIMIT, Broken, Dialect, Rows
from spoold.sources.encode import encode_or_fault, encode_records
from spoold.sources.files import blocks, file_stat
from spoold.sources.many import files_at
from spoold.sources.split import split

if TYPE_CHECKING:
    from collections.abc import Generator

    from spoold.sources.base import Source

_TAKE: Final = 256 * 1024  # characters of rows turned into records at once


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a manifest says of a csv source; `header` names the columns of a file that has no header."""

    path: str
    header: list[str] | None = None
    delimiter: str = ","
    quotechar: str | None = '"'
    escapechar: str | None = None
    doublequote: bool = True
    skipinitialspace: bool = False
    strict: bool = True


class CsvSource:
    """The rows of a CSV file, plain, .gz or .zst."""

    natural_ids: ClassVar[bool] = False
    unique: ClassVar[bool] = False
    own_json: ClassVar[bool] = True
    foreign: ClassVar[bool] = False

    def __init__(
        self, path: str, *, header: list[str] | None = None, dialect: Dialect | None = None, max_record: int = ROW_LIMIT
    ) -> None:
        """Reads `path`, whose first row is the header unless one is given.

        Raises:
            SourceError: the header or the dialect makes no sense.
        """
        self.path = path
        self.header = header
        self.dialect = dialect or Dialect()
        self.max_record = max_record
        try:
            Rows(iter(()), self.dialect)
        except (TypeError, ValueError, csv.Error) as error:
            raise SourceError(str(error), where="source csv", remedy="mend the dialect's options") from None
        if header is not None:
            self._check_header(header, "source csv: header")

    @classmethod
    def from_options(cls, options: dict[str, Any], cwd: str) -> Source:
        """The source that a manifest describes; its path may be a pattern, and then each file has its own header.

        Raises:
            SourceError: an option is missing, unknown, or of the wrong kind.
        """
        given = parse_options(options, Options, "csv")
        dialect = Dialect(
            given.delimiter,
            given.quotechar,
            given.escapechar,
            doublequote=given.doublequote,
            skipinitialspace=given.skipinitialspace,
            strict=given.strict,
        )
        return files_at(given.path, cwd, partial(cls, header=given.header, dialect=dialect))

    def stat(self) -> list[Any] | None:
        """A list that differs whenever the rows may; None while the file is too young to tell.

        Raises:
            SourceError: the file can't be found.
        """
        dialect = self.dialect
        flags = [dialect.doublequote, dialect.skipinitialspace, dialect.strict]
        return file_stat(self.path, "csv", self.header, dialect.delimiter, dialect.quotechar, dialect.escapechar, flags)

    def batches(self, start: int = 0) -> Generator[Batch, None, int]:
        """The rows from position `start` on; returns how many there are in all.

        Raises:
            SourceError: the file can't be found or read on, or its header makes no sense.
        """
        rows = Rows(split(blocks(self.path), self.max_record), self.dialect, self.max_record)
        header = self.header if self.header is not None else self._read_header(rows)
        n = 0
        while header is not None and (taken := rows.take(MAX_RECORDS, _TAKE)):
            if n + len(taken) > start:
                yield from cut(_records(n, header, taken), start)
            n += len(taken)
        return n

    @property
    def heading(self) -> int:
        """Lines at the top of the file that are no records."""
        return int(self.header is None)

    def size(self) -> Size | None:
        """About how many rows there are, if none has a line break in it."""
        return about([self])

    def describe(self) -> str:
        """The source in a few words."""
        return f"csv {self.path}"

    def _read_header(self, rows: Rows) -> list[str] | None:
        """The names of the columns; None for an empty file."""
        for line, row in rows.take(1, 1):
            where = f"{self.path}:{line}"
            if isinstance(row, Broken):
                raise SourceError(
                    f"the header can't be read: {row.reason}", where=where, remedy="mend it or set `header`"
                )
            self._check_header(row, where)
            return row
        return None

    def _check_header(self, header: list[str], where: str) -> None:
        if len(set(header)) < len(header):
            twice = next(name for name in header if header.count(name) > 1)
            raise SourceError(
                f"the header names column {twice!r} twice", where=where, remedy="rename one or set `header`"
            )
        if not header:
            raise SourceError("the header names no column", where=where, remedy="name the columns")
        try:
            encode_records(header)
        except UnicodeEncodeError:
            raise SourceError("the header is not UTF-8", where=where, remedy="convert the file to UTF-8") from None


def _records(n: int, header: list[str], rows: list[tuple[int, list[str] | Broken]]) -> Batch:
    """Rows as records, the first at position `n`."""
    values: list[dict[str, str] | list[str]] = []
    wrong: dict[int, str] = {}
    for index, (_, row) in enumerate(rows):
        if isinstance(row, Broken):
            wrong[index] = row.reason
            values.append([row.text])
        elif len(row) == len(header):
            values.append(dict(zip(header, row, strict=True)))
        else:
            wrong[index] = f"{len(row)} columns, the header has {len(header)}"
            values.append(row)
    raws, faults = encode_or_fault(values, values.__getitem__)
    return Batch(n, raws, lines=[line for line, _ in rows], faults=faults | wrong)
