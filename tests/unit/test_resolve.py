"""What an operator decided on items in doubt: which decisions are open, of which record, and what comes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.journals import Journal, error_text

from spoold.core.spec import JobSpec
from spoold.journal.history import Attempt
from spoold.runner.joblog import JobLog
from spoold.runner.ledger import Ledger
from spoold.runner.resolve import find, pending, resolve


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path)


def decided(journal: Journal, *decisions: tuple[str, str]) -> None:
    """Decisions that were written while there was no runner."""
    for item_id, outcome in decisions:
        journal.job("resolve", id=item_id, outcome=outcome)


def test_decisions_are_taken_in_order(journal: Journal) -> None:
    """Those of the newest run that were not carried out."""
    journal.job("accepted", mode="drop")
    decided(journal, ("a", "ok"), ("b", "retry"))
    journal.job("resolved", id="a", outcome="ok")
    decided(journal, ("c", "ok"), ("b", "ok"))
    assert pending(journal.replay()) == [("b", "retry"), ("c", "ok"), ("b", "ok")]


def test_a_decision_that_was_carried_out_is_none(journal: Journal) -> None:
    """But the same may be decided again."""
    decided(journal, ("a", "retry"))
    journal.job("resolved", id="a", outcome="retry")
    assert pending(journal.replay()) == []
    decided(journal, ("a", "retry"))
    assert pending(journal.replay()) == [("a", "retry")]


def test_a_run_may_begin_with_a_decision(journal: Journal) -> None:
    """What was decided in the run before belongs to it."""
    decided(journal, ("a", "retry"))
    control = {"id": "b", "outcome": "retry"}
    journal.job("accepted", run=2, mode="resolve", control=control)
    assert pending(journal.replay()) == [("b", "retry")]
    journal.job("accepted", run=3, mode="rerun", control=control)
    assert pending(journal.replay()) == []


@pytest.mark.parametrize("fields", [{}, {"id": 5, "outcome": "ok"}, {"id": "a"}])
def test_what_is_no_decision_is_passed_over(journal: Journal, fields: dict[str, Any]) -> None:
    """A record of another version, say."""
    journal.job("resolve", **fields)
    assert pending(journal.replay()) == []


def test_the_record_in_doubt_is_found(journal: Journal) -> None:
    """By its id, if it is still in doubt; results and other items that look like it are not taken for it."""
    journal.item(0, "in-doubt", slot=0, item_id="a", error="InDoubt", line=5)
    journal.item(1, "ok", item_id="b", result=b'{"id":"b","s":"in-doubt"}')
    journal.item(2, "in-doubt", slot=2, attempt=3, item_id='q"\n', error="InDoubt")
    journal.item(3, "in-doubt", item_id="d", error="InDoubt")
    journal.item(3, "ok", item_id="d")
    history = journal.replay()
    found = [find(str(journal.dir), history, item_id) for item_id in ("a", 'q"\n', "b", "d", "e", "")]
    assert [record and (record.n, record.attempt, record.line) for record in found] == [
        (0, 1, 5), (2, 3, None), None, None, None, None,
    ]  # fmt: skip


def test_an_older_generation_is_not_searched(journal: Journal) -> None:
    """Its positions are others."""
    journal.item(0, "in-doubt", run=1, gen=1, item_id="a", error="InDoubt")
    journal.item(0, "in-doubt", run=2, gen=2, item_id="b", error="InDoubt")
    history = journal.replay()
    assert find(str(journal.dir), history, "a") is None
    assert find(str(journal.dir), history, "b") is not None


@pytest.fixture
def ledger(journal: Journal, tmp_path: Path) -> Ledger:
    """Of a job of which two items are in doubt and one is done."""
    journal.item(0, "start", attempt=2)
    journal.item(0, "in-doubt", slot=0, attempt=2, error="InDoubt", line=1)
    journal.item(1, "in-doubt", slot=0, error="InDoubt")
    journal.item(2, "ok")
    for segment in journal.open.values():
        segment.close()
    return Ledger(spec(tmp_path), journal.replay())


def spec(tmp_path: Path) -> JobSpec:
    """As much of a job as a ledger needs."""
    return JobSpec(
        job="demo", directory=str(tmp_path), spool=str(tmp_path), run=1, handler="a:b", params={}, source={}, id=None,
        cwd="/", env={}, pythonpath=[], venv=None, preload=False, poison=2, load_timeout=1.0, sync=0.0,
        drain_timeout=1.0, result_limit=1, log_format="text", log_size=1 << 20, granted=1,
    )  # fmt: skip


def carried_out(ledger: Ledger, journal: Journal, item_id: str, outcome: str) -> int | None:
    """Carry a decision out; the position that was told."""
    log = JobLog(str(journal.dir.parent / "job.log"), "text", 1 << 20)
    return resolve(ledger, str(journal.dir), item_id, outcome, log)


def test_ok_settles_the_item(ledger: Ledger, journal: Journal) -> None:
    """What is kept up to date says what a replay says."""
    assert carried_out(ledger, journal, "id0", "ok") == 0
    for history in (ledger.history, journal.replay()):
        assert (set(history.ok), set(history.in_doubt), set(history.settled)) == ({0, 2}, {1}, {0, 1, 2})
        assert history.open == {}
    (line,) = [line for line in (journal.dir / "001-000.jsonl").read_bytes().splitlines() if b'"s":"ok"' in line]
    assert b'"try":2' in line
    assert b'"line":1' in line


def test_retry_opens_the_item(ledger: Ledger, journal: Journal) -> None:
    """Also for a life that knows only the journal; what began before it is in doubt no more."""
    assert carried_out(ledger, journal, "id0", "retry") == 0
    for history in (ledger.history, journal.replay()):
        assert (set(history.in_doubt), set(history.settled), set(history.open)) == ({1}, {1, 2}, {0})
        assert history.open[0].past().attempt == 3
        assert history.open[0].resolved
    assert ledger.history.open[0] == Attempt(tries_ended=2, resolved=True)


def test_a_decision_is_carried_out_once(ledger: Ledger, journal: Journal) -> None:
    """An item that is not in doubt, any more or at all, is left alone; job.log says so."""
    assert carried_out(ledger, journal, "id0", "retry") == 0
    before = (journal.dir / "001-000.jsonl").read_bytes()
    for item_id in ("id0", "id2", "nobody"):
        assert carried_out(ledger, journal, item_id, "ok") is None
    assert (journal.dir / "001-000.jsonl").read_bytes() == before
    assert (journal.dir.parent / "job.log").read_text().count("is not in doubt") == 3


def test_an_item_may_be_in_doubt_again(ledger: Ledger, journal: Journal) -> None:
    """Then it is found by its newest record, and resolved once more."""
    carried_out(ledger, journal, "id0", "retry")
    ledger.item(0, "id0", "in-doubt", attempt=3, error=error_text("InDoubt"))
    again = Ledger(spec(journal.dir.parent), journal.replay())
    assert set(again.history.in_doubt) == {0, 1}
    assert carried_out(again, journal, "id0", "retry") == 0
    assert journal.replay().open[0].past().attempt == 4
