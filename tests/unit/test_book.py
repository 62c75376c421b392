"""Decisions of the book that are worth an example; tests/property/test_book.py plays them all."""

from __future__ import annotations

import pytest

from spoold.core import book as b
from spoold.core import waiting
from spoold.core.ending import Ending
from spoold.core.failures import FailureCount
from spoold.core.policy import FailureLimits, Recycling, RetryPolicy
from spoold.core.rate import Rate


def decide(book: b.Book, event: b.Event, now: float = 100.0) -> b.Outcome:
    """Decide at a time at which nothing happens by the clock."""
    return b.decide(book, event, now)


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
    decide(book, b.Look())
    for slot in range(wanted):
        decide(book, b.Loaded(slot))
    return book


def kinds(out: b.Outcome) -> list[str]:
    """The actions by name."""
    return [type(action).__name__ for action in out.actions]


def test_it_begins_with_workers() -> None:
    """While nothing is known of the source, every worker that is wanted is started."""
    assert decide(b.Book(wanted=3, poison=2), b.Look()).actions == [b.Spawn(0), b.Spawn(1), b.Spawn(2)]


def test_no_more_workers_than_items() -> None:
    """Once the number of items left is known, idle workers beyond it are not started."""
    book = b.Book(wanted=3, poison=2, upcoming=2)
    assert decide(book, b.Look()).actions == [b.Spawn(0), b.Spawn(1)]


def test_somebody_asks_for_the_end() -> None:
    """A plan that has nothing left is still asked, so that the run ends."""
    assert decide(b.Book(wanted=3, poison=2, upcoming=0), b.Look()).actions == [b.Spawn(0)]


def test_everybody_has_one_before_anybody_has_two() -> None:
    """Quick items: two chunks a worker, dealt out in turns."""
    book = ready(2, each=0.001)
    assert decide(book, b.Look()).actions == [b.Feed(0, 50), b.Feed(1, 50), b.Feed(0, 50), b.Feed(1, 50)]


def test_slow_items_are_not_queued_behind_each_other() -> None:
    """One chunk a worker when an item takes longer than a chunk should."""
    assert decide(ready(2, each=3.0), b.Look()).actions == [b.Feed(0, 1), b.Feed(1, 1)]


def test_an_idle_worker_gets_a_share() -> None:
    """At the end of the source, the fullest worker hands back what it has not begun, and all share it evenly."""
    book = ready(3, each=0.01)
    first = chunk(book, *range(7))
    book.give(1, first)
    assert decide(book, b.Exhausted()).actions == [b.Recall(1)]
    out = decide(book, b.Acked(1, first.key, 1, last=True, seconds=0.01))
    sent = {action.slot: action.chunk.ns for action in out.actions if isinstance(action, b.Send)}
    assert sent == {0: [1, 2], 1: [3, 4], 2: [5, 6]}
    assert kinds(out) == ["Send"] * 3


def test_little_work_stays_where_it_is() -> None:
    """What takes less time than handing it over is not asked back."""
    book = ready(2, each=0.0001)
    book.give(0, chunk(book, *range(9)))
    assert decide(book, b.Exhausted()).actions == []


def test_a_death_is_written_and_the_item_tried_again_alone() -> None:
    """One suspect: it alone is blamed, the others go back unblamed and first."""
    book = ready(2, poison=2)
    book.give(0, chunk(book, 0, 1, 2, 3))
    out = decide(book, b.Died(0, frozenset({0}), (1,), "killed by SIGSEGV"))
    assert [(r.n, r.status, r.kind, r.message, r.slot, r.attempt) for r in out.records] == [
        (1, "died", "WorkerDied", "killed by SIGSEGV", 0, 1)
    ]
    assert [back.ns for back in book.back] == [[3], [1]]
    assert [back.alone for back in book.back] == [False, True]
    assert [action.chunk.ns for action in out.actions if isinstance(action, b.Send)] == [[2]]


def test_poison_is_quarantined() -> None:
    """At the limit the item is recorded with the number of deaths, and is gone."""
    book = ready(1, poison=2)
    book.deaths[5] = 1
    book.give(0, chunk(book, 5))
    out = decide(book, b.Died(0, frozenset(), (5,), "exit code 3"))
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
    out = decide(book, b.Died(0, frozenset(), (0, 2), "killed by SIGKILL"))
    assert not out.records
    assert sorted((back.ns, back.alone) for back in book.back) == [([0], True), ([1], False), ([2], True)]


