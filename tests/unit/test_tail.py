"""Records as they come, and as lines for people."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from rich.cells import cell_len
from tests.journals import Journal

from spoold.cli.follow import Follower
from spoold.cli.tail_line import Lines, coloured, is_failure, of_interest
from spoold.spool import JobDir, Spool

NASTY = "\x1b[31mred\n2026-01-01 00:00:00.000  x  ok \u202e"


@pytest.fixture
def directory(tmp_path: Path) -> JobDir:
    """The folder of a job."""
    found = Spool(str(tmp_path)).job("demo")
    os.makedirs(found.root)
    return found


@pytest.fixture
def journal(directory: JobDir) -> Journal:
    """Its journal, by hand."""
    return Journal(Path(directory.root))


def ids(follower: Follower, last: int | None = None) -> list[str]:
    """The ids of the fresh records."""
    return [getattr(found.record, "id", "job") for found in follower.fresh(last)]


def text(follower: Follower, *, colour: bool = False, columns: int | None = None) -> list[str]:
    """The lines of the fresh records."""
    return b"".join(Lines(colour=colour, columns=lambda: columns).of(follower.fresh())).decode().splitlines()


def test_the_last_records_are_those_of_all(journal: Journal, directory: JobDir) -> None:
    """Of long segments only the ends are read, and the last records are the same; what comes later follows."""
    for n in range(3000):
        journal.item(n, "ok", slot=1 + n % 2, t=float(n))
    whole = ids(Follower(directory, of_interest))
    follower = Follower(directory, of_interest)
    assert ids(follower, 5) == whole[-5:]
    assert ids(follower) == []
    journal.item(3000, "ok", t=3000.0)
    journal.item(3001, "ok", run=2, t=3001.0)
    assert ids(follower) == ["id3000", "id3001"]
    assert ids(Follower(directory, of_interest), 2500) == ["id3001"]


def test_no_last_record_means_only_what_comes(journal: Journal, directory: JobDir) -> None:
    """With 0 nothing that is there is shown."""
    journal.item(0, "ok")
    follower = Follower(directory, of_interest)
    assert ids(follower, 0) == []
    journal.item(1, "ok")
    assert ids(follower) == ["id1"]


def test_failures_that_lie_far_back_are_found(journal: Journal, directory: JobDir) -> None:
    """The last failures are looked for up to the beginning."""
    journal.item(0, "failed", t=0.0, error="ValueError")
    journal.item(1, "retry", t=0.0, error="ValueError")
    for n in range(2, 1500):
        journal.item(n, "ok", t=float(n))
    journal.item(2000, "in-doubt", t=2000.0)
    journal.job("paused")
    assert ids(Follower(directory, is_failure), 9) == ["id0", "id2000"]


def test_columns_stand_below_each_other(journal: Journal, directory: JobDir) -> None:
    """Whatever the ids: narrow, long, of wide characters."""
    for n, item_id in enumerate(("a", "文書" * 6, "a/long/path/of/a/file.txt")):
        journal.item(n, "failed", ms=1234.5 * 100**n, t=float(n), error="ValueError", item_id=item_id)
    lines = text(Follower(directory, of_interest))
    assert len({cell_len(line[: line.index("failed")]) for line in lines}) == 1
    assert len({cell_len(line[: line.index("ValueError")]) for line in lines}) == 1
    assert ["1,234.50 ms" in lines[0], "2m3s" in lines[1], "3h25m" in lines[2]] == [True] * 3


@pytest.mark.parametrize("columns", [80, 100, 200])
def test_a_line_is_a_row_of_the_terminal(journal: Journal, directory: JobDir, columns: int) -> None:
    """Errors are cut to fit, and the day stands once; only an id, which is to be copied, may be longer."""
    ids = ["a", "文書" * 3, "x" * 60]
    for n, item_id in enumerate(ids):
        journal.item(n, "failed", ms=1.0, t=float(n), error="E" * 300 + "文", item_id=item_id)
    day, *lines = text(Follower(directory, of_interest), columns=columns)
    assert day[:4].isdecimal()
    assert max(cell_len(line) for line in lines[:2]) == columns
    assert all(found in line for found, line in zip(ids, lines, strict=True))
    assert all(line.endswith("…") for line in lines)


def test_what_users_wrote_forges_no_line_and_no_escape(journal: Journal, directory: JobDir) -> None:
    """Ids and messages are escaped, before anything is coloured."""
    journal.item(0, "failed", item_id=NASTY, error=NASTY)
    journal.job("paused", error=NASTY)
    found = text(Follower(directory, of_interest))
    assert len(found) == 2
    assert all(line.isprintable() for line in found)
    assert all("\\x1b[31mred\\n" in line.replace("\\\\", "\\") for line in found)


def test_colour_is_for_terminals_that_want_it(
    journal: Journal, directory: JobDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failure is red on a terminal; into a file, and with NO_COLOR, nothing is coloured."""
    journal.item(0, "failed")
    assert "\x1b[31mfailed" in text(Follower(directory, of_interest), colour=True)[0]
    screen = io.StringIO()
    assert not coloured(screen)
    screen.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert coloured(screen)
    monkeypatch.setenv("NO_COLOR", "1")
    assert not coloured(screen)
