"""The time of a run as columns of a picture: what lay still for long is left out, and said."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import pairwise
from statistics import median
from typing import Final, NamedTuple

from spoold.report.bins import Bins

COLUMNS: Final = 240
"""At most."""
_LONG: Final = 0.25  # of the time shown: a longer gap is left out
_USUAL: Final = 10  # times the usual gap; no shorter one is left out
_DRAWN: Final = 0.05  # of the time shown, for a gap that is left out


class Break(NamedTuple):
    """Before the column `at`, so many seconds are left out."""

    at: float
    seconds: float


class Axis:
    """Bins, with the gaps between them, side by side.

    Attributes:
        columns: how many there are.
        seconds: that a column stands for.
        breaks: where time is left out.
    """

    def __init__(self, bins: Bins) -> None:
        self._shift = bins.shift
        self._keys = sorted(bins.used)
        self._places: list[int] = []
        gaps = [after - before - 1 for before, after in pairwise(self._keys)]
        least, drawn = _left_out(gaps, len(self._keys))
        cuts: list[tuple[int, int]] = []
        place = 0
        for gap in [0, *gaps][: len(self._keys)]:
            if gap >= least:
                cuts.append((place, gap - drawn))
            place += drawn if gap >= least else gap
            self._places.append(place)
            place += 1
        self._factor = max(1, -(-place // COLUMNS))
        self.columns = -(-place // self._factor)
        width = bins.width / 1000
        self.seconds = self._factor * width
        self.breaks = [Break(at / self._factor, empty * width) for at, empty in cuts]

    def gather(self, values: Mapping[int, float]) -> list[float]:
        """The sum of a bin's values for each column."""
        found = [0.0] * self.columns
        for key, place in zip(self._keys, self._places, strict=True):
            found[place // self._factor] += values.get(key, 0)
        return found

    def at(self, t: float) -> float:
        """The place of a time in seconds since the epoch, in columns; what is before or after all is at an edge."""
        if not self._keys:
            return 0.0
        exact = t * 1000 / (1 << self._shift)
        i = max(0, bisect_right(self._keys, int(exact)) - 1)
        after = self._places[i + 1] if i + 1 < len(self._places) else self._places[-1] + 1
        place = self._places[i] + max(0.0, exact - self._keys[i])
        return min(place, after) / self._factor

    def time(self, column: float) -> float:
        """The time at a place in columns, seconds since the epoch."""
        place = column * self._factor
        i = max(0, bisect_right(self._places, int(place)) - 1)
        key = self._keys[i] + place - self._places[i]
        return key * (1 << self._shift) / 1000

    def ticks(self, most: int = 6) -> Sequence[int]:
        """Columns to be labelled with their time."""
        step = max(1, -(-self.columns // most))
        return range(0, self.columns, step)


def _left_out(gaps: Sequence[int], used: int) -> tuple[int, int]:
    """From which length on gaps are left out, and how long they are drawn; in bins.

    Args:
        gaps: empty bins between those that are used.
        used: how many are.
    """
    shown, least = used + sum(gaps), max(gaps, default=0) + 1
    usual = _USUAL * median(gaps) if gaps else 0
    for gap in sorted(gaps, reverse=True):
        if gap <= _LONG * shown or gap <= usual:
            break
        shown, least = shown - gap, gap
    return least, max(1, min(least - 1, int(_DRAWN * shown)))
