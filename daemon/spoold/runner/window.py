"""What the workers are at, for whoever looks at the job: jobs/JOB/workers.json.

It is written each second, but only while somebody touches jobs/JOB/watched, so that it costs nothing when nobody does.
It is derived, private to whoever may read the job's items, and gone when the run ends.
"""

from __future__ import annotations

import os
from contextlib import suppress
from time import monotonic, time
from typing import Final

import msgspec

from spoold.engines.base import Engine
from spoold.spool import JobDir
from spoold.system.files import write_atomic

EVERY: Final = 1.0
"""Seconds between two looks at the workers."""
MOST: Final = 32
"""Workers that are told of; of more, those that have been at one item for longest."""
_LASTS: Final = 5.0  # seconds for which one touch counts


class Window:
    """The file, and whether somebody wants it."""

    def __init__(self, directory: JobDir, engine: Engine) -> None:
        self._directory = directory
        self._engine = engine
        self._open = False

    def look(self) -> None:
        """Look at the workers; write down what they are at, if somebody wants to know."""
        now = monotonic()
        self._engine.look(now)
        wall = time()
        if not self._wanted(wall):
            self.close()
            return
        slots = self._engine.at_work(MOST, wall - now)
        with suppress(OSError):  # a full disk has no room for what can be seen a second later
            write_atomic(self._directory.workers, msgspec.json.encode({"slots": slots}), sync=False)
            self._open = True

    def _wanted(self, wall: float) -> bool:
        try:
            return wall - os.stat(self._directory.watched).st_mtime < _LASTS
        except OSError:
            return False

    def close(self) -> None:
        """Nobody looks any more, or there is nothing more to see."""
        if self._open:
            self._open = False
            for path in (self._directory.workers, self._directory.watched):
                with suppress(OSError):
                    os.unlink(path)