def test_our_own_kill_blames_nobody() -> None:
    """What ran when the drain was over goes back as it was."""
    book = ready(1)
    book.give(0, chunk(book, 0, 1))
    assert not decide(book, b.Died(0, frozenset(), (0,), "killed by SIGKILL", b.Cause.OURS)).records
    assert [(back.ns, back.alone) for back in book.back] == [([0, 1], False)]


@pytest.mark.parametrize("event", [b.LoadFailed(0, "no module"), b.Died(0, frozenset(), (), "exit code 1")])
def test_a_handler_gets_three_tries(event: b.Event) -> None:
    """A worker that never gets to the item it was given says nothing of the item; three in a row fail the job."""
    book = ready(1)
    book.give(0, chunk(book, 0))
    for _ in range(2):
        assert b.Spawn(0) in decide(book, event).actions
        decide(book, b.Loaded(0))
    decide(book, event)
    assert book.closing is b.Closing.FAIL
    assert book.reason


def test_workers_killed_together_are_one_try() -> None:
    """However many were loading; then one tries, and the others wait for it."""
    book = b.Book(wanted=4, poison=2)
    decide(book, b.Look())
    outs = [decide(book, b.LoadFailed(slot, "killed by SIGKILL")) for slot in range(4)]
    assert book.load_failures == 1
    assert [out.actions for out in outs] == [[], [], [], [b.Spawn(0)]]
    assert b.Spawn(1) in decide(book, b.Loaded(0)).actions


def test_a_handler_that_has_worked_is_not_blamed_for_deaths_between_items() -> None:
    """Nor is it for the death of a worker that had nothing to do."""
    book = ready(4, each=0.01)
    decide(book, b.Died(3, frozenset(), (), "killed by SIGKILL"))
    for slot in range(3):
        given = chunk(book, slot)
        book.give(slot, given)
        decide(book, b.Acked(slot, given.key, 1, last=True))
    book.give(0, chunk(book, 7))
    for slot in range(3):
        decide(book, b.Died(slot, frozenset(), (), "killed by SIGKILL"))
    assert book.load_failures == 0


def test_one_item_done_forgives_failed_loads() -> None:
    """The tries are counted in a row, also when the item's worker died before it could acknowledge."""
    book = ready(1)
    decide(book, b.LoadFailed(0, "no module"))
    decide(book, b.LoadFailed(0, "no module"))
    decide(book, b.Loaded(0))
    book.give(0, chunk(book, 0, 1))
    decide(book, b.Died(0, frozenset({0}), (1,), "killed by SIGKILL"))
    decide(book, b.LoadFailed(0, "no module"))
    assert book.closing is b.Closing.NO


def test_a_worker_that_was_not_needed_fails_nothing() -> None:
    """When everything is settled, a handler that fails to load in a retired worker does not fail the job."""
    book = b.Book(wanted=3, poison=2)
    decide(book, b.Look())
    assert kinds(decide(book, b.Exhausted())) == ["Retire"] * 3
    out = [decide(book, b.LoadFailed(slot, "no module")) for slot in range(3)]
    assert book.closing is b.Closing.NO
    assert out[-1].actions == [b.End()]


def test_a_retired_worker_that_loaded_is_not_used() -> None:
    """Its `Loaded` was on the way when it was told to go."""
    book = b.Book(wanted=1, poison=2)
    decide(book, b.Look())
    assert decide(book, b.Close(b.Closing.DRAIN)).actions == [b.Retire(0)]
    assert decide(book, b.Loaded(0)).actions == []
    assert decide(book, b.Died(0, frozenset(), (), "exit code 0")).actions == [b.End()]


def test_closing_only_gets_stronger() -> None:
    """A pause after a cancel changes nothing; the reason is the stronger one's."""
    book = ready(1)
    decide(book, b.Close(b.Closing.CANCEL, "an operator"))
    decide(book, b.Close(b.Closing.PAUSE, "later"))
    assert (book.closing, book.reason) == (b.Closing.CANCEL, "an operator")


# ---------------------------------------------------------------------- attempts that do not end well


POLICY = RetryPolicy(attempts=3, backoff=2.0, jitter=0.0)


def retry(n: int, *, wait: float = 0.0, attempt: int = 2, hold: bool = False) -> Ending:
    """An attempt that is followed by another."""
    return Ending(n, "retry", "ConnectionError", "refused", wait, b.Past(attempt), hold)


def failed(n: int) -> Ending:
    """An item that failed."""
    return Ending(n, "failed", "ValueError", "bad")


def acked(
    chunk: b.Chunk, done: int, *endings: Ending, slot: int = 0, waits: bool = False, seconds: float = 0.01
) -> b.Acked:
    """A worker tells of attempts that did not end ok; what it has left of the chunk it goes on with."""
    return b.Acked(slot, chunk.key, done, last=False, seconds=seconds, endings=endings, waits=waits)


