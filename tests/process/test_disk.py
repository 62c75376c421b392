"""A disk that is full, and files that vanish beneath a running job."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.daemon import Daemon, eventually

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounts a file system")


Disk = Callable[[str], Path]


@pytest.fixture
def disk(daemon: Daemon) -> Iterator[Disk]:
    """Gives a job that waits for the job `go` a folder on a small disk of its own; its path."""
    mounted: list[Path] = []

    def mount(name: str) -> Path:
        daemon.drop(name, handler="basic:bulky", after=["go"], source=daemon.items(100))
        assert daemon.run() == 1
        folder = daemon.job(name)
        kept = folder.rename(daemon.folder / "kept")
        folder.mkdir(mode=0o700)
        mounted.append(folder)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "spoold-test", str(folder)], check=True)
        shutil.copytree(kept, folder, dirs_exist_ok=True)
        return folder

    yield mount
    daemon.kill_everything()
    for folder in mounted:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def go(daemon: Daemon) -> None:
    """Let the job begin."""
    daemon.drop("go", handler="basic:noop", source={"type": "range", "stop": 1})


def fill(disk: Path, leave: int) -> Path:
    """Fill the disk, but for so many bytes."""
    ballast = disk / ".ballast"
    room = os.statvfs(disk)
    ballast.write_bytes(b"x" * max(0, room.f_bavail * room.f_bsize - leave))
    return ballast


def all_once(daemon: Daemon, name: str) -> None:
    """The job ended with every item run and recorded once."""
    assert daemon.wait_ended(name)["state"] == "succeeded"
    assert sorted(map(int, daemon.ledger())) == list(range(100))
    assert [row["n"] for row in daemon.results(name)] == list(range(100))
    assert sorted(record["n"] for record in daemon.records(name)) == list(range(100))


@needs_root
@pytest.mark.parametrize("leave", [0, 100_000])
def test_a_full_disk_pauses_the_job(daemon: Daemon, disk: Disk, leave: int) -> None:
    """A full disk pauses the job with the reason; when there is room it goes on by itself, nothing lost or doubled."""
    folder = disk("full")
    ballast = fill(folder, leave)
    daemon.start()
    go(daemon)
    row = daemon.wait_state("full", "paused")
    assert "No space left" in row["error"]
    ballast.unlink()
    all_once(daemon, "full")


@needs_root
def test_no_room_for_the_results(daemon: Daemon, disk: Disk) -> None:
    """A job that finds no room for its results at its end waits for it, and ends by itself."""
    ballast = fill(disk("results"), 600_000)
    daemon.start()
    go(daemon)
    row = daemon.wait_state("results", "paused")
    assert "No space left" in row["error"]
    assert len(daemon.ledger()) == 100
    ballast.unlink()
    all_once(daemon, "results")


@needs_root
def test_a_full_disk_and_a_drain(daemon: Daemon, disk: Disk) -> None:
    """SIGTERM while a job waits for room: the daemon ends by drain_timeout; the next start runs the rest."""
    ballast = fill(disk("drained"), 100_000)
    daemon.start(config={"drain_timeout": "500ms"})
    go(daemon)
    daemon.wait_state("drained", "paused")
    assert daemon.stop() == 0
    assert daemon.processes() == []
    ballast.unlink()
    daemon.start()
    assert daemon.wait_ended("drained")["state"] == "succeeded"
    assert len(daemon.results("drained")) == 100
    assert 100 <= len(daemon.ledger()) <= 102


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
