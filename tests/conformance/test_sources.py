"""The suite that every source passes."""

from __future__ import annotations

import csv
import gzip
import json
import os
import tracemalloc
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
import zstandard

from spoold.sources.base import MAX_BYTES, MAX_RECORDS, Batch, Fault, Source
from spoold.sources.csv import CsvSource
from spoold.sources.fingerprint import Digest, verify_prefix
from spoold.sources.glob import GlobSource
from spoold.sources.identify import identifier
from spoold.sources.items import ItemsSource
from spoold.sources.jsonl import JsonlSource
from spoold.sources.lines import LinesSource
from spoold.sources.range import RangeSource

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@dataclass(frozen=True)
class Kind:
    """How to make a source of one type.

    Attributes:
        make: a source of `count` items in a folder, made anew; the item at `odd` is another than usual.
        item: what its k-th item is.
        spoil: adds a malformed record behind the items; returns its line. None: there is no such thing.
    """

    make: Callable[[Path, int, int], Source]
    item: Callable[[int], dict[str, Any]]
    spoil: Callable[[Path, int], int | None] | None = None


def _open(path: Path, mode: str) -> Any:
    """The file, compressed as its name says."""
    openers: dict[str, Any] = {".gz": gzip.open, ".zst": zstandard.open}
    return openers.get(path.suffix, open)(path, mode)


def _make_jsonl(name: str) -> Callable[[Path, int, int], Source]:
    def make(folder: Path, count: int, odd: int) -> Source:
        lines = [json.dumps({"id": k, "text": "odd" if k == odd else "some text"}) + "\n" for k in range(count)]
        with _open(folder / name, "wb") as file:
            file.write("".join(lines).encode())
        return JsonlSource.from_options({"type": "jsonl", "path": name}, str(folder))

    return make


