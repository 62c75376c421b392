"""The verb that shows spoold at work: a real daemon, a real job, real failures, and where to look afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import Any, Final

import click

from spoold.cli import state
from spoold.cli.demo_folder import checkout, prepare
from spoold.cli.derived import report_of
from spoold.cli.drop import Dropped, taken
from spoold.cli.options import Session, json_option, say, show_json, spool_option
from spoold.cli.progress import display
from spoold.cli.submit import prepare as prepare_manifest
from spoold.cli.submit import put
from spoold.cli.waiting import Changes
from spoold.core.text import printable
from spoold.errors import SpoolError
from spoold.report import terminal
from spoold.spool import JobDir, Spool
from spoold.supervisor.where import DEFAULT
from spoold.system.process import describe_status

_JOB: Final = "stdlib"
_LEAVE: Final = 5.0  # seconds that our daemon is given to find out that it is idle
Row = dict[str, Any]


class OwnDaemon:
    """A daemon on a spool: the one that runs there, or else one that is started here and ends when it is idle."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._process: subprocess.Popen[bytes] | None = None
        self._log = f"{spool.log_dir}/demo.log"

    @property
    def foreign(self) -> bool:
        """Whether somebody else's daemon does the work."""
        return self._process is None

    def ensure(self) -> str | None:
        """Have a daemon; how ours ended, if there is none any more."""
        if self._process is None:
            if state.daemon_pid(self._spool) is None:
                self._start()
        elif (status := self._process.poll()) is not None and state.daemon_pid(self._spool) is None:
            return self._how(status)
        return None

    def _start(self) -> None:
        command = [sys.executable, "-m", "spoold", "--spool", self._spool.root, "--until-idle"]
        with open(self._log, "wb") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def _how(self, status: int) -> str:
        if status in (0, 1) or status < 0:
            return describe_status(-status if status < 0 else status << 8)
        with open(self._log, encoding="utf-8", errors="replace") as log:
            last = log.read().splitlines()[-1:]
        return printable(last[0], 1000) if last else f"exit code {status}"

    def leave(self, seconds: float) -> None:
        """Let ours end: by itself within so many seconds, else by a drain."""
        if self._process is None:
            return
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.terminate()
            self._process.wait()


@click.command(short_help="See it work, on your Python's standard library.")
@json_option
@spool_option
@click.pass_obj
def demo(session: Session) -> int:
    r"""Measure every file of your Python's standard library: with the real daemon, in a real spool, to the report.

    Three files fail on purpose. Interrupt it, or kill the daemon, and run it again: it goes on where it stopped.

    \b
    Example:
      spool demo --spool /tmp/spool
    """
    spool = _spool(session)
    spool.create()
    folder = f"{spool.root}/demo"
    total = prepare(folder)
    name, dropped = _begin(session, spool, folder)
    daemon = OwnDaemon(spool)
    try:
        row = _follow(spool, name, dropped, daemon, total)
    except KeyboardInterrupt:
        say("interrupted: items in flight finish; `spool demo` goes on where it stopped")
        daemon.leave(0)
        raise
    daemon.leave(_LEAVE)
    content = report_of(spool, name)
    if session.as_json:
        show_json(content)
    else:
        terminal.console().print(terminal.report(content))
        _tell_next(session, folder, spool.job(name), content, daemon)
    return 0 if row["state"] in ("succeeded", "partial") else 1


def _spool(session: Session) -> Spool:
    """The spool that is meant; where that would be a system's that is not there, the checkout's own."""
    if session.given is None and session.spool.root == DEFAULT and not os.path.isdir(DEFAULT):
        own = f"{checkout()}/spool"
        if os.path.isdir(f"{own}/examples"):
            session.given = own
            return Spool(own)
    return session.spool


def _begin(session: Session, spool: Spool, folder: str) -> tuple[str, Dropped | None]:
    """The job to watch: one that was interrupted, or a new one, which is dropped."""
    for name in reversed([one for one in spool.job_names() if one.startswith(f"{_JOB}@")]):
        row = state.job_row(spool, name)
        if row["state"] in ("queued", "running"):
            say(f"going on with {name}: {row['ok']:,} items are done")
            return name, None
    key = time.strftime("%Y%m%d-%H%M%S")
    ready = prepare_manifest(session, f"{folder}/{_JOB}.yaml", key)
    say(f"dropping {folder}/{_JOB}.yaml into {spool.incoming}")
    return f"{ready.manifest.job}@{key}", put(spool, ready)


def _follow(spool: Spool, name: str, dropped: Dropped | None, daemon: OwnDaemon, total: int) -> Row:
    """Watch the job to its end.

    Raises:
        RejectedError: it was not taken.
        SpoolError: the daemon is gone.
    """
    paused = False
    with display() as shown, Changes([spool.root, spool.incoming]) as changes:
        while True:
            ended = daemon.ensure()  # asked before the job is looked at: a daemon may end because the job did
            if dropped is not None and dropped.gone():
                taken(spool, dropped)
                dropped = None
            if dropped is None:
                row = state.job_row(spool, name)
                shown.show([row if row["total"] is not None else row | {"total": total}])
                if row["state"] in state.ENDED:
                    return row
                if row["state"] == "paused" and not paused:
                    say(f"{name} is paused; `spool resume {name}` lets it go on")
                paused = row["state"] == "paused"
            if ended is not None:
                what = f"the daemon ended ({ended}); what is done stays done"
                raise SpoolError(what, remedy="`spool demo` goes on where it stopped")
            changes.wait()


def _tell_next(session: Session, folder: str, job: JobDir, content: Row, daemon: OwnDaemon) -> None:
    """Say what can be done now."""
    own, name = _command("spool", session), job.name
    lines = [
        ("the whole report", f"open {os.path.relpath(job.page)} in a browser"),
        ("what came out", f"{own} results {name} | head"),
        ("every attempt", f"{own} tail {name} -n 10"),
    ]
    if content["failed"]:
        again = f"{own} retry-failures {name}"
        runs = f"{again} --wait" if daemon.foreign else f"{again} && {_command('spoold', session)} --until-idle"
        lines += [
            ("what failed", f"{own} failures {name}"),
            ("mend one", f"edit {os.path.relpath(folder)}/broken/unclosed.py"),
            ("and run it again", runs),
        ]
    lines.append(("all of it again", f"{own} demo"))
    click.echo("Next:", err=True)
    for what, command in lines:
        click.echo(f"  {what:<17} {command}", err=True)


def _command(name: str, session: Session) -> str:
    """A command of ours, as it can be typed here."""
    called = os.path.dirname(sys.argv[0])
    typed = f"{called}/{name}" if called and not os.path.isabs(called) else name
    return f"{typed} --spool {session.given}" if session.given else typed
