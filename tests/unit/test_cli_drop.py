"""Dropped files, and how the daemon's records of them are known."""

from __future__ import annotations

import hashlib
import os
import stat
from typing import TYPE_CHECKING

import pytest

from spoold.cli.drop import drop, taken
from spoold.cli.options import RejectedError
from spoold.errors import SpoolError
from spoold.spool import Spool
from spoold.supervisor.dropbox import Dropbox
from spoold.supervisor.rejects import Rejects

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    """An empty spool."""
    one = Spool(str(tmp_path / "spool"))
    one.create()
    return one


def reject(spool: Spool, name: str, reason: str) -> None:
    """Do what the daemon does with a file that it does not take."""
    box = Dropbox(spool.control, owners=frozenset((os.geteuid(),)), cap=1000)
    box.listing()
    found = box.look(name, 0.0)
    assert found is not None
    Rejects(spool.rejected).keep(box, found, reason)
    box.close()


def test_a_dropped_file_is_whole_private_and_alone(spool: Spool) -> None:
    """It appears under its name only, is readable by its owner only, and its content is what was given."""
    dropped = drop(spool.control, "a.json", b"{}")
    assert os.listdir(spool.control) == ["a.json"]
    assert stat.S_IMODE(os.stat(dropped.path).st_mode) == 0o600
    assert not dropped.gone()
    with open(dropped.path, "rb") as file:
        assert file.read() == b"{}"


def test_a_file_that_waits_is_not_replaced(spool: Spool) -> None:
    """A second drop of one name is refused, and leaves nothing behind."""
    drop(spool.control, "a.json", b"first")
    with pytest.raises(FileExistsError):
        drop(spool.control, "a.json", b"second")
    assert os.listdir(spool.control) == ["a.json"]


def test_a_folder_that_is_not_there_is_said(spool: Spool) -> None:
    """What can't be dropped is an error with its place."""
    with pytest.raises(SpoolError, match="nowhere"):
        drop(f"{spool.root}/nowhere", "a.json", b"{}")


def test_two_drops_of_the_same_content_are_told_apart(spool: Spool) -> None:
    """A record is of the very file, not of one with the same content before it."""
    one, two = drop(spool.control, "a.json", b"{}"), drop(spool.control, "b.json", b"{}")
    digest = hashlib.sha256(b"{}").hexdigest()
    record = {"ino": os.stat(one.path).st_ino, "mtime_ns": one.mtime_ns, "sha256": digest}
    assert one.recorded_as(record)
    assert not two.recorded_as(record)
    assert not one.recorded_as(record | {"mtime_ns": one.mtime_ns - 1})


def test_without_a_daemon_a_drop_lies_there(spool: Spool) -> None:
    """Nobody waits for a daemon that does not run."""
    assert taken(spool, drop(spool.control, "a.json", b"{}")) is False


def test_a_removed_drop_is_taken(spool: Spool) -> None:
    """A file that is gone and was not rejected was taken."""
    dropped = drop(spool.control, "a.json", b"{}")
    os.unlink(dropped.path)
    assert taken(spool, dropped) is True


def test_the_reason_of_a_rejection_is_its_own(spool: Spool) -> None:
    """Of several rejected files of one name and content, the reason of this drop is told."""
    for number in range(3):
        dropped = drop(spool.control, "a.json", b"{}")
        reject(spool, "a.json", f"reason {number}")
        with pytest.raises(RejectedError, match=f"reason {number}"):
            taken(spool, dropped)


def test_a_drop_after_a_rejected_one_is_not_rejected(spool: Spool) -> None:
    """An older rejection of the same name and content is not this drop's."""
    drop(spool.control, "a.json", b"{}")
    reject(spool, "a.json", "reason")
    dropped = drop(spool.control, "a.json", b"{}")
    os.unlink(dropped.path)
    assert taken(spool, dropped) is True


def test_a_file_that_was_not_even_read_is_rejected(spool: Spool) -> None:
    """A file that was moved away unread is found by its inode."""
    dropped = drop(spool.control, "a.json", b" " * 2000)
    reject(spool, "a.json", "too large")
    with pytest.raises(RejectedError, match="too large"):
        taken(spool, dropped)
