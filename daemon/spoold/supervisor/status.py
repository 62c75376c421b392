"""status.json: what is going on, replaced at every change of state and at least every second while anything runs.

It is derived, so it is not synced: after a crash it is written anew.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.metadata import version
from time import monotonic
from typing import Any, Final

import msgspec

from spoold.supervisor.job import Job, row
from spoold.supervisor.roster import Roster
from spoold.system.files import write_atomic

VERSION: Final = version("spoold")


class Status:
    """The writer of status.json."""

    def __init__(self, path: str, wanted: Callable[[Job], int]) -> None:
        self._path = path
        self._wanted = wanted
        self._began = monotonic()

    def write(self, roster: Roster, *, running: bool = True) -> None:
        """Write it; a disk that takes nothing now gets the next one.

        Args:
            roster: the jobs; those that ended are left out of the file.
            running: whether the daemon goes on running.

        Raises:
            OSError: it can't be written.
        """
        rows = [self._row(job) for job in roster.open.values() if not job.state.ended]
        roster.untold = False
        content = {"daemon": self.daemon(running=running), "jobs": rows}
        write_atomic(self._path, msgspec.json.encode(content), sync=False, mode=0o644)

    def _row(self, job: Job) -> msgspec.Raw:
        """A job's row; of thousands that wait, few are not as they were the last time."""
        if job.told is None or job.runner is not None:
            job.told = msgspec.Raw(msgspec.json.encode(row(job, self._wanted(job))))
        return job.told

    def daemon(self, *, running: bool) -> dict[str, Any]:
        """The daemon's own line."""
        return {
            "running": running,
            "pid": os.getpid(),
            "version": VERSION,
            "uptime_s": round(monotonic() - self._began, 1),
        }
