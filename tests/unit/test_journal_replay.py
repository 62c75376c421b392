"""Replay: what a journal's segments say together, sealed or not."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.journals import UID, Journal

from spoold.errors import JournalError
from spoold.journal.format import ok_payload
from spoold.journal.history import Attempt, Block
from spoold.journal.order import ordered
from spoold.journal.part import Part, Task, read_part
from spoold.journal.raw import raw_field
from spoold.journal.replay import replay, scan_history
from spoold.journal.seal import read_seal, write_seal
from spoold.journal.segment import Segment

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path)


def test_statuses(journal: Journal) -> None:
    """Each final status has its positions, whatever segment they stand in."""
    journal.job("accepted", mode="drop")
    for n, status in enumerate(("ok", "failed", "skipped", "kept", "quarantined", "in-doubt")):
        journal.item(n, status, slot=n % 3)
    history = journal.replay()
    assert history.counts() == dict.fromkeys(("ok", "skipped", "kept", "failed", "quarantined", "in-doubt"), 1)
    assert set(history.done) == {0, 2, 3}
    assert set(history.settled) == {0, 1, 2, 3, 4, 5}
    assert len(history.ids) == 6
    assert (history.uid, history.run, history.gen, history.runs) == (UID, 1, 1, [1])
    assert [record.event for record in history.jobs] == ["accepted"]
    assert not history.damage


def test_winner(journal: Journal) -> None:
    """The highest run wins, then the highest attempt, then the final record; what is begun again is still failed."""
    journal.item(1, "failed", run=1, attempt=5)
    journal.item(1, "ok", run=2)
    journal.item(2, "failed", attempt=2)
    journal.item(2, "retry", attempt=1)
    journal.item(3, "died")
    journal.item(3, "ok", slot=2)
    journal.item(4, "failed", run=1)
    journal.item(4, "retry", run=2, due=9.0)
    journal.item(5, "failed", run=1)
    journal.item(5, "in-doubt", run=1, attempt=2)
    journal.item(5, "retry", run=1, attempt=3)
    history = journal.replay()
    assert (set(history.ok), set(history.failed), set(history.in_doubt)) == ({1, 3}, {2, 4}, set())
    assert set(history.settled) == {1}
    assert history.open == {4: Attempt(tries_ended=1, due=9.0, wait=8.0)}


def test_open(journal: Journal) -> None:
    """An item that is not settled tells its deaths, its ended attempts and when it is due."""
    journal.item(1, "retry", attempt=1, due=5.0)
    journal.item(1, "retry", attempt=2, due=7.5, slot=2)
    journal.item(1, "died", attempt=3, slot=0)
    journal.item(1, "died", attempt=3, slot=0)
    journal.item(2, "start")
    journal.item(3, "retry", attempt=1)
    journal.item(3, "ok", attempt=2)
    journal.item(4, "ok", slot=2, result=b'{"a":"","s":"retry"}')
    assert journal.replay().open == {1: Attempt(deaths=2, tries_ended=2, due=7.5, wait=6.5), 2: Attempt()}


def test_void_records_do_not_count_as_attempts(journal: Journal) -> None:
    """A repeated record of a death is not a second death."""
    journal.item(1, "died", slot=0)
    segment = journal.segment(slot=0)
    death = (journal.dir / "001-000.jsonl").read_bytes().splitlines(keepends=True)[1]
    os.write(segment.fd, death)
    segment.note(segment.written(), segment.q)
    journal.item(2, "ok", slot=0)
    history = journal.replay()
    assert history.open == {1: Attempt(deaths=1)}
    assert [damage.kind for damage in history.damage] == ["repeated"]


def test_results(journal: Journal) -> None:
    """Winning records with a result are counted, once an item."""
    journal.item(1, "ok", result=b"1")
    journal.item(2, "ok")
    journal.item(3, "kept", result=b"3")
    journal.item(4, "ok", run=1, result=b"4")
    journal.item(4, "failed", run=2)
    assert journal.replay().results == 2


def test_newest_generation_only(journal: Journal) -> None:
    """Items of older generations do not count; what happened to the job does."""
    journal.job("accepted", run=1, gen=1)
    journal.item(1, "ok", run=1, gen=1)
    journal.job("started", run=2, gen=2)
    journal.item(7, "ok", run=2, gen=2)
    history = journal.replay()
    assert (set(history.ok), history.gen, history.runs) == ({7}, 2, [1, 2])
    assert [record.event for record in history.jobs] == ["accepted", "started"]
    assert [end.name for end in history.segments] == [
        "001-000.jsonl",
        "001-001.jsonl",
        "002-000.jsonl",
        "002-001.jsonl",
    ]
    assert set(scan_history(str(journal.dir), job="demo", gen=1).ok) == {1}


def test_blocks(journal: Journal) -> None:
    """The newest fingerprint of each block of the source counts, and they are no events of the job."""
    journal.job("block", block=0, items=10, digest="aa")
    journal.job("block", block=1, items=5, digest="bb")
    journal.job("block", block=0, items=65536, digest="cc", run=2)
    history = journal.replay()
    assert history.blocks == {0: Block(65536, "cc"), 1: Block(5, "bb")}
    assert history.jobs == []


def test_tally_of_the_newest_run(journal: Journal) -> None:
    """Numbers are those of the newest run alone."""
    journal.item(1, "ok", run=1, ms=1.0)
    journal.item(2, "failed", run=2, ms=2.0)
    tally = journal.replay().tally
    assert (tally.ok, tally.failed, tally.slowest) == (0, 1, [(2.0, 2, "id2")])


def test_foreign_segment(journal: Journal, tmp_path: Path) -> None:
    """A segment of another job in the folder is refused by name."""
    journal.item(1, "ok")
    Segment.create(str(journal.dir), job="demo", uid="cd" * 16, run=1, gen=1, slot=2)
    with pytest.raises(JournalError, match=r"001-002\.jsonl: foreign"):
        journal.replay()


def test_no_journal(tmp_path: Path) -> None:
    """A folder without a journal is an error that names it."""
    with pytest.raises(JournalError, match="there is no journal"):
        replay(str(tmp_path / "none"), job="demo")


def test_torn_creation(journal: Journal) -> None:
    """A segment whose creation was cut short is reported and counts as absent."""
    journal.item(1, "ok")
    (journal.dir / "001-002.jsonl").write_bytes(b'{"spoold":1,')
    history = journal.replay()
    assert set(history.ok) == {1}
    assert [damage.kind for damage in history.damage] == ["torn tail"]


def fill(journal: Journal, items: int) -> None:
    for n in range(items):
        text = b'"id%d"' % n
        journal.segment(slot=1 + n % 2).append(ok_payload(n, text, 1, 1.0, n % 7 / 100, b"[%d]" % n))


def test_processes(journal: Journal) -> None:
    """A journal read by several processes says the same as read by one."""
    fill(journal, 60_000)
    assert sum(file.stat().st_size for file in journal.dir.iterdir()) > 4 << 20
    for n in range(60_000, 60_100):
        journal.item(n, "retry", slot=n % 3, due=2.0)
    one, two = journal.replay(processes=1), journal.replay(processes=2)
    assert one == two == journal.replay(processes=8)
    assert len(two.ok) == 60_000
    assert len(two.open) == 100


def test_failing_process(journal: Journal) -> None:
    """What a reading process finds wrong is the error of the whole."""
    fill(journal, 60_000)
    journal.job("block", block=0, items="many", digest="aa")
    with pytest.raises(JournalError, match=r"001-000\.jsonl: record 1 is no fingerprint"):
        journal.replay(processes=2)


def test_seal(journal: Journal) -> None:
    """A sealed history reads back equal, and is taken instead of the segments."""
    journal.job("accepted", mode="drop")
    journal.item(1, "ok", ms=2.0, result=b"1")
    error = b'{"type":"RetryLater","message":"","free":true,"deferred":2.5,"hold":true}'
    journal.item(2, "retry", due=4.0, error=error)
    journal.item(3, "retry", attempt=2, error=b'{"type":"Resolved","message":"","free":true}')
    journal.item(4, "died", slot=0, error=b'{"type":"memory","message":"","worker":1}')
    journal.item(5, "save", result=b"[1]")
    journal.job("block", block=0, items=2, digest="aa")
    history = journal.replay()
    assert history.open == {
        2: Attempt(due=4.0, wait=3.0, deferred=2.5, hold=True),
        3: Attempt(tries_ended=1, due=1.0, resolved=True),
        4: Attempt(strikes=1),
        5: Attempt(),
    }
    assert set(history.noted) == {5}
    write_seal(str(journal.dir), history)
    assert read_seal(str(journal.dir), job="demo") == history == journal.replay()


def test_seal_of_earlier_runs(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """A seal holds when a new run has begun: only that run's segments are read."""
    journal.job("accepted")
    journal.item(1, "ok", result=b"1")
    journal.item(2, "failed")
    write_seal(str(journal.dir), journal.replay())
    journal.job("accepted", run=2)
    journal.item(3, "ok", run=2, result=b"3")
    expected = scan_history(str(journal.dir), job="demo")
    asked: list[str] = []

    def read(task: Task) -> Part:
        asked.append(os.path.basename(task.path))
        return read_part(task)

    monkeypatch.setattr("spoold.journal.replay.read_part", read)
    assert journal.replay() == expected
    assert asked == ["002-000.jsonl", "002-001.jsonl"]


