"""What earlier lives of a job left unfinished: attempts that count, waits that go on, notes, and items in doubt.

An item is looked at when the plan gives it: it may go to a worker with its past, have to wait, or must not run at all.
"""

from __future__ import annotations

from enum import Enum, auto

from pyroaring import BitMap

from spoold.core.chunk import Past
from spoold.journal.history import Attempt, History
from spoold.journal.recollect import Recollection

CUT_SHORT = "the daemon was killed, or its machine stopped"
DAMAGED = "the journal is damaged where it may have begun"


class Fate(Enum):
    """What becomes of an item that was begun before."""

    RUN = auto()
    WAIT = auto()
    DOUBT = auto()


class Unfinished:
    """The items that need a look before they run.

    Attributes:
        special: their positions; all others are new.
    """

    def __init__(self, history: History, journal: str, doubtful: BitMap, wall: float, now: float) -> None:
        """Look at a history.

        Args:
            history: of the job.
            journal: the folder of its segments.
            doubtful: positions that may have begun, as far as a damaged journal tells.
            wall: the time, in seconds since the epoch.
            now: the same in seconds of the monotonic clock.
        """
        self._open: dict[int, Attempt] = dict(history.open)
        self._doubtful = doubtful - BitMap([n for n, attempt in self._open.items() if attempt.resolved])
        self._recollection = Recollection(journal, history.gen, history.noted)
        self._carried: dict[int, Past] = {}
        self._wall = wall
        self._now = now
        self.special = BitMap(self._open) | history.noted | self._doubtful

    def held_until(self) -> float | None:
        """Until when, on the monotonic clock, the whole job waits; None if it does not."""
        return max((self._due(attempt) for attempt in self._open.values() if attempt.hold), default=None)

    @property
    def left(self) -> dict[int, Attempt]:
        """The open items that the plan has not given yet."""
        return self._open

    def again(self, n: int, attempt: Attempt) -> None:
        """The item at `n`, which was settled, is open again."""
        self._open[n] = attempt
        self._doubtful.discard(n)
        self._recollection.forget(n)
        self.special.add(n)

    def carry(self, n: int, past: Past) -> None:
        """The item at `n` left this under its id, before the source changed."""
        self._carried[n] = past
        self.special.add(n)

    def look(self, n: int) -> tuple[Fate, Past | None, float, str]:
        """What becomes of the item at `n`, which is special: with which past, when, and why if it is in doubt.

        Raises:
            JournalError: its notes can't be read.
        """
        attempt = self._open.pop(n, None)
        past = attempt.past() if attempt is not None else self._carried.pop(n, None)
        trail = self._recollection.of(n)
        if trail is not None:
            past = trail.past(past)
            if why := trail.doubt(CUT_SHORT):
                return Fate.DOUBT, past, 0.0, why
        if n in self._doubtful:
            return Fate.DOUBT, past, 0.0, DAMAGED
        due = self._due(attempt) if attempt is not None else 0.0
        return (Fate.WAIT if due > self._now else Fate.RUN), past, due, ""

    def _due(self, attempt: Attempt) -> float:
        """When its next attempt is due on the monotonic clock; a wall clock that was set puts nothing off for years."""
        if attempt.due is None:
            return self._now
        return self._now + max(0.0, min(attempt.due - self._wall, attempt.wait))
