"""How many items to send at once, so that a chunk is about 50 ms of work, and how many chunks ahead.

The first chunk is one item: nothing is known of the handler. Then the size follows the measured time of an item,
growing at most eightfold a step, so that a single quick item does not put hours of slow ones into one worker's hands.
"""

from __future__ import annotations

from typing import Final

TARGET: Final = 0.05
"""Seconds of work in a chunk."""
SHORT: Final = 0.01
"""The same where other hosts wait to hear what is done."""
MOST: Final = 1024
"""Items in a chunk; past it the framing costs nothing measurable."""
AHEAD: Final = 0.015
"""Seconds of work that wait in a worker behind a chunk: on a busy machine the runner may not have its turn before."""
DEEPEST: Final = 8
"""Chunks with a worker, one of them begun."""
GROWTH: Final = 8
WEIGHT: Final = 0.5
"""Share of the newest chunk in the moving average."""
WORTH: Final = 0.005
"""Seconds of work below which moving items to an idle worker costs more than it saves."""


class Pace:
    """A moving average of the time an item takes."""

    def __init__(self, target: float = TARGET, *, deep: bool = True) -> None:
        """Begin with one item.

        Args:
            target: seconds of work in a chunk.
            deep: a worker may have chunks waiting.
        """
        self._target = target
        self._deep = deep
        self.size = 1
        self._average: float | None = None

    def observe(self, items: int, seconds: float) -> None:
        """Take in that `items` items took `seconds` in one worker."""
        if not items:
            return
        each = seconds / items
        self._average = each if self._average is None else self._average * (1 - WEIGHT) + each * WEIGHT
        fitting = MOST if self._average * MOST <= self._target else max(1, int(self._target / self._average))
        self.size = min(fitting, self.size * GROWTH)

    @property
    def depth(self) -> int:
        """How many chunks a worker gets, so that it never waits for the next.

        It is one until items are known to be quick: behind a long item a chunk would only be kept from workers that
        idle, since nobody can take it back before that item ends.
        """
        if not self._deep or self._average is None or self._average > TARGET:
            return 1
        return max(2, min(DEEPEST, 1 + int(AHEAD / max(self._average * self.size, 1e-9))))

    def worth(self, items: int) -> bool:
        """Whether `items` that one worker holds, one of them begun, are worth sharing with an idle worker."""
        return items > 1 and (self._average is None or items * self._average > WORTH)
