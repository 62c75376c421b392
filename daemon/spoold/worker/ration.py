"""Whether an attempt that has ended used more memory than it may, though nobody noticed while it did.

The runner looks from outside, now and then. What came and went in between shows here: the kernel counts whom it killed
in a control group and, where there is none, the most that this process ever had.
"""

from __future__ import annotations

from typing import Final

from spoold.core.units import format_size
from spoold.system import memory
from spoold.system.cgroup import Kills, Leaf

LEAST: Final = 0.001
"""Seconds below which no attempt can have used too much unnoticed."""


class Ration:
    """The memory of one worker."""

    def __init__(self, quota: int, bound: int, leaf: Leaf | None) -> None:
        """Know the limits.

        Args:
            quota: bytes that the manifest gives a worker.
            bound: the same with what an empty worker has.
            leaf: the control group that keeps it.
        """
        self._quota = quota
        self._bound = bound
        self._kills = None if leaf is None else Kills(leaf)
        self._seen = bound

    def overdrawn(self) -> str | None:
        """Why the attempt that ended counts as one that ran out of memory; None if it does not."""
        if self._kills is not None:
            killed = self._kills.count() > 0
            return "a process that the handler had started was killed for want of memory" if killed else None
        peak = memory.peak()
        if peak <= self._seen:
            return None
        self._seen = peak  # looking closer takes time, so once for each new height
        if memory.own_peak(peak) <= self._bound:
            return None
        return f"the worker used more than its `memory` of {format_size(self._quota)}"
