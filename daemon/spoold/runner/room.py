"""When the disk is full: say so, wait, go on by itself when there is room.

No event tells when there is room, so what could not be written is tried again every second. Meanwhile orders are
obeyed; a drain gives up the wait, and what was not recorded runs again at the next start.
"""

from __future__ import annotations

import errno
import selectors
from collections.abc import Callable
from typing import Final, TypeVar

from spoold.core.job import JobEvent
from spoold.errors import JournalError
from spoold.journal.failure import SegmentBroken, SegmentFull
from spoold.runner.joblog import JobLog
from spoold.runner.orders import Orders, Stopped

Result = TypeVar("Result")
AGAIN: Final = 1.0
"""Seconds between two attempts."""


class Room:
    """Whether there is room for the journal.

    Attributes:
        wanted: what is missing, in words; None while all is well.
    """

    def __init__(self, orders: Orders, log: JobLog) -> None:
        self._orders = orders
        self._log = log
        self.wanted: str | None = None

    def hold(self, full: SegmentFull) -> bool:
        """Say that nothing can be recorded; False if that is known."""
        if self.wanted is not None:
            return False
        self.wanted = f"no room for the journal: {full}"
        self._log.error(self.wanted)
        self._orders.hold("room", self.wanted)
        return True

    def found(self) -> None:
        """Something could be written, or may be: say so if it could not before."""
        if self.wanted is not None:
            self.wanted = None
            self._log.info("there may be room again: going on")
            self._orders.hold("room", None)

    def wait(self, full: SegmentFull) -> None:
        """Our own record found no room: nothing may happen before it is written, so wait here for the next attempt.

        Raises:
            Stopped: an order to end the run came instead.
        """
        self.hold(full)
        with selectors.DefaultSelector() as selector:
            selector.register(self._orders.channel, selectors.EVENT_READ)
            selector.select(AGAIN)
        self._orders.take()
        if self._orders.closing is not None:
            raise Stopped(JobEvent.DRAINED, self.wanted)

    def patiently(self, work: Callable[[], Result]) -> Result | None:
        """Do something that needs room, again until there is some; None if an order to end the run came first."""
        while True:
            try:
                done = work()
            except (OSError, JournalError) as error:
                full = _want_of_room(error)
                if full is None:
                    raise
            else:
                self.found()
                return done
            try:
                self.wait(full)
            except Stopped:
                return None


def _want_of_room(error: OSError | JournalError) -> SegmentFull | None:
    """The error as a lack of space, which passes; None if it is something else."""
    if isinstance(error, SegmentFull):
        return error
    if isinstance(error, SegmentBroken):
        return None  # a failed sync is not tried again, whatever it failed for
    cause = error if isinstance(error, OSError) else error.__cause__
    if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT):
        return SegmentFull(cause.errno, cause.filename)
    return None
