"""How far a job is, live: a bar on a terminal, a line every second elsewhere. On stderr: it is talk."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from spoold.cli.options import say
from spoold.report.terminal import console

if TYPE_CHECKING:
    from rich.progress import TaskID

EVERY: Final = 1.0
"""Seconds between two plain lines."""
Row = dict[str, Any]


class Display(Protocol):
    """Shows how far a job is; a context manager."""

    def __enter__(self) -> Self:
        """Begin."""
        ...

    def __exit__(self, *_: object) -> None:
        """End."""

    def show(self, row: Row) -> None:
        """Show the job as it is now."""


class Bar:
    """A bar on a terminal."""

    def __init__(self, total: int) -> None:
        columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[said]}"))
        texts = [TextColumn(one) if isinstance(one, str) else one for one in columns]
        self._progress = Progress(*texts, TimeElapsedColumn(), TimeRemainingColumn(), console=console(sys.stderr))
        self._total = total
        self._task: TaskID = self._progress.add_task("waiting", total=total, said="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, row: Row) -> None:
        """Draw it."""
        total, failed = row["total"] or self._total, row["failed"] + row["quarantined"]
        done, said = settled(row), f"{failed} failed {_rate(row)}"
        self._progress.update(self._task, description=row["state"], completed=done, total=total, said=said)


class Lines:
    """A line now and then."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._next = 0.0
        self._state = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, row: Row) -> None:
        """Say it, if the state changed or a second has passed."""
        now = time.monotonic()
        if row["state"] != self._state or now >= self._next:
            self._state, self._next = row["state"], now + EVERY
            failed = row["failed"] + row["quarantined"]
            total = row["total"] or self._total
            say(f"{row['job']} {row['state']}: {settled(row):,} of {total:,}, {failed:,} failed {_rate(row)}".rstrip())


def display(total: int) -> Display:
    """What fits where stderr leads to."""
    return Bar(total) if sys.stderr.isatty() else Lines(total)


def settled(row: Row) -> int:
    """Items that need no more work."""
    names = ("ok", "failed", "skipped", "quarantined", "in_doubt", "duplicates", "elsewhere")
    return sum(int(row[name]) for name in names)


def _rate(row: Row) -> str:
    return f"{row['rate']:,.0f}/s" if row["rate"] else ""
