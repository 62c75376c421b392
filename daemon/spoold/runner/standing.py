"""Where a run stands: history and numbers, kept up to date so that its end needs no second reading of the journal."""

from __future__ import annotations

from time import monotonic
from typing import Any

from pyroaring import BitMap

from spoold.core.messages import Counts
from spoold.core.tally import Tally
from spoold.journal.history import Attempt, History


class Standing:
    """A run's history and counts.

    Attributes:
        history: what the journal says by now.
        counts: the numbers to show.
        ran: items settled in this life of the run.
    """

    def __init__(self, history: History, *, total: int | None, duplicates: int) -> None:
        settled = history.settled
        self.history = history
        # what failed in earlier runs is to be run again, so it does not count yet
        self.counts = Counts(
            total=total,
            already_done=len(history.done),
            ok=len(history.ok) + len(history.kept),
            skipped=len(history.skipped),
            failed=len(history.failed & settled),
            quarantined=len(history.quarantined & settled),
            in_doubt=len(history.in_doubt),
            duplicates=duplicates,
        )
        self.ran = 0
        self._began = monotonic()
        self._before = self.counts.settled

    def seconds(self) -> float:
        """How long this life of the run has lasted."""
        return monotonic() - self._began

    def rate(self) -> float:
        """Items settled in a second of this life; what was skipped does not count."""
        return (self.counts.settled - self._before) / max(self.seconds(), 1e-3)

    def planned(self, total: int | None, duplicates: int) -> None:
        """What the plan knows of the source by now."""
        if total is not None:
            self.counts.total = total
        self.counts.duplicates = duplicates

    def recorded(self, status: str, positions: list[int]) -> None:
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

    def malformed(self, n: int, item_id: str) -> None:
        """A record that is no item was recorded as failed."""
        self.history.tally.add("failed", None, n, item_id)
        self.recorded("failed", [n])
        self.counts.failed += 1

    def kept(self, n: int, item_id: str, *, has_result: bool) -> None:
        """An item done before its source changed was recorded at its new position."""
        self.history.tally.add("kept", None, n, item_id)
        self.history.results += has_result
        self.recorded("kept", [n])
        self.ran -= 1
        self.counts.ok += 1
        self.counts.already_done += 1
        self._before += 1

    def died(self, n: int, item_id: str, status: str) -> None:
        """The runner recorded `died` or `quarantined` for a dead worker."""
        self.history.tally.add(status, None, n, item_id)
        if status == "quarantined":
            self.recorded("quarantined", [n])
            self.counts.quarantined += 1

    def close(self, deaths: dict[int, int]) -> None:
        """No worker lives: note what is begun and not settled."""
        self.counts.in_flight = 0
        self.history.open = {n: Attempt(deaths=count) for n, count in deaths.items() if n not in self.history.settled}

    def final(self) -> Counts:
        """The numbers at the end of a run: also what failed before and was not run again."""
        history, counts = self.history, self.counts
        counts.failed = len(history.failed)
        counts.quarantined = len(history.quarantined)
        counts.in_doubt = len(history.in_doubt)
        return counts
