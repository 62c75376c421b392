"""Waiting for something to be so: woken by what changes in the spool, and now and then without an event."""

from __future__ import annotations

import logging
import os
import selectors
import time
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from spoold.cli import state
from spoold.core.text import printable
from spoold.supervisor.drop import takeable
from spoold.supervisor.watcher import Watcher

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from spoold.cli.progress import Display
    from spoold.spool import Spool

T = TypeVar("T")
_FALLBACK: Final = 2.0  # seconds between two looks when no event comes
_UNWATCHED: Final = 0.5  # the same where folders can't be watched
EX_TIMEOUT: Final = 124
_CODES: Final = {"succeeded": 0, "partial": 1, "failed": 2, "cancelled": 2}


class Changes:
    """What changes in some folders; a context manager."""

    def __init__(self, folders: Iterable[str]) -> None:
        # what it says of events that come while it stops is of no interest to anybody
        logging.getLogger("watchdog").addHandler(logging.NullHandler())
        self._watcher = Watcher(folders)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._watcher, selectors.EVENT_READ)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._selector.close()
        self._watcher.stop()

    def wait(self, seconds: float | None = None) -> None:
        """Until something changed, at most so many seconds, and never longer than the fallback."""
        longest = _UNWATCHED if self._watcher.problem else _FALLBACK
        if self._selector.select(longest if seconds is None else max(0.0, min(seconds, longest))):
            self._watcher.drain()


def until(look: Callable[[], T | None], folders: Iterable[str], seconds: float | None = None) -> T | None:
    """What `look` gives as soon as it gives something; None when the time is up.

    Args:
        look: asked at first, and after every change.
        folders: where changes matter.
        seconds: how long to wait; None: for ever.
    """
    found = look()
    if found is not None:
        return found
    deadline = None if seconds is None else time.monotonic() + seconds
    with Changes(folders) as changes:
        while (found := look()) is None:
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                return None
            changes.wait(left)
    return found


def lying(spool: Spool) -> list[str]:
    """The manifests and commands that the daemon has not dealt with."""
    return [path for folder in (spool.incoming, spool.control) for path in _files(folder)]


def lying_taken(spool: Spool, seconds: float | None) -> bool:
    """Wait until the daemon has dealt with everything that lies there now; whether it did in time."""
    left = lying(spool)

    def look() -> bool | None:
        left[:] = [path for path in left if os.path.lexists(path)]
        return None if left else True

    return until(look, [spool.incoming, spool.control], seconds) or False


def _files(folder: str) -> list[str]:
    try:
        return [f"{folder}/{name}" for name in os.listdir(folder) if takeable(name)]
    except FileNotFoundError:
        return []


def ends(spool: Spool, names: Iterable[str], seconds: float | None, shown: Display) -> dict[str, dict[str, Any]] | None:
    """The rows of these jobs once all have ended, with no manifest waiting to run next; None when the time is up.

    Args:
        spool: theirs.
        names: of the jobs.
        seconds: how long to wait; None: for ever.
        shown: shows how far they are meanwhile.
    """
    left, done = list(names), {}

    def look() -> dict[str, dict[str, Any]] | None:
        rows = state.status(spool, left)["jobs"]
        shown.show(rows)
        for row in rows:
            if row["state"] in state.ENDED and not state.next_waits(spool, row["job"]):
                done[row["job"]] = row
                left.remove(row["job"])
        return None if left else done

    with shown:
        return until(look, [spool.root], seconds)


def code_of(rows: Iterable[dict[str, Any]]) -> int:
    """0 when all succeeded, 1 when one is partial, 2 when one failed or was cancelled."""
    return max((_CODES[row["state"]] for row in rows), default=0)


def ended_line(row: dict[str, Any]) -> str:
    """What came of a job, in a line."""
    why = f": {printable(row['error'], 1000)}" if row["error"] else ""
    bad = row["failed"] + row["quarantined"] + row["in_doubt"]
    return f"{row['job']} {row['state']}, {row['ok']} ok, {bad} failed{why}"
