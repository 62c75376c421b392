"""Who is told of the end of a job, by a command or by HTTP."""

from __future__ import annotations

import http.server
import json
import sched
import selectors
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from spoold.core.job import JobState
from spoold.spool import Spool
from spoold.supervisor import notices as module
from spoold.supervisor.config import Notify
from spoold.supervisor.job import Job
from spoold.supervisor.notices import Notices
from spoold.supervisor.totals import Totals

SECRET = "hunter2-token"


class Log:
    """What the daemon's log was told."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.info = self.warning = self.error = self.debug = self.lines.append


class Loop:
    """A loop that has nothing to do but to tell."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.settings = Notify(**settings)
        self.selector = selectors.DefaultSelector()
        self.timers = sched.scheduler(time.monotonic, time.sleep)
        self.log, self.totals = Log(), Totals()
        self.spool = Spool(str(folder / "spool"))
        self.notices = self.again()

    def again(self) -> Notices:
        """The same of a daemon that was started anew."""
        log: Any = self.log
        return Notices(lambda: self.settings, self.spool.root, self.selector, self.timers, log, self.totals)

    def job(self, state: JobState = JobState.FAILED) -> Job:
        """A job that started."""
        job = Job(self.spool.job("one"))
        Path(job.directory.root).mkdir(parents=True)
        self.notices.started(job)
        job.state = state
        return job

    def run(self) -> None:
        """Until nobody is left to be told."""
        while self.notices.pending():
            wait = self.timers.run(blocking=False)
            for key, _ in self.selector.select(wait):
                key.data()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries follow each other at once."""
    monkeypatch.setattr(module, "FIRST_DELAY", 0.01)
    monkeypatch.setattr(module, "GROWTH", 1.0)


@pytest.fixture
def server() -> Iterator[http.server.HTTPServer]:
    """A server of loopback that gives one answer after the other; what came is in `came`."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.server.came.append((self.path, self.headers["Authorization"], json.loads(body)))  # type: ignore[attr-defined]
            self.send_response(self.server.answers.pop(0))  # type: ignore[attr-defined]
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    one = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    one.came, one.answers = [], []  # type: ignore[attr-defined]
    thread = threading.Thread(target=one.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield one
    one.shutdown()
    thread.join()
    one.server_close()


def test_a_command_reads_how_the_job_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has the job's row on standard input, and job and state in its environment, but not the mark of the spool."""
    monkeypatch.setenv("SPOOLD_SPOOL", "somewhere")
    out = tmp_path / "out"
    script = f'cat > {out}; echo "$SPOOLD_JOB $SPOOLD_STATE $SPOOLD_SPOOL." >> {out}'
    loop = Loop(tmp_path, command=["sh", "-c", script])
    job = loop.job()
    assert Path(job.directory.notify).exists()
    loop.notices.ended(job)
    loop.run()
    content, words = out.read_text().splitlines()
    assert words == "one failed ."
    told = json.loads(content)
    assert (told["job"], told["state"], told["spool"], told["ok"]) == ("one", "failed", loop.spool.root, 0)
    assert loop.log.lines == ["job one: told that it is failed"]
    assert not Path(job.directory.notify).exists()


def test_who_does_not_listen_is_told_again(tmp_path: Path, quick: None) -> None:
    """A command that fails is tried again, its last words are logged on one line; in the end it is given up."""
    count = tmp_path / "count"
    script = f"echo x >> {count}; printf 'no\\nwhy \\033[31m' >&2; exit 3"
    loop = Loop(tmp_path, command=["sh", "-c", script], attempts=3)
    job = loop.job()
    loop.notices.ended(job)
    loop.run()
    assert count.read_text().count("x") == 3
    assert len(loop.log.lines) == 3
    assert "exit code 3: why \\x1b[31m; tried again in" in loop.log.lines[0]
    assert "given up after 3 tries" in loop.log.lines[2]
    assert loop.totals.notices == {"delivered": 0, "retried": 2, "failed": 1}


def test_a_command_that_hangs_is_ended(tmp_path: Path) -> None:
    """With what it started, when its time is up; and one that is not there is no more than a failed try."""
    loop = Loop(tmp_path, command=["sh", "-c", "sleep 60 & sleep 60"], timeout=0.1, attempts=1)
    job = loop.job()
    loop.notices.ended(job)
    loop.run()
    loop.settings = Notify(command=["/no/such/program"], attempts=1)
    loop.notices.ended(job)
    assert "did not end in time" in loop.log.lines[0]
    assert "/no/such/program can't be executed: No such file" in loop.log.lines[1]


def test_an_address_gets_a_post(tmp_path: Path, server: Any, quick: None) -> None:
    """Whatever it answers but 2xx, a redirect too, is a failed try; nothing secret of the address is logged."""
    server.answers = [500, 302, 204]
    url = f"http://user:{SECRET}@127.0.0.1:{server.server_port}/hook?token={SECRET}"
    loop = Loop(tmp_path, url=url)
    assert SECRET not in repr(loop.settings) + loop.settings.model_dump_json()
    job = loop.job(JobState.PARTIAL)
    loop.notices.ended(job)
    loop.run()
    paths, secrets, told = zip(*server.came, strict=True)
    assert set(paths) == {f"/hook?token={SECRET}"}
    assert secrets[0].startswith("Basic ")
    assert [one["state"] for one in told] == ["partial"] * 3
    assert ["the answer was 500" in loop.log.lines[0], "the answer was 302" in loop.log.lines[1]] == [True, True]
    assert "told that it is partial" in loop.log.lines[2]
    assert SECRET not in str(loop.log.lines)


def test_nobody_at_the_address(tmp_path: Path) -> None:
    """The reason is said, without the address."""
    with socket.socket() as taken:  # bound and not listening, so that nobody else listens either
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        loop = Loop(tmp_path, url=f"http://127.0.0.1:{port}/{SECRET}", attempts=1)
        loop.notices.ended(loop.job())
        loop.run()
    assert "nobody answered" in loop.log.lines[0]
    assert SECRET not in str(loop.log.lines)


def test_only_of_the_states_that_are_named(tmp_path: Path) -> None:
    """Of others nobody is told, and no mark stays."""
    loop = Loop(tmp_path, command=["false"], on=["failed"])
    job = loop.job(JobState.SUCCEEDED)
    loop.notices.ended(job)
    assert not loop.notices.pending()
    assert not Path(job.directory.notify).exists()


def test_a_later_run_keeps_its_mark(tmp_path: Path) -> None:
    """Somebody is told of a run while the next one has begun."""
    loop = Loop(tmp_path, command=["true"])
    job = loop.job()
    loop.notices.ended(job)
    job.run = 2
    loop.notices.started(job)
    loop.run()
    assert Path(job.directory.notify).read_text() == "2\n"
    loop.notices.ended(job)
    loop.run()
    assert not Path(job.directory.notify).exists()


def test_a_daemon_that_can_not_wait_leaves_it_to_the_next(tmp_path: Path) -> None:
    """What was not told in time is told at the next start, once."""
    out = tmp_path / "out"
    loop = Loop(tmp_path, command=["sleep", "60"])
    job = loop.job()
    loop.notices.ended(job)
    loop.notices.leave()
    loop.run()
    assert Path(job.directory.notify).exists()
    loop.settings = Notify(command=["sh", "-c", f"echo told >> {out}"])
    for _ in range(2):
        loop.notices = loop.again()
        loop.notices.found(job)
        loop.run()
    assert out.read_text() == "told\n"
