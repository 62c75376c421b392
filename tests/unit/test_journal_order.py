"""Putting records in the order of their items: however they stand in their segments, each winner comes once."""

from __future__ import annotations

import random
from io import BytesIO
from typing import TYPE_CHECKING

import pytest
from tests.journals import Journal

from spoold.errors import JournalError
from spoold.journal import order, pairs
from spoold.journal.order import ordered
from spoold.journal.pairs import Pairs
from spoold.journal.raw import raw_field
from spoold.runner import results as module
from spoold.runner.results import results, write_results
from spoold.system.helper import fork_helper

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Journal:
    """A journal that is read some ten records at a time, and whose scratch files begin early."""
    monkeypatch.setattr(order, "_LEAST", 1 << 10)
    monkeypatch.setattr(order, "BLOCK", 1 << 10)
    monkeypatch.setattr(pairs, "_PIECE", 16)
    monkeypatch.setattr(pairs, "_BUFFER", 4)
    return Journal(tmp_path)


def found(journal: Journal, statuses: Sequence[str] = ("ok", "kept")) -> list[tuple[int, bytes | None]]:
    history = journal.replay()
    return [(n, raw_field(line, "result")) for n, line in ordered(str(journal.dir), history, statuses)]


@pytest.mark.parametrize("reach", [1, 3, 30, 1000])
def test_items_out_of_order(journal: Journal, reach: int) -> None:
    """Items that a worker ended out of order come in order, however far they were off."""
    rng = random.Random(reach)
    ns = sorted(range(300), key=lambda n: n + rng.random() * reach)
    for n in ns:
        journal.item(n, "ok", slot=rng.randrange(3), ms=0.25, result=b"[%d]" % n if n % 3 else None)
    assert found(journal) == [(n, b"[%d]" % n if n % 3 else None) for n in range(300)]


def test_attempts_out_of_order(journal: Journal) -> None:
    """Of items that were tried again, in the same segment, in another, or in a later run, the last record counts."""
    for n in range(100):
        journal.item(n, "retry" if n % 7 == 0 else "failed" if n % 5 == 0 else "ok", slot=1, ms=0.25, result=b"1")
    for n in range(0, 100, 7):
        journal.item(n, "ok", slot=1 + n % 2, attempt=2, ms=0.25, result=b"2")
    for n in range(0, 100, 5):
        journal.item(n, "ok", run=2, ms=0.25, result=b"3")
    expected = [b"3" if n % 5 == 0 else b"2" if n % 7 == 0 else b"1" for n in range(100)]
    assert found(journal) == list(enumerate(expected))


@pytest.mark.parametrize("others", [0, 200])
def test_a_failure_that_was_begun_again(journal: Journal, others: int) -> None:
    """A failure stands, though later records say that the item was tried again."""
    for n in range(100):
        journal.item(n, "failed", ms=0.25)
    for n in range(100, 100 + others):
        journal.item(n, "failed", run=2, ms=0.25)
    for n in (3, 50, 99):
        journal.item(n, "retry", run=2, attempt=2, result=b"1")
    assert found(journal, ("failed",)) == [(n, None) for n in range(100 + others)]


def test_few_among_many(journal: Journal) -> None:
    """A handful of failures among many items is found, and the strongest record of each counts."""
    for n in range(400):
        journal.item(n, "failed" if n in {3, 250, 399} else "ok", slot=n % 2, ms=0.25)
    journal.item(250, "failed", slot=2, attempt=2, result=b'"again"')
    assert found(journal, ("failed", "in-doubt")) == [(3, None), (250, b'"again"'), (399, None)]


def test_large_among_small(journal: Journal) -> None:
    """Records of megabytes come at their place among small ones."""
    large = b'"' + b"x" * 1_500_000 + b'"'
    for n in range(60):
        journal.item(n, "ok", slot=n % 2, result=large if n in {0, 31, 59} else b"1")
    assert [(n, len(result or b"")) for n, result in found(journal)] == [
        (n, len(large) if n in {0, 31, 59} else 1) for n in range(60)
    ]


