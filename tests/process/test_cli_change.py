"""`spool pause`, `resume`, `cancel`, `scale`, `retry-failures`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tests.daemon import Daemon
from tests.process.cli_helpers import TEN, manifest, row, shown, spool

if TYPE_CHECKING:
    from pathlib import Path


def held(daemon: Daemon, name: str) -> Path:
    """Submit a job whose items wait until the returned file is there."""
    go = daemon.folder / f"go-{name}"
    spool(daemon, "submit", manifest(daemon, f"{name}.yaml", f"{TEN}env: {{GO: {go}}}\n"))
    daemon.wait_state(name, "running")
    return go


def test_a_pause_is_shown_when_the_verb_returns(serving: Daemon) -> None:
    """Pause and resume return when status shows it; the job then runs to its end."""
    go = held(serving, "paused")
    assert spool(serving, "pause", "paused").stderr == "spool: paused is paused\n"
    assert row(serving, "paused")["state"] == "paused"
    go.touch()
    assert shown(serving, "resume", "paused")["state"] in {"queued", "running", "partial"}
    spool(serving, "wait", "paused", code=1)
    assert row(serving, "paused")["ok"] == 9


def test_a_cancelled_job_is_shown_when_the_verb_returns(serving: Daemon) -> None:
    """Cancel returns when the end is recorded; `wait` then exits 2."""
    go = held(serving, "cancelled")
    go.touch()
    spool(serving, "wait", "cancelled", code=1)
    assert "already ended" in spool(serving, "cancel", "cancelled", code=65).stderr
    go.unlink()
    spool(serving, "resume", "cancelled")
    serving.wait_state("cancelled", "running")
    assert shown(serving, "cancel", "cancelled")["state"] == "cancelled"
    spool(serving, "wait", "cancelled", code=2)


def test_a_job_gets_another_number_of_workers(serving: Daemon) -> None:
    """Scale returns when status shows what is wanted; more than all is refused."""
    go = held(serving, "scaled")
    assert "wants 3" in spool(serving, "scale", "scaled", 3).stderr
    assert row(serving, "scaled")["workers"]["wanted"] == 3
    assert "from 1 to 16" in spool(serving, "scale", "scaled", 17, code=65).stderr
    go.touch()


def test_mended_items_recover(serving: Daemon) -> None:
    """retry-failures runs what failed again, and tells what recovered and what still fails."""
    path = manifest(serving, "mended.yaml", TEN)
    spool(serving, "submit", path, "--wait", code=1)
    done = spool(serving, "retry-failures", "mended", "--wait", code=1)
    assert "0 recovered, 1 still failing" in done.stderr
    (path.parent / "mended").touch()
    try:
        assert shown(serving, "retry-failures", "mended", "--wait")["recovered"] == 1
    finally:
        (path.parent / "mended").unlink()
    assert spool(serving, "results", "mended").stdout.count("\n") == 10


def test_retrying_returns_when_it_is_taken(serving: Daemon) -> None:
    """Without --wait the verb says how many run again; `wait` then waits for them."""
    spool(serving, "submit", manifest(serving, "retried.yaml", TEN), "--wait", code=1)
    assert "1 failed items run again" in spool(serving, "retry-failures", "retried").stderr
    spool(serving, "wait", "retried", code=1)
    assert len(list((serving.job("retried") / "journal").glob("*-000.jsonl"))) == 2


def test_an_unknown_job_is_rejected_with_the_nearest(serving: Daemon) -> None:
    """The daemon's reason comes back, exit 65, and the command is kept in rejected/."""
    spool(serving, "submit", manifest(serving, "known.yaml", TEN), "--wait", code=1)
    assert "rejected: " in (said := spool(serving, "pause", "knwon", code=65).stderr)
    assert "there is no job 'knwon'; did you mean known?" in said
    assert any(name.startswith("pause-") for name in os.listdir(serving.spool / "rejected"))


def test_without_a_daemon_a_command_is_obeyed_at_its_start(daemon: Daemon) -> None:
    """It is dropped, that is said, exit 0; `wait` waits for what was dropped before."""
    daemon.start()
    spool(daemon, "submit", manifest(daemon, "kept.yaml", TEN), "--wait", code=1)
    daemon.stop()
    assert "will be obeyed at its start" in spool(daemon, "retry-failures", "kept").stderr
    assert spool(daemon, "wait", "kept", "--timeout", "0.2", code=124).returncode == 124
    daemon.start()
    spool(daemon, "wait", "kept", code=1)
    assert len(list((daemon.job("kept") / "journal").glob("*-000.jsonl"))) == 2


def test_a_command_may_follow_a_manifest_that_still_waits(daemon: Daemon) -> None:
    """Without a daemon, a job that was only dropped can be paused: both are taken at its start."""
    spool(daemon, "submit", manifest(daemon, "first.yaml", f"{TEN}env: {{GO: {daemon.folder}/go}}\n"))
    assert "will be obeyed at its start" in spool(daemon, "pause", "first").stderr
    daemon.start()
    daemon.wait_state("first", "paused")
    assert list((daemon.spool / "rejected").iterdir()) == []


def test_without_a_daemon_an_unknown_job_is_rejected_at_once(daemon: Daemon) -> None:
    """A command that nobody can ever obey is not dropped."""
    assert "there is no job 'nowhere'" in spool(daemon, "pause", "nowhere", code=65).stderr
    control = daemon.spool / "control"
    assert not control.exists() or list(control.iterdir()) == []
