"""The jobs of a spool, looked at again and again.

status.json is read only when it was replaced. Of jobs that are not in it the newest are read from their own folders,
once: when they end, and when the daemon comes or goes.
"""

from __future__ import annotations

import os
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from spoold.cli import state
from spoold.cli.live.figures import Row

if TYPE_CHECKING:
    from spoold.spool import Spool

_NEWEST: Final = 50
"""Jobs that ended and are shown."""
_SPEEDS: Final = 240
_ORDER: Final = {"running": 0, "paused": 1, "queued": 2}


class Board:
    """What is to be seen of a spool.

    Attributes:
        daemon: its own line, as `status` has it.
        rows: of the jobs: running, paused, queued, then those that ended, the last first.
        speeds: of each job that runs, its rate at each change of status.json.
    """

    def __init__(self, spool: Spool) -> None:
        self.spool = spool
        self.daemon: dict[str, Any] = {"running": False, "pid": None, "uptime_s": None}
        self.rows: list[Row] = []
        self.speeds: dict[str, deque[float]] = {}
        self._ended: dict[str, Row] = {}
        self._live: set[str] = set()
        self._seen: tuple[object, ...] | None = None
        self._pid: int | None = -1

    def look(self) -> bool:
        """Read what has changed; whether anything has.

        Raises:
            SpoolError: there is no such spool.
        """
        pid = state.daemon_pid(self.spool)
        seen = (pid, *_identity(self.spool.status))
        if seen == self._seen:
            return False
        told = state.read_status(self.spool)
        live = {row["job"]: row for row in told["jobs"]} if told else {}
        self.daemon = told["daemon"] if told else {"running": pid is not None, "pid": pid or None, "uptime_s": None}
        if pid != self._pid:
            self._ended.clear()
            self._read(self._newest(live))
        else:
            self._read([name for name in self._live if name not in live])
        for name in live:
            self._ended.pop(name, None)
        for name, row in live.items():
            if row["rate"] is not None:
                self.speeds.setdefault(name, deque(maxlen=_SPEEDS)).append(row["rate"])
        self._seen, self._pid, self._live = seen, pid, set(live)
        self.rows = sorted([*live.values(), *self._ended.values()], key=_place)
        return True

    def row(self, name: str) -> Row | None:
        """The job of that name."""
        return next((row for row in self.rows if row["job"] == name), None)

    def _newest(self, live: dict[str, Row]) -> list[str]:
        """Jobs that are not in status.json, those first that were at work last."""
        names = [name for name in state.job_names(self.spool) if name not in live]
        return sorted(names, key=lambda name: _identity(self.spool.job(name).log), reverse=True)[:_NEWEST]

    def _read(self, names: list[str]) -> None:
        for name in names:
            if os.path.isdir(self.spool.job(name).root):
                self._ended[name] = state.from_journal(self.spool, name)


def _identity(path: str) -> tuple[int, int]:
    """When it was written and which file it is; zeros where there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return (0, 0)
    return (found.st_mtime_ns, found.st_ino)


def _place(row: Row) -> tuple[int, bool, float]:
    order = _ORDER.get(row["state"], 3)
    when = row["finished"] or row["started"] or 0.0
    return order, not row["started"], -when if order == 3 else when
