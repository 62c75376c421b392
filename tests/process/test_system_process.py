"""Locks, deaths and children, with real processes.

A child is made by `forked`: it runs a function and leaves; a pipe tells what it has to say, so nobody waits on time.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from spoold.system import lock, process

LONG = "import sys; print('up', flush=True); sys.stdin.read()"


class Child:
    """A forked child and the pipe it talks through."""

    def __init__(self, work: Callable[[Callable[[str], None]], None]) -> None:
        self.read_end, write_end = os.pipe()

        def say(text: str) -> None:
            os.write(write_end, text.encode() + b"\n")

        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.close(self.read_end)
                work(say)
            except BaseException as error:  # noqa: BLE001 - the test reads it
                os.write(write_end, repr(error).encode() + b"\n")
            finally:
                os._exit(0)
        os.close(write_end)
        self.file = os.fdopen(self.read_end)

    def says(self) -> str:
        """The next line; empty when the child, and all that has its pipe, is gone."""
        return self.file.readline().rstrip("\n")

    def end(self) -> int:
        """Kill it, if it lives; its wait status."""
        os.kill(self.pid, signal.SIGKILL)
        _, status = os.waitpid(self.pid, 0)
        self.file.close()
        return status


@pytest.fixture
def forked() -> Iterator[Callable[[Callable[[Callable[[str], None]], None]], Child]]:
    """Makes children, and ends them."""
    made: list[Child] = []

    def make(work: Callable[[Callable[[str], None]], None]) -> Child:
        made.append(Child(work))
        return made[-1]

    yield make
    for child in made:
        child.end()


Forked = Callable[[Callable[[Callable[[str], None]], None]], Child]


@pytest.fixture
def program() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts programs that live until their stdin is closed, and are up when they are handed out."""
    made: list[subprocess.Popen[str]] = []

    def start(**options: Any) -> subprocess.Popen[str]:
        one = subprocess.Popen(
            [sys.executable, "-c", LONG], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **options
        )
        made.append(one)
        assert one.stdout is not None
        assert one.stdout.readline() == "up\n"
        return one

    yield start
    for one in made:
        one.kill()
        one.communicate()


Program = Callable[..., subprocess.Popen[str]]


def pause() -> None:
    """Be killed."""
    while True:
        signal.pause()


# ---------------------------------------------------------------------- locks


def test_a_child_inherits_the_flock(forked: Forked, tmp_path: Path) -> None:
    """While a worker lives, its job is not free, though its runner closed the file."""
    held = lock.open_lock(str(tmp_path / "lock"))
    assert lock.try_flock(held)

    def worker(say: Callable[[str], None]) -> None:
        say("here")
        pause()

    child = forked(worker)
    assert child.says() == "here"
    os.close(held)
    other = lock.open_lock(str(tmp_path / "lock"))
    assert not lock.try_flock(other)
    os.kill(child.pid, signal.SIGKILL)
    assert child.says() == ""
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert lock.try_flock(other)
    os.close(other)


def test_a_claim_tells_who_the_runner_is(forked: Forked, tmp_path: Path) -> None:
    """Its pid, while it lives; its children do not count."""
    path = str(tmp_path / "lock")

    def runner(say: Callable[[str], None]) -> None:
        descriptor = lock.open_lock(path)
        lock.claim_process(descriptor)
        own = os.getpid()
        if os.fork() == 0:
            process.die_with_parent(own)
            pause()
        say("claimed")
        pause()

    child = forked(runner)
    assert child.says() == "claimed"
    ours = lock.open_lock(path)
    assert lock.owner_process(ours) == child.pid
    with pytest.raises(OSError, match="temporarily unavailable"):
        lock.claim_process(ours)
    os.kill(child.pid, signal.SIGKILL)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert lock.owner_process(ours) is None
    lock.claim_process(ours)
    os.close(ours)


# ---------------------------------------------------------------------- deaths


def test_a_process_dies_with_its_parent(forked: Forked) -> None:
    """However its parent ends."""

    def parent(say: Callable[[str], None]) -> None:
        own = os.getpid()
        if os.fork() == 0:
            process.die_with_parent(own)
            say("bound")
            pause()
        pause()

    child = forked(parent)
    assert child.says() == "bound"
    os.kill(child.pid, signal.SIGKILL)
    assert child.says() == "", "the pipe is closed by the last that has it"


def test_a_parent_that_is_dead_already_is_noticed(forked: Forked) -> None:
    """Between fork and prctl the parent may be gone: then the child leaves at once."""

    def orphan(say: Callable[[str], None]) -> None:
        process.die_with_parent(1 << 22)
        say("still here")

    assert forked(orphan).says() == ""


def test_terminal_signals_pass_without_effect(forked: Forked) -> None:
    """And programs that are executed get the default actions."""

    def worker(say: Callable[[str], None]) -> None:
        process.ignore_terminal_signals()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
            os.kill(os.getpid(), number)
        ask = "import signal; print(signal.getsignal(signal.SIGTERM).name)"
        say("alive")
        say(subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True).stdout.strip())

    child = forked(worker)
    assert child.says() == "alive"
    assert child.says() == "SIG_DFL"