def sends(out: b.Outcome) -> list[tuple[int, list[int]]]:
    """Which slot is sent which positions."""
    return [(action.slot, list(action.chunk.ns)) for action in out.actions if isinstance(action, b.Send)]


def test_a_retry_waits_and_occupies_no_worker() -> None:
    """The book wakes when it is due, and sends it then with what it has to know; before, others run."""
    book = ready(1)
    given = chunk(book, 0)
    book.give(0, given)
    decide(book, acked(given, 1, retry(0, wait=2.5), seconds=1.0))
    assert (len(book.waiting), book.wake_at()) == (1, 102.5)
    assert kinds(decide(book, b.Acked(0, given.key, 1, last=True), 101.0)) == ["Feed"]
    assert not sends(decide(book, b.Look(), 102.4))
    book.exhausted = True
    out = decide(book, b.Look(), 102.5)
    assert [action.chunk.pasts for action in out.actions if isinstance(action, b.Send)] == [[b.Past(2)]]
    assert book.wake_at() is None


def test_items_due_together_travel_together() -> None:
    """One chunk of several, each with its own past; one that was due earlier comes first."""
    book = ready(1, each=0.001)
    given = chunk(book, 0, 1, 2)
    book.give(0, given)
    ends = (retry(0, wait=0.3), retry(1, wait=0.1, attempt=3), retry(2, wait=0.2))
    decide(book, acked(given, 3, *ends))
    decide(book, b.Acked(0, given.key, 3, last=True))
    book.exhausted = True
    (send,) = (action for action in decide(book, b.Look(), 101.0).actions if isinstance(action, b.Send))
    assert (send.chunk.ns, send.chunk.lines) == ([1, 2, 0], [2, 3, 1])
    assert send.chunk.pasts == [b.Past(3), b.Past(2), b.Past(2)]


