"""Items that are the rows of a Parquet file, by pyarrow: {"column": value, …}.

One row group is read at a time, and of that a batch; groups before the position wanted are not read. Times finer than
a microsecond are cut to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec

from spoold.errors import SourceError
from spoold.sources.base import MAX_RECORDS, Batch, cut, parse_options
from spoold.sources.encode import NOT_UTF8, encode_items
from spoold.sources.files import file_stat, open_regular
from spoold.sources.many import files_at
from spoold.sources.patience import one_line

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    import pyarrow as pa
    import pyarrow.parquet as pq

    from spoold.sources.base import Source

_BUFFER: Final = 1 << 20
"""Bytes read at once of each column."""


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a manifest says of a parquet source."""

    path: str


class ParquetSource:
    """The rows of a Parquet file."""

    natural_ids: ClassVar[bool] = False
    unique: ClassVar[bool] = False
    own_json: ClassVar[bool] = True
    foreign: ClassVar[bool] = True

    def __init__(self, path: str) -> None:
        self.path = path

    @classmethod
    def from_options(cls, options: dict[str, Any], cwd: str) -> Source:
        """The source that a manifest describes; its path may be a pattern.

        Raises:
            SourceError: an option is missing, unknown, or of the wrong kind.
        """
        return files_at(parse_options(options, Options, "parquet").path, cwd, cls)

    @property
    def heading(self) -> int:
        """Lines at the top of the file that are no records: it has no lines."""
        return 0

    def stat(self) -> list[Any] | None:
        """A list that differs whenever the file's content may; None while the file is too young to tell.

        Raises:
            SourceError: the file can't be found.
        """
        return file_stat(self.path, "parquet")

    def batches(self, start: int = 0) -> Generator[Batch, None, int]:
        """The rows from position `start` on; returns how many the file has in all.

        Raises:
            SourceError: the file can't be found or read on, or two columns have one name.
        """
        arrow, parquet = _libraries(self.path)
        n = 0
        with open_regular(self.path) as raw:
            try:
                file = parquet.ParquetFile(raw, buffer_size=_BUFFER, pre_buffer=False)
                self._check_names(file.schema_arrow.names)
                for group in range(file.num_row_groups):
                    count: int = file.metadata.row_group(group).num_rows
                    if n + count > start:
                        yield from _rows(file, group, n, start)
                    n += count
            except (arrow.ArrowException, OSError) as error:
                what = f"the Parquet data is damaged: {one_line(error)}"
                raise SourceError(what, where=self.path, remedy="put a whole copy in its place and resume") from None
        return n

    def describe(self) -> str:
        """The source in a few words."""
        return f"parquet {self.path}"

    def _check_names(self, names: list[str]) -> None:
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise SourceError(f"two columns are named {twice!r}", where=self.path, remedy="rename one")


def _libraries(path: str) -> tuple[Any, Any]:
    try:
        import pyarrow as pa  # noqa: PLC0415 (an optional extra, needed for this source only)
        import pyarrow.parquet as pq  # noqa: PLC0415 (the same)
    except ImportError:
        raise SourceError(
            "needs the package pyarrow to be read", where=path, remedy="pip install 'spoold[parquet]'"
        ) from None
    return pa, pq


def _rows(file: pq.ParquetFile, group: int, n: int, start: int) -> Iterator[Batch]:
    """The rows of a group, the first at position `n`, as far as they are at `start` or behind it."""
    for part in file.iter_batches(batch_size=MAX_RECORDS, row_groups=[group], use_threads=False):
        if n + part.num_rows > start:
            yield from cut(_records(part, n), start)
        n += part.num_rows


def _records(part: pa.RecordBatch, n: int) -> Batch:
    import pyarrow as pa  # noqa: PLC0415 - it is there: the batch is made of it

    table = _coarse(pa.Table.from_batches([part]))
    try:
        raws, faults = encode_items(table.to_pylist())
    except ValueError:
        return _one_by_one(table, n)
    return Batch(n, raws, faults=faults)


def _one_by_one(table: pa.Table, n: int) -> Batch:
    """The same, where a value in one of the rows can't be read: text that is not UTF-8, a year past 9999."""
    values: list[Any] = []
    wrong: dict[int, str] = {}
    for index in range(table.num_rows):
        try:
            values += table.slice(index, 1).to_pylist()
        except ValueError as error:
            wrong[index] = NOT_UTF8 if isinstance(error, UnicodeDecodeError) else str(error)
            values.append({})
    raws, faults = encode_items(values)
    return Batch(n, raws, faults=faults | wrong)


def _coarse(table: pa.Table) -> pa.Table:
    """The table with times that Python has a form for."""
    import pyarrow as pa  # noqa: PLC0415 - as above

    fields = []
    for field in table.schema:
        kind = field.type
        if pa.types.is_timestamp(kind) and kind.unit == "ns":
            kind = pa.timestamp("us", kind.tz)
        elif pa.types.is_duration(kind) and kind.unit == "ns":
            kind = pa.duration("us")
        elif pa.types.is_time64(kind) and kind.unit == "ns":
            kind = pa.time64("us")
        fields.append(field.with_type(kind))
    schema = pa.schema(fields)
    return table if schema.equals(table.schema) else table.cast(schema, safe=False)
