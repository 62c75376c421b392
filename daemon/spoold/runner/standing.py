"""Where a run stands: history and numbers, kept up to date so that its end needs no second reading of the journal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from time import monotonic
from typing import Any

from pyroaring import BitMap

from spoold.core.book import Book
from spoold.core.chunk import Past
from spoold.core.messages import Counts
from spoold.core.speed import Speed
from spoold.core.tally import Tally
from spoold.journal.format import FINAL
from spoold.journal.history import Attempt, History
from spoold.sources.base import Size


class Standing:
    """A run's history and counts.

    Attributes:
        history: what the journal says by now.
        counts: the numbers to show.
        ran: items settled in this life of the run.
        peaks: bytes that the workers of each slot used at most, in this run as far as its lives could tell.
        estimate: about how many records the source has; None: nobody can tell, or `counts.total` does.
    """

    def __init__(self, history: History, *, total: int | None, duplicates: int, passed: int = 0) -> None:
        """Begin with what the journal says.

        Args:
            history: that.
            total: records of the source, if they are known.
            duplicates: of them.
            passed: items that are done without a record: the checkpoint says so.
        """
        settled = history.settled
        self.history = history
        # what failed in earlier runs is to be run again, so it does not count yet
        self.counts = Counts(
            total=total,
            already_done=len(history.done) + passed,
            ok=len(history.ok) + len(history.kept) + passed,
            skipped=len(history.skipped),
            failed=len(history.failed & settled),
            quarantined=len(history.quarantined & settled),
            in_doubt=len(history.in_doubt),
            duplicates=duplicates,
        )
        self.ran = 0
        self.peaks = _peaks(history)
        self.estimate: int | None = None
        self._began = monotonic()
        self._before = self.counts.settled
        self._speed = Speed(self._before, self._began)

    def seconds(self) -> float:
        """How long this life of the run has lasted."""
        return monotonic() - self._began

    def mean(self) -> float:
        """Items settled in a second of this life; what was skipped does not count."""
        return (self.counts.settled - self._before) / max(self.seconds(), 1e-3)

    def rate(self) -> float:
        """The same as it was lately."""
        now = monotonic()
        self._speed.look(self.counts.settled, now, busy=self.counts.in_flight > 0)
        return self._speed.rate(now)

    def sized(self, size: Size | None) -> None:
        """How many records the source has, where that can be told before its end is seen."""
        if size is not None and self.counts.total is None:
            self.counts.total, self.estimate = (size.records, None) if size.exact else (None, size.records)

    def planned(self, total: int | None, duplicates: int, elsewhere: int = 0) -> None:
        """What the plan knows of the source by now; `elsewhere`: items that other hosts have settled."""
        if total is not None:
            self.counts.total, self.estimate = total, None
        passed = duplicates + elsewhere - self.counts.duplicates - self.counts.elsewhere
        self.counts.duplicates = duplicates
        self.counts.elsewhere = elsewhere
        if passed:
            self._passed(passed)

    def recorded(self, status: str, positions: Sequence[int]) -> None:
        """The items at `positions` have a final record of this status."""
        found, history = BitMap(positions), self.history
        for other in ("failed", "quarantined", "in-doubt"):
            bitmap = history.with_status(other)
            if other != status and bitmap:
                bitmap.difference_update(found)
        history.with_status(status).update(found)
        history.settled.update(found)
        self.ran += len(positions)

    def counted(self, tally: dict[str, Any]) -> None:
        """Take in the tally of records that workers wrote."""
        part = Tally.from_builtins(tally)
        self.history.tally.merge(part)
        self.history.results += part.results
        self.counts.ok += part.ok
        self.counts.failed += part.failed
        self.counts.skipped += part.skipped
        self.counts.in_doubt += part.in_doubt

    def kept(self, n: int, item_id: str, *, has_result: bool) -> None:
        """An item done before its source changed was recorded at its new position."""
        self.history.tally.add("kept", None, n, item_id)
        self.history.results += has_result
        self.recorded("kept", [n])
        self.ran -= 1
        self.counts.ok += 1
        self.counts.already_done += 1
        self._passed(1)

    def _passed(self, count: int) -> None:
        """So many items are settled that nobody ran in this life."""
        self._before += count
        self._speed.passed(count)

    def ended(self, n: int, item_id: str, status: str) -> None:
        """The runner itself made a record of an item."""
        self.history.tally.add(status, None, n, item_id)
        if status not in FINAL:
            return
        self.recorded(status, [n])
        name = status.replace("-", "_")
        setattr(self.counts, name, getattr(self.counts, name) + 1)

    def noted(self, positions: Iterable[int]) -> None:
        """The items at `positions` have notes in the journal, and may run again."""
        self.history.noted.update(positions)

    def resolved(self, outcome: str) -> None:
        """An operator decided on an item that was in doubt."""
        self.counts.in_doubt = len(self.history.in_doubt)
        self.counts.ok += outcome == "ok"

    def used(self, slot: int, peak: int) -> None:
        """A worker of the slot used so many bytes at most."""
        self.peaks[slot] = max(peak, self.peaks.get(slot, 0))

    def close(self, book: Book, left: dict[int, Attempt], wall: float, now: float) -> None:
        """No worker lives: note what is begun and not settled.

        Args:
            book: what this life has taken up.
            left: what was open before and this life did not get to.
            wall: the time, in seconds since the epoch.
            now: the same in seconds of the monotonic clock.
        """
        self.counts.in_flight, self.counts.retrying = 0, len(book.waiting)
        held = book.rate.held_until
        found = dict(left)
        for due, chunk in [*book.waiting, *((None, chunk) for chunk in book.back)]:
            for i, n in enumerate(chunk.ns):
                past = chunk.past(i) or Past()
                deaths = book.deaths.get(n, 0)
                one = Attempt(deaths, past.attempt - 1, deferred=past.deferred, strikes=past.strikes)
                if due is not None:
                    wait = max(0.0, due - now)  # the job is held for the last of those that hold it
                    one = replace(one, due=wall + wait, wait=wait, hold=due == held)
                found[n] = one
        for n, count in book.deaths.items():
            found.setdefault(n, Attempt(deaths=count))
        self.history.open = {n: attempt for n, attempt in found.items() if attempt != Attempt()}

    def final(self) -> Counts:
        """The numbers at the end of a run: also what failed before and was not run again."""
        history, counts = self.history, self.counts
        counts.failed = len(history.failed)
        counts.quarantined = len(history.quarantined)
        counts.in_doubt = len(history.in_doubt)
        counts.retrying = 0
        return counts


def _peaks(history: History) -> dict[int, int]:
    """What earlier lives of the newest run noted of their workers."""
    found: dict[int, int] = {}
    for record in history.jobs:
        if record.event == "accepted":
            found = {}
        peaks = record.fields.get("peaks")
        for slot, peak in peaks.items() if isinstance(peaks, dict) else ():
            found[int(slot)] = max(int(peak), found.get(int(slot), 0))
    return found
