"""What happened when, in a bounded number of equal bins of time.

Bins are made where something happened, and grow twofold when they become too many: so neither a run's length nor the
days that it lay still cost memory. Times are milliseconds since the epoch; a bin of width 2**shift has the key
time >> shift.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST: Final = 480
"""Bins in which something happened."""
_FINEST: Final = 6  # 64 ms
_SMALL: Final = 4  # an item that took less than 1/2**4 of a bin is not divided between two


class Bins:
    """Counts of events by name, and the time that workers were busy by slot.

    Attributes:
        shift: the binary logarithm of a bin's width in milliseconds.
        used: keys of the bins in which something happened.
        events: how often something happened, by its name and bin.
        busy: milliseconds of work, by slot and bin.
    """

    def __init__(self) -> None:
        self.shift = _FINEST
        self.used: set[int] = set()
        self.events: defaultdict[str, Counter[int]] = defaultdict(Counter)
        self.busy: defaultdict[int, defaultdict[int, float]] = defaultdict(lambda: defaultdict(float))

    @property
    def width(self) -> int:
        """Of a bin, in milliseconds."""
        return 1 << self.shift

    def count(self, name: str, times: Sequence[int]) -> None:
        """Count an event at each of these times."""
        shift = self.shift
        found = Counter([time >> shift for time in times])
        self.events[name].update(found)
        self.used.update(found)
        self._fit()

    def work(self, slot: int, ends: Sequence[int], spans: Sequence[float]) -> None:
        """A worker's attempts ended at these times and took so many milliseconds each."""
        least = self.width >> _SMALL
        shift, busy = self.shift, self.busy[slot]
        if spans and max(spans) <= least:
            for end, span in zip(ends, spans, strict=True):
                busy[end >> shift] += span
            self.used.update(busy)
            self._fit()
            return
        for end, span in zip(ends, spans, strict=True):
            self._spread(slot, end, span)
        self._fit()

    def _spread(self, slot: int, end: int, span: float) -> None:
        while span > MOST << self.shift:
            self._double()
        shift, busy = self.shift, self.busy[slot]
        start = end - span
        first, last = int(start) >> shift, end >> shift
        if first == last:
            busy[last] += span
            self.used.add(last)
            return
        busy[first] += ((first + 1) << shift) - start
        busy[last] += end - (last << shift)
        for key in range(first + 1, last):
            busy[key] += 1 << shift
        self.used.update(range(first, last + 1))

    def _fit(self) -> None:
        while len(self.used) > MOST:
            self._double()

    def _double(self) -> None:
        self.shift += 1
        self.used = {key >> 1 for key in self.used}
        for name, counts in self.events.items():
            merged: Counter[int] = Counter()
            for key, count in counts.items():
                merged[key >> 1] += count
            self.events[name] = merged
        for slot, spans in self.busy.items():
            together: defaultdict[int, float] = defaultdict(float)
            for key, span in spans.items():
                together[key >> 1] += span
            self.busy[slot] = together

    def last_before(self, t: float) -> float | None:
        """The end of the last bin in which something happened before `t`, at most `t`; seconds. None: nothing did."""
        limit = int(t * 1000) >> self.shift
        before = max((key for key in self.used if key <= limit), default=None)
        return None if before is None else min(t, ((before + 1) << self.shift) / 1000)

    def end(self) -> float | None:
        """The end of the last bin in which something happened, in seconds; None: nothing did."""
        return ((max(self.used) + 1) << self.shift) / 1000 if self.used else None
