"""How many records a source has, before it is read."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from spoold.sources.base import Size
from spoold.sources.csv import CsvSource
from spoold.sources.glob import GlobSource
from spoold.sources.items import ItemsSource
from spoold.sources.jsonl import JsonlSource
from spoold.sources.range import RangeSource


@pytest.fixture
def uneven(tmp_path: Path) -> Path:
    """A file whose second half has lines five times as long."""
    path = tmp_path / "uneven.jsonl"
    path.write_bytes(b"".join(b'{"id":%d,"x":"%s"}\n' % (i, b"x" * (20 if i < 30_000 else 180)) for i in range(60_000)))
    return path


def test_a_large_file_is_estimated_by_its_places(uneven: Path) -> None:
    """Lines of different lengths are met at different places."""
    found = JsonlSource(str(uneven)).size()
    assert found is not None
    assert not found.exact
    assert found.records == pytest.approx(60_000, rel=0.1)


def test_a_small_file_is_counted(tmp_path: Path) -> None:
    """Also one without a newline at its end, and one that is compressed."""
    path = tmp_path / "small.jsonl"
    path.write_bytes(b'{"id":1}\n' * 999 + b'{"id":2}')
    (tmp_path / "small.jsonl.gz").write_bytes(gzip.compress(path.read_bytes()))
    for name in ("small.jsonl", "small.jsonl.gz"):
        assert JsonlSource(str(tmp_path / name)).size() == Size(1000, exact=False)


def test_a_large_compressed_file_is_estimated_by_its_beginning(tmp_path: Path) -> None:
    """What its first blocks decompress to stands for the whole."""
    path = tmp_path / "large.jsonl.gz"
    path.write_bytes(gzip.compress(b"".join(b'{"id":%d}\n' % i for i in range(200_000)), 1))
    found = JsonlSource(str(path)).size()
    assert found is not None
    assert found.records == pytest.approx(200_000, rel=0.15)


def test_a_header_is_no_record(tmp_path: Path) -> None:
    """Of several files each has one; a file that has none is told so."""
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("id,x\n" + "1,2\n" * 10)
    assert CsvSource.from_options({"type": "csv", "path": "*.csv"}, str(tmp_path)).size() == Size(20, exact=False)  # type: ignore[attr-defined]
    assert CsvSource(str(tmp_path / "a.csv"), header=["id", "x"]).size() == Size(11, exact=False)


def test_what_needs_no_reading_is_exact(tmp_path: Path) -> None:
    """Numbers and inline items are counted at once; files may come and go."""
    assert RangeSource(0, 10_000_000).size() == Size(10_000_000, exact=True)
    assert ItemsSource([1, 2, {"id": 3}]).size() == Size(3, exact=True)
    for name in "abc":
        (tmp_path / name).touch()
    assert GlobSource("*", str(tmp_path)).size() == Size(3, exact=False)


def test_what_cannot_be_read_has_no_size(tmp_path: Path) -> None:
    """Whoever reads the source says what is wrong with it; an empty one has nothing."""
    assert JsonlSource(str(tmp_path / "nowhere.jsonl")).size() is None
    (tmp_path / "empty.jsonl").touch()
    assert JsonlSource(str(tmp_path / "empty.jsonl")).size() == Size(0, exact=False)
