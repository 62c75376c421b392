"""The maker of pages as the daemon keeps it."""

from __future__ import annotations

import os
import selectors
import signal
from pathlib import Path

from tests.journals import Journal

from spoold.spool import Spool
from spoold.supervisor.config import Log
from spoold.supervisor.daemon_log import DaemonLog
from spoold.supervisor.pages import Pages, owed


class Loop:
    """A spool with some jobs that ended, and a daemon's loop that only makes pages."""

    def __init__(self, folder: Path, *jobs: str) -> None:
        self.spool = Spool(str(folder))
        self.spool.create()
        for name in jobs:
            root = folder / "jobs" / name
            root.mkdir()
            journal = Journal(root, job=name)
            journal.job("accepted", t=100.0)
            journal.item(0, "ok", t=101.0, ms=1.0)
            journal.job("finished", t=102.0, state="succeeded", counts={"total": 1, "ok": 1})
            journal.segment().sync()
        self.selector = selectors.DefaultSelector()
        self.pages = Pages(self.spool, self.selector, DaemonLog(self.spool.log, Log()))

    def turn(self) -> None:
        """Wait for what the maker says, and hear it."""
        for key, _ in self.selector.select(30):
            key.data()

    def finish(self) -> None:
        """Turn until there is no maker."""
        while self.pages.pids:
            self.turn()

    def log(self) -> str:
        """The daemon's log."""
        return Path(self.spool.log).read_text(encoding="utf-8")


def test_one_maker_makes_all_pages_and_leaves(tmp_path: Path) -> None:
    """Jobs that ended now are awaited, those of before are not; one that comes while the maker leaves gets another."""
    loop = Loop(tmp_path, "a", "b", "c")
    loop.pages.catch_up(["a"])
    maker = loop.pages.pids
    assert not loop.pages.busy
    loop.pages.ended("b")
    assert loop.pages.busy
    while loop.pages.busy:
        loop.turn()
    assert loop.pages.pids == maker
    loop.pages.ended("c")
    loop.finish()
    assert [name for name in "abc" if owed(loop.spool.job(name))] == []


def test_a_job_without_a_journal_is_said_and_costs_no_other_its_page(tmp_path: Path) -> None:
    """The log names the job and the reason."""
    loop = Loop(tmp_path, "a")
    loop.pages.ended("absent")
    loop.pages.ended("a")
    loop.finish()
    assert "job absent: its page can't be made" in loop.log()
    assert not owed(loop.spool.job("a"))


def test_a_maker_that_dies_costs_one_page(tmp_path: Path) -> None:
    """The next job gets a fresh one."""
    loop = Loop(tmp_path, "a", "b")
    loop.pages.ended("a")
    loop.pages.ended("b")
    os.kill(loop.pages.pids[0], signal.SIGKILL)
    loop.finish()
    assert "job a: the maker of its page died" in loop.log()
    assert not owed(loop.spool.job("b"))


def test_a_stopped_daemon_leaves_no_maker(tmp_path: Path) -> None:
    """It is killed and reaped, and nothing is awaited any more."""
    loop = Loop(tmp_path, "a")
    loop.pages.ended("a")
    pid = loop.pages.pids[0]
    loop.pages.stop()
    assert not loop.pages.busy
    assert not os.path.exists(f"/proc/{pid}")
    loop.pages.ended("a")
    assert loop.pages.pids == []
