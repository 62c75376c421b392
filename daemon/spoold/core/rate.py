"""How many items may start now, when a job may start only so many a second.

Starts are spaced evenly. Nobody wakes exactly in time, so a start that comes up to 10 ms late does not put off those
after it: in T seconds there are at most `rate * (T + 10 ms) + 1` starts, and never more than 10 ms' worth at once.
Nothing is saved up while there is nothing to start.
"""

from __future__ import annotations

import math
from typing import Final

UNLIMITED: Final = 1 << 30
"""What `Rate.free` says where there is no rate."""
_LATE: Final = 0.01  # seconds; epoll wakes up to 1 ms late, a busy machine some more


class Rate:
    """No more than so many starts a second, evenly spaced. Times are monotonic, in seconds."""

    __slots__ = ("_at", "_burst", "_held", "_space")

    def __init__(self, per_second: float | None, now: float, *, began_before: bool) -> None:
        """Begin.

        Args:
            per_second: starts a second; None: any number.
            now: the time.
            began_before: an earlier life of this run may have started an item just now, so wait for one interval.
        """
        self._space = 1 / per_second if per_second is not None else None
        self._burst = max(1, math.ceil(per_second / 100)) if per_second is not None else UNLIMITED
        self._at = now + self._space if self._space is not None and began_before else now
        self._held: float | None = None

    def free(self, now: float) -> int:
        """How many items may start now; 1 << 30 when there is no rate."""
        if self._held is not None:
            if now < self._held:
                return 0
            self._held = None
        if self._space is None:
            return UNLIMITED
        if now < self._at:
            return 0
        return min(self._burst, 1 + int((now - self._at) / self._space))

    def spend(self, count: int, now: float) -> None:
        """So many items were started."""
        if self._space is not None and count:
            self._at = max(self._at, now - _LATE) + count * self._space

    def held(self, now: float) -> bool:
        """Whether nothing may start, whatever the rate."""
        return self._held is not None and now < self._held

    @property
    def held_until(self) -> float | None:
        """Until when nothing may start; None if nothing holds, as far as anybody has asked."""
        return self._held

    @property
    def limited(self) -> bool:
        """Whether there is a rate."""
        return self._space is not None

    @property
    def next_at(self) -> float | None:
        """When `free` is 1 or more; what is past means at once, and so does None."""
        if self._space is None:
            return self._held
        return self._at if self._held is None else max(self._at, self._held)

    def hold(self, until: float) -> None:
        """Let nothing start before `until`; the later of two holds counts."""
        self._held = until if self._held is None else max(self._held, until)
