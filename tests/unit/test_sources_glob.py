from __future__ import annotations

import json
import os
import tracemalloc
from typing import TYPE_CHECKING

import pytest

from spoold.errors import SourceError
from spoold.sources.glob import GlobSource
from spoold.sources.names import sorted_names

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("a.txt", "b.txt", "b.py", ".hid", "d/a.txt", "d/e/a.txt", "d/.h/a.txt", "é/a.txt", "z/x/d/q/a.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def _paths(pattern: str, cwd: Path) -> list[str]:
    source = GlobSource.from_options({"type": "glob", "pattern": pattern}, str(cwd))
    return [json.loads(raw)["path"] for batch in source.batches() for raw in batch.raws]


@pytest.mark.parametrize(
    ("pattern", "paths"),
    [
        ("*.txt", ["a.txt", "b.txt"]),
        ("./[ab].*", ["./a.txt", "./b.py", "./b.txt"]),
        ("**/a.txt", ["a.txt", "d/a.txt", "d/e/a.txt", "z/x/d/q/a.txt", "é/a.txt"]),
        ("**/d/**/a.txt", ["d/a.txt", "d/e/a.txt", "z/x/d/q/a.txt"]),
        ("d/**", ["d/a.txt", "d/e/a.txt"]),
        ("d/.h/*", ["d/.h/a.txt"]),
        (".*", [".hid"]),
        ("?/*.txt", ["d/a.txt", "é/a.txt"]),
        ("d/../*.py", ["d/../b.py"]),
        ("d", []),
        ("a.txt", ["a.txt"]),
        ("*/nothing", []),
    ],
)
def test_patterns_match_as_in_a_shell(tree: Path, pattern: str, paths: list[str]) -> None:
    """Files of a directory come first, each path once, written as the pattern begins."""
    assert _paths(pattern, tree) == paths


def test_an_absolute_pattern_gives_absolute_paths(tree: Path) -> None:
    """`cwd` plays no part in it."""
    assert _paths(f"{tree}/d/*.txt", tree / "nowhere") == [f"{tree}/d/a.txt"]


def test_only_regular_files_match(tree: Path) -> None:
    """Links to files count; FIFOs, folders, dangling and circular links do not."""
    os.mkfifo(tree / "fifo.txt")
    (tree / "dir.txt").mkdir()
    (tree / "link.txt").symlink_to("a.txt")
    (tree / "dangling.txt").symlink_to("none")
    (tree / "loop.txt").symlink_to("loop.txt")
    assert _paths("*.txt", tree) == ["a.txt", "b.txt", "link.txt"]


def test_any_depth_does_not_follow_links_to_directories(tree: Path) -> None:
    """A link back up is no endless loop; named by a part of the pattern it is followed."""
    (tree / "d/up").symlink_to("..")
    assert _paths("d/**/a.txt", tree) == ["d/a.txt", "d/e/a.txt"]
    assert _paths("d/*/a.txt", tree) == ["d/e/a.txt", "d/up/a.txt"]
    assert _paths("d/up/*.py", tree) == ["d/up/b.py"]


def test_a_name_that_is_not_utf8_is_a_fault(tree: Path) -> None:
    """The fault shows the bytes, and the other files are items."""
    (tree / os.fsdecode(b"d/\xff.txt")).touch()
    (batch,) = GlobSource("d/*.txt", str(tree)).batches()
    assert batch.faults == {1: "not UTF-8"}
    assert [json.loads(raw) for raw in batch.raws] == [{"path": "d/a.txt"}, "d/\\xff.txt"]
    assert batch.place(1) == "item:1"


def test_a_directory_that_cannot_be_listed_is_a_fault(tree: Path) -> None:
    """A name too long to be opened stands for any directory the daemon may not read, also when it is root."""
    deep = tree / "deep"
    here = os.getcwd()
    deep.mkdir()
    try:
        os.chdir(deep)
        for _ in range(20):
            os.mkdir("x" * 250)
            os.chdir("x" * 250)
    finally:
        os.chdir(here)
    (deep / "after").mkdir()
    (deep / "y").mkdir()
    (deep / "y/f").touch()
    (batch,) = GlobSource("deep/**/f", str(tree)).batches()
    assert list(batch.faults.values()) == ["cannot be listed: File name too long"]
    assert json.loads(batch.raws[1]) == {"path": "deep/y/f"}


@pytest.mark.parametrize("pattern", ["", "dir/", "*/..", "*/../x", "none/*.txt", "a.txt/*"])
def test_a_pattern_that_can_match_nothing_is_an_error(tree: Path, pattern: str) -> None:
    """A directory that is not there is more likely a slip than an empty job."""
    with pytest.raises(SourceError):
        _paths(pattern, tree)


def test_names_of_a_huge_directory_are_sorted_in_bounded_memory() -> None:
    """Beyond a run's length memory does not grow with the number of names."""

    def names(count: int) -> Iterator[bytes]:
        return (b"%06d-some-file-name" % (k * 7919 % count) for k in range(count))

    peaks = []
    for count in (10_000, 80_000):
        tracemalloc.start()
        assert sum(1 for _ in sorted_names(names(count), run=2000)) == count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 80_000 * 20


def test_without_room_for_sorting_the_error_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A temporary folder that can't be written to ends the source with the place to mend."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    with pytest.raises(SourceError, match="set TMPDIR"):
        list(sorted_names([b"c", b"b", b"a"], run=1))
