"""Files that are whole or not there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from spoold.system.files import lease, open_nofollow, read_capped, rename_noreplace, unlease, write_atomic, write_new

if TYPE_CHECKING:
    from pathlib import Path


def test_write_atomic_replaces(tmp_path: Path) -> None:
    """The new content stands there whole, and no temporary file beside it."""
    path = tmp_path / "x"
    write_atomic(str(path), b"old")
    (tmp_path / ".x.new").write_bytes(b"left by a killed writer")
    write_atomic(str(path), b"new")
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["x"]


def test_write_new_replaces_nothing(tmp_path: Path) -> None:
    """A file or link that is there is not touched, nor followed."""
    os.symlink(tmp_path / "elsewhere", tmp_path / "x")
    with pytest.raises(FileExistsError):
        write_new(str(tmp_path / "x"), b"data")
    assert os.listdir(tmp_path) == ["x"]


def test_rename_noreplace(tmp_path: Path) -> None:
    """A rename never replaces; both files stay."""
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    with pytest.raises(FileExistsError):
        rename_noreplace(str(tmp_path / "a"), str(tmp_path / "b"))
    rename_noreplace(str(tmp_path / "a"), str(tmp_path / "c"))
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {"b": "b", "c": "a"}


def test_open_waits_for_nobody(tmp_path: Path) -> None:
    """A FIFO without a writer is opened at once, a symbolic link not at all."""
    os.mkfifo(tmp_path / "fifo")
    os.close(open_nofollow(str(tmp_path / "fifo")))
    os.symlink("/etc/passwd", tmp_path / "link")
    with pytest.raises(OSError, match="symbolic"):
        open_nofollow(str(tmp_path / "link"))


def test_read_capped(tmp_path: Path) -> None:
    """Of a file that is too long one byte more than the cap is read, and no more."""
    (tmp_path / "x").write_bytes(b"x" * 1000)
    descriptor = open_nofollow(str(tmp_path / "x"))
    assert len(read_capped(descriptor, 100)) == 101
    os.close(descriptor)


def test_lease_tells_of_writers(tmp_path: Path) -> None:
    """A lease is had exactly while nobody has the file open for writing."""
    path = tmp_path / "x"
    path.touch()
    reader = open_nofollow(str(path))
    with path.open("w"):
        assert lease(reader) is False
    assert lease(reader) is True
    unlease(reader)
    os.close(reader)


def test_writer_during_a_lease_does_not_kill(tmp_path: Path) -> None:
    """Somebody who opens a leased file for writing breaks the lease without harm to us."""
    path = tmp_path / "x"
    path.touch()
    reader = open_nofollow(str(path))
    assert lease(reader) is True
    with pytest.raises(BlockingIOError):
        os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    os.close(reader)
    os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
