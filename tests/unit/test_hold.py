"""What the book does while an item holds its whole job."""

from __future__ import annotations

from spoold.core import book as b
from spoold.core.ending import Ending


def working(wanted: int) -> b.Book:
    """A book whose workers have ten items each, all of them new."""
    book = b.Book(wanted=wanted, poison=2)
    b.decide(book, b.Look(), 0.0)
    for slot in range(wanted):
        b.decide(book, b.Loaded(slot), 0.0)
        ns = list(range(10 * slot, 10 * slot + 10))
        book.give(slot, b.Chunk(slot, ns, list(map(str, ns)), [b"%d" % n for n in ns]))
    return book


def hold(seconds: float) -> b.Acked:
    """The first item of the first worker holds the job; the worker waits to be told that it may go on."""
    ending = Ending(0, "retry", "RetryLater", "429", seconds, b.Past(), hold=True)
    return b.Acked(0, 0, 1, last=False, seconds=0.01, endings=(ending,), waits=True)


def test_everybody_is_asked_to_stop_before_anybody_goes_on() -> None:
    """All hand back what they have not begun; the one that asks is told last."""
    out = b.decide(working(3), hold(60.0), 1.0)
    assert [type(action) for action in out.actions] == [b.Recall, b.Recall, b.Recall, b.Grant]


def test_nothing_is_sent_before_its_time() -> None:
    """What was handed back stays until the time has come; then every worker gets some."""
    book = working(2)
    b.decide(book, hold(60.0), 1.0)
    for slot, done in ((0, 1), (1, 3)):
        assert b.decide(book, b.Acked(slot, slot, done, last=True), 2.0).actions == []
    assert book.wake_at() == 61.0
    assert b.decide(book, b.Look(), 60.9).actions == []
    sent = b.decide(book, b.Look(), 61.0).actions
    assert {action.slot for action in sent if isinstance(action, b.Send)} == {0, 1}


def test_a_hold_of_no_time_stops_nobody() -> None:
    """`RetryLater(0, job=True)` asks for nothing."""
    out = b.decide(working(2), hold(0.0), 1.0)
    assert not any(isinstance(action, b.Recall) for action in out.actions)


def test_a_fatal_end_is_known_before_anybody_goes_on() -> None:
    """The worker that raised Fatal finds out that it has to stop before it may go on."""
    ending = Ending(0, "failed", "Fatal", "no licence")
    fatal = b.Acked(0, 0, 1, last=False, endings=(ending,), waits=True, fatal="no licence")
    out = b.decide(working(2), fatal, 1.0)
    assert [type(action) for action in out.actions] == [b.Recall, b.Recall, b.Grant]