@pytest.mark.parametrize("change", ["generation", "result"])
def test_seal_that_later_runs_contradict(journal: Journal, change: str) -> None:
    """A seal is not taken where the source changed since, or where an item with a result was recorded again."""
    journal.item(1, "ok", result=b"1")
    write_seal(str(journal.dir), journal.replay())
    journal.item(1, "ok", run=2, gen=2 if change == "generation" else 1)
    history = journal.replay()
    assert history == scan_history(str(journal.dir), job="demo")
    assert (history.results, history.runs) == (0, [1, 2])


def test_seal_after_recovery(journal: Journal) -> None:
    """A tail that was cut off since the history was read is not sealed as damage."""
    journal.item(1, "ok")
    segment = journal.segment()
    os.write(segment.fd, b"torn")
    history = journal.replay()
    assert [damage.kind for damage in history.damage] == ["torn tail"]
    assert segment.recover() == []
    again = journal.replay()
    write_seal(str(journal.dir), replace(history, segments=again.segments))
    assert read_seal(str(journal.dir), job="demo") == again


@pytest.mark.parametrize("change", ["append", "cut", "flip", "new segment", "lost segment", "seal", "other job"])
def test_stale_seal(journal: Journal, change: str) -> None:
    """A seal that does not fit the segments, or is damaged itself, is not taken."""
    journal.job("accepted")
    journal.item(1, "ok")
    journal.item(2, "ok")
    write_seal(str(journal.dir), journal.replay())
    path = journal.dir / ("seal" if change == "seal" else "001-001.jsonl")
    match change:
        case "append":
            journal.item(3, "ok")
        case "cut":
            os.truncate(path, path.stat().st_size - 1)
        case "flip" | "seal":
            data = bytearray(path.read_bytes())
            data[-5] ^= 1
            path.write_bytes(data)
        case "new segment":
            journal.segment(slot=5)
        case "lost segment":
            path.unlink()
        case _:
            assert read_seal(str(journal.dir), job="other") is None
            return
    assert read_seal(str(journal.dir), job="demo") is None