def test_void_record_in_the_middle(journal: Journal) -> None:
    """A void record does not count, and the item's other record, wherever it stands, does."""
    for n in range(50):
        journal.item(n, "ok", ms=0.25, result=b'"first"')
    path = journal.dir / "001-001.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"id20"', b'"ID20"'))
    journal.item(20, "ok", slot=2, ms=0.25, result=b'"second"')
    assert found(journal) == [(n, b'"second"' if n == 20 else b'"first"') for n in range(50)]


def test_a_moved_record_is_void(journal: Journal) -> None:
    """Of swapped records one is void for its number: the item's other record counts, however weak it is."""
    for n in range(60):
        journal.item(n, "ok", ms=0.25, result=b'"first"')
    path = journal.dir / "001-001.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    lines[4], lines[50] = lines[50], lines[4]
    path.write_bytes(b"".join(lines))
    journal.item(3, "kept", slot=2, result=b'"second"')
    expected = [(0, b'"first"'), (1, b'"first"'), (2, b'"first"'), (3, b'"second"')]
    assert found(journal)[:4] == expected


def test_equal_records(journal: Journal) -> None:
    """Of two records of an item that are equally strong, the one in the first segment counts, wherever it stands."""
    for n in range(60):
        journal.item(n, "ok", slot=2 - n % 2, ms=0.25, result=b'"once"')
    for n in (4, 5):
        journal.item(n, "ok", slot=1, ms=0.25, result=b'"twice"')
    expected = [(n, b'"twice"' if n == 4 else b'"once"') for n in range(60)]
    assert found(journal) == expected


def test_sorted_pairs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pairs come back in order, those that went to the disk and those that did not."""
    monkeypatch.setattr(pairs, "_PIECE", 50)
    rng = random.Random(1)
    given = [(rng.randrange(100), rng.getrandbits(64)) for _ in range(270)]
    kept = Pairs(str(tmp_path))
    for pair in given:
        kept.add(*pair)
    assert list(kept) == sorted(given) == list(kept)
    kept.close()
    assert list(tmp_path.iterdir()) == []


def fail() -> None:
    raise OSError


@pytest.mark.parametrize("helper", ["helps", "fails"])
def test_halves(journal: Journal, monkeypatch: pytest.MonkeyPatch, helper: str) -> None:
    """Results written by two processes are the same bytes, also when one of them dies."""
    for n in range(0, 500, 2):
        journal.item(n, "ok", slot=n % 3, ms=0.25, result=b'{"result":"%d,\\"result\\":"}' % n if n % 5 else None)
    history, path = journal.replay(), str(journal.dir)
    monkeypatch.setattr(module, "_MANY", 1)
    if helper == "fails":
        monkeypatch.setattr(module, "fork_helper", lambda _: fork_helper(fail))
    written = journal.dir.parent / "written"
    with written.open("wb") as file:
        write_results(file, path, history)
    lines = list(results(path, history))
    assert written.read_bytes() == b"".join(lines)
    assert all(line.index(b"\n") == len(line) - 1 for line in lines)
    assert written.read_bytes().count(b"\n") == history.results == 200


def test_a_gone_record_is_told_by_either_half(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record that is damaged since is an error also where the helper would have read it."""
    for n in range(100):
        journal.item(n, "ok", ms=0.25, result=b"1")
    history = journal.replay()
    path = journal.dir / "001-001.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"id90"', b'"ID90"'))
    monkeypatch.setattr(module, "_MANY", 1)
    with (journal.dir.parent / "written").open("wb") as file, pytest.raises(JournalError, match="item 90 is gone"):
        write_results(file, str(journal.dir), history)


def test_odd_records(journal: Journal) -> None:
    """A line is made rightly of a record in which other fields hold what looks like a result."""
    journal.item(1, "ok", item_id=',"result":', result=b'{"a":",\\"s\\":"}')
    journal.item(2, "ok", error=b'{"type":"x","message":"","result":1}')
    journal.item(3, "ok", result=b"3", item=b'{"result":4}')
    out = BytesIO()
    write_results(out, str(journal.dir), journal.replay())
    assert out.getvalue().splitlines() == [
        b'{"n":1,"id":",\\"result\\":","result":{"a":",\\"s\\":"}}',
        b'{"n":3,"id":"id3","result":3}',
    ]
