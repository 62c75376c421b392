"""What a report gathers from a journal."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest
from tests.journals import Journal, error_text

from spoold.errors import JournalError
from spoold.report.axis import COLUMNS, Axis
from spoold.report.bins import MOST, Bins
from spoold.report.chronicle import Chronicle, chronicle
from spoold.report.series import bars, lanes, rates


def read(journal: Journal) -> Chronicle:
    """What its journal says."""
    return chronicle(str(journal.dir), "demo")


def test_items_are_counted_by_outcome_time_and_worker(tmp_path: Path) -> None:
    """Each final record counts once, in its bin of time and for its slot; the work is spread over its time."""
    journal = Journal(tmp_path)
    journal.job("started", t=100.0, workers=2)
    for n in range(100):
        journal.item(n, "failed" if n == 40 else "ok", slot=1 + n % 2, t=101.0 + n, ms=1000.0, error=None)
    journal.job("finished", t=201.0, state="partial", counts={"total": 100, "ok": 99, "failed": 1})
    found = read(journal)
    assert (found.settled, found.tally.ok, found.tally.failed, found.state) == (100, 99, 1, "partial")
    assert {slot: worker.items for slot, worker in found.workers.items()} == {0: 50, 1: 50}
    assert found.active == pytest.approx(101.0)
    axis = Axis(found.bins)
    assert sum(rates(axis, found.bins)["ok"]) * axis.seconds == pytest.approx(99)
    assert sum(found.bins.busy[0].values()) == pytest.approx(50_000)
    assert found.counts is not None
    assert found.counts.total == 100


def test_only_the_newest_run_counts_but_every_run_is_told_of(tmp_path: Path) -> None:
    """The items are those of the last run, the moments those of all."""
    journal = Journal(tmp_path)
    for run in (1, 2):
        journal.job("accepted", run=run, t=run * 100.0)
        journal.job("started", run=run, t=run * 100.0 + 1, workers=1)
        for n in range(run):
            journal.item(n, "ok", run=run, t=run * 100.0 + 2, ms=1.0)
        journal.job("finished", run=run, t=run * 100.0 + 3, state="succeeded")
    found = read(journal)
    assert (found.run, found.runs, found.settled) == (2, 2, 2)
    assert [(one.run, one.what) for one in found.moments] == [
        (run, what) for run in (1, 2) for what in ("accepted", "started", "succeeded")
    ]


def test_a_killed_runner_and_a_drain_are_told_apart(tmp_path: Path) -> None:
    """A start after a start says that the runner died; the time that nothing ran does not count as active."""
    journal = Journal(tmp_path)
    journal.job("started", t=100.0, workers=1)
    journal.item(0, "ok", t=110.0, ms=1.0)
    journal.job("drained", t=110.0)
    journal.job("started", t=5000.0, workers=1)
    journal.item(1, "ok", t=5010.0, ms=1.0)
    journal.job("started", t=9000.0, workers=1)
    journal.item(2, "ok", t=9010.0, ms=1.0)
    journal.job("finished", t=9010.0, state="succeeded")
    found = read(journal)
    assert [one.what for one in found.moments] == ["started", "drained", "started", "died", "started", "succeeded"]
    assert [one.end for one in found.stretches] == ["drained", "died", "finished"]
    assert found.active == pytest.approx(30.0, abs=0.2)


def test_retries_deaths_and_failures_have_their_kinds(tmp_path: Path) -> None:
    """Each has a count and an example; a death is that of the worker it names; waits are added up."""
    journal = Journal(tmp_path)
    journal.item(0, "retry", t=10.0, ms=5.0, error="Busy", due=12.5)
    journal.item(0, "failed", attempt=2, t=13.0, ms=5.0, error=error_text("Busy", traceback="Traceback\n  here"))
    journal.item(1, "died", slot=0, t=14.0, error=json.dumps({"type": "WorkerDied", "worker": 3}).encode())
    journal.item(1, "quarantined", slot=0, t=15.0, attempt=2, error="Poisonous")
    found = read(journal)
    assert [(kind.type, kind.count) for kind in found.failures.rows()] == [("Busy", 1), ("Poisonous", 1)]
    assert found.failures.rows()[0].first.traceback == "Traceback\n  here"
    assert (found.tally.retries, found.tally.died, found.waited) == (1, 1, 2.5)
    assert found.workers[3].deaths == 1
    assert found.tries == {2: 2}


def test_a_damaged_record_does_not_count(tmp_path: Path) -> None:
    """Its neighbours do, and the damage is noted."""
    journal = Journal(tmp_path)
    for n in range(50):
        journal.item(n, "ok", t=10.0 + n, ms=1.0)
    path = tmp_path / "journal" / "001-001.jsonl"
    journal.segment().sync()
    data = bytearray(path.read_bytes())
    data[data.index(b'"id20"') + 3] ^= 1
    path.write_bytes(data)
    found = read(journal)
    assert (found.settled, found.damaged) == (49, 1)


def test_a_foreign_or_absent_journal_is_refused(tmp_path: Path) -> None:
    """The reason says where."""
    with pytest.raises(JournalError, match="there is no journal"):
        chronicle(str(tmp_path), "demo")
    journal = Journal(tmp_path)
    journal.job("accepted")
    with pytest.raises(JournalError, match="foreign"):
        chronicle(str(journal.dir), "other")


def test_bins_stay_few_whatever_the_time(tmp_path: Path) -> None:
    """A year of events, and an attempt of a month, leave a bounded number of bins, and nothing is lost."""
    bins = Bins()
    times = [1_700_000_000_000 + day * 86_400_000 for day in range(365)]
    for time in times:
        bins.count("ok", [time] * 10)
    bins.work(0, [times[-1]], [30 * 86_400_000.0])
    assert len(bins.used) <= MOST
    assert sum(bins.events["ok"].values()) == 3650
    assert sum(bins.busy[0].values()) == pytest.approx(30 * 86_400_000)
    axis = Axis(bins)
    assert axis.columns <= COLUMNS
    assert sum(axis.gather(bins.events["ok"])) == 3650


def test_time_in_which_nothing_ran_is_left_out() -> None:
    """Two busy minutes, a month apart, fill most of the axis; the break between them is said."""
    bins = Bins()
    for start in (0, 30 * 86_400_000):
        bins.count("ok", [start + second * 1000 for second in range(60)])
    axis = Axis(bins)
    assert len(axis.breaks) == 1
    assert axis.breaks[0].seconds == pytest.approx(30 * 86_400, rel=0.01)
    assert axis.seconds < 1
    assert axis.at(30 * 86_400) == pytest.approx(axis.columns / 2, rel=0.2)
    assert axis.time(axis.at(30.0)) == pytest.approx(30.0, abs=2 * axis.seconds)


def test_durations_fall_between_their_bars_edges() -> None:
    """Every attempt is in one bar, and the bars touch."""
    found = Chronicle("demo")
    for ms in (0.0, 0.01, 0.4, 3.0, 3.1, 250.0, 90_000.0):
        found.tally.add("ok", ms, 0, "x")
    shown = bars(found.tally)
    assert sum(bar.attempts for bar in shown) == 7
    assert all(a.high == pytest.approx(b.low) for a, b in pairwise(shown))
    assert any(bar.low <= 250.0 <= bar.high and bar.attempts for bar in shown)


def test_many_workers_share_the_last_lane() -> None:
    """The lanes stay few enough to be seen."""
    bins = Bins()
    for slot in range(100):
        bins.work(slot, [64_000], [64_000.0])
    shown = lanes(Axis(bins), bins, range(100), 1)
    assert len(shown) == 24
    assert shown[-1].name == "77 more"
    assert max(shown[-1].shares) == pytest.approx(1.0, abs=0.05)


def test_an_unfinished_segment_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    """What a worker has begun to write is not there yet."""
    journal = Journal(tmp_path)
    journal.item(0, "ok", t=10.0, ms=1.0)
    journal.segment().sync()
    path = tmp_path / "journal" / "001-001.jsonl"
    with path.open("ab") as file:
        file.write(b'{"q":2,"n":1,"id":"x","s":"o')
    found = read(journal)
    assert (found.settled, found.counts, found.state) == (1, None, None)
