"""The spool's folders: names, modes, moves."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from spoold.errors import SpoolError
from spoold.spool import Spool, check_folder, is_spool, valid_job


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    """A new spool."""
    made = Spool(str(tmp_path / "spool"))
    made.create()
    return made


@pytest.mark.parametrize("name", ["a", "nightly-embeddings", "0.a_b-c", "x@2024-01-01", "x@A:+_.", "a" * 64])
def test_job_names(name: str, spool: Spool) -> None:
    """A job's name, with or without a run key, is a folder inside jobs/."""
    assert spool.job(name).root == f"{spool.jobs}/{name}"


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../x", "/abs", "a/b", "a\0", "A", "-a", "_a", ".a", "a" * 65, "a" * 300, "a\n", "a@", "a@b/c",
     "a@b@c", "a@" + "b" * 65, "ä", "a@..\n"],
)  # fmt: skip
def test_no_path_outside_jobs(name: str, spool: Spool) -> None:
    """Whatever is no job's name raises instead of becoming a path."""
    assert not valid_job(name)
    with pytest.raises(SpoolError, match="not a job's name"):
        spool.job(name)


def test_create_twice(spool: Spool) -> None:
    """Making a spool that is there changes nothing and passes its own check."""
    spool.create()
    spool.check()
    assert is_spool(spool.root)
    assert not is_spool("/")
    assert [name for name in os.listdir(spool.root) if name.startswith(".")] == []


def test_create_under_an_open_umask(tmp_path: Path) -> None:
    """With umask 000 the folders are still writable by their owner only."""
    before = os.umask(0)
    try:
        spool = Spool(str(tmp_path / "open"))
        spool.create()
    finally:
        os.umask(before)
    spool.check()
    assert os.stat(spool.incoming).st_mode & 0o777 == 0o755


@pytest.mark.parametrize("folder", ["incoming", "control"])
@pytest.mark.parametrize("mode", [0o777, 0o775, 0o1777])
def test_folders_that_others_can_write(spool: Spool, folder: str, mode: int) -> None:
    """A folder in which others can drop is refused, with the mode to set."""
    os.chmod(f"{spool.root}/{folder}", mode)
    with pytest.raises(SpoolError, match=f"{folder}.*chmod {mode & ~0o022:04o}"):
        spool.check()


def test_foreign_folder(spool: Spool) -> None:
    """A folder of another user is refused."""
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    os.chown(spool.incoming, 12345, -1)
    with pytest.raises(SpoolError, match="belongs to user 12345"):
        spool.check()


def test_link_instead_of_folder(spool: Spool, tmp_path: Path) -> None:
    """A symbolic link in a folder's place is refused, at creation and later."""
    os.rmdir(spool.incoming)
    os.symlink(tmp_path, spool.incoming)
    with pytest.raises(SpoolError, match="incoming"):
        spool.create()
    with pytest.raises(SpoolError, match="no folder"):
        check_folder(spool.incoming, strict=True)


def test_missing_folder(spool: Spool) -> None:
    """A folder that is gone is named."""
    os.rmdir(spool.control)
    with pytest.raises(SpoolError, match="control: the folder can't be read"):
        spool.check()


def test_job_names_lists_only_jobs(spool: Spool) -> None:
    """Half-made jobs and stray files are no jobs."""
    for name in ("b", "a@1", ".new-1", "Not"):
        os.mkdir(f"{spool.jobs}/{name}")
    Path(spool.jobs, "file").touch()
    assert spool.job_names() == ["a@1", "b"]
