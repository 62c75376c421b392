"""The index by id: what older generations have done is found, and nothing else."""

from __future__ import annotations

import hashlib
import zlib
from typing import TYPE_CHECKING

import msgspec
import pytest
from tests.journals import error_text

from spoold.core.chunk import Past
from spoold.journal import index as module
from spoold.journal.format import item_payload
from spoold.journal.index import Done, IdIndex, Known
from spoold.journal.segment import Segment

if TYPE_CHECKING:
    from pathlib import Path

UID = "ab" * 16


def write(folder: Path, run: int, gen: int, items: list[tuple[int, str, str, bytes | None]]) -> None:
    segment = Segment.create(str(folder), job="demo", uid=UID, run=run, gen=gen, slot=1)
    for n, item_id, status, result in items:
        segment.append(item_payload(n, msgspec.json.encode(item_id), status, t=1.0, result=result))
    segment.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "journal"
    made.mkdir()
    return made


def test_lookup(folder: Path) -> None:
    """Done items of the older generations are found with status and result; failed and unknown ones are not."""
    write(folder, 1, 1, [(0, "a", "ok", b"[1]"), (1, "b", "failed", None), (2, "", "skipped", None)])
    write(folder, 2, 2, [(0, "c", "kept", b"2"), (1, "newline\n\0", "ok", None)])
    write(folder, 3, 3, [(0, "d", "ok", None)])
    with IdIndex(str(folder), job="demo", gen=3) as index:
        assert index.lookup("a") == Known(Done("ok", b"[1]"))
        assert index.lookup("") == Known(Done("skipped", None))
        assert index.lookup("c") == Known(Done("kept", b"2"))
        assert index.lookup("newline\n\0") == Known(Done("ok", None))
        assert [index.lookup(item_id) for item_id in ("b", "d", "e")] == [None, None, None]


def test_newest_record_counts(folder: Path) -> None:
    """Of several records of one id, that of the newest generation and run is taken."""
    write(folder, 1, 1, [(0, "a", "ok", b'"old"')])
    write(folder, 2, 2, [(5, "a", "kept", b'"new"')])
    with IdIndex(str(folder), job="demo", gen=3) as index:
        assert index.lookup("a") == Known(Done("kept", b'"new"'))


def test_same_hash(folder: Path) -> None:
    """Ids with the same hash are told apart by their records."""
    seen: dict[int, str] = {}
    pair: tuple[str, str] | None = None
    for n in range(100_000):
        text = hashlib.md5(b"%d" % n).hexdigest()
        other = seen.setdefault(zlib.crc32(text.encode()) >> 8, text)
        if other != text:
            pair = (other, text)
            break
    assert pair is not None
    write(folder, 1, 1, [(0, pair[0], "ok", b"0")])
    with IdIndex(str(folder), job="demo", gen=2) as index:
        assert index.lookup(pair[0]) == Known(Done("ok", b"0"))
        assert index.lookup(pair[1]) is None


def test_empty(folder: Path) -> None:
    """Nothing done, nothing found."""
    write(folder, 1, 1, [(0, "a", "failed", None)])
    for gen in (1, 2):
        with IdIndex(str(folder), job="demo", gen=gen) as index:
            assert index.lookup("a") is None


def once(name: str, value: str | None = None) -> bytes:
    """The result of a `once` that began, or that returned this JSON text."""
    return b'{"name":"%b"%b}' % (name.encode(), b',"value":%b' % value.encode() if value else b"")


def test_what_was_left_unfinished(folder: Path) -> None:
    """What an item saved and did once goes with it; from all segments of the older generations."""
    write(folder, 1, 1, [(0, "a", "save", b"1"), (1, "b", "once", once("pay")), (1, "b", "once", once("pay", "7"))])
    write(folder, 2, 2, [(9, "a", "save", b"2"), (9, "a", "failed", None), (8, "c", "failed", None)])
    with IdIndex(str(folder), job="demo", gen=3) as index:
        assert index.lookup("a") == Known(past=Past(saved=b"2"))
        assert index.lookup("b") == Known(past=Past(once={"pay": b"7"}))
        assert index.lookup("c") is None


def test_what_is_in_doubt(folder: Path) -> None:
    """An effect or an attempt without an end, or what was recorded so; with the reason that was recorded."""
    write(folder, 1, 1, [(0, "a", "once", once("pay")), (1, "b", "start", None)])
    segment = Segment.create(str(folder), job="demo", uid=UID, run=1, gen=1, slot=2)
    for n, item_id in ((2, "c"), (3, "d")):
        error = error_text("InDoubt")
        segment.append(item_payload(n, msgspec.json.encode(item_id), "in-doubt", t=2.0, error=error))
    error = error_text("Resolved", free=True)
    segment.append(item_payload(3, b'"d"', "retry", attempt=2, t=1.0, error=error))
    segment.close()
    with IdIndex(str(folder), job="demo", gen=2) as index:
        cut = "it was cut short before the source changed"
        assert index.lookup("a") == Known(doubt=f"once('pay') began and has no end: {cut}")
        assert index.lookup("b") == Known(doubt=f"it began, under at-most-once, and has no outcome: {cut}")
        assert index.lookup("c") == Known(doubt="InDoubt it was")
        assert index.lookup("d") in (None, Known())


def test_done_outweighs_what_was_left(folder: Path) -> None:
    """Also what was done in an older generation than the one that left it unfinished."""
    write(folder, 1, 1, [(0, "a", "once", once("pay")), (0, "a", "ok", b"5")])
    write(folder, 2, 2, [(3, "a", "save", b"2"), (4, "b", "save", b"1"), (4, "b", "ok", None)])
    with IdIndex(str(folder), job="demo", gen=3) as index:
        assert index.lookup("a") == Known(Done("ok", b"5"))
        assert index.lookup("b") == Known(Done("ok", None))


def test_sorted_in_pieces(folder: Path) -> None:
    """More items than are sorted at once are all found."""
    count = module._PIECE + 500
    write(folder, 1, 1, [(n, f"item {n}", "ok", None) for n in range(count)])
    with IdIndex(str(folder), job="demo", gen=2) as index:
        assert all(index.lookup(f"item {n}") for n in range(0, count, 997))
        assert index.lookup(f"item {count}") is None
