"""What is not taken: each with its reason, none opened, waited for or lost."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from spoold.spool import Spool
from spoold.supervisor.config import Limits
from spoold.supervisor.dropbox import UNCHANGED
from spoold.supervisor.intake import Intake

GOOD = b"handler: a.b:c\nsource: {type: range, stop: 5}\n"


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    """A new spool."""
    made = Spool(str(tmp_path / "spool"))
    made.create()
    return made


def rejected(spool: Spool, name: str = "x.yaml", *, limits: Limits | None = None) -> str:
    """The reason that `name` was rejected with; a good manifest dropped after it is taken."""
    Path(spool.incoming, "zgood.yaml").write_bytes(GOOD)
    intake = Intake(spool, limits or Limits(), 8, budget=60)
    intake.recover()
    scan = intake.scan(0.0)
    assert scan.accepted == ["zgood"]
    later = intake.scan(UNCHANGED)  # owner, mode and links may still be set by who is dropping it
    assert os.listdir(spool.incoming) == []
    ((shown, reason),) = scan.rejected + later.rejected
    assert shown.isprintable()
    assert reason.isprintable()
    assert Path(spool.rejected, f"{name}.error").read_text() == f"{reason}\n"
    assert os.path.lexists(f"{spool.rejected}/{name}")
    return reason


@pytest.mark.parametrize(
    "data",
    [b"", b"# nothing\n", b"null\n", b"word\n", b"- a\n", b"handlr: x\n", b"a: !!python/name:os.system ''\n", b"\xff"],
)
def test_bad_content(spool: Spool, data: bytes) -> None:
    """A bad manifest is kept byte for byte beside its reason, with file, line and column."""
    Path(spool.incoming, "x.yaml").write_bytes(data)
    assert rejected(spool).startswith("x.yaml:1:")
    assert Path(spool.rejected, "x.yaml").read_bytes() == data


def test_fifo(spool: Spool) -> None:
    """A FIFO is moved away without waiting for its writer."""
    os.mkfifo(f"{spool.incoming}/x.yaml")
    assert "FIFO" in rejected(spool)


def test_socket(spool: Spool) -> None:
    """A socket is moved away."""
    with socket.socket(socket.AF_UNIX) as one:
        here = os.getcwd()
        os.chdir(spool.incoming)
        try:
            one.bind("x.yaml")
        finally:
            os.chdir(here)
    assert "socket" in rejected(spool)


def test_directory(spool: Spool) -> None:
    """A directory is moved away with what is in it."""
    os.makedirs(f"{spool.incoming}/x.yaml/deep")
    assert "directory" in rejected(spool)
    assert os.path.isdir(f"{spool.rejected}/x.yaml/deep")


@pytest.mark.parametrize("target", ["/etc/shadow", "/nowhere", "x.yaml", "zgood.yaml"])
def test_symbolic_link(spool: Spool, target: str) -> None:
    """A symbolic link is moved as it is and never followed."""
    os.symlink(target, f"{spool.incoming}/x.yaml")
    assert "symbolic link" in rejected(spool)
    assert os.readlink(f"{spool.rejected}/x.yaml") == target


def test_hard_link(spool: Spool, tmp_path: Path) -> None:
    """A hard link is rejected unread."""
    (tmp_path / "secret").write_bytes(b"secret words\n")
    os.link(tmp_path / "secret", f"{spool.incoming}/x.yaml")
    assert "hard link" in (reason := rejected(spool))
    assert "secret" not in reason


def test_unreadable(spool: Spool) -> None:
    """A file that nobody may read is rejected with what to do, and keeps its content."""
    Path(spool.incoming, "x.yaml").write_bytes(GOOD)
    os.chmod(f"{spool.incoming}/x.yaml", 0)
    assert "mode 0000" in rejected(spool)
    assert os.stat(f"{spool.rejected}/x.yaml").st_size == len(GOOD)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_that_gets_its_owner_last_is_taken(spool: Spool) -> None:
    """What `install -o` copies in belongs to somebody else for a moment, and is not rejected for that."""
    path = Path(spool.incoming, "x.yaml")
    path.write_bytes(GOOD)
    os.chown(path, 12345, -1)
    intake = Intake(spool, Limits(), 8, budget=60)
    intake.recover()
    assert intake.scan(0.0).rejected == []
    os.chown(path, 0, -1)
    later = intake.scan(1.0)
    assert (later.accepted, later.rejected) == (["x"], [])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_foreign_owner(spool: Spool) -> None:
    """A file of another user is rejected and stays theirs."""
    Path(spool.incoming, "x.yaml").write_bytes(GOOD)
    os.chown(f"{spool.incoming}/x.yaml", 12345, -1)
    assert "user 12345 may not submit" in rejected(spool)
    assert os.stat(f"{spool.rejected}/x.yaml").st_uid == 12345


def test_too_large(spool: Spool) -> None:
    """Ten gigabytes of holes are neither read nor copied."""
    Path(spool.incoming, "x.yaml").touch()
    os.truncate(f"{spool.incoming}/x.yaml", 10 << 30)
    assert "larger than 1048576 bytes" in rejected(spool)
    assert os.stat(f"{spool.rejected}/x.yaml").st_nlink == 1


def test_size_limit_is_exact(spool: Spool) -> None:
    """A manifest of exactly the limit is taken."""
    Path(spool.incoming, "x.yaml").write_bytes(GOOD + b" ")
    assert "larger than" in rejected(spool, limits=Limits(manifest=len(GOOD)))


@pytest.mark.parametrize(
    "name",
    [b"a\nb.yaml", b"\x1b[31m.yaml", "\u202e.yaml".encode(), b"\xff\xfe.yaml", b"-rf.yaml", b"--.yaml", b"a b.yaml"],
)
def test_hostile_names(spool: Spool, name: bytes) -> None:
    """A name is kept as it was, and escaped wherever it is shown."""
    shown = os.fsdecode(name)
    Path(spool.incoming, shown).write_bytes(b"nothing: 1\n")
    rejected(spool, shown)


def test_longest_name(spool: Spool) -> None:
    """A name of 255 bytes is shortened, so that its .error has a name too."""
    Path(spool.incoming, "n" * 250 + ".yaml").write_bytes(b"")
    intake = Intake(spool, Limits(), 8, budget=60)
    assert len(intake.scan(0.0).rejected) == 1
    first, second = sorted(os.listdir(spool.rejected))
    assert second == f"{first}.error"
    assert first.startswith("n" * 180 + "~")
    assert os.listdir(spool.incoming) == []


def test_second_reject_of_a_name(spool: Spool) -> None:
    """The second reject of one name gets a number, also when the bytes are the same."""
    for _ in range(5):
        Path(spool.incoming, "x.yaml").write_bytes(b"bad")
        Intake(spool, Limits(), 8, budget=60).scan(0.0)
    names = {"x.yaml", "x.yaml.1", "x.yaml.2", "x.yaml.3", "x.yaml.4"}
    assert set(os.listdir(spool.rejected)) == names | {f"{name}.error" for name in names}


@pytest.mark.parametrize("job", ["../x", "/abs", ".", "", "a/b", "x" * 300])
def test_no_way_out_of_jobs(spool: Spool, job: str) -> None:
    """A job's name that is a path makes nothing anywhere."""
    Path(spool.incoming, "x.yaml").write_bytes(b"job: '" + job.encode() + b"'\n" + GOOD)
    assert rejected(spool).startswith("x.yaml:1:6: `job`")
    assert os.listdir(spool.jobs) == ["zgood"]
