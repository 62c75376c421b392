"""What the records of one item lead to: what it saved, what it did once, what is in doubt."""

from __future__ import annotations

import itertools

import pytest
from tests.journals import began, error_text, raised, record, returned

from spoold.core.chunk import Past
from spoold.journal.format import ItemRecord
from spoold.journal.recollect import Told, in_order, trail_of
from spoold.journal.trail import Trail

RETRY = record("retry", error=error_text("ConnectionError"))
RESOLVED = record("retry", error=error_text("Resolved", free=True))


def trail(*records: ItemRecord, past: Past | None = None) -> Trail:
    """The trail of these records, in this order."""
    found = Trail(past)
    for one in records:
        found.add(one)
    return found


def test_nothing() -> None:
    """No records, or none with notes: the past is what it was."""
    for found in (trail(), trail(RETRY), trail(record("died", error=error_text("WorkerDied")))):
        assert (found.any, found.doubt("killed"), found.past(None)) == (False, None, None)
        assert found.past(Past(3)) == Past(3)


def test_the_newest_state() -> None:
    """Of what was saved the last counts, null too."""
    assert trail(record("save", result=[1]), record("save", result=[2])).past(Past(2)) == Past(2, saved=b"[2]")
    assert trail(record("save", result=None)).past(None) == Past(saved=b"null")


def test_once() -> None:
    """What returned is known; what raised may run again."""
    found = trail(began("a"), returned("a", {"id": 7}), began("b"), raised("b"))
    assert (found.any, found.doubt("killed")) == (True, None)
    assert found.past(None) == Past(once={"a": b'{"id":7}'})


def test_an_effect_without_an_end_is_in_doubt() -> None:
    """The reason names it, and what cut it short; also when another attempt has ended since."""
    found = trail(began("a"), returned("a", 1), began("pay"))
    assert found.doubt("killed by SIGKILL") == "once('pay') began and has no end: killed by SIGKILL"
    found.add(RETRY)
    assert found.doubt("killed") is not None


def test_an_effect_that_raised_and_began_again_is_in_doubt() -> None:
    """Beginnings and ends are counted."""
    assert trail(began("a"), raised("a"), began("a")).doubt("killed") is not None


@pytest.mark.parametrize("order", list(itertools.permutations((began("a"), raised("a"), began("a"), returned("a", 1)))))
def test_the_order_does_not_matter(order: tuple[ItemRecord, ...]) -> None:
    """Two segments may be read in either order."""
    found = trail(*order)
    assert (found.doubt("killed"), found.once) == (None, {"a": b"1"})


def test_at_most_once() -> None:
    """What began is in doubt until it ended, in whatever way."""
    start = record("start")
    assert trail(start).doubt("killed") == "it began, under at-most-once, and has no outcome: killed"
    for end in (RETRY, record("ok"), record("failed", error=error_text("ValueError"))):
        assert trail(start, end).doubt("killed") is None
        assert trail(start, end, start).doubt("killed") is not None
    assert trail(RETRY, RETRY, start).doubt("killed") is not None  # those that had no start, under at-least-once


def test_a_death_is_no_end() -> None:
    """Nobody knows how far it came."""
    assert trail(record("start"), record("died", error=error_text("WorkerDied"))).doubt("killed") is not None


def test_an_operator_ends_the_doubt() -> None:
    """What began before counts as ended; what he did not speak of is kept, and what begins later is in doubt again."""
    found = trail(record("start"), began("pay"), began("mail"), returned("mail", 1), RESOLVED)
    assert (found.doubt("killed"), found.past(None)) == (None, Past(once={"mail": b"1"}))
    found.add(record("start", attempt=2))
    assert found.doubt("killed") is not None
    found = trail(began("pay"), RESOLVED, began("pay"))
    assert found.doubt("killed") is not None


def test_it_goes_on_from_a_past() -> None:
    """What earlier attempts left is there, and what this one adds."""
    past = Past(2, saved=b"1", once={"a": b"1"})
    assert trail(past=past).past(past) == past
    assert trail(returned("b", 2), past=past).past(past) == Past(2, saved=b"1", once={"a": b"1", "b": b"2"})


def test_records_are_put_in_order() -> None:
    """By generation, run and attempt, then an operator's decision, then by time."""
    told = [
        Told(1, 1, record("save", result="a", t=9.0)),
        Told(1, 2, record("save", result="b", t=5.0)),
        Told(1, 2, record("save", result="c", attempt=2, t=3.0)),
        Told(1, 2, record("save", result="d", attempt=2, t=4.0)),
        Told(2, 3, record("save", result="e", t=1.0)),
    ]
    for order in itertools.permutations(told):
        assert in_order(order) == told
        assert trail_of(order).saved == b'"e"'


def test_an_operators_decision_comes_before_what_it_allows() -> None:
    """Whatever the clocks said."""
    start = record("start", attempt=2, t=5.0)
    decision = record("retry", attempt=2, t=9.0, error=error_text("Resolved", free=True))
    told = [Told(1, 1, record("start", t=7.0)), Told(1, 1, start), Told(1, 1, decision)]
    assert trail_of(told).doubt("killed") is not None
    assert trail_of([told[0], told[2]]).doubt("killed") is None
