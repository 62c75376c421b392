"""A disk that is full, and files that vanish beneath a running job."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon import Daemon, eventually

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounts a file system")


@pytest.fixture
def disk(daemon: Daemon) -> Iterator[Path]:
    """A small file system beneath jobs/, with a file that fills it but for a little."""
    folder = daemon.spool / "jobs"
    folder.mkdir(mode=0o755)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=755", "spoold-test", str(folder)], check=True)
    yield folder
    daemon.kill_everything()
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path, leave: int) -> Path:
    """Fill the disk, but for so many bytes."""
    ballast = disk / ".ballast"
    room = os.statvfs(disk)
    ballast.write_bytes(b"x" * max(0, room.f_bavail * room.f_bsize - leave))
    return ballast


@needs_root
def test_a_full_disk_pauses_the_job(daemon: Daemon, disk: Path) -> None:
    """A full disk pauses the job with the reason; when there is room it goes on by itself, nothing lost or doubled."""
    daemon.start()
    daemon.drop("full", handler="basic:bulky", source=daemon.items(200))
    eventually(lambda: len(daemon.ledger()) > 3, "some items")
    ballast = fill(disk, 0)
    row = daemon.wait_state("full", "paused")
    assert "No space left" in row["error"]
    ballast.unlink()
    assert daemon.wait_ended("full")["state"] == "succeeded"
    assert sorted(map(int, daemon.ledger())) == list(range(200))
    assert [row["n"] for row in daemon.results("full")] == list(range(200))


@needs_root
def test_no_room_for_the_results(daemon: Daemon, disk: Path) -> None:
    """A job that finds no room for its results at its end waits for it, and ends by itself."""
    daemon.start()
    daemon.drop("results", handler="basic:bulky", source=daemon.items(100))
    eventually(lambda: len(daemon.ledger()) > 3, "some items")
    ballast = disk / ".ballast"
    room = os.statvfs(disk)
    ballast.write_bytes(b"x" * (room.f_bavail * room.f_bsize - 300_000))
    row = daemon.wait_state("results", "paused")
    assert "No space left" in row["error"]
    ballast.unlink()
    assert daemon.wait_ended("results")["counts"]["ok"] == 100
    assert sorted(map(int, daemon.ledger())) == list(range(100))


@needs_root
def test_a_full_disk_and_a_drain(daemon: Daemon, disk: Path) -> None:
    """SIGTERM while a job waits for room ends the daemon with 0; the next start with room runs the rest."""
    daemon.start()
    daemon.drop("drained", handler="basic:bulky", source=daemon.items(100))
    eventually(lambda: len(daemon.ledger()) > 3, "some items")
    ballast = fill(disk, 0)
    daemon.wait_state("drained", "paused")
    assert daemon.stop() == 0
    assert daemon.processes() == []
    ballast.unlink()
    assert daemon.run() == 0
    assert len(daemon.results("drained")) == 100
    assert 100 <= len(daemon.ledger()) <= 102


@needs_root
def test_a_disk_full_from_the_start(daemon: Daemon, disk: Path) -> None:
    """A job that was accepted before the disk was full, and finds no room to begin, begins when there is some."""
    daemon.drop("begins", handler="basic:ledger", after=["absent"], source=daemon.items(3))
    assert daemon.run() == 1
    daemon.drop("absent", handler="basic:ledger", source=daemon.items(3))
    assert daemon.run() == 0
    daemon.drop("late", handler="basic:ledger", after=["never"], source=daemon.items(3))
    assert daemon.run() == 1
    fill(disk, 0)
    daemon.start()
    daemon.drop("never", handler="basic:ledger", source=daemon.items(3))
    eventually(lambda: "tried again later" in daemon.log(), "the daemon to find no room")
    assert daemon.rejected() == {}
    assert (daemon.spool / "incoming" / "never.yaml").exists()
    (disk / ".ballast").unlink()
    daemon.wait_ended("late")


@pytest.mark.parametrize("how", ["deleted", "cut"])
def test_a_segment_that_is_tampered_with(daemon: Daemon, how: str) -> None:
    """A segment that is deleted or cut while its job runs is noticed: the job is paused with the reason."""
    daemon.start()
    daemon.drop("tampered", handler="basic:slow_ledger", workers=1, source=daemon.items(500))
    eventually(lambda: len(daemon.ledger()) > 10, "some items")
    segment = daemon.job("tampered") / "journal" / "001-001.jsonl"
    if how == "deleted":
        segment.unlink()
    else:
        os.truncate(segment, 200)
    row = daemon.wait_state("tampered", "paused")
    assert how in row["error"]
    daemon.finish("another", handler="basic:noop", source=daemon.items(2, "other"))


@needs_root
def test_a_full_log_blocks_nothing(daemon: Daemon) -> None:
    """The daemon's log on a full disk keeps no job from running."""
    folder = daemon.spool / "log"
    folder.mkdir(mode=0o755)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k,mode=755", "spoold-test", str(folder)], check=True)
    try:
        daemon.drop("logless", handler="basic:noop", source=daemon.items(5))
        (folder / "filler").write_bytes(b"x" * 4096)
        assert daemon.run() == 0
        assert daemon.report("logless")["ok"] == 5
    finally:
        daemon.kill_everything()
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
