"""Locks, as two openers of one file see them."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from spoold.system.lock import open_lock, owner_process, try_flock


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A lock file that does not exist yet."""
    return str(tmp_path / "lock")


@pytest.fixture
def two(path: str) -> Iterator[tuple[int, int]]:
    """Two open file descriptions of one lock file."""
    both = open_lock(path), open_lock(path)
    yield both
    for descriptor in both:
        os.close(descriptor)


def test_it_is_made_for_its_owner_only(path: str) -> None:
    """Nobody else can hold a daemon up by locking its file; it is closed on exec."""
    descriptor = open_lock(path)
    assert os.stat(path).st_mode & 0o777 == 0o600
    assert not os.get_inheritable(descriptor)
    os.close(descriptor)


def test_what_is_in_the_file_stays(path: str) -> None:
    """Opening an existing lock file does not empty it."""
    Path(path).write_text("123")
    os.close(open_lock(path))
    assert Path(path).read_text() == "123"


def test_a_link_is_not_followed(path: str, tmp_path: Path) -> None:
    """A lock file is never somebody else's file."""
    (tmp_path / "other").write_text("")
    os.symlink(tmp_path / "other", path)
    with pytest.raises(OSError, match="symbolic links"):
        open_lock(path)


def test_only_one_has_it(two: tuple[int, int]) -> None:
    """The second asks in vain, without waiting; the first may ask again."""
    first, second = two
    assert try_flock(first)
    assert not try_flock(second)
    assert try_flock(first)


def test_it_lives_as_long_as_any_copy(path: str) -> None:
    """A duplicate, as a child inherits one, keeps it; closing the last one frees it."""
    first, second = open_lock(path), open_lock(path)
    assert try_flock(first)
    copy = os.dup(first)
    os.close(first)
    assert not try_flock(second)
    os.close(copy)
    assert try_flock(second)
    os.close(second)


def test_nobody_owns_an_unclaimed_file(two: tuple[int, int]) -> None:
    """A flock is no claim: children hold it too."""
    assert try_flock(two[0])
    assert owner_process(two[1]) is None


def test_flock_and_claim_are_independent(two: tuple[int, int]) -> None:
    """A file can be claimed while somebody else has its flock."""
    assert try_flock(two[0])
    fcntl.lockf(two[1], fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert not try_flock(two[1])
