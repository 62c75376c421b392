"""The suite that every source passes."""

from __future__ import annotations

import json
import tracemalloc
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from tests.source_kinds import FETCHED, KINDS, Kind

from spoold.sources.base import MAX_BYTES, MAX_RECORDS, Batch, Fault, Source
from spoold.sources.fingerprint import Digest, verify_prefix
from spoold.sources.identify import identifier

if TYPE_CHECKING:
    from pathlib import Path

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
    place = kind.spoil(tmp_path, COUNT)
    batches = list(source.batches())
    ids = [id_ for batch in batches for id_ in give.identify(batch)]
    assert ids[:-1] == before
    assert isinstance(ids[-1], Fault)
    assert batches[-1].place(len(batches[-1].raws) - 1) == place


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


BRIEF = {"items", "glob", "csv-many", "parquet-many"}  # few items, or read as another is


@pytest.mark.parametrize("name", [name for name in KINDS if name not in {*BRIEF, *FETCHED} - {"pages", "stream"}])
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