def test_too_many_waiting_items_stop_the_feeding(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing new starts before there is room in the heap; what is due goes on."""
    monkeypatch.setattr(waiting, "MOST", 2)
    book = ready(2)
    first, second = chunk(book, 0), chunk(book, 1)
    book.give(0, first)
    book.give(1, second)
    decide(book, acked(first, 1, retry(0, wait=5.0), seconds=1.0))
    decide(book, acked(second, 1, retry(1, wait=9.0), slot=1, seconds=1.0))
    assert book.waiting.full
    assert decide(book, b.Acked(0, first.key, 1, last=True)).actions == []
    assert decide(book, b.Acked(1, second.key, 1, last=True)).actions == []
    out = decide(book, b.Look(), 105.0)
    assert sends(out) == [(0, [0])]
    assert kinds(out) == ["Send", "Feed"]


def test_memory_is_tried_again_alone_in_a_fresh_worker() -> None:
    """The worker that ran out is replaced, and the item waits for the new one; a second time fails it."""
    book = ready(1)
    given = chunk(book, 0, 1)
    book.give(0, given)
    ending = Ending(0, "retry", "memory", "", 0.0, b.Past(strikes=1), starved=True)
    assert kinds(decide(book, acked(given, 1, ending))) == ["Recall"]
    assert kinds(decide(book, b.Acked(0, given.key, 1, last=True))) == ["Retire"]
    assert kinds(decide(book, b.Died(0, frozenset(), (), "exit code 0"))) == ["Spawn"]
    out = decide(book, b.Loaded(0))
    assert sends(out) == [(0, [0])]
    assert book.slots[0].has_one_alone
    out = decide(book, b.Died(0, frozenset(), (0,), "used more", b.Cause.MEMORY))
    assert [(r.status, r.kind) for r in out.records] == [("died", "memory"), ("failed", "memory")]
    assert not book.deaths


def test_a_killed_hog_is_tried_again_alone() -> None:
    """Its first death for memory is written, counts not towards poison, and costs no attempt."""
    book = ready(1, poison=1)
    book.give(0, chunk(book, 0))
    out = decide(book, b.Died(0, frozenset(), (0,), "used more", b.Cause.MEMORY))
    assert [(r.status, r.kind) for r in out.records] == [("died", "memory")]
    assert not book.deaths
    (back,) = book.back
    assert (back.alone, back.pasts) == (True, [b.Past(strikes=1)])


def test_an_item_that_failed_for_memory_leaves_no_death_behind() -> None:
    """Also if a worker died over it before, for another reason."""
    book = ready(1, poison=3)
    given = chunk(book, 0)
    book.give(0, given)
    decide(book, b.Died(0, frozenset(), (0,), "killed by SIGSEGV"))
    outs = []
    for _ in range(2):
        decide(book, b.Loaded(0))
        outs.append(decide(book, b.Died(0, frozenset(), (0,), "used more", b.Cause.MEMORY)))
    assert [[r.status for r in out.records] for out in outs] == [["died"], ["died", "failed"]]
    assert not book.deaths


def test_a_hard_timeout_costs_an_attempt_and_a_death() -> None:
    """It is retried after the policy's wait if timeouts are, at poison quarantined, at the last attempt failed."""
    book = ready(1, poison=9)
    book.policy = POLICY
    book.give(0, chunk(book, 0))
    late = b.Died(0, frozenset(), (0,), "took longer", b.Cause.TIMEOUT)
    out = decide(book, late)
    assert [(r.status, r.kind, r.attempt, r.wait) for r in out.records] == [
        ("died", "TimeoutError", 1, None),
        ("retry", "TimeoutError", 1, 2.0),
    ]
    assert book.deaths == {0: 1}
    for now, wait in ((102.0, 4.0), (106.0, None)):
        decide(book, b.Loaded(0), now)
        out = decide(book, late, now)
        assert out.records[-1].wait == wait
    assert [(r.status, r.attempt) for r in out.records] == [("died", 3), ("failed", 3)]
    assert not book.deaths


def test_a_poisonous_timeout_is_quarantined() -> None:
    """An item that might be tried again is not, once so many workers were killed over it."""
    book = ready(1, poison=1)
    book.policy = POLICY
    book.give(0, chunk(book, 0))
    out = decide(book, b.Died(0, frozenset(), (0,), "took longer", b.Cause.TIMEOUT))
    assert [(r.status, r.kind) for r in out.records] == [("died", "TimeoutError"), ("quarantined", "Poisonous")]


def test_what_a_dead_worker_wrote_counts() -> None:
    """Of what it had not acknowledged: the last of an attempt is no suspect, its next one has its past and its wait."""
    book = ready(1)
    book.give(0, chunk(book, 0, 1, 2, 3))
    ends = (failed(1), retry(2, wait=3.0))
    died = b.Died(0, frozenset({0, 1}), (3,), "killed", endings=ends, pasts={3: b.Past(saved=b"7")})
    out = decide(book, died)
    assert [(r.n, r.status) for r in out.records] == [(3, "died")]
    assert [(due, one.ns, one.pasts) for due, one in book.waiting] == [(103.0, [2], [b.Past(2)])]
    assert [(back.ns, back.pasts) for back in book.back] == [([3], [b.Past(saved=b"7")])]
    assert book.failures.allowance == 999


def test_an_item_in_doubt_is_recorded_and_not_sent_again() -> None:
    """Whoever killed the worker."""
    book = ready(1)
    book.give(0, chunk(book, 0, 1))
    out = decide(book, b.Died(0, frozenset(), (0,), "killed", b.Cause.OURS, doubtful={0: "it began"}))
    assert [(r.n, r.status, r.kind, r.message) for r in out.records] == [(0, "in-doubt", "InDoubt", "it began")]
    assert [back.ns for back in book.back] == [[1]]


# ---------------------------------------------------------------------- limits


def limited(wanted: int, **limits: int) -> b.Book:
    """A book of loaded workers with limits of failures, no worker given anything."""
    book = b.Book(wanted=wanted, poison=2, failures=FailureCount(FailureLimits(**limits)))
    decide(book, b.Look())
    for slot in range(wanted):
        decide(book, b.Loaded(slot))
    return book


def test_a_limit_closes_the_book() -> None:
    """Past `most` the job fails; at a streak it is paused; the reason is told."""
    for limits, how in (({"most": 0}, b.Closing.FAIL), ({"streak": 1}, b.Closing.PAUSE)):
        book = limited(1, **limits)
        given = chunk(book, 0, 1)
        book.give(0, given)
        out = decide(book, acked(given, 1, failed(0), waits=True))
        assert (book.closing, kinds(out)) == (how, ["Recall", "Grant"])  # it is told to stop before it may go on
        assert "ValueError" in (book.reason or "")


def test_who_asks_is_answered() -> None:
    """With its share of what the others do not have, and one more failure in any case."""
    book = limited(2, most=9)
    assert [slot.credit for slot in book.slots.values()] == [5, 5]
    given = chunk(book, *range(9))
    book.give(0, given)
    decide(book, acked(given, 4, *map(failed, range(4))))
    out = decide(book, acked(given, 5, failed(4), waits=True))
    assert b.Grant(0, 6) in out.actions


def test_what_is_not_used_is_taken_back() -> None:
    """Near a limit, a worker that has not failed yet may have no more failures than the others."""
    book = limited(2, most=9)
    assert grants(six_failed(book)) == [b.Grant(1, 2, go=False)]
    assert grants(decide(book, b.Curbed(1, 2, 0))) == [b.Grant(0, 8)]


@pytest.mark.parametrize(("told_late", "then"), [(0, [b.Grant(0, 8)]), (2, [b.Grant(0, 7)]), (4, [])])
def test_what_failed_and_was_not_told_is_reckoned_with(told_late: int, then: list[b.Action]) -> None:
    """What was taken back too late, and an item that may have begun, are not given to another, who rather waits."""
    book = limited(2, most=9)
    six_failed(book)
    assert grants(decide(book, b.Curbed(1, 2, told_late))) == then


def test_who_waits_for_another_is_answered_in_the_end() -> None:
    """When it is known what failed there."""
    book = limited(2, most=9)
    others = chunk(book, *range(10, 19))
    book.give(1, others)
    six_failed(book)
    decide(book, b.Curbed(1, 2, 4))
    for count in (1, 2, 3):
        assert grants(decide(book, acked(others, count, failed(9 + count), slot=1))) == []
    out = decide(book, acked(others, 4, failed(13), slot=1, waits=True))
    assert book.closing is b.Closing.FAIL
    assert kinds(out) == ["Recall", "Recall", "Grant", "Grant"]  # both are told to stop before they may go on


def grants(out: b.Outcome) -> list[b.Grant]:
    """How many failures who may have."""
    return [action for action in out.actions if isinstance(action, b.Grant)]


def six_failed(book: b.Book) -> b.Outcome:
    """The first worker asked when it had used its five failures, and asks again after one more."""
    given = chunk(book, *range(9))
    book.give(0, given)
    decide(book, acked(given, 5, *map(failed, range(5)), waits=True))
    return decide(book, acked(given, 6, failed(5), waits=True))


def test_fatal_ends_the_job() -> None:
    """With the reason that the handler gave."""
    book = ready(1)
    given = chunk(book, 0, 1)
    book.give(0, given)
    event = b.Acked(0, given.key, 1, last=False, endings=(failed(0),), waits=True, fatal="no licence")
    assert kinds(decide(book, event)) == ["Recall", "Grant"]
    assert (book.closing, book.reason) == (b.Closing.FAIL, "no licence")


def test_a_held_job_takes_back_what_has_not_begun() -> None:
    """Nothing starts before the hold ends; then everything goes on."""
    book = ready(2, each=0.01)
    first, second = chunk(book, 0, 1, 2), chunk(book, 3, 4)
    book.give(0, first)
    book.give(1, second)
    out = decide(book, acked(first, 1, retry(0, wait=5.0, hold=True), waits=True))
    assert kinds(out) == ["Recall", "Recall", "Grant"]
    assert decide(book, b.Acked(0, first.key, 1, last=True), 101.0).actions == []
    assert decide(book, b.Acked(1, second.key, 1, last=True), 102.0).actions == []
    assert book.wake_at() == 105.0
    assert sorted(n for _, ns in sends(decide(book, b.Look(), 105.0)) for n in ns) == [0, 1, 2, 4]


def test_a_rate_gives_each_worker_one_item_at_a_time() -> None:
    """As many as may start now; the book wakes when the next may."""
    book = b.Book(wanted=3, poison=2, rate=Rate(10.0, 100.0, began_before=False))
    decide(book, b.Look())
    for slot in range(3):
        out = decide(book, b.Loaded(slot))
        if slot == 0:
            assert kinds(out) == ["Grant", "Feed"]
            book.give(0, chunk(book, 0))
        else:
            assert kinds(out) == ["Grant"]
    assert book.wake_at() == pytest.approx(100.1)
    assert decide(book, b.Look(), 100.1).actions == [b.Feed(1, 1)]


def test_a_worn_worker_is_replaced() -> None:
    """It gets no more than it may run, and is let go when it has run that; a tired one as soon as it can."""
    book = ready(1, each=0.001)
    book.recycle = Recycling(items=30)
    assert decide(book, b.Look()).actions == [b.Feed(0, 30)]
    given = chunk(book, *range(30))
    book.give(0, given)
    assert kinds(decide(book, b.Acked(0, given.key, 30, last=True))) == ["Retire"]
    assert kinds(decide(book, b.Died(0, frozenset(), (), "exit code 0"))) == ["Spawn"]
    decide(book, b.Loaded(0))
    book.give(0, chunk(book, 30, 31))
    assert kinds(decide(book, b.Tired(0))) == ["Recall"]
