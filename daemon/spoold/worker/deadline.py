"""The end of an attempt's time, where Python code can notice it: SIGALRM raises in the handler.

At most one exception is raised for each attempt, and none outside of one or while a record is written. What C code or
a masked signal holds up is killed by the runner, a grace period later, who sees in the shared line when the attempt
began.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import get_ident
from time import monotonic_ns

from spoold.worker.line import STARTED, Line
from spoold.worker.steer import ItemTimeout


class Deadline:
    """The time of each attempt of a worker.

    Attributes:
        seconds: what an attempt may take; None: as long as it likes.
    """

    def __init__(self, seconds: float | None, line: Line) -> None:
        self.seconds = seconds
        self._line = line
        self._thread = get_ident()
        self._armed = False
        self._shielded = False
        self._late = False

    def arm(self) -> None:
        """An attempt begins; whatever the one before did to the signal is undone, and one that it held up is past."""
        if self.seconds is None:
            return
        signal.signal(signal.SIGALRM, self._ring)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGALRM,))
        self._late = False
        self._armed = True
        self._line[STARTED] = monotonic_ns()
        signal.setitimer(signal.ITIMER_REAL, self.seconds)

    def disarm(self) -> None:
        """It has ended: from here on nothing is raised."""
        self._armed = False
        if self.seconds is not None:
            self._line[STARTED] = 0
            signal.setitimer(signal.ITIMER_REAL, 0)

    def _ring(self, _signal: int, _frame: object) -> None:
        if not self._armed:
            return
        if self._shielded:
            self._late = True
            return
        self._armed = False
        raise ItemTimeout(self.text())

    def text(self) -> str:
        """The error's message."""
        return f"the attempt took longer than its `timeout` of {self.seconds:g} s"

    @contextmanager
    def shield(self) -> Iterator[None]:
        """Within, nothing is raised; what is due is raised at the end."""
        if get_ident() != self._thread:  # it is never interrupted
            yield
            return
        self._shielded = True
        try:
            yield
        finally:
            self._shielded = False
        if self._late:
            self._late = False
            if self._armed:
                self._armed = False
                raise ItemTimeout(self.text())
