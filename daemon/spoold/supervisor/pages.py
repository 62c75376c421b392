"""report.html of the jobs that ended: one after the other, by a process of its own that comes and goes.

A page is derived and nobody's business but a reader's: it costs the jobs nothing, a maker that dies costs one page, and
a page that a killed daemon did not get to is made at the next start.
"""

from __future__ import annotations

import os
import selectors
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

import msgspec

from spoold.report.made import Made
from spoold.spool import JobDir, Spool
from spoold.supervisor.daemon_log import DaemonLog

_BLOCK: Final = 1 << 16
_NICE: Final = 10
"""A tenth of what others get: the lowest priority would let a page, and who waits for it, starve on a busy machine."""


_decode: Final = msgspec.json.Decoder(Made).decode


def owed(directory: JobDir) -> bool:
    """Whether a job that ended lacks its page, or has that of an earlier run."""
    try:
        page = os.stat(directory.page).st_mtime_ns
    except OSError:
        return True
    try:
        return page < os.stat(directory.report).st_mtime_ns
    except OSError:
        return False  # the run could not begin


def _step_back(pid: int) -> None:
    """Give a process, and the session that it leads, a low priority: from its start, while it still imports."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, _NICE)
    with suppress(OSError), open(f"/proc/{pid}/autogroup", "w", encoding="ascii") as file:
        file.write(str(_NICE))  # where the kernel shares time by sessions, it shares by this


class Pages:
    """The jobs whose page is to be made, and the process that makes it."""

    def __init__(self, spool: Spool, selector: selectors.BaseSelector, log: DaemonLog) -> None:
        self._spool, self._selector, self._log = spool, selector, log
        self._queue: dict[str, bool] = {}  # whether somebody waits for it
        self._present: str | None = None
        self._awaited = False
        self._maker: subprocess.Popen[bytes] | None = None
        self._rest = b""
        self._leaving = self._stopped = False

    @property
    def pids(self) -> list[int]:
        """That process, while there is something to make."""
        return [] if self._maker is None else [self._maker.pid]

    @property
    def busy(self) -> bool:
        """Whether a job that ended in this daemon's life still has no page."""
        return not self._stopped and (self._awaited or any(self._queue.values()))

    def ended(self, job: str) -> None:
        """A job has ended: its page is made next, those of earlier lives come later."""
        self._queue[job] = True
        self._go_on()

    def catch_up(self, jobs: Iterable[str]) -> None:
        """These ended in an earlier life, which did not get to their pages."""
        for job in jobs:
            self._queue.setdefault(job, False)
        self._go_on()

    def stop(self) -> None:
        """Make nothing more."""
        self._stopped = True
        if self._maker is not None:
            self._maker.kill()
            self._reap()

    def _go_on(self) -> None:
        """Give the maker its next job, or let it end."""
        if self._stopped or self._present is not None:
            return
        if not self._queue:
            self._dismiss()
            return
        if self._leaving or (self._maker is None and not self._start()):
            return  # when it is gone, another is started
        job = next((name for name, awaited in self._queue.items() if awaited), None) or next(iter(self._queue))
        self._present, self._awaited = job, self._queue.pop(job)
        assert self._maker is not None
        assert self._maker.stdin is not None
        with suppress(OSError):  # it died: that is read next
            self._maker.stdin.write(job.encode() + b"\n")
            self._maker.stdin.flush()

    def _dismiss(self) -> None:
        """There is nothing left to make: let the maker end."""
        if self._maker is not None and not self._leaving:
            assert self._maker.stdin is not None
            self._maker.stdin.close()
            self._leaving = True

    def _start(self) -> bool:
        """Execute a maker; without one the pages wait for the next start."""
        words = [sys.executable, "-m", "spoold.report.maker", self._spool.root, str(os.getpid())]
        try:
            # executed by vfork and exec: safe beside the file watcher's threads
            self._maker = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        except OSError as error:
            self._log.warning(f"no pages can be made: {error}")
            self._queue.clear()
            return False
        _step_back(self._maker.pid)
        assert self._maker.stdout is not None
        os.set_blocking(self._maker.stdout.fileno(), False)
        self._selector.register(self._maker.stdout, selectors.EVENT_READ, self._hear)
        self._rest = b""
        return True

    def _hear(self) -> None:
        """The maker answered, or is gone."""
        assert self._maker is not None
        assert self._maker.stdout is not None
        try:
            data = os.read(self._maker.stdout.fileno(), _BLOCK)
        except BlockingIOError:
            return
        if not data:
            self._gone()
            return
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            made = _decode(line)
            if made.error is not None:
                self._log.warning(f"job {made.job}: its page can't be made: {made.error}")
            self._present, self._awaited = None, False
        self._go_on()

    def _gone(self) -> None:
        """The maker ended: there was nothing left to make, or it died over a page."""
        if self._present is not None:
            self._log.warning(f"job {self._present}: the maker of its page died")
        self._reap()
        self._go_on()

    def _reap(self) -> None:
        assert self._maker is not None
        assert self._maker.stdin is not None
        assert self._maker.stdout is not None
        self._selector.unregister(self._maker.stdout)
        with suppress(BrokenPipeError):
            self._maker.stdin.close()
        self._maker.stdout.close()
        self._maker.wait()
        self._maker, self._present = None, None
        self._awaited = self._leaving = False
