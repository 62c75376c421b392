"""What every source promises.

A source is a sequence of records, numbered 0, 1, 2 … without gaps. The same content always gives the same records at
the same positions, from whichever position it is read. It is streamed: what a source holds in memory does not grow
with its length. A record that can't be read (not UTF-8, too long, a column missing) keeps its place as a fault and
never ends the source; what ends it early is a SourceError, raised after every record before it was handed out.

A record is one JSON text without a newline. Sources that find JSON (jsonl) hand it on unread; sources that make it
(all others) make it valid.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, TypeVar, runtime_checkable

import msgspec

from spoold.core.identity import id_text
from spoold.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAX_RECORDS: Final = 1024
"""Records in a batch."""
MAX_BYTES: Final = 64 * 1024
"""Bytes of JSON in a batch, unless one record alone is larger."""
MAX_POSITIONS: Final = 2**32
"""Records in a source: the done set holds positions of 32 bits."""
FAULT_BYTES: Final = 4096
"""How much of a damaged record is kept to be shown."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Stands where an id would, for a record that can't become an item."""

    reason: str


@dataclass(slots=True)
class Batch:
    """Consecutive records of a source.

    Attributes:
        n: position of the first record.
        raws: one JSON text each; for a record in `faults` the damaged bytes, perhaps cut short.
        line: line number of the first record, from 1, when each record stands on the line after the one before it.
        lines: the line number of each record, where `line` can't say it.
        ids: the records' natural ids, if the source has such.
        faults: index in the batch to what is wrong with that record.
        name: the file that the lines are those of, where a source has several.
        at: a JSON value that names the place of the first record, so that a reading can begin there; None where there
            is none.
    """

    n: int
    raws: list[bytes]
    line: int | None = None
    lines: list[int] | None = None
    ids: list[str | Fault] | None = None
    faults: dict[int, str] = field(default_factory=dict)
    name: str | None = None
    at: Any = None

    def line_of(self, index: int) -> int | None:
        """The line on which a record starts, from 1; None for sources without lines."""
        if self.lines is not None:
            return self.lines[index]
        return None if self.line is None else self.line + index

    def line_numbers(self) -> Sequence[int] | None:
        """The line on which each record starts, from 1; None for sources without lines."""
        if self.lines is not None or self.line is None:
            return self.lines
        return range(self.line, self.line + len(self.raws))

    def place(self, index: int) -> str:
        """The id a malformed record is listed under.

        It is `line:613`, or `part-02.jsonl:613` where there are several files, or `item:612` (its position) where there
        are no lines.
        """
        line = self.line_of(index)
        if line is None:
            return f"item:{self.n + index}"
        return f"line:{line}" if self.name is None else id_text(f"{self.name}:{line}")

    def part(self, low: int, high: int) -> Batch:
        """Records `low` to `high - 1` of this batch as a batch."""
        if low == 0 and high >= len(self.raws):
            return self
        return Batch(
            self.n + low,
            self.raws[low:high],
            line=None if self.line is None else self.line + low,
            lines=None if self.lines is None else self.lines[low:high],
            ids=None if self.ids is None else self.ids[low:high],
            faults={i - low: reason for i, reason in self.faults.items() if low <= i < high},
            name=self.name,
            at=None if low else self.at,
        )


class Source(Protocol):
    """A sequence of records; see the module's docstring for what it promises.

    A source that runs foreign code imports and connects to nothing before `batches` is iterated: until then it is in
    the runner's own process.
    """

    @property
    def natural_ids(self) -> bool:
        """Whether batches carry `ids`, used where the manifest names no `id`."""
        ...

    @property
    def unique(self) -> bool:
        """Whether two records never have the same natural id."""
        ...

    @property
    def own_json(self) -> bool:
        """Whether the source made the JSON itself, so that it needs no check."""
        ...

    @property
    def foreign(self) -> bool:
        """Whether it runs foreign code or threads, so that it is read in a process of its own."""
        ...

    def stat(self) -> list[Any] | None:
        """A JSON list that differs whenever the records may; None where only reading them tells.

        Raises:
            SourceError: the source can't be found.
        """
        ...

    def batches(self, start: int = 0) -> Iterator[Batch]:
        """The records from position `start` on, at most MAX_RECORDS and MAX_BYTES at once.

        Raises:
            SourceError: the source can't be found or read on; all records before that were yielded.
        """
        ...

    def describe(self) -> str:
        """The source in a few words, for logs and reports."""
        ...


class Size(NamedTuple):
    """How many records a source has; exactly, or about."""

    records: int
    exact: bool


@runtime_checkable
class SizedSource(Source, Protocol):
    """A source that knows, before it is read, how many records it has."""

    def size(self) -> Size | None:
        """How many there are, found within some 100 ms; None: that can't be told."""
        ...


class NamedSource(Source, Protocol):
    """A source that a manifest can name by its type."""

    @classmethod
    def from_options(cls, options: dict[str, Any], cwd: str, /) -> Source:
        """The source that a manifest's `source` describes; relative paths are relative to `cwd`.

        Raises:
            SourceError: an option is missing, unknown, or of the wrong kind.
        """
        ...


@runtime_checkable
class PlacedSource(Source, Protocol):
    """A source whose batches name their place by `at`."""

    @property
    def placed(self) -> bool:
        """True: a reading can begin at a place."""
        ...

    def batches(self, start: int = 0, at: Any = None) -> Iterator[Batch]:
        """The records from position `start` on.

        Args:
            start: position of the first record wanted.
            at: the place of that record, as a batch had it, so that nothing before it is read; None: begin at the
                source's beginning and pass over what is before.

        Raises:
            SourceError: as for any source; or `at` is no place of this one.
        """
        ...


def cut(batch: Batch, start: int = 0) -> Iterator[Batch]:
    """The records of `batch` from position `start` on, in batches of legal size."""
    raws = batch.raws
    low = max(0, start - batch.n)
    while low < len(raws):
        high = low + MAX_RECORDS
        part = raws[low:high]
        if sum(map(len, part)) > MAX_BYTES:
            high = low + max(1, bisect_right(list(accumulate(map(len, part))), MAX_BYTES))
        yield batch.part(low, high)
        low = high


_Options = TypeVar("_Options", bound=msgspec.Struct)


def parse_options(options: dict[str, Any], model: type[_Options], where: str) -> _Options:
    """The options of a manifest's `source`, checked; `type` is not one of them.

    Raises:
        SourceError: an option is missing, unknown, or of the wrong kind.
    """
    given = {name: value for name, value in options.items() if name != "type"}
    try:
        return msgspec.convert(given, model)
    except msgspec.ValidationError as error:
        known = ", ".join(model.__struct_fields__)
        raise SourceError(str(error), where=f"source {where}", remedy=f"its options are {known}") from None
