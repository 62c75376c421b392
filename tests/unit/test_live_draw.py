"""The live view as lines of text."""

from __future__ import annotations

from typing import Any

import pytest
from rich.cells import cell_len
from tests.rows import job, slot, unknown

from spoold.cli.live.draw import Screen, draw, table
from spoold.cli.live.recent import Kind
from spoold.cli.live.view import View, Worker

SIZES = [(80, 24), (40, 10), (200, 60)]
NASTY = "\x1b[31mred\n\u202ebidi [bold]markup[/bold]"


def view(rows: list[dict[str, Any]], **changes: Any) -> View:
    """What a running daemon would have shown."""
    chosen = rows[0]["job"] if rows else None
    one = View("/srv/spool", {"running": True, "pid": 7}, rows, chosen, [1.0, 2.0], now=100.0)
    for name, value in changes.items():
        setattr(one, name, value)
    return one


def text(screen: Screen) -> str:
    """The lines of a screen."""
    return "\n".join(line.plain for line in screen.lines)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("jobs", [0, 1, 50])
def test_it_fits_into_any_terminal(size: tuple[int, int], jobs: int) -> None:
    """No line is too long, none too many; hostile and wide text included."""
    width, height = size
    workers = [Worker(slot(i, item=f"{NASTY} 日本語 {'x' * 300}"), 0.5) for i in range(40)]
    kinds = [Kind("日本語エラー" * 9, 12345, NASTY, NASTY * 9, 99.0)] * 9
    rows = [unknown(job=f"{'n' * 60}{i:04}", error=NASTY) for i in range(jobs)]
    drawn = draw(view(rows, workers=workers, failures=kinds, speeds=[3.0] * 300), width, height)
    assert len(drawn.lines) <= height
    assert all(cell_len(line.plain) <= width for line in drawn.lines)
    assert all(char.isprintable() or char == "\n" for char in text(drawn))


@pytest.mark.parametrize("place", [0, 20, 49])
def test_the_chosen_job_is_always_seen(place: int) -> None:
    """Of more jobs than there is room for those around it are shown, and which."""
    drawn = draw(view([job(f"job-{i:02}") for i in range(50)], chosen=f"job-{place:02}"), 80, 24)
    marked = [line.plain for line in drawn.lines if line.plain.startswith(">")]
    assert [line.split()[0] for line in marked] == [f">job-{place:02}"]
    assert "/50 " in text(drawn)


def test_a_terminal_of_80_columns_has_all_figures() -> None:
    """State, bar, share, done and total, rate, time left, failures, waiting retries."""
    line = draw(view([unknown(retrying=3)]), 80, 24).lines[2].plain
    assert line.split() == [">a", "running", "░░░░░░", "0%", "700/~1.23M", "2.0/s", "~2m30s", "10", "3"]


def test_the_chosen_job_in_detail() -> None:
    """Its workers with item, time, processor and memory; its failures; how often it was slow."""
    workers = [Worker(slot(memory=500 << 20), 0.98), Worker(slot(1, state="idle", item=None, since=None), None)]
    kinds = [Kind("ValueError", 12, "doc-3", "no such number", 95.0)]
    shown = text(draw(view([job(already_done=400)], workers=workers, failures=kinds), 80, 24))
    assert "400 were done before" in shown
    assert "2 of 4 workers" in shown
    assert "     0    4000   98%     500M/512M     10s  doc-0" in shown
    assert "     1    4001           100M/512M          idle" in shown
    assert "12x ValueError                5s ago: doc-3  no such number" in shown


def test_failures_keep_their_place_beside_many_workers() -> None:
    """Of workers that have no room it is said how many lines there would be."""
    shown = text(
        draw(
            view([job()], workers=[Worker(slot(i), 0.0) for i in range(32)], failures=[Kind("E", 1, "i", "m", 1.0)]),
            80,
            24,
        )
    )
    assert "lines more" in shown
    assert "1x E" in shown


def test_a_job_that_ended() -> None:
    """How much was done, when it ended, how long it took, and where to read more."""
    shown = text(draw(view([job(state="partial", rate=None, eta_s=None, started=10.0, finished=100.0)]), 80, 24))
    assert "700/1,000  ended " in shown
    assert " after 1m30s  spool report a" in shown


def test_a_job_whose_failures_are_long_ago() -> None:
    """It is said how many there are, and how to see them."""
    assert "10 failures, none of them new: spool failures a" in text(draw(view([job()]), 80, 24))


def test_without_a_daemon_and_without_jobs() -> None:
    """It says so, and what to do."""
    shown = text(draw(View("/srv/spool"), 80, 24))
    assert "does not run" in shown
    assert "spool submit FILE" in shown


def test_the_jobs_alone() -> None:
    """What `status --watch` draws: a line a job, and why it is as it is."""
    lines = [line.plain for line in table([job(), job("b", state="failed", error="no such file")], 80)]
    assert len(lines) == 4
    assert lines[3] == "b: no such file"
