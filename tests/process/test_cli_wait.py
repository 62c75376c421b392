"""`spool wait` and `spool tail -f`."""

from __future__ import annotations

import signal

from tests.daemon import Daemon
from tests.process.cli_helpers import TEN, begin, manifest, shown, spool

GOOD = "handler: doubling:double\nsource: {type: range, stop: 3}\n"
BAD = "handler: doubling:treble\nsource: {type: range, stop: 3}\n"


def test_the_worst_of_several_jobs_decides(serving: Daemon) -> None:
    """0 succeeded, 1 partial, 2 failed; the worst of all named jobs."""
    for name, text in (("w-good", GOOD), ("w-partial", TEN), ("w-bad", BAD)):
        spool(serving, "submit", manifest(serving, f"{name}.yaml", text))
    spool(serving, "wait", "w-good", code=0)
    spool(serving, "wait", "w-good", "w-partial", code=1)
    done = spool(serving, "wait", "w-bad", "w-partial", "w-good", code=2)
    assert "has no 'treble'" in done.stderr
    assert [one["state"] for one in shown(serving, "wait", "w-good", "w-partial", code=1)] == ["succeeded", "partial"]


def test_the_time_can_be_up(serving: Daemon) -> None:
    """A job that goes on is told as such, exit 124."""
    go = serving.folder / "go-long"
    spool(serving, "submit", manifest(serving, "long.yaml", f"{GOOD}env: {{GO: {go}}}\n"))
    assert "long is still" in spool(serving, "wait", "long", "--timeout", "100ms", code=124).stderr
    waiting = begin(serving, "wait", "long")
    go.touch()
    _, said = waiting.communicate(timeout=30)
    assert waiting.returncode == 0
    assert "long succeeded, 3 ok, 0 failed" in said


def test_a_wait_outlives_the_daemon(daemon: Daemon) -> None:
    """A daemon that is killed and started again is no end of the wait."""
    daemon.start()
    go = daemon.folder / "go"
    spool(daemon, "submit", manifest(daemon, "survivor.yaml", f"{GOOD}env: {{GO: {go}}}\n"))
    daemon.wait_state("survivor", "running")
    waiting = begin(daemon, "wait", "survivor")
    daemon.kill()
    go.touch()
    daemon.start()
    _, said = waiting.communicate(timeout=30)
    assert waiting.returncode == 0, said


def test_following_goes_on_over_a_restart_and_a_new_run(daemon: Daemon) -> None:
    """It prints records as they come, of a restarted daemon and of the next run too."""
    daemon.start()
    spool(daemon, "submit", manifest(daemon, "followed.yaml", TEN), "--wait", code=1)
    following = begin(daemon, "tail", "followed", "-f", "-n", "1")
    assert following.stdout is not None
    assert "job finished" in following.stdout.readline()
    daemon.stop()
    daemon.start()
    spool(daemon, "retry-failures", "followed")
    text = ""
    while "job finished" not in text:
        text = following.stdout.readline()
        assert text
        assert "  ok  " not in text
    following.send_signal(signal.SIGINT)
    _, said = following.communicate(timeout=30)
    assert following.returncode == 130
    assert "Traceback" not in said
