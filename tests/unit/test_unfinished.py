"""What an earlier life left: when it is due again, and what becomes of it if this life does not get to it either."""

from __future__ import annotations

import pytest
from pyroaring import BitMap

from spoold.core import book as b
from spoold.core.rate import Rate
from spoold.journal.format import JobRecord
from spoold.journal.history import Attempt, History
from spoold.runner.begin import quiet
from spoold.runner.standing import Standing
from spoold.runner.unfinished import Fate, Unfinished

WALL, NOW = 1_000_000.0, 50.0


def unfinished(attempts: dict[int, Attempt]) -> Unfinished:
    """What a history with these open items leaves."""
    return Unfinished(History("0" * 32, 1, 1, open=attempts), "/nowhere", BitMap(), WALL, NOW)


@pytest.mark.parametrize(
    ("due", "wait", "left"),
    [(WALL + 4, 10.0, 4.0), (WALL - 4, 10.0, 0.0), (WALL + 31_536_000, 10.0, 10.0), (None, 0.0, 0.0)],
)
def test_when_it_is_due(due: float | None, wait: float, left: float) -> None:
    """At the time that was set, but no later than its wait from now, whatever the clock was set to meanwhile."""
    fate, past, when, _ = unfinished({3: Attempt(tries_ended=2, due=due, wait=wait)}).look(3)
    assert past == b.Past(3)
    assert (fate, when) == ((Fate.WAIT, NOW + left) if left else (Fate.RUN, NOW))


def test_the_last_of_those_that_hold_the_job_counts() -> None:
    """Those that wait without holding it don't."""
    attempts = {
        1: Attempt(due=WALL + 3, wait=9.0, hold=True),
        2: Attempt(due=WALL + 5, wait=9.0, hold=True),
        3: Attempt(due=WALL + 7, wait=9.0),
    }
    assert unfinished(attempts).held_until() == NOW + 5
    assert unfinished({3: attempts[3]}).held_until() is None


def test_what_this_life_does_not_get_to_is_left_as_it_was() -> None:
    """At the end of a life that looked at one item of two, both are noted as open; only one of them holds the job."""
    attempts = {
        1: Attempt(tries_ended=1, due=WALL + 5, wait=9.0, hold=True),
        2: Attempt(deaths=1, tries_ended=2, due=WALL + 7, wait=9.0),
        3: Attempt(tries_ended=1, due=WALL + 8, wait=9.0),
    }
    left = unfinished(attempts)
    book = b.Book(wanted=1, poison=3, deaths={2: 1}, rate=Rate(None, NOW, began_before=True))
    held = left.held_until()
    assert held is not None
    book.rate.hold(held)
    for n in (1, 3):
        _, past, due, _ = left.look(n)
        book.waiting.push(due, b.Chunk(n, [n], [str(n)], [b"{}"], pasts=[past]))
    history = History("0" * 32, 1, 1, open=attempts)
    standing = Standing(history, total=None, duplicates=0)
    standing.close(book, left.left, WALL + 1, NOW + 1)
    assert history.open == {
        1: Attempt(tries_ended=1, due=WALL + 5, wait=4.0, hold=True),
        2: attempts[2],
        3: Attempt(tries_ended=1, due=WALL + 8, wait=7.0),
    }
    assert standing.counts.retrying == 2


@pytest.mark.parametrize(
    ("events", "seconds"),
    [
        (["accepted", "started"], 0.0),
        (["accepted", "started", "drained", "started"], 8.0),
        (["accepted", "started", "paused", "resumed", "started"], 8.0),
        (["accepted", "started", "drained", "started", "started"], 0.0),
        (["accepted", "started", "drained", "accepted", "started"], 0.0),
    ],
)
def test_for_how_long_nothing_was_started(events: list[str], seconds: float) -> None:
    """Since the life before this one was laid down; where it was killed nobody knows."""
    jobs = [JobRecord(q, event, WALL + q, {}) for q, event in enumerate(events)]
    history = History("0" * 32, 1, 1, jobs=jobs)
    assert quiet(history, WALL + 10) == seconds
    assert quiet(history, WALL - 10) == 0.0
