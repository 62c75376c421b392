"""status.json: what is going on, replaced at every change of state and at least every second while anything runs.

It is derived, so it is not synced: after a crash it is written anew.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from importlib.metadata import version
from time import monotonic
from typing import Any, Final

import msgspec

from spoold.core.job import JobState
from spoold.supervisor.job import Job, row
from spoold.system.files import write_atomic

VERSION: Final = version("spoold")


class Status:
    """The writer of status.json."""

    def __init__(self, path: str, wanted: Callable[[Job], int]) -> None:
        self._path = path
        self._wanted = wanted
        self._began = monotonic()
        self._told: dict[str, tuple[JobState, str | None, bool]] = {}

    def changed(self, jobs: Iterable[Job]) -> bool:
        """Whether a job changed its state since the last `write`."""
        return self._told != {job.name: _state(job) for job in jobs}

    def write(self, jobs: Iterable[Job], *, running: bool = True) -> None:
        """Write it; a disk that takes nothing now gets the next one.

        Args:
            jobs: all jobs; those that ended are left out of the file.
            running: whether the daemon goes on running.

        Raises:
            OSError: it can't be written.
        """
        listed = list(jobs)
        content = {
            "daemon": self.daemon(running=running),
            "jobs": [row(job, self._wanted(job)) for job in listed if not job.state.ended],
        }
        self._told = {job.name: _state(job) for job in listed}
        write_atomic(self._path, msgspec.json.encode(content), sync=False, mode=0o644)

    def daemon(self, *, running: bool) -> dict[str, Any]:
        """The daemon's own line."""
        return {
            "running": running,
            "pid": os.getpid(),
            "version": VERSION,
            "uptime_s": round(monotonic() - self._began, 1),
        }


def _state(job: Job) -> tuple[JobState, str | None, bool]:
    return job.state, job.error, job.runner is not None
