"""Keeps a history up to date while its run goes on, so that the end needs no second reading of the journal."""

from __future__ import annotations

from pyroaring import BitMap

from spoold.core.messages import Counts
from spoold.journal.history import Attempt, History


def settle(history: History, status: str, positions: list[int]) -> None:
    """The items at `positions` have a final record of this status, in the newest run."""
    found = BitMap(positions)
    for other in ("failed", "quarantined", "in-doubt"):
        bitmap = history.with_status(other)
        if other != status and bitmap:
            bitmap.difference_update(found)
    history.with_status(status).update(found)
    history.settled.update(found)


def note_open(history: History, deaths: dict[int, int]) -> None:
    """What is begun and not settled, as the book has it."""
    history.open = {n: Attempt(count, 0, None) for n, count in deaths.items() if n not in history.settled}


def counts_of(history: History, *, total: int | None, duplicates: int) -> Counts:
    """The numbers to show of a job whose run begins or goes on: what failed in earlier runs is to be run again."""
    settled = history.settled
    return Counts(
        total=total,
        already_done=len(history.done),
        ok=len(history.ok) + len(history.kept),
        skipped=len(history.skipped),
        failed=len(history.failed & settled),
        quarantined=len(history.quarantined & settled),
        in_doubt=len(history.in_doubt),
        duplicates=duplicates,
    )


def final_counts(history: History, counts: Counts) -> Counts:
    """The numbers at the end of a run: also what failed before and was not run again."""
    counts.failed = len(history.failed)
    counts.quarantined = len(history.quarantined)
    counts.in_doubt = len(history.in_doubt)
    counts.in_flight = 0
    return counts
