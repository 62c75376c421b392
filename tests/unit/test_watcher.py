"""Who wakes the loop."""

from __future__ import annotations

import select
from collections.abc import Iterator
from pathlib import Path

import pytest

from spoold.supervisor.watcher import Watcher


@pytest.fixture
def watcher(tmp_path: Path) -> Iterator[Watcher]:
    """One that takes names without a dot in front for dropped files."""
    watching = Watcher([str(tmp_path)], drops=lambda name: not name.startswith("."))
    yield watching
    watching.stop()


def woken(watcher: Watcher) -> set[str]:
    """Wait until something woke the loop; what is complete by then."""
    assert select.select([watcher], [], [], 20.0)[0]
    return watcher.drain()


def test_only_what_may_be_dropped_wakes(tmp_path: Path, watcher: Watcher) -> None:
    """What is written under a hidden name wakes nobody before it gets its own; nor does what goes."""
    (tmp_path / ".a.new").write_text("a manifest")
    (tmp_path / ".a.new").rename(tmp_path / ".b.new")
    (tmp_path / ".b.new").unlink()
    (tmp_path / ".c.new").write_text("a manifest")
    (tmp_path / ".c.new").rename(tmp_path / "c")
    assert woken(watcher) == {str(tmp_path / "c")}  # events come in order: those before it woke nobody


def test_a_folder_wakes_too(tmp_path: Path, watcher: Watcher) -> None:
    """Moved in, it is refused with a reason, but it is never complete."""
    (tmp_path / ".c.new").mkdir()
    (tmp_path / ".c.new").rename(tmp_path / "c")
    assert woken(watcher) == set()


def test_a_file_that_is_closed_is_complete(tmp_path: Path, watcher: Watcher) -> None:
    """Whoever wrote it in place need not rename it."""
    path = tmp_path / "a.yaml"
    path.write_text("a manifest")
    found: set[str] = set()
    while not found:
        found = woken(watcher)
    assert found == {str(path)}
