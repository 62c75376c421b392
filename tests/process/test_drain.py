"""Signals to the daemon: what is in flight finishes, what is not stays for the next start."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from time import monotonic

import psutil
import pytest
from tests.daemon import Daemon, eventually


def begun(daemon: Daemon, count: int) -> None:
    """Wait until so many items have begun."""
    eventually(lambda: sum("begins" in line for line in daemon.ledger()) >= count, f"{count} items to begin")


def finished(daemon: Daemon) -> list[int]:
    """The items that ran to their end, in order of their ids."""
    return sorted(int(line) for line in daemon.ledger() if "begins" not in line)


def slow(daemon: Daemon, count: int, seconds: float) -> dict[str, object]:
    """Inline items that take so long each."""
    return {"type": "items", "items": [{"id": n, "seconds": seconds} for n in range(count)]}


def test_sigterm_lets_items_in_flight_finish(daemon: Daemon) -> None:
    """On SIGTERM the items in flight finish and are journalled, and the daemon ends with 0 at once."""
    daemon.start()
    daemon.drop("drained", handler="basic:told", source=slow(daemon, 6, 1.0))
    begun(daemon, 2)
    assert daemon.stop() == 0
    last = max(record["t"] for record in daemon.records("drained"))
    assert (daemon.folder / "spool" / "status.json").stat().st_mtime - last < 1.0
    assert finished(daemon) == [0, 1]
    assert [record["s"] for record in daemon.records("drained")] == ["ok", "ok"]
    assert daemon.job_records("drained")[-1]["job"] == "drained"
    assert daemon.processes() == []


def test_the_next_start_runs_only_the_rest(daemon: Daemon) -> None:
    """After a drain the next start runs what was left, and nothing twice."""
    daemon.start()
    daemon.drop("rest", handler="basic:told", source=slow(daemon, 8, 0.1))
    begun(daemon, 2)
    assert daemon.stop() == 0
    before = len(finished(daemon))
    assert before < 8
    assert daemon.run() == 0
    assert finished(daemon) == list(range(8))
    assert f"resuming: {before} already done" in daemon.job_log("rest")


def test_a_second_sigterm_changes_nothing(daemon: Daemon) -> None:
    """SIGTERM twice is one drain."""
    process = daemon.start()
    daemon.drop("twice", handler="basic:told", workers=1, source=slow(daemon, 3, 0.5))
    begun(daemon, 1)
    process.send_signal(signal.SIGTERM)
    eventually(lambda: "draining" in daemon.log(), "the drain to begin")
    assert daemon.stop() == 0
    assert finished(daemon) == [0]


@pytest.mark.parametrize("numbers", [(signal.SIGINT, signal.SIGINT), (signal.SIGQUIT,)])
def test_the_drain_can_be_ended_at_once(daemon: Daemon, numbers: tuple[signal.Signals, ...]) -> None:
    """A second SIGINT, or SIGQUIT, kills what is in flight; it runs again at the next start and is not blamed."""
    process = daemon.start()
    daemon.drop("at-once", handler="basic:told", poison=1, source=slow(daemon, 2, 20.0))
    begun(daemon, 2)
    for number in numbers[:-1]:
        process.send_signal(number)
        eventually(lambda: "draining" in daemon.log(), "the drain to begin")
    began = monotonic()
    assert daemon.stop(numbers[-1]) == 0
    assert monotonic() - began < 10
    assert daemon.records("at-once") == []
    assert daemon.processes() == []


def test_an_interrupt_after_a_term_is_the_first(daemon: Daemon) -> None:
    """SIGINT in a drain that SIGTERM began lets the items in flight finish all the same."""
    process = daemon.start()
    daemon.drop("mixed", handler="basic:told", workers=1, source=slow(daemon, 2, 0.7))
    begun(daemon, 1)
    process.send_signal(signal.SIGTERM)
    eventually(lambda: "draining" in daemon.log(), "the drain to begin")
    assert daemon.stop(signal.SIGINT) == 0
    assert finished(daemon) == [0]


def test_a_close_that_hangs_does_not_keep_the_job(daemon: Daemon) -> None:
    """A handler's close() has as long as loading may take; then its worker is killed and the job ends."""
    daemon.drop("hangs", handler="odd:Hangs", workers=1, load_timeout="2s", source=daemon.items(3))
    assert daemon.run() == 0
    assert len(daemon.results("hangs")) == 3
    assert daemon.processes() == []


def test_drain_timeout(daemon: Daemon) -> None:
    """What still runs after drain_timeout is killed, also a stopped worker, and runs again at the next start."""
    daemon.start(config={"drain_timeout": "300ms"})
    daemon.drop(
        "timeout",
        handler="basic:told",
        poison=1,
        source={"type": "items", "items": [{"id": 0, "seconds": 20}, {"id": 1}]},
    )
    begun(daemon, 2)
    for worker in daemon.titled("worker"):
        worker.suspend()
    assert daemon.stop() == 0
    assert [record for record in daemon.records("timeout") if record["s"] != "ok"] == []
    assert daemon.processes() == []


