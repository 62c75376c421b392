from __future__ import annotations

import datetime as dt
import json
import sys
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spoold.errors import SourceError
from spoold.sources.parquet import ParquetSource


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file of three row groups of a thousand rows."""
    pq.write_table(pa.table({"id": range(3000), "x": ["some"] * 3000}), tmp_path / "d.parquet", row_group_size=1000)
    return tmp_path / "d.parquet"


def test_values_that_json_has_no_form_for_are_text(tmp_path: Path) -> None:
    """Moments as ISO 8601 cut to microseconds, decimals as text, bytes in base64, no number as null."""
    table = pa.table(
        {
            "t": pa.array([1_000_000_001], pa.timestamp("ns")),
            "z": pa.array([dt.datetime(2020, 1, 1, tzinfo=dt.UTC)], pa.timestamp("ms", "UTC")),
            "d": [Decimal("1.50")],
            "b": [b"\x00\xff"],
            "f": [float("nan")],
            "l": [[1, None]],
            "s": [{"a": dt.date(2020, 1, 2)}],
            "c": pa.array([1], pa.time64("ns")),
        }
    )
    pq.write_table(table, tmp_path / "d.parquet")
    (batch,) = ParquetSource(str(tmp_path / "d.parquet")).batches()
    assert json.loads(batch.raws[0]) == {
        "t": "1970-01-01T00:00:01",
        "z": "2020-01-01T00:00:00Z",
        "d": "1.50",
        "b": "AP8=",
        "f": None,
        "l": [1, None],
        "s": {"a": "2020-01-02"},
        "c": "00:00:00",
    }


def test_row_groups_before_the_start_are_not_read(path: Path) -> None:
    """Damage in them is not even seen."""
    data = bytearray(path.read_bytes())
    first = pq.ParquetFile(path).metadata.row_group(0)
    for column in range(first.num_columns):
        at = first.column(column).data_page_offset
        data[at : at + 8] = b"\xff" * 8
    path.write_bytes(data)
    source = ParquetSource(str(path))
    assert [json.loads(raw)["id"] for batch in source.batches(1500) for raw in batch.raws] == list(range(1500, 3000))
    with pytest.raises(SourceError, match=r"the Parquet data is damaged: .*; put a whole copy in its place and resume"):
        list(source.batches(500))


@pytest.mark.parametrize("keep", [0, 3, 1000, -10])
def test_a_file_that_is_cut_short_is_an_error(path: Path, keep: int) -> None:
    """It names the file."""
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(SourceError, match=r"d\.parquet: the Parquet data is damaged"):
        list(ParquetSource(str(path)).batches())


def test_two_columns_of_one_name_are_an_error(tmp_path: Path) -> None:
    """An object has no place for both."""
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    pq.write_table(table, tmp_path / "d.parquet")
    with pytest.raises(SourceError, match="two columns are named 'a'; rename one"):
        list(ParquetSource(str(tmp_path / "d.parquet")).batches())


def test_without_its_package_the_extra_is_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what to install; the stat needs no package."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    source = ParquetSource(str(path))
    assert source.describe() == f"parquet {path}"
    source.stat()
    with pytest.raises(SourceError, match=r"pip install 'spoold\[parquet\]'"):
        list(source.batches())
