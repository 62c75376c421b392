"""What a replay says of items that were begun and are not settled."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.journals import Journal, error_text

from spoold.core.chunk import Past
from spoold.journal.history import Attempt


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path)


def test_deaths_and_strikes_are_apart(journal: Journal) -> None:
    """Out of memory counts not towards poison; a hard timeout does."""
    journal.item(0, "died", slot=0, error=error_text("WorkerDied", worker=1))
    journal.item(0, "died", slot=0, error=error_text("TimeoutError", worker=1))
    journal.item(0, "died", slot=0, error=error_text("memory", worker=1))
    journal.item(1, "retry", error=error_text("memory", free=True), due=1.0)
    assert journal.replay().open == {0: Attempt(deaths=2, strikes=1), 1: Attempt(due=1.0, strikes=1)}


def test_a_free_attempt_costs_none(journal: Journal) -> None:
    """The next has the same number; of two records of one number the newer counts."""
    journal.item(0, "retry", attempt=1, error="ConnectionError", due=2.0)
    journal.item(0, "retry", attempt=2, t=3.0, due=8.0, error=error_text("RetryLater", free=True, deferred=5.0))
    journal.item(
        0, "retry", attempt=2, t=9.0, due=29.0, slot=2, error=error_text("RetryLater", free=True, deferred=25.0)
    )
    (attempt,) = journal.replay().open.values()
    assert attempt == Attempt(tries_ended=1, due=29.0, wait=20.0, deferred=25.0)
    assert attempt.past() == Past(2, deferred=25.0)


def test_a_hold_is_told(journal: Journal) -> None:
    """A new life holds the job for the rest of it."""
    journal.item(0, "retry", t=3.0, due=63.0, error=error_text("RetryLater", free=True, deferred=60.0, hold=True))
    assert journal.replay().open[0].hold


def test_what_was_resolved_is_open(journal: Journal) -> None:
    """An operator's decision reopens an item that was in doubt, in the run of the doubt or a later one."""
    for n, run in ((0, 1), (1, 2)):
        journal.item(n, "in-doubt", attempt=3, slot=0, error="InDoubt")
        error = error_text("Resolved", free=True)
        journal.item(n, "retry", run=run, attempt=4, slot=0, t=5.0, due=5.0, error=error)
    journal.segment(run=2)
    history = journal.replay()
    assert (set(history.in_doubt), set(history.settled)) == (set(), set())
    assert history.open == {1: Attempt(tries_ended=3, due=5.0, resolved=True)}


def test_what_began_after_a_decision_is_open(journal: Journal) -> None:
    """Neither settled nor forgotten; if it is in doubt once more, it is so until there is another decision."""
    for n in (0, 1):
        journal.item(n, "start")
        journal.item(n, "in-doubt", slot=0, error="InDoubt")
        journal.item(n, "retry", attempt=2, slot=0, due=1.0, error=error_text("Resolved", free=True))
        journal.item(n, "start", attempt=2)
    journal.item(1, "in-doubt", attempt=2, slot=0, error="InDoubt")
    history = journal.replay()
    assert (set(history.in_doubt), set(history.settled), set(history.open)) == ({1}, {1}, {0})
    assert set(history.noted) == {0, 1}


def test_notes_alone_are_an_attempt(journal: Journal) -> None:
    """An item that was in flight when everything was killed."""
    journal.item(0, "start")
    journal.item(1, "save", result=b"1")
    history = journal.replay()
    assert history.open == {0: Attempt(), 1: Attempt()}
    assert set(history.noted) == {0, 1}


def test_older_runs_do_not_count(journal: Journal) -> None:
    """A run has a fresh budget, but keeps what items noted."""
    journal.item(0, "retry", attempt=3, error="ConnectionError", due=2.0)
    journal.item(0, "save", attempt=3, result=b"1")
    journal.item(0, "failed", attempt=4, error="ConnectionError")
    journal.segment(run=2)
    history = journal.replay()
    assert (history.open, set(history.failed), set(history.settled), set(history.noted)) == ({}, {0}, set(), {0})
