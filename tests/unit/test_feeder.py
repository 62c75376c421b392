"""What a worker is given: new items as they are, those that were begun before with what they left, some not at all."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pyroaring import BitMap
from tests.journals import Journal, error_text

from spoold.core import book as b
from spoold.core.failures import FailureCount
from spoold.core.policy import FailureLimits
from spoold.core.rate import Rate
from spoold.core.spec import JobSpec
from spoold.journal.history import History
from spoold.journal.index import Known
from spoold.runner.choice import Choice
from spoold.runner.feeder import Feeder
from spoold.runner.joblog import JobLog
from spoold.runner.ledger import Ledger
from spoold.runner.plan import Plan
from spoold.runner.reading import ReadingHere
from spoold.runner.resolve import resolve
from spoold.runner.standing import Standing
from spoold.runner.unfinished import Unfinished
from spoold.sources.identify import identifier
from spoold.sources.items import ItemsSource

WALL, NOW = 1000.0, 50.0


@dataclass
class Life:
    """A life of a run, as far as feeding goes."""

    feeder: Feeder
    book: b.Book
    ledger: Ledger
    standing: Standing
    unfinished: Unfinished
    log: JobLog
    folder: Path

    def take(self, size: int = 100) -> b.Chunk | b.Event | None:
        """What the next `Feed` would give; a chunk is noted as sent."""
        found = self.feeder.chunk(size)
        if isinstance(found, b.Chunk):
            self.book.give(0, found)
        return found

    def chunk(self, size: int = 100) -> b.Chunk:
        """The next chunk, which must be there."""
        found = self.take(size)
        assert isinstance(found, b.Chunk)
        return found

    def history(self) -> History:
        """What another life would find."""
        return Journal(self.folder).replay()

    def settle_all(self) -> None:
        """The worker ends everything it was given."""
        for chunk in self.book.slots[0].outstanding.values():
            for n, item_id in zip(chunk.ns, chunk.ids, strict=True):
                self.ledger.item(n, item_id, "ok")
                self.standing.recorded("ok", [n])
        self.book.slots[0].outstanding.clear()


def spec(folder: Path) -> JobSpec:
    """As much of a job as a ledger needs."""
    return JobSpec(
        job="demo", directory=str(folder), spool=str(folder), run=1, handler="a:b", params={}, source={}, id=None,
        cwd="/", env={}, pythonpath=[], venv=None, preload=False, poison=2, load_timeout=1.0, sync=0.0,
        drain_timeout=1.0, result_limit=1, log_format="text", log_size=1 << 20, granted=1,
    )  # fmt: skip


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """A journal that earlier lives left."""
    made = Journal(tmp_path)
    made.job("accepted")
    return made


def begin(journal: Journal, *ids: object, damaged: tuple[int, ...] = (), **more: Any) -> Life:
    """The next life, over a source of these ids."""
    for segment in journal.open.values():
        segment.close()
    folder, history = journal.dir.parent, journal.replay()
    source = ItemsSource([{"id": item_id} for item_id in ids])
    plan = Plan(
        ReadingHere(source),
        identifier(None, source),
        Choice(
            skip=history.done | history.settled | history.in_doubt,
            vetted=history.failed | history.in_doubt | history.noted | BitMap(history.open),
            seen=history.ids,
            known_by_id=more.pop("known_by_id", None),
        ),
        recorded=lambda _: {},
    )
    deaths = {n: attempt.deaths for n, attempt in history.open.items() if attempt.deaths}
    book = b.Book(wanted=1, poison=2, deaths=deaths, slots={0: b.Slot(0, b.SlotState.READY)}, now=NOW, **more)
    ledger, log = Ledger(spec(folder), history), JobLog(str(folder / "job.log"), "text", 1 << 20)
    standing = Standing(history, total=None, duplicates=0)
    unfinished = Unfinished(history, str(journal.dir), BitMap(damaged), WALL, NOW)
    feeder = Feeder(plan, book, ledger, standing, log, unfinished)
    return Life(feeder, book, ledger, standing, unfinished, log, folder)


def test_new_items_are_as_they_are(journal: Journal) -> None:
    """Then the plan is at its end, which is noted."""
    life = begin(journal, "a", "b")
    chunk = life.chunk()
    assert (list(chunk.ns), chunk.ids, chunk.pasts) == ([0, 1], ["a", "b"], None)
    assert life.take() == b.Exhausted()
    assert [(record.event, record.fields["items"]) for record in life.history().jobs[1:]] == [("planned", 2)]


def test_items_begun_before_have_their_past(journal: Journal) -> None:
    """The attempts that count, and what they noted; others of the chunk have none."""
    journal.item(1, "retry", error="ConnectionError", t=WALL - 9, due=WALL - 5)
    journal.item(1, "save", attempt=2, result=b"[3]")
    life = begin(journal, "a", "b", "c")
    assert life.chunk().pasts == [None, b.Past(2, saved=b"[3]"), None]


def test_an_item_that_waits_is_left_out(journal: Journal) -> None:
    """Until it is due; the book looks again, since it may be due already."""
    journal.item(0, "retry", error="ConnectionError", t=WALL, due=WALL + 5)
    life = begin(journal, "a", "b")
    assert life.chunk().ns == [1]
    assert [(due, chunk.ns, chunk.pasts) for due, chunk in life.book.waiting] == [(NOW + 5, [0], [b.Past(2)])]
    assert life.feeder.more


def test_nothing_but_waiting_items_is_no_chunk(journal: Journal) -> None:
    """The plan is asked again."""
    journal.item(0, "retry", error="ConnectionError", t=WALL, due=WALL + 5)
    life = begin(journal, "a")
    assert life.take() is None
    assert life.feeder.more
    assert life.take() == b.Exhausted()


@pytest.mark.parametrize("due", [WALL - 1, WALL + 5])
def test_what_ran_out_of_memory_is_tried_alone(journal: Journal, due: float) -> None:
    """Also in another life than the first time, at once or when it is due."""
    journal.item(0, "retry", error=error_text("memory", free=True), t=WALL - 3, due=WALL - 3)
    if due > WALL:
        journal.item(0, "retry", error=error_text("RetryLater", free=True, deferred=5.0), t=WALL, due=due)
    life = begin(journal, "a", "b")
    assert life.chunk().ns == [1]
    (chunk,) = [*life.book.back, *(chunk for _, chunk in life.book.waiting)]
    assert (chunk.ns, chunk.alone, chunk.pasts) == ([0], True, [b.Past(1, 5.0 if due > WALL else 0.0, 1)])
    assert life.feeder.more


def test_what_an_earlier_life_could_not_record_is_recorded(journal: Journal) -> None:
    """It was killed between the last death and what follows from it: quarantined, or failed for memory."""
    for _ in range(2):
        journal.item(0, "died", slot=0, error="WorkerDied")
        journal.item(1, "died", slot=0, error="memory")
    life = begin(journal, "a", "b", "c", failures=FailureCount(FailureLimits(most=2)))
    assert life.chunk().ns == [2]
    history = life.history()
    assert (set(history.quarantined), set(history.failed)) == ({0}, {1})
    assert (life.standing.counts.quarantined, life.standing.counts.failed) == (1, 1)
    assert not life.book.deaths
    assert life.book.failures.allowance == 1


def test_items_in_doubt_do_not_run(journal: Journal) -> None:
    """What began and has no end, or may have begun where the journal is damaged, is recorded with the reason."""
    journal.item(0, "start")
    journal.item(0, "retry", error="ConnectionError")
    journal.item(0, "start", attempt=2)
    journal.item(1, "once", result=b'{"name":"pay"}')
    life = begin(journal, "a", "b", "c", "d", damaged=(2,))
    assert life.chunk().ns == [3]
    assert set(life.history().in_doubt) == {0, 1, 2}
    assert life.standing.counts.in_doubt == 3
    log = (life.folder / "job.log").read_text()
    assert "it began, under at-most-once, and has no outcome: the daemon was killed" in log
    assert "once('pay') began and has no end" in log
    assert "the journal is damaged where it may have begun" in log


def test_an_item_that_an_operator_wants_again(journal: Journal) -> None:
    """It runs when all others have, with what it noted; what it did once is not done again."""
    journal.item(0, "start")
    journal.item(0, "once", result=b'{"name":"a"}')
    journal.item(0, "once", result=b'{"name":"a","value":7}')
    life = begin(journal, "x", "y")
    assert life.chunk().ns == [1]
    assert set(life.ledger.history.in_doubt) == {0}
    n = resolve(life.ledger, str(journal.dir), "x", "retry", life.log)
    assert n == 0
    life.feeder.again(n)
    assert life.take() is None
    assert life.book.barrier
    life.settle_all()
    assert life.feeder.pass_barrier() is None
    chunk = life.chunk()
    assert (chunk.ns, chunk.pasts) == ([0], [b.Past(2, once={"a": b"7"})])


def test_an_item_in_doubt_again_in_the_same_life(journal: Journal) -> None:
    """What its second attempt noted is known to the third."""
    journal.item(0, "start")
    life = begin(journal, "x")
    assert life.take() is None
    for attempt in (2, 3):
        resolve(life.ledger, str(journal.dir), "x", "retry", life.log)
        life.feeder.again(0)
        assert life.take() is None
        assert life.feeder.pass_barrier() is None
        chunk = life.chunk()
        assert chunk.pasts is not None
        assert chunk.pasts[0] is not None
        assert chunk.pasts[0].attempt == attempt
        assert chunk.pasts[0].saved == (None if attempt == 2 else b"2")
        life.book.slots[0].outstanding.clear()
        life.ledger.item(0, "x", "save", attempt=attempt, result=b"%d" % attempt)
        life.ledger.item(0, "x", "in-doubt", attempt=attempt, error=error_text("InDoubt"))
        life.standing.recorded("in-doubt", [0])


def test_what_an_item_wanted_again_is_if_it_does_not_run(journal: Journal) -> None:
    """A life that ends before leaves it open, with its number."""
    journal.item(0, "retry", attempt=3, error="ConnectionError")
    journal.item(0, "start", attempt=4)
    life = begin(journal, "x", "y")
    life.chunk()
    resolve(life.ledger, str(journal.dir), "x", "retry", life.log)
    life.feeder.again(0)
    life.standing.close(life.book, life.unfinished.left, WALL, NOW)
    assert life.ledger.history.open[0].past().attempt == 5


def test_a_malformed_record_is_a_failed_item(journal: Journal) -> None:
    """It counts towards the limits."""
    life = begin(journal, "a", 1.5, "b", failures=FailureCount(FailureLimits(most=1)))
    assert life.chunk().ns == [0, 2]
    assert set(life.history().failed) == {1}
    assert (life.standing.counts.failed, life.book.failures.allowance) == (1, 1)


def test_too_many_malformed_records_stop_the_feeding(journal: Journal) -> None:
    """What was taken with the last of them is left for the next start."""
    life = begin(journal, "a", 1.5, 2.5, "b", failures=FailureCount(FailureLimits(most=1)))
    assert life.take() is None
    assert [chunk.ns for chunk in life.book.back] == [[0, 3]]
    assert life.feeder.more
    assert b.decide(life.book, b.Look(), NOW).actions == [b.Retire(0)]
    assert life.book.closing is b.Closing.FAIL


def test_a_changed_source_keeps_what_items_left(journal: Journal) -> None:
    """Notes are written at the new position, and known to the attempt; what is in doubt is recorded there."""
    known = {
        "a": Known(past=b.Past(saved=b"1", once={"pay": b"7"})),
        "b": Known(doubt="nobody knows"),
    }
    life = begin(journal, "new", "a", "b", known_by_id=known.get)
    chunk = life.chunk()
    assert (chunk.ns, chunk.pasts) == ([0, 1], [None, b.Past(saved=b"1", once={"pay": b"7"})])
    history = life.history()
    assert (set(history.noted), set(history.in_doubt)) == ({1}, {2})
    again = begin(Journal(life.folder), "new", "a", "b", known_by_id=known.get)
    assert again.chunk().pasts == [None, b.Past(saved=b"1", once={"pay": b"7"})]


def test_less_than_was_asked_for_where_a_rate_is_set(journal: Journal) -> None:
    """Others may start what was reserved for this worker, so the book looks again; also if the plan has to wait."""
    rate = Rate(1000.0, NOW, began_before=False)
    life = begin(journal, "a", "b", rate=rate)
    assert list(life.chunk(2).ns) == [0, 1]
    assert not life.feeder.more
    life = begin(Journal(life.folder), "a", "b", rate=rate)
    assert list(life.chunk(10).ns) == [0, 1]
    assert life.feeder.more


def test_a_plan_that_waits_lets_others_go_on(journal: Journal) -> None:
    """The book looks again at what came back."""
    life = begin(journal, "a", "a")
    assert life.chunk().ns == [0]
    assert life.take() is None
    assert (life.book.barrier, life.feeder.more) == (True, True)
    assert life.take() is None


def test_nothing_is_given_by_a_closing_book(journal: Journal) -> None:
    """Nor is the plan asked."""
    life = begin(journal, "a")
    life.book.close(b.Closing.DRAIN, None)
    assert life.take() is None
    assert not life.feeder.more


def test_what_was_not_begun_is_not_open(journal: Journal) -> None:
    """A life that ends with items that came back unbegun leaves nothing of them; with a past it leaves that."""
    journal.item(1, "retry", error="ConnectionError", t=WALL - 9, due=WALL - 5)
    journal.item(2, "died", slot=0, error="WorkerDied")
    life = begin(journal, "a", "b", "c")
    life.book.back.append(life.chunk())
    life.standing.close(life.book, life.unfinished.left, WALL, NOW)
    history = life.ledger.history
    assert {n: (attempt.deaths, attempt.past()) for n, attempt in history.open.items()} == {
        1: (0, b.Past(2)),
        2: (1, b.Past()),
    }
    assert [attempt.due for attempt in history.open.values()] == [None, None]
