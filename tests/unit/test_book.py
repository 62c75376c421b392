"""Decisions of the book that are worth an example; tests/property/test_book.py plays them all."""

from __future__ import annotations

import pytest

from spoold.core import book as b


def chunk(book: b.Book, *ns: int, alone: bool = False) -> b.Chunk:
    """Items as the plan gives them."""
    lines = [n + 1 for n in ns]
    return b.Chunk(book.new_key(), list(ns), [f"id{n}" for n in ns], [b"%d" % n for n in ns], lines, alone)


def ready(wanted: int, *, poison: int = 2, each: float | None = None) -> b.Book:
    """A book whose workers have all loaded, with nothing given yet."""
    book = b.Book(wanted=wanted, poison=poison)
    if each is not None:
        for _ in range(9):
            book.pace.observe(1, each)
    b.decide(book, b.Look())
    for slot in range(wanted):
        b.decide(book, b.Loaded(slot))
    return book


def kinds(out: b.Outcome) -> list[str]:
    """The actions by name."""
    return [type(action).__name__ for action in out.actions]


def test_it_begins_with_workers() -> None:
    """While nothing is known of the source, every worker that is wanted is started."""
    assert b.decide(b.Book(wanted=3, poison=2), b.Look()).actions == [b.Spawn(0), b.Spawn(1), b.Spawn(2)]


def test_no_more_workers_than_items() -> None:
    """Once the number of items left is known, idle workers beyond it are not started."""
    book = b.Book(wanted=3, poison=2, upcoming=2)
    assert b.decide(book, b.Look()).actions == [b.Spawn(0), b.Spawn(1)]


def test_somebody_asks_for_the_end() -> None:
    """A plan that has nothing left is still asked, so that the run ends."""
    assert b.decide(b.Book(wanted=3, poison=2, upcoming=0), b.Look()).actions == [b.Spawn(0)]


def test_everybody_has_one_before_anybody_has_two() -> None:
    """Quick items: two chunks a worker, dealt out in turns."""
    book = ready(2, each=0.001)
    assert b.decide(book, b.Look()).actions == [b.Feed(0, 50), b.Feed(1, 50), b.Feed(0, 50), b.Feed(1, 50)]


def test_slow_items_are_not_queued_behind_each_other() -> None:
    """One chunk a worker when an item takes longer than a chunk should."""
    assert b.decide(ready(2, each=3.0), b.Look()).actions == [b.Feed(0, 1), b.Feed(1, 1)]


def test_an_idle_worker_gets_a_share() -> None:
    """At the end of the source, the fullest worker hands back what it has not begun, and all share it evenly."""
    book = ready(3, each=0.01)
    first = chunk(book, *range(7))
    book.give(1, first)
    assert b.decide(book, b.Exhausted()).actions == [b.Recall(1)]
    out = b.decide(book, b.Acked(1, first.key, 1, last=True, seconds=0.01))
    sent = {action.slot: action.chunk.ns for action in out.actions if isinstance(action, b.Send)}
    assert sent == {0: [1, 2], 1: [3, 4], 2: [5, 6]}
    assert kinds(out) == ["Send"] * 3


def test_little_work_stays_where_it_is() -> None:
    """What takes less time than handing it over is not asked back."""
    book = ready(2, each=0.0001)
    book.give(0, chunk(book, *range(9)))
    assert b.decide(book, b.Exhausted()).actions == []


def test_a_death_is_written_and_the_item_tried_again_alone() -> None:
    """One suspect: it alone is blamed, the others go back unblamed and first."""
    book = ready(2, poison=2)
    book.give(0, chunk(book, 0, 1, 2, 3))
    out = b.decide(book, b.Died(0, frozenset({0}), (1,), "killed by SIGSEGV"))
    assert out.records == [b.Record(1, "id1", b"1", 2, "died", "killed by SIGSEGV")]
    assert [back.ns for back in book.back] == [[3], [1]]
    assert [back.alone for back in book.back] == [False, True]
    assert [action.chunk.ns for action in out.actions if isinstance(action, b.Send)] == [[2]]


def test_poison_is_quarantined() -> None:
    """At the limit the item is recorded with the number of deaths, and is gone."""
    book = ready(1, poison=2)
    book.deaths[5] = 1
    book.give(0, chunk(book, 5))
    out = b.decide(book, b.Died(0, frozenset(), (5,), "exit code 3"))
    assert [(r.status, r.message) for r in out.records] == [
        ("died", "exit code 3"),
        ("quarantined", "its worker died 2 times, at last: exit code 3"),
    ]
    assert not book.back
    assert not book.deaths


