"""A folder where people drop files, while they do other things with them."""

from __future__ import annotations

import os
import shutil
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from spoold.supervisor.drop import Drop
from spoold.supervisor.dropbox import UNCHANGED, Dropbox

NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that other users can reach."""
    path = Path(tempfile.mkdtemp(prefix="spoold-test-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def box_of(folder: Path) -> Dropbox:
    """A dropbox that has looked into the folder."""
    box = Dropbox(str(folder), owners=frozenset((0, os.geteuid())), cap=1000)
    box.listing()
    return box


def read(box: Dropbox, name: str = "a.yaml") -> Drop:
    """The drop of that name."""
    found = box.look(name, 0.0)
    assert isinstance(found, Drop)
    return found


def as_nobody(folder: Path, test: Callable[[], None]) -> None:
    """Run a test as a user without privileges, who owns the folder."""
    os.chown(folder, NOBODY, NOBODY)
    pid = os.fork()
    if pid == 0:
        status = 1
        with ExitStack() as at_end:
            at_end.callback(lambda: os._exit(status))
            at_end.push(lambda *raised: traceback.print_exception(raised[1]) if raised[1] else None)
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            test()
            status = 0
    assert os.waitpid(pid, 0)[1] == 0


def test_replaced_after_it_was_read(folder: Path) -> None:
    """What took the name of a file that was read is not removed with it."""
    (folder / "a.yaml").write_bytes(b"first")
    box = box_of(folder)
    found = read(box)
    (folder / "other").write_bytes(b"second")
    (folder / "other").rename(folder / "a.yaml")
    box.remove(found)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {"a.yaml": b"second"}


def test_replaced_twice(folder: Path) -> None:
    """When even the way back is taken, the file gets a name beside it that will be taken too."""
    box = box_of(folder)
    (folder / ".taken-5").write_bytes(b"second")
    (folder / "a.yaml").write_bytes(b"third")
    box.finish(".taken-5", "a.yaml", ours=False)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {"a.yaml": b"third", "5-a.yaml": b"second"}


def test_gone_before_it_was_read(folder: Path) -> None:
    """A file that vanishes between listing and reading is no error."""
    (folder / "a.yaml").touch()
    box = box_of(folder)
    (folder / "a.yaml").unlink()
    assert box.look("a.yaml", 0.0) is None


def test_gone_after_it_was_read(folder: Path) -> None:
    """A file that its owner removes after it was read is not missed."""
    (folder / "a.yaml").touch()
    box = box_of(folder)
    found = read(box)
    (folder / "a.yaml").unlink()
    box.remove(found)


def test_rewritten_after_it_was_read(folder: Path) -> None:
    """What was read is a copy: later writes to the file change nothing."""
    (folder / "a.yaml").write_bytes(b"first")
    found = read(box_of(folder))
    with (folder / "a.yaml").open("r+b") as file:
        file.write(b"other")
    assert found.data == b"first"


@as_root
def test_without_leases_an_event_is_enough(folder: Path) -> None:
    """Where no lease is permitted a file is complete as soon as it was closed or moved in."""
    (folder / "a.yaml").write_bytes(b"root's")

    def test() -> None:
        box = box_of(folder)
        assert box.look("a.yaml", 0.0) is None
        box.settled("a.yaml")
        assert read(box).data == b"root's"

    as_nobody(folder, test)


@as_root
def test_without_leases_two_seconds_without_change(folder: Path) -> None:
    """Without an event a file is complete when it has been unchanged for 2 s; a change begins them anew."""
    path = folder / "a.yaml"
    path.write_bytes(b"root's")
    path.chmod(0o666)

    def test() -> None:
        box = box_of(folder)
        assert box.look("a.yaml", 10.0) is None
        assert box.again_at(10.0) == 12.0
        path.write_bytes(b"root's more")
        assert box.look("a.yaml", 12.0) is None
        assert box.again_at(12.0) == 14.0
        assert box.look("a.yaml", 13.9) is None
        found = box.look("a.yaml", 14.0)
        assert isinstance(found, Drop)
        assert found.data == b"root's more"

    as_nobody(folder, test)


@as_root
def test_unreadable_for_the_daemon(folder: Path) -> None:
    """A file that the daemon may not read is refused once it has stayed so for two seconds, not waited for."""
    (folder / "a.yaml").write_bytes(b"secret")
    (folder / "a.yaml").chmod(0o400)

    def test() -> None:
        box = box_of(folder)
        assert box.look("a.yaml", 0.0) is None
        found = box.look("a.yaml", UNCHANGED)
        assert found is not None
        assert "may not read it" in getattr(found, "what", "")

    as_nobody(folder, test)