def _make_csv(folder: Path, count: int, odd: int) -> Source:
    with (folder / "d.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["id", "text"])
        rows.writerows((k, "odd" if k == odd else 'two\nlines, "quoted"') for k in range(count))
    return CsvSource.from_options({"path": "d.csv"}, str(folder))


def _make_lines(folder: Path, count: int, odd: int) -> Source:
    (folder / "d.txt").write_text("".join(f"{'odd' if k == odd else 'line'} {k:50}\n" for k in range(count)))
    return LinesSource.from_options({"path": "d.txt"}, str(folder))


def _make_items(folder: Path, count: int, odd: int) -> Source:
    items = ["odd" if k == odd else k if k % 2 else {"id": k, "text": "some"} for k in range(count)]
    return ItemsSource.from_options({"items": items}, str(folder))


def _make_range(folder: Path, count: int, odd: int) -> Source:
    # a range has no odd item: another step makes all but the first differ
    return RangeSource.from_options({"start": 3, "stop": 3 + 2 * count, "step": 2 if odd < 0 else 1}, str(folder))


def _make_glob(folder: Path, count: int, odd: int) -> Source:
    for old in folder.glob("g/*/*"):
        old.unlink()
    for k in range(count):
        (folder / f"g/{k // 1000:03}").mkdir(parents=True, exist_ok=True)
        (folder / f"g/{k // 1000:03}/{k:06}{'odd' if k == odd else ''}").touch()
    return GlobSource.from_options({"pattern": "g/**/*"}, str(folder))


def _append(name: str, data: bytes, line: Callable[[int], int]) -> Callable[[Path, int], int]:
    def spoil(folder: Path, count: int) -> int:
        with _open(folder / name, "ab") as file:
            file.write(data)
        return line(count)

    return spoil


def _spoil_glob(folder: Path, count: int) -> None:
    (folder / "g/999").mkdir()
    (folder / os.fsdecode(b"g/999/\xff")).touch()


KINDS = {
    name: Kind(
        _make_jsonl(name), lambda k: {"id": k, "text": "some text"}, _append(name, b'{"id": \n', lambda n: n + 1)
    )
    for name in ("d.jsonl", "d.jsonl.gz", "d.jsonl.zst")
} | {
    "csv": Kind(
        _make_csv,
        lambda k: {"id": str(k), "text": 'two\nlines, "quoted"'},
        _append("d.csv", b"lonely\n", lambda n: 2 * n + 2),
    ),
    "lines": Kind(_make_lines, lambda k: {"line": f"line {k:50}"}, _append("d.txt", b"a\xff\n", lambda n: n + 1)),
    "items": Kind(_make_items, lambda k: {"value": k} if k % 2 else {"id": k, "text": "some"}),
    "range": Kind(_make_range, lambda k: {"n": 3 + 2 * k}),
    "glob": Kind(_make_glob, lambda k: {"path": f"g/{k // 1000:03}/{k:06}"}, _spoil_glob),
}
COUNT = 2500


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


def _records(batches: list[Batch]) -> list[tuple[int, bytes, int | None, str | Fault | None, str | None]]:
    return [
        (b.n + i, raw, b.line_of(i), b.ids[i] if b.ids else None, b.faults.get(i))
        for b in batches
        for i, raw in enumerate(b.raws)
    ]


def _marks(source: Source) -> dict[int, tuple[int, str]]:
    digest = Digest()
    marks = [mark for batch in source.batches() for mark in digest.feed(batch.raws)]
    last = digest.mark()
    return {mark.block: (mark.items, mark.digest) for mark in [*marks, *([last] if last else [])]}


def test_positions_are_dense_and_items_as_written(kind: Kind, tmp_path: Path) -> None:
    """Every item comes once, in order, numbered without gaps, as valid JSON on one line."""
    records = _records(list(kind.make(tmp_path, COUNT, -1).batches()))
    assert [n for n, *_ in records] == list(range(COUNT))
    assert [json.loads(raw) for _, raw, *_ in records] == [kind.item(k) for k in range(COUNT)]
    assert not any(b"\n" in raw for _, raw, *_ in records)


def test_a_second_reading_is_the_same(kind: Kind, tmp_path: Path) -> None:
    """Reading again, also through a new source, gives the same records, ids and line numbers."""
    source = kind.make(tmp_path, COUNT, -1)
    first = _records(list(source.batches()))
    assert _records(list(source.batches())) == first
    assert _records(list(kind.make(tmp_path, COUNT, -1).batches())) == first


@pytest.mark.parametrize("start", [1, MAX_RECORDS - 1, MAX_RECORDS, 1777, COUNT - 1, COUNT, COUNT + 5])
def test_reading_from_any_position_gives_the_rest(kind: Kind, tmp_path: Path, start: int) -> None:
    """From a position on come exactly the records that a full reading gives from there."""
    source = kind.make(tmp_path, COUNT, -1)
    assert _records(list(source.batches(start))) == _records(list(source.batches()))[start:]


def test_batches_are_bounded_and_contiguous(kind: Kind, tmp_path: Path) -> None:
    """No batch is empty or over the limits, and each begins where the one before ended."""
    batches = list(kind.make(tmp_path, COUNT, -1).batches())
    assert all(0 < len(batch.raws) <= MAX_RECORDS for batch in batches)
    assert all(len(batch.raws) == 1 or sum(map(len, batch.raws)) <= MAX_BYTES for batch in batches)
    assert all(one.n + len(one.raws) == two.n for one, two in pairwise(batches))


def test_ids_are_unique_text(kind: Kind, tmp_path: Path) -> None:
    """By default, by content and by position, different items have different ids."""
    source = kind.make(tmp_path, COUNT, -1)
    for mode in (None, "content", "position"):
        give = identifier(mode, source)
        ids = [id_ for batch in source.batches() for id_ in give.identify(batch)]
        assert all(type(id_) is str for id_ in ids)
        assert len(set(ids)) == COUNT


@pytest.mark.parametrize("mode", [None, "content", "position"])
@pytest.mark.parametrize("kind", [name for name in KINDS if KINDS[name].spoil], indirect=True)
def test_a_malformed_record_is_one_fault(kind: Kind, tmp_path: Path, mode: str | None) -> None:
    """A malformed record keeps its place, tells its line, and leaves the others as they were."""
    assert kind.spoil is not None
    source = kind.make(tmp_path, COUNT, -1)
    give = identifier(mode, source)
    before = [id_ for batch in source.batches() for id_ in give.identify(batch)]
    line = kind.spoil(tmp_path, COUNT)
    batches = list(source.batches())
    ids = [id_ for batch in batches for id_ in give.identify(batch)]
    assert ids[:-1] == before
    assert isinstance(ids[-1], Fault)
    assert batches[-1].place(len(batches[-1].raws) - 1) == (f"item:{COUNT}" if line is None else f"line:{line}")


def test_the_same_source_is_recognised(kind: Kind, tmp_path: Path) -> None:
    """A source that did not change matches the blocks recorded of it."""
    source = kind.make(tmp_path, COUNT, -1)
    assert verify_prefix(source, _marks(source))


def test_a_grown_source_is_recognised(kind: Kind, tmp_path: Path) -> None:
    """Items added at the end leave the recorded prefix as it was, and change the stat."""
    source = kind.make(tmp_path, COUNT, -1)
    marks, stat = _marks(source), source.stat()
    grown = kind.make(tmp_path, COUNT + 300, -1)
    assert verify_prefix(grown, marks)
    assert grown.stat() is None or grown.stat() != stat


def test_a_changed_source_is_recognised(kind: Kind, tmp_path: Path) -> None:
    """One item changed within the recorded part is a mismatch."""
    marks = _marks(kind.make(tmp_path, COUNT, -1))
    assert not verify_prefix(kind.make(tmp_path, COUNT, 1234), marks)


def test_a_shorter_source_is_a_changed_one(kind: Kind, tmp_path: Path) -> None:
    """Items missing at the end are a mismatch."""
    marks = _marks(kind.make(tmp_path, COUNT, -1))
    assert not verify_prefix(kind.make(tmp_path, COUNT - 1, -1), marks)


def test_an_empty_source_has_no_batch(kind: Kind, tmp_path: Path) -> None:
    """A source without items ends at once."""
    (tmp_path / "g").mkdir()
    assert list(kind.make(tmp_path, 0, -1).batches()) == []


@pytest.mark.parametrize("name", [name for name in KINDS if name not in {"items", "glob"}])
def test_memory_does_not_grow_with_the_source(tmp_path: Path, name: str) -> None:
    """Four times the items take no more memory to read."""
    peaks = []
    for count in (20_000, 80_000):
        source = KINDS[name].make(tmp_path, count, -1)
        tracemalloc.start()
        seen = sum(len(batch.raws) for batch in source.batches())
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert seen == count
    assert peaks[1] < peaks[0] + 512 * 1024
