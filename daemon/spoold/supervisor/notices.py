"""Tells somebody when a job has ended: a command, or an address by HTTP.

At least once: jobs/JOB/notify, which holds the number of the run, stands from its start until somebody was told how it
ended or the tries are used up; a daemon that finds it beside a job that has ended tells again. A run that ended in the
moment of a crash is thus told twice rather than never.
"""

from __future__ import annotations

import json
import os
import sched
import selectors
import socket
import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from spoold.core.units import format_duration
from spoold.supervisor.config import Notify
from spoold.supervisor.daemon_log import DaemonLog
from spoold.supervisor.job import Job, row
from spoold.supervisor.messenger import Messenger
from spoold.supervisor.totals import Totals
from spoold.system.files import write_atomic

AT_ONCE: Final = 4
"""Messengers at one time."""
FIRST_DELAY: Final = 1.0
GROWTH: Final = 5.0
"""Each wait for another try is so many times the one before."""


@dataclass(slots=True)
class Notice:
    """What is to be told.

    Attributes:
        job: its name.
        run: which of its runs ended.
        mark: the file that says so.
        state: how the job ended.
        content: what is told.
        tries: that failed.
    """

    job: str
    run: int
    mark: str
    state: str
    content: dict[str, Any]
    tries: int = 0


class Notices:
    """Everything that is to be told, and the messengers that are on their way.

    Args:
        settings: gives the present configuration.
        spool: the spool's folder, for the message.
        selector: of the daemon's loop.
        timers: of it.
        log: of the daemon.
        totals: count what became of it.
    """

    def __init__(
        self,
        settings: Callable[[], Notify],
        spool: str,
        selector: selectors.BaseSelector,
        timers: sched.scheduler,
        log: DaemonLog,
        totals: Totals,
    ) -> None:
        self._settings = settings
        self._spool = spool
        self._selector = selector
        self._timers = timers
        self._log = log
        self._totals = totals
        self._waiting: deque[Notice] = deque()
        self._away: dict[int, Messenger] = {}
        self._delayed: dict[int, Notice] = {}
        self._leaving = False

    @property
    def wanted(self) -> bool:
        """Whether anybody is to be told."""
        return self._settings().command is not None or self._settings().url is not None

    @property
    def pids(self) -> list[int]:
        """The messengers."""
        return list(self._away)

    def pending(self) -> bool:
        """Whether somebody is still to be told."""
        return bool(self._waiting or self._away or self._delayed)

    # ------------------------------------------------------------------ what is to be told

    def started(self, job: Job) -> None:
        """A job begins whose end is to be told; only after a crash is the mark needed."""
        if self.wanted:
            with suppress(OSError):  # there is no room
                write_atomic(job.directory.notify, b"%d\n" % job.run)

    def found(self, job: Job) -> None:
        """A job that ended before this daemon began: somebody may not have been told."""
        if self.wanted and os.path.exists(job.directory.notify):
            self.ended(job)

    def ended(self, job: Job) -> None:
        """Tell how a job ended."""
        if not self.wanted or str(job.state) not in self._settings().on:
            _forget(job.directory.notify, job.run)
            return
        about = {"run": job.run, "folder": job.directory.root, "spool": self._spool, "host": socket.gethostname()}
        notice = Notice(job.name, job.run, job.directory.notify, str(job.state), {**row(job, 0), **about})
        self._waiting.append(notice)
        self._send()

    # ------------------------------------------------------------------ telling

    def _send(self) -> None:
        """Send messengers, as many as may be away at once."""
        while self._waiting and len(self._away) < AT_ONCE and not self._leaving:
            notice, settings = self._waiting.popleft(), self._settings()
            command, message = _command(settings, notice.content)
            env = {name: value for name, value in os.environ.items() if name != "SPOOLD_SPOOL"}
            # without the spool's mark, by which a job's new runner knows what an earlier one left, and kills it
            env |= {"SPOOLD_JOB": notice.job, "SPOOLD_STATE": notice.state}
            try:
                messenger = Messenger(command, message, env, self._selector)
            except OSError as error:
                self._failed(notice, f"{command[0]} can't be executed: {error.strerror}")
                continue
            alarm = self._timers.enter(settings.timeout, 3, messenger.kill)
            messenger.ended = partial(self._returned, messenger, notice, alarm)
            self._away[messenger.pid] = messenger

    def _returned(self, messenger: Messenger, notice: Notice, alarm: sched.Event, why: str | None) -> None:
        del self._away[messenger.pid]
        with suppress(ValueError):  # it rang
            self._timers.cancel(alarm)
        if why is not None:
            self._failed(notice, why)
        else:
            self._totals.notices["delivered"] += 1
            self._log.info(f"job {notice.job}: told that it is {notice.state}")
            _forget(notice.mark, notice.run)
        self._send()

    def _failed(self, notice: Notice, why: str) -> None:
        if self._leaving:
            return
        notice.tries += 1
        what = f"job {notice.job}: nobody could be told that it is {notice.state}: {why}"
        if notice.tries >= self._settings().attempts:
            self._totals.notices["failed"] += 1
            self._log.error(f"{what}; given up after {notice.tries} tries")
            _forget(notice.mark, notice.run)
            return
        self._totals.notices["retried"] += 1
        delay = FIRST_DELAY * GROWTH ** (notice.tries - 1)
        self._log.warning(f"{what}; tried again in {format_duration(delay)}")
        self._delayed[id(notice)] = notice
        self._timers.enter(delay, 3, self._again, (notice,))

    def _again(self, notice: Notice) -> None:
        if self._delayed.pop(id(notice), None) is not None:
            self._waiting.append(notice)
            self._send()

    def leave(self) -> None:
        """The daemon can't wait any longer; who was not told is told at its next start."""
        left = [*self._waiting, *self._delayed.values()]
        count = len(left) + len(self._away)
        if count:
            self._log.warning(f"{count} ends of jobs could not be told in time; they are at the next start")
        self._leaving = True
        self._waiting.clear()
        self._delayed.clear()
        for messenger in self._away.values():
            messenger.kill()


def _command(settings: Notify, content: dict[str, Any]) -> tuple[list[str], bytes]:
    """What is executed, and what it reads."""
    if settings.command is not None:
        return settings.command, json.dumps(content).encode() + b"\n"
    assert settings.url is not None
    told = {"url": settings.url.get_secret_value(), "timeout": settings.timeout, "body": content}
    return [sys.executable, "-P", "-m", "spoold.supervisor.post"], json.dumps(told).encode()


def _forget(mark: str, run: int) -> None:
    """Remove the mark, unless it is that of a later run."""
    with suppress(OSError, ValueError):
        with open(mark, "rb") as file:
            marked = int(file.read(32))
        if marked <= run:
            os.unlink(mark)
