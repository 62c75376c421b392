"""How much of a processor a worker uses, with what it started."""

from __future__ import annotations

from contextlib import suppress
from time import monotonic

import psutil

from spoold.system import process


class Usage:
    """Looks at workers again and again."""

    def __init__(self) -> None:
        self._before: dict[int, tuple[float, float]] = {}

    def look(self, pids: list[int]) -> dict[int, float]:
        """The share of one processor that each has used since the last look; none for those seen for the first time.

        Args:
            pids: of the workers; all others are forgotten.
        """
        now, found = monotonic(), {}
        spent = {pid: _spent(pid) for pid in pids}
        for pid, seconds in spent.items():
            if pid in self._before:
                before, at = self._before[pid]
                found[pid] = max(0.0, seconds - before) / max(1e-3, now - at)
        self._before = {pid: (seconds, now) for pid, seconds in spent.items()}
        return found


def _spent(pid: int) -> float:
    """Seconds that a process, its ended children, and those of its children that live have used."""
    return sum(_seconds(one) for one in (pid, *process.children(pid)))


def _seconds(pid: int) -> float:
    with suppress(psutil.Error):
        times = psutil.Process(pid).cpu_times()
        return float(times.user + times.system + times.children_user + times.children_system)
    return 0.0