# ---------------------------------------------------------------------- children


def test_orphans_come_to_the_subreaper_and_are_killed(forked: Forked) -> None:
    """What a dead worker had started, and what that had started, is found, killed and reaped; what is kept lives."""

    def runner(say: Callable[[str], None]) -> None:
        process.become_subreaper()
        keep = os.fork()
        if keep == 0:
            pause()
        read_end, write_end = os.pipe()
        worker = os.fork()
        if worker == 0:
            for _ in range(2):
                os.fork()  # three descendants, one of them a grandchild
            os.write(write_end, b"x")
            os.setsid()
            pause()
        for _ in range(4):
            os.read(read_end, 1)
        os.kill(worker, signal.SIGKILL)
        os.waitpid(worker, 0)
        say(str(process.kill_and_reap_children([keep])))
        say(str(process.children(os.getpid()) == [keep]))
        say(str(process.kill_and_reap_children([])))
        say(str(process.children(os.getpid())))

    child = forked(runner)
    assert [child.says() for _ in range(4)] == ["3", "True", "1", "[]"]


def test_the_children_of_a_process_that_is_gone() -> None:
    """None."""
    assert process.children(1 << 22) == []


def test_reaping(forked: Forked) -> None:
    """None while it lives, its status once it ended, None again for what is no child of ours."""

    def test(say: Callable[[str], None]) -> None:
        pid = os.fork()
        if pid == 0:
            pause()
        say(str(process.reap(pid)))
        os.kill(pid, signal.SIGKILL)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        status = process.reap(pid)
        assert status is not None
        say(process.describe_status(status))
        say(str(process.reap(pid)))

    child = forked(test)
    assert [child.says() for _ in range(3)] == ["None", "killed by SIGKILL", "None"]


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (0, "exit code 0"),
        (3 << 8, "exit code 3"),
        (11, "killed by SIGSEGV"),
        (11 | 128, "killed by SIGSEGV"),
        (40, "killed by signal 40"),
    ],
)
def test_a_status_in_words(status: int, words: str) -> None:
    """Signals by name where they have one."""
    assert process.describe_status(status) == words


# ---------------------------------------------------------------------- strangers


def test_who_holds_a_file(program: Program, tmp_path: Path) -> None:
    """Found by device and inode, whatever it is called by now; this process is left out."""
    path = tmp_path / "lock"
    with open(path, "w") as file:
        found = os.fstat(file.fileno())
        holder, other = program(pass_fds=[file.fileno()]), program()
        os.rename(path, tmp_path / "elsewhere")
        assert process.holders(found.st_dev, found.st_ino) == [holder.pid]
        assert not process.holds(other.pid, found.st_dev, found.st_ino)


def test_who_was_started_with_a_mark(program: Program) -> None:
    """All of the entries, each whole."""
    marked = program(env={**os.environ, "SPOOLD_JOB": "nightly", "SPOOLD_SPOOL": "/spool/x"})
    program(env={**os.environ, "SPOOLD_JOB": "nightly-2", "SPOOLD_SPOOL": "/spool/x"})
    assert process.marked([b"SPOOLD_JOB=nightly", b"SPOOLD_SPOOL=/spool/x"]) == [marked.pid]
    assert process.marked([b"SPOOLD_JOB=nightly", b"SPOOLD_SPOOL=/spool/y"]) == []


def test_strangers_are_killed_and_waited_for(program: Program) -> None:
    """Only those that still are what they were found for; one that is gone is no error."""
    doomed, spared = program(), program()
    process.kill_and_wait([doomed.pid, spared.pid, 1 << 22], lambda pid: pid == doomed.pid)
    assert doomed.wait() == -signal.SIGKILL
    assert spared.poll() is None


def test_waiting_for_a_process_has_an_end(program: Program) -> None:
    """False after the given time, True once it ended."""
    one = program()
    handle = os.pidfd_open(one.pid)
    assert not process.wait_pidfd(handle, 0.01)
    one.kill()
    assert process.wait_pidfd(handle)
    os.close(handle)


# ---------------------------------------------------------------------- descriptors and threads


def test_a_child_holds_only_its_own_descriptors(forked: Forked) -> None:
    """Everything else above 2 is closed, also above the limit of today."""

    def worker(say: Callable[[str], None]) -> None:
        pipes = [fd for fd in descriptors() if os.readlink(f"/proc/self/fd/{fd}").startswith("pipe:")]
        os.dup2(0, 400)
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
        process.close_all_but(pipes)
        say(str(descriptors() - {0, 1, 2, *pipes}))

    assert forked(worker).says() == "set()"


def descriptors() -> set[int]:
    """Those that are open, without the one that lists them."""
    return {fd for fd in map(int, os.listdir("/proc/self/fd")) if os.path.exists(f"/proc/self/fd/{fd}")}


def test_threads_are_counted() -> None:
    """Also those that Python does not know of: the kernel's list is asked."""
    assert process.thread_count() == len(os.listdir(f"/proc/{os.getpid()}/task"))
