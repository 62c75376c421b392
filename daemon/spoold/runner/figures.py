"""What metrics tell of a run, gathered from what the runner counts anyway."""

from __future__ import annotations

import os
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from spoold.core.events import Cause, Died, Event, LoadFailed
from spoold.core.histogram import coarse
from spoold.core.messages import Figures
from spoold.core.slot import SlotState
from spoold.journal.segment import SYNCS

if TYPE_CHECKING:
    from spoold.core.book import Book
    from spoold.core.tally import Tally

EVERY: Final = 2.0
"""Seconds between two words to the supervisor."""
_OUTCOMES: Final = ("ok", "failed", "skipped", "quarantined", "in_doubt")
_CAUSES: Final = {Cause.ITEM: "death", Cause.TIMEOUT: "timeout", Cause.MEMORY: "memory"}


class Gatherer:
    """Counts from the beginning of this life of the run.

    Args:
        tally: of the run, with what earlier lives counted; it goes on counting.
        journal: the folder of the segments.
        run: whose segments count.
    """

    def __init__(self, tally: Tally, journal: str, run: int) -> None:
        self._tally = tally
        self._journal = journal
        self._own = f"{run:03d}-"
        self._before = {name: getattr(tally, name) for name in (*_OUTCOMES, "retries", "died")}
        self._hist = dict(tally.hist)
        self._ends: Counter[str] = Counter()
        self._syncs, self._sync_seconds = SYNCS.count, SYNCS.seconds
        self._size = self._written()

    def heard(self, event: Event, book: Book) -> None:
        """A worker may have ended, otherwise than because there is nothing more for it to do."""
        if isinstance(event, LoadFailed):
            self._ends["load"] += 1
        elif isinstance(event, Died):
            slot = book.slots[event.slot]
            if slot.state is not SlotState.LEAVING:
                if event.cause in _CAUSES:
                    self._ends[_CAUSES[event.cause]] += 1
            elif slot.worn(book.recycle.items):
                self._ends["recycle"] += 1

    def gather(self) -> Figures:
        """What there is to tell."""
        tally = self._tally
        now = {name: getattr(tally, name) - before for name, before in self._before.items()}
        items = {name: now[name] for name in _OUTCOMES}
        hist, seconds = coarse(tally.hist, self._hist)
        return Figures(
            items={**items, "retried": now["retries"], "died": now["died"]},
            hist=hist,
            seconds=seconds,
            ends=dict(self._ends),
            written=self._written() - self._size,
            syncs=SYNCS.count - self._syncs,
            sync_seconds=SYNCS.seconds - self._sync_seconds,
        )

    def _written(self) -> int:
        """Bytes in the segments of this run."""
        size = 0
        with suppress(OSError), os.scandir(self._journal) as entries:
            for entry in entries:
                if entry.name.startswith(self._own) and entry.name.endswith(".jsonl"):
                    size += entry.stat().st_size
        return size