def test_a_drain_right_after_the_start_of_a_job(daemon: Daemon) -> None:
    """A drain that meets a runner just begun is heard by it."""
    process = daemon.start()
    daemon.drop("young", handler="basic:told", source=slow(daemon, 20, 0.2))
    eventually(lambda: "accepted: job young" in daemon.log(), "the job to be accepted")
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert len(finished(daemon)) <= 4
    assert daemon.ended("young") is None


def test_sigterm_before_anything(daemon: Daemon) -> None:
    """SIGTERM while the daemon recovers is a drain like any other."""
    daemon.drop("early", handler="basic:told", source=slow(daemon, 4, 0.1))
    process = daemon.start(ready=False)
    eventually((daemon.spool / "spoold.lock").exists, "the daemon to begin")
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert daemon.run() == 0
    assert finished(daemon) == list(range(4))


def test_sigterm_to_the_whole_group(daemon: Daemon) -> None:
    """SIGTERM to every process of the daemon, as systemd may send it, is one drain; items in flight finish."""
    process = daemon.start()
    daemon.drop("group", handler="basic:told", source=slow(daemon, 6, 0.5))
    begun(daemon, 2)
    for one in daemon.processes():
        one.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert finished(daemon) == [0, 1]


def test_harmless_signals(daemon: Daemon) -> None:
    """HUP reloads, USR1, USR2 and PIPE do nothing, STOP and CONT cost time: the job goes on."""
    process = daemon.start(config={})
    daemon.drop("harmless", handler="basic:slow_ledger", source=daemon.items(30))
    eventually(lambda: len(daemon.ledger()) > 2, "some items")
    for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE, signal.SIGSTOP, signal.SIGCONT):
        process.send_signal(number)
    daemon.wait_ended("harmless")
    eventually(lambda: "configuration is reloaded" in daemon.log(), "the reload")
    assert sorted(map(int, daemon.ledger())) == list(range(30))
    assert daemon.stop() == 0


def test_hup_with_a_broken_configuration(daemon: Daemon) -> None:
    """A configuration that is wrong at a reload is said, and the one before stays in force."""
    process = daemon.start(config={"max_jobs": 2})
    (daemon.folder / "spoold.yaml").write_text("max_jobs: many\n")
    process.send_signal(signal.SIGHUP)
    eventually(lambda: "not reloaded" in daemon.log(), "the complaint")
    assert "spoold.yaml:1:11" in daemon.log()
    daemon.finish("after-hup", handler="basic:noop", source=daemon.items(3))


def test_without_standard_descriptors(daemon: Daemon) -> None:
    """A daemon whose 0, 1 and 2 are closed at its start keeps its own files out of them, and works."""
    closing = f"exec {sys.executable} -m spoold --spool {daemon.spool} <&- >&- 2>&-"
    daemon.process = subprocess.Popen(["/bin/sh", "-c", closing], env=daemon.env, cwd=daemon.folder)
    daemon.finish("closed", handler="basic:talkative", source=daemon.items(5))
    for process in (psutil.Process(daemon.process.pid), *daemon.titled("zygote")):
        assert {os.readlink(f"/proc/{process.pid}/fd/{number}") for number in range(3)} == {os.devnull}
    assert "printed 4" in daemon.job_log("closed")
    assert daemon.stop() == 0


def test_with_a_reader_gone(daemon: Daemon) -> None:
    """A daemon whose stderr nobody reads any more goes on."""
    daemon.drop("unread", handler="basic:noop", source=daemon.items(5))
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "spoold", "--spool", str(daemon.spool), "--until-idle"]
    done = subprocess.run(
        command, env=daemon.env, cwd=daemon.folder, stdout=write, stderr=write, check=False, timeout=30
    )
    os.close(write)
    assert done.returncode == 0
    assert daemon.report("unread")["ok"] == 5


def test_nothing_is_left_when_the_supervisor_is_killed(daemon: Daemon) -> None:
    """Runners of a killed supervisor drain and leave, and so does the zygote."""
    daemon.start()
    daemon.drop("orphans", handler="basic:told", source=slow(daemon, 6, 0.3))
    begun(daemon, 2)
    supervisor = psutil.Process(daemon.process.pid) if daemon.process else None
    assert supervisor is not None
    supervisor.kill()
    eventually(lambda: not daemon.processes(), "every process to leave")
    assert finished(daemon) == [0, 1]
    assert daemon.job_records("orphans")[-1]["job"] == "drained"
