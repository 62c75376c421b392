"""What happened since the daemon began, in numbers that only grow."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from spoold.core.histogram import BOUNDS

if TYPE_CHECKING:
    from spoold.core.messages import Figures


class Totals:
    """See the module.

    Attributes:
        drops: manifests that were `accepted`, manifests and commands that were `rejected`.
        ends: jobs that ended, by state.
        notices: words to those who want to know of ends, by what became of them.
        runner_deaths: of runners.
        items: that ended, by outcome; `retried` attempts and `died` ones too.
        hist: items by how long they took, in the buckets of `core.histogram`.
        seconds: they took together.
        restarts: of workers, by cause.
        written: bytes that came to journals.
        syncs: of journals, by runners.
        sync_seconds: they took.
    """

    def __init__(self) -> None:
        self.drops: Counter[str] = Counter(accepted=0, rejected=0)
        self.ends: Counter[str] = Counter()
        self.notices: Counter[str] = Counter(delivered=0, retried=0, failed=0)
        self.runner_deaths = 0
        self.items: Counter[str] = Counter()
        self.hist = [0] * (len(BOUNDS) + 1)
        self.seconds = 0.0
        self.restarts: Counter[str] = Counter()
        self.written = self.syncs = 0
        self.sync_seconds = 0.0

    def add(self, before: Figures, now: Figures) -> None:
        """Take in what a runner tells, of which `before` was told already."""
        self.items.update({name: count - before.items.get(name, 0) for name, count in now.items.items()})
        self.restarts.update({cause: count - before.ends.get(cause, 0) for cause, count in now.ends.items()})
        told = before.hist or [0] * len(self.hist)
        self.hist = [count + new - old for count, new, old in zip(self.hist, now.hist, told, strict=True)]
        self.seconds += now.seconds - before.seconds
        self.written += now.written - before.written
        self.syncs += now.syncs - before.syncs
        self.sync_seconds += now.sync_seconds - before.sync_seconds
