"""What a dead worker had recorded and not told."""

from __future__ import annotations

from tests.journals import began, error_text, raised, record, returned

from spoold.core.chunk import Past
from spoold.core.ending import Ending
from spoold.engines.aftermath import Aftermath, read
from spoold.journal.format import ItemRecord


def after(*records: ItemRecord, outstanding: dict[int, Past | None] | None = None) -> Aftermath:
    """The aftermath of a worker that had these items; the first four if nothing else is said."""
    return read(records, dict.fromkeys(range(4)) if outstanding is None else outstanding, "killed by SIGKILL")


def test_nothing() -> None:
    """It had recorded nothing."""
    assert after() == Aftermath()


def test_final_records_settle() -> None:
    """With their status; those that are not ok are told as endings, and all are counted."""
    found = after(
        record("ok", result=1, ms=2.0),
        record("failed", n=1, error=error_text("ValueError"), ms=3.0),
        record("skipped", n=2, error=error_text("Skip")),
    )
    assert found.settled == {0: "ok", 1: "failed", 2: "skipped"}
    assert found.endings == [
        Ending(1, "failed", "ValueError", "ValueError it was"),
        Ending(2, "skipped", "Skip", "Skip it was"),
    ]
    assert (found.tally.ok, found.tally.failed, found.tally.skipped, found.tally.results) == (1, 1, 1, 1)
    assert (found.doubtful, found.pasts, found.noted) == ({}, {}, [])


def test_an_attempt_that_is_followed_by_another() -> None:
    """It waits as long as the worker said, and the next attempt knows what this one knew, and more."""
    past = Past(2, deferred=1.0, strikes=1, saved=b"1")
    error = error_text("RetryLater", free=True, deferred=4.5, hold=True)
    found = after(
        record("save", result=2, attempt=2), record("retry", attempt=2, t=10.0, due=13.5, error=error),
        outstanding={0: past},
    )  # fmt: skip
    (ending,) = found.endings
    assert (ending.n, ending.status, ending.kind, ending.wait, ending.hold) == (0, "retry", "RetryLater", 3.5, True)
    assert ending.past == Past(2, deferred=4.5, strikes=1, saved=b"2")
    assert (found.settled, found.doubtful, found.pasts, found.noted) == ({}, {}, {}, [0])
    assert found.tally.retries == 1


def test_a_retry_costs_an_attempt() -> None:
    """Or a strike, where memory ran out."""
    counted = after(record("retry", error=error_text("ConnectionError"), due=1.5))
    starved = after(record("retry", error=error_text("memory", free=True), due=1.0))
    assert counted.endings[0].past == Past(2)
    assert starved.endings[0].past == Past(1, strikes=1)


def test_what_was_cut_short_leaves_its_notes() -> None:
    """For the next attempt; an item that is ok has none to look for."""
    found = after(
        record("save", n=1, result=[5]), began("a", n=1), returned("a", "x", n=1),
        record("save", n=2, result=1), record("ok", n=2),
        record("save", n=3, result=1), record("failed", n=3, error=error_text("ValueError")),
    )  # fmt: skip
    assert found.pasts == {1: Past(saved=b"[5]", once={"a": b'"x"'})}
    assert found.doubtful == {}
    assert found.noted == [1, 3]


def test_what_nobody_knows() -> None:
    """An effect without an end, or an attempt under at-most-once, is in doubt; with its end it is not."""
    found = after(
        began("pay", n=1),
        record("start", n=2),
        record("start", n=3), began("a", n=3), raised("a", n=3), record("retry", n=3, error=error_text("X"), due=2.0),
        record("start", n=0), record("ok", n=0),
    )  # fmt: skip
    assert found.doubtful == {
        1: "once('pay') began and has no end: killed by SIGKILL",
        2: "it began, under at-most-once, and has no outcome: killed by SIGKILL",
    }
    assert found.noted == [1, 2, 3]
    assert [ending.n for ending in found.endings] == [3]


def test_what_was_told_is_left_alone() -> None:
    """Records of items that the worker has no more, and of the runner, say nothing."""
    assert after(record("ok", n=9), record("died", n=1, error=error_text("WorkerDied"))) == Aftermath()


def test_a_message_is_cut() -> None:
    """The record has all of it."""
    error = b'{"type":"ValueError","message":"%b","traceback":"..."}' % (b"x" * 5000)
    assert len(after(record("failed", error=error)).endings[0].message) == 300