def test_several_suspects_are_each_tried_alone() -> None:
    """Nobody is blamed before it took a worker down by itself."""
    book = ready(1)
    book.give(0, chunk(book, 0, 1, 2))
    out = b.decide(book, b.Died(0, frozenset(), (0, 2), "killed by SIGKILL"))
    assert not out.records
    assert sorted((back.ns, back.alone) for back in book.back) == [([0], True), ([1], False), ([2], True)]


def test_our_own_kill_blames_nobody() -> None:
    """What ran when the drain was over goes back as it was."""
    book = ready(1)
    book.give(0, chunk(book, 0, 1))
    assert not b.decide(book, b.Died(0, frozenset(), (0,), "killed by SIGKILL", ours=True)).records
    assert [(back.ns, back.alone) for back in book.back] == [([0, 1], False)]


@pytest.mark.parametrize("event", [b.LoadFailed(0, "no module"), b.Died(0, frozenset(), (), "exit code 1")])
def test_a_handler_gets_three_tries(event: b.Event) -> None:
    """A worker that never gets to the item it was given says nothing of the item; three in a row fail the job."""
    book = ready(1)
    book.give(0, chunk(book, 0))
    for _ in range(2):
        assert b.Spawn(0) in b.decide(book, event).actions
        b.decide(book, b.Loaded(0))
    b.decide(book, event)
    assert book.closing is b.Closing.FAIL
    assert book.reason


def test_workers_killed_together_are_one_try() -> None:
    """However many were loading; then one tries, and the others wait for it."""
    book = b.Book(wanted=4, poison=2)
    b.decide(book, b.Look())
    outs = [b.decide(book, b.LoadFailed(slot, "killed by SIGKILL")) for slot in range(4)]
    assert book.load_failures == 1
    assert [out.actions for out in outs] == [[], [], [], [b.Spawn(0)]]
    assert b.Spawn(1) in b.decide(book, b.Loaded(0)).actions


def test_a_handler_that_has_worked_is_not_blamed_for_deaths_between_items() -> None:
    """Nor is it for the death of a worker that had nothing to do."""
    book = ready(4, each=0.01)
    b.decide(book, b.Died(3, frozenset(), (), "killed by SIGKILL"))
    for slot in range(3):
        given = chunk(book, slot)
        book.give(slot, given)
        b.decide(book, b.Acked(slot, given.key, 1, last=True))
    book.give(0, chunk(book, 7))
    for slot in range(3):
        b.decide(book, b.Died(slot, frozenset(), (), "killed by SIGKILL"))
    assert book.load_failures == 0


def test_one_item_done_forgives_failed_loads() -> None:
    """The tries are counted in a row, also when the item's worker died before it could acknowledge."""
    book = ready(1)
    b.decide(book, b.LoadFailed(0, "no module"))
    b.decide(book, b.LoadFailed(0, "no module"))
    b.decide(book, b.Loaded(0))
    book.give(0, chunk(book, 0, 1))
    b.decide(book, b.Died(0, frozenset({0}), (1,), "killed by SIGKILL"))
    b.decide(book, b.LoadFailed(0, "no module"))
    assert book.closing is b.Closing.NO


def test_a_worker_that_was_not_needed_fails_nothing() -> None:
    """When everything is settled, a handler that fails to load in a retired worker does not fail the job."""
    book = b.Book(wanted=3, poison=2)
    b.decide(book, b.Look())
    assert kinds(b.decide(book, b.Exhausted())) == ["Retire"] * 3
    out = [b.decide(book, b.LoadFailed(slot, "no module")) for slot in range(3)]
    assert book.closing is b.Closing.NO
    assert out[-1].actions == [b.End()]


def test_a_retired_worker_that_loaded_is_not_used() -> None:
    """Its `Loaded` was on the way when it was told to go."""
    book = b.Book(wanted=1, poison=2)
    b.decide(book, b.Look())
    assert b.decide(book, b.Close(b.Closing.DRAIN)).actions == [b.Retire(0)]
    assert b.decide(book, b.Loaded(0)).actions == []
    assert b.decide(book, b.Died(0, frozenset(), (), "exit code 0")).actions == [b.End()]


def test_closing_only_gets_stronger() -> None:
    """A pause after a cancel changes nothing; the reason is the stronger one's."""
    book = ready(1)
    b.decide(book, b.Close(b.Closing.CANCEL, "an operator"))
    b.decide(book, b.Close(b.Closing.PAUSE, "later"))
    assert (book.closing, book.reason) == (b.Closing.CANCEL, "an operator")