def test_every_byte_of_the_seal(journal: Journal) -> None:
    """A seal with any bit flipped, or cut anywhere, is not taken."""
    journal.item(1, "ok")
    write_seal(str(journal.dir), journal.replay())
    path = journal.dir / "seal"
    data = path.read_bytes()
    for i in range(len(data)):
        path.write_bytes(data[:i])
        assert read_seal(str(journal.dir)) is None
        path.write_bytes(data[:i] + bytes([data[i] ^ 1 << i % 8]) + data[i + 1 :])
        assert read_seal(str(journal.dir)) is None


def test_ordered(journal: Journal) -> None:
    """Winning records come in the order of their items, each once, whatever run and segment they stand in."""
    journal.item(3, "ok", slot=1, result=b'"three"')
    journal.item(1, "ok", slot=2, result=b'"one"')
    journal.item(2, "failed", slot=2, error=b"{}")
    journal.item(2, "ok", run=2, slot=1, result=b'"two"')
    journal.item(5, "failed", run=2, attempt=2, error=b'{"type":"new"}')
    journal.item(5, "failed", run=2, attempt=1, slot=2, error=b'{"type":"old"}')
    journal.item(9, "skipped")
    history = journal.replay()
    found = [(n, raw_field(line, "result")) for n, line in ordered(str(journal.dir), history, ("ok",))]
    assert found == [(1, b'"one"'), (2, b'"two"'), (3, b'"three"')]
    failed = list(ordered(str(journal.dir), history, ("failed", "quarantined")))
    assert [(n, raw_field(line, "error")) for n, line in failed] == [(5, b'{"type":"new"}')]
    assert list(ordered(str(journal.dir), history, ("in-doubt",))) == []


def test_ordered_many(journal: Journal) -> None:
    """Thousands of records from interleaved segments come in order, large ones too."""
    fill(journal, 5000)
    journal.item(5000, "ok", result=b'"' + b"x" * 3_000_000 + b'"')
    found = list(ordered(str(journal.dir), journal.replay(), ("ok",)))
    assert [n for n, _ in found] == list(range(5001))
    assert raw_field(found[4321][1], "result") == b"[4321]"
    assert len(found[5000][1]) > 3_000_000
    assert sorted(os.listdir(journal.dir.parent)) == ["journal"]


def test_ordered_says_what_is_gone(journal: Journal) -> None:
    """A record that was sealed and is damaged since is an error, not a hole in the results."""
    journal.item(1, "ok")
    journal.item(2, "ok")
    history = journal.replay()
    path = journal.dir / "001-001.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"id1"', b'"ID1"'))
    with pytest.raises(JournalError, match="the record of item 1 is gone"):
        list(ordered(str(journal.dir), history, ("ok",)))
