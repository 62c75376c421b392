"""A record of a journal as a line for people: time, item, what came of it, how long it took, why.

The columns stand below each other: the item's grows with the ids that come, up to a limit. Whatever users wrote is
escaped before it is coloured.
"""

from __future__ import annotations

import os
import shutil
from itertools import islice
from typing import TYPE_CHECKING, Final, TextIO

import click
import msgspec

from spoold.core.text import printable
from spoold.core.units import format_duration
from spoold.journal.format import ItemRecord, JobRecord
from spoold.report.moment import moment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from spoold.journal.scan import Found

_TECHNICAL: Final = ("block", "source", "planned")
_FIELDS: Final = ("state", "workers", "mode", "by")
_FAILED: Final = frozenset(("failed", "quarantined", "in-doubt"))
_NARROW, _WIDE = 8, 40  # columns that ids get
_OTHERS = 12 + 2 + 2 + 11 + 1 + 12  # columns of a terminal that the rest takes, up to the error
_ERROR = 26  # columns that an error gets at least
_ID: Final = 1024  # characters of an id that are shown
_BATCH: Final = 256  # records whose items get a common width before the first is shown
_LONG: Final = 60_000  # ms; what takes longer is not told in hundredths of a ms
_COLOURS: Final = {
    "ok": "green",
    "kept": "green",
    "failed": "red",
    "quarantined": "red",
    "died": "red",
    "in-doubt": "magenta",
    "retry": "yellow",
    "skipped": "cyan",
}


def of_interest(found: Found) -> bool:
    """Whether people want to see it; some records only the daemon needs."""
    return isinstance(found.record, ItemRecord) or found.record.event not in _TECHNICAL


def is_failure(found: Found) -> bool:
    """Whether it says that an item failed for good or is in doubt."""
    return isinstance(found.record, ItemRecord) and found.record.s in _FAILED


def coloured(stream: TextIO) -> bool:
    """Whether what is written there may be coloured: by no means into a file, or against the user's wish."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def width(stream: TextIO) -> int | None:
    """Columns of the terminal that is written to; None: there is none."""
    return shutil.get_terminal_size().columns if stream.isatty() else None


class Lines:
    """Makes lines of records.

    On a terminal each takes one row if its id lets it: the day stands in a line of its own, and errors are cut.

    Args:
        colour: whether they may be coloured.
        columns: of the terminal, asked now and then, since people resize it; None: there is none.
    """

    def __init__(self, *, colour: bool, columns: Callable[[], int | None] = lambda: None) -> None:
        self._colour = colour
        self._ask = columns
        self._columns: int | None = None
        self._most = _WIDE
        self._width = _NARROW
        self._day = ""

    def of(self, found: Iterator[Found]) -> Iterator[bytes]:
        """A line for each record."""
        while batch := [(one.record, _item_of(one)) for one in islice(found, _BATCH)]:
            self._columns = self._ask()
            self._most = _WIDE if self._columns is None else min(_WIDE, max(_NARROW, self._columns - _OTHERS - _ERROR))
            self._width = max(min(self._width, self._most), *(min(_columns(item), self._most) for _, item in batch))
            for record, item in batch:
                text = self._item(record, item) if isinstance(record, ItemRecord) else self._event(record)
                yield f"{self._moment(record.t)}  {text}\n".encode()

    def _moment(self, t: float) -> str:
        text = moment(t)
        day, blank, clock = text.partition(" ")
        if self._columns is None or not blank:
            return self._styled(text, dim=True)
        new, self._day = day != self._day, day
        return (self._styled(f"{day}\n", dim=True) if new else "") + self._styled(clock, dim=True)

    def _item(self, record: ItemRecord, item: str) -> str:
        status = self._styled(f"{record.s:<11}", fg=_COLOURS.get(record.s))
        again = f"  attempt {record.attempt}" if record.attempt > 1 else ""
        padding = " " * (self._width - _columns(item))
        return f"{item}{padding}  {status} {_took(record.ms):>12}{self._fitting(again + _error(record), item)}".rstrip()

    def _fitting(self, error: str, item: str) -> str:
        """As much of an error as the line has room for, and never nothing."""
        if self._columns is None:
            return error
        room = max(_ERROR, self._columns - _OTHERS - max(self._width, _columns(item)))
        return error if _columns(error) <= room else f"{_cut(error, room - 1)}…"

    def _event(self, record: JobRecord) -> str:
        fields = record.fields
        said = "".join(f" {key}={printable(str(fields[key]))}" for key in _FIELDS if fields.get(key))
        why = f": {printable(str(fields['error']), 1000)}" if fields.get("error") else ""
        return self._styled(f"job {printable(record.event)}", bold=True) + said + why

    def _styled(self, text: str, *, fg: str | None = None, bold: bool = False, dim: bool = False) -> str:
        return click.style(text, fg=fg, bold=bold or None, dim=dim or None) if self._colour else text


def _item_of(found: Found) -> str:
    return printable(found.record.id, _ID) if isinstance(found.record, ItemRecord) else ""


def _columns(text: str) -> int:
    """How many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # noqa: PLC0415 - seldom needed

    return cell_len(text)


def _cut(text: str, columns: int) -> str:
    """As much of a text as so many columns show."""
    if text.isascii():
        return text[:columns]
    from rich.cells import set_cell_size  # noqa: PLC0415 - seldom needed

    return set_cell_size(text, columns)


def _took(ms: float | None) -> str:
    if ms is None:
        return ""
    return f"{ms:,.2f} ms" if ms < _LONG else format_duration(ms / 1000)


def _error(record: ItemRecord) -> str:
    if isinstance(record.error, msgspec.UnsetType):
        return ""
    error = msgspec.json.decode(record.error)
    return "  " + printable(f"{error.get('type')}: {error.get('message')}", 500)
