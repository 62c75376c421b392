"""How long items took, in the few wide buckets that monitoring systems keep."""

from __future__ import annotations

from bisect import bisect_left
from functools import cache
from typing import TYPE_CHECKING, Final

from spoold.core.tally import middle

if TYPE_CHECKING:
    from collections.abc import Mapping

BOUNDS: Final = (
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
    60.0,
    300.0,
    1800.0,
)
"""Upper bounds in seconds; what took longer is in one bucket more."""


@cache
def _place(number: int) -> int:
    return bisect_left(BOUNDS, middle(number) / 1000)


def coarse(fine: Mapping[int, int], before: Mapping[int, int]) -> tuple[list[int], float]:
    """How many durations of a tally's histogram fall between the bounds, and about how long they are together.

    Args:
        fine: the histogram (`core.tally`).
        before: the same at an earlier time, which does not count.

    Returns:
        A number for each bucket, and seconds, both within the 2% that a bucket of the tally may be off.
    """
    counts, seconds = [0] * (len(BOUNDS) + 1), 0.0
    for number, count in fine.items():
        new = count - before.get(number, 0)
        counts[_place(number)] += new
        seconds += new * middle(number) / 1000
    return counts, seconds
