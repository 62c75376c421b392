"""Reading the notes of many items back, a window of positions at a time."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pyroaring import BitMap
from tests.journals import Journal, error_text

from spoold.core.chunk import Past
from spoold.journal import recollect as module
from spoold.journal.recollect import Recollection
from spoold.journal.scan import Reader, reading


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path)


def recollection(journal: Journal, gen: int = 1) -> Recollection:
    """What a replay of this journal lets remember."""
    return Recollection(str(journal.dir), gen, journal.replay().noted)


def past(found: Recollection, n: int) -> Past | None:
    """What the item at `n` left."""
    trail = found.of(n)
    return None if trail is None else trail.past(None)


def once(name: str, value: str | None = None) -> bytes:
    """The result of a `once` that began, or that returned this JSON text."""
    return b'{"name":"%b"%b}' % (name.encode(), b',"value":%b' % value.encode() if value else b"")


def test_each_item_has_its_own(journal: Journal) -> None:
    """Items without notes have none."""
    journal.item(0, "save", result=b"0")
    journal.item(1, "ok")
    journal.item(2, "retry", error="X")
    journal.item(3, "once", slot=2, result=once("a"))
    journal.item(3, "once", slot=2, result=once("a", "7"))
    found = recollection(journal)
    assert [past(found, n) for n in range(4)] == [Past(saved=b"0"), None, None, Past(once={"a": b"7"})]


def test_notes_of_all_segments_are_put_together(journal: Journal) -> None:
    """Of several slots and runs; the newest state counts."""
    journal.item(0, "save", run=2, attempt=2, slot=1, result=b"3", t=3.0)
    journal.item(0, "save", run=2, attempt=1, slot=2, result=b"2", t=9.0)
    journal.item(0, "save", run=1, attempt=5, slot=1, result=b"1", t=9.5)
    journal.item(0, "once", run=1, slot=2, result=once("a", "1"))
    assert past(recollection(journal), 0) == Past(saved=b"3", once={"a": b"1"})


def test_an_effect_that_another_worker_ended(journal: Journal) -> None:
    """Begun and ended are counted, in whichever segment they stand."""
    journal.item(0, "once", slot=2, result=once("a"), t=1.0)
    journal.item(0, "once", slot=1, result=b'{"name":"a","raised":"ValueError"}', t=2.0)
    journal.item(1, "once", slot=2, result=once("a"))
    found = recollection(journal)
    for n, doubtful in ((0, False), (1, True)):
        trail = found.of(n)
        assert trail is not None
        assert (trail.doubt("killed") is not None) == doubtful


def test_a_decision_of_the_runner_counts(journal: Journal) -> None:
    """It stands in another segment than what it is about."""
    for n in (0, 1):
        journal.item(n, "start", slot=1)
        journal.item(n, "in-doubt", slot=0, error="InDoubt")
        journal.item(n, "retry", slot=0, attempt=2, error=error_text("Resolved", free=True))
    journal.item(1, "start", slot=2, attempt=2, t=0.5)
    found = recollection(journal)
    trails = [found.of(n) for n in (0, 1)]
    assert [trail is not None and trail.doubt("killed") for trail in trails] == [
        None,
        "it began, under at-most-once, and has no outcome: killed",
    ]


def test_windows(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """More items than are read at once, in order and out of it, far apart and with others between."""
    monkeypatch.setattr(module, "WINDOW", 3)
    for n in range(0, 40, 2):
        journal.item(n, "save", slot=1 + n % 3, result=b"%d" % n)
        journal.item(n + 1, "ok")
    found = recollection(journal)
    assert [past(found, n) for n in range(0, 40, 2)] == [Past(saved=b"%d" % n) for n in range(0, 40, 2)]
    found = recollection(journal)
    order = [38, 0, 20, 2, 22, 36]
    assert [past(found, n) for n in order] == [Past(saved=b"%d" % n) for n in order]


def test_an_item_is_remembered_once(journal: Journal) -> None:
    """It is given to a worker then; when there may be more of it, it is read again."""
    journal.item(0, "save", result=b"1")
    journal.item(5, "save", result=b"5")
    found = recollection(journal)
    assert past(found, 0) == Past(saved=b"1")
    assert past(found, 0) is None
    journal.item(0, "save", attempt=2, result=b"2")
    found.forget(0)
    assert past(found, 0) == Past(saved=b"2")
    assert past(found, 5) == Past(saved=b"5")


def test_what_is_noted_later_is_found(journal: Journal) -> None:
    """Positions are added while the run goes on."""
    journal.item(5, "save", result=b"5")
    noted = BitMap([5])
    found = Recollection(str(journal.dir), 1, noted)
    assert past(found, 5) == Past(saved=b"5")
    journal.item(3, "save", result=b"3")
    noted.add(3)
    assert past(found, 3) == Past(saved=b"3")


def test_many_states_are_not_kept(journal: Journal) -> None:
    """Only the newest of an item, though each may be large."""
    for number in range(2000):
        journal.item(0, "save", slot=1 + number % 2, t=float(number), result=b'"%d%b"' % (number, b"x" * 100))
    found = recollection(journal)
    found._load(0)
    assert past(found, 0) == Past(saved=b'"1999%b"' % (b"x" * 100))


def test_another_generation_does_not_count(journal: Journal) -> None:
    """Its positions are those of another source."""
    journal.item(0, "save", run=1, gen=1, result=b"1")
    journal.item(1, "save", run=2, gen=2, result=b"2")
    found = Recollection(str(journal.dir), 2, BitMap([0, 1]))
    assert [past(found, n) for n in (0, 1)] == [None, Past(saved=b"2")]


def test_only_what_is_relevant_is_read(journal: Journal) -> None:
    """A result that looks like a record is none; one that was repeated, or is damaged, counts once or not at all."""
    journal.item(0, "ok", result=b'{"id":"x","s":"save"}')
    journal.item(0, "save", result=b"1")
    journal.item(1, "save", result=b"2")
    segment = journal.segment()
    lines = (journal.dir / "001-001.jsonl").read_bytes().splitlines(keepends=True)
    os.write(segment.fd, lines[2])
    os.write(segment.fd, lines[3].replace(b'"result":2', b'"result":3'))
    with reading(str(journal.dir / "001-001.jsonl")) as fd:
        found = list(module.relevant(Reader(fd, "")))
    assert [(record.n, bytes(record.result or b"")) for record in found] == [(0, b"1"), (1, b"2")]
