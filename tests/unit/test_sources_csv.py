from __future__ import annotations

import csv
import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest

from spoold.errors import SourceError
from spoold.sources.csv import CsvSource

if TYPE_CHECKING:
    from pathlib import Path

    from spoold.sources.base import Batch


def _read(tmp_path: Path, text: str | bytes, **options: Any) -> tuple[list[Any], dict[int, str]]:
    """The items, None for a fault, and the faults by line."""
    (tmp_path / "d.csv").write_bytes(text.encode() if isinstance(text, str) else text)
    source = CsvSource.from_options({"type": "csv", "path": "d.csv", **options}, str(tmp_path))
    items: list[Any] = []
    faults: dict[int, str] = {}
    for batch in source.batches():
        for index, raw in enumerate(batch.raws):
            items.append(None if index in batch.faults else json.loads(raw))
            if index in batch.faults:
                faults[batch.line_of(index) or 0] = batch.faults[index]
    return items, faults


def test_rows_are_objects_of_text(tmp_path: Path) -> None:
    """Quotes, newlines in quotes, blank lines, a byte order mark and CRLF are as usual in CSV."""
    items, faults = _read(tmp_path, '\ufeffa,b\r\n1,"x ""y"""\r\n\r\n"2\r\n3",\r\n4,é')
    assert items == [{"a": "1", "b": 'x "y"'}, {"a": "2\r\n3", "b": ""}, {"a": "4", "b": "é"}]
    assert faults == {}


def test_a_wrong_number_of_columns_is_a_fault_of_that_row(tmp_path: Path) -> None:
    """The fault tells both numbers, and the line on which the row begins."""
    items, faults = _read(tmp_path, 'a,b\n"x\ny",1\n1\n2,3\n1,2,3\n')
    assert items == [{"a": "x\ny", "b": "1"}, None, {"a": "2", "b": "3"}, None]
    assert faults == {4: "1 columns, the header has 2", 6: "3 columns, the header has 2"}


@pytest.mark.parametrize("rest", ["3,4\n5,6\n", '3,"4"\n5,6\n'])
def test_a_quote_never_closed_costs_one_line(tmp_path: Path, rest: str) -> None:
    """The lines that it seems to take in are read again as rows."""
    items, faults = _read(tmp_path, 'a,b\n1,"2\n' + rest)
    assert items == [None, {"a": "3", "b": "4"}, {"a": "5", "b": "6"}]
    assert list(faults) == [2]


def test_a_quote_never_closed_is_given_up_at_the_limit(tmp_path: Path) -> None:
    """No more than the limit is held in search of a closing quote."""
    (tmp_path / "d.csv").write_text('a,b\n1,"2\n' + "3,4\n" * 1000)
    batches = list(CsvSource(str(tmp_path / "d.csv"), max_record=500).batches())
    assert sum(len(batch.raws) for batch in batches) == 1001
    assert batches[0].faults == {0: "the row is longer than 500 characters; is a quote never closed?"}


def test_a_line_over_the_limit_is_a_fault_also_inside_a_broken_row(tmp_path: Path) -> None:
    """Read again after an unclosed quote it is still too long, not a row cut short."""
    (tmp_path / "d.csv").write_text('a\n"open\nok\n' + "x" * 900 + "\nok\n")
    batches = list(CsvSource(str(tmp_path / "d.csv"), max_record=500).batches())
    faults = {batch.line_of(i): reason for batch in batches for i, reason in batch.faults.items()}
    assert [json.loads(raw)["a"] for raw in (batches[0].raws[1], batches[0].raws[3])] == ["ok", "ok"]
    assert set(faults) == {2, 4}
    assert "900 bytes" in faults[4]


def test_a_field_may_be_larger_than_the_csv_modules_limit(tmp_path: Path) -> None:
    """The module's limit for everybody else stays as it was."""
    before = csv.field_size_limit()
    items, _ = _read(tmp_path, "a\n" + "x" * 500_000 + "\n")
    assert items == [{"a": "x" * 500_000}]
    assert csv.field_size_limit() == before


def test_a_row_that_is_not_utf8_is_a_fault(tmp_path: Path) -> None:
    """The rows around it are items."""
    items, faults = _read(tmp_path, b"a,b\n1,2\n\xff,2\n3,4\n")
    assert items == [{"a": "1", "b": "2"}, None, {"a": "3", "b": "4"}]
    assert faults == {3: "not UTF-8"}


def test_dialect_options_are_obeyed(tmp_path: Path) -> None:
    """Delimiter, quotes, escapes, spaces and a given header."""
    assert _read(tmp_path, "1;'x;y'\n", header=["a", "b"], delimiter=";", quotechar="'")[0] == [{"a": "1", "b": "x;y"}]
    assert _read(tmp_path, 'a\tb\n"1\t2\n', delimiter="\t", quotechar=None)[0] == [{"a": '"1', "b": "2"}]
    assert _read(tmp_path, "a, b\n1, 2\n", skipinitialspace=True)[0] == [{"a": "1", "b": "2"}]
    assert _read(tmp_path, 'a\n"x\\"y"\n', doublequote=False, escapechar="\\")[0] == [{"a": 'x"y'}]
    assert _read(tmp_path, 'a\n"x"y\n', strict=False)[0] == [{"a": "xy"}]
    assert _read(tmp_path, 'a\n"x"y\n')[0] == [None]


@pytest.mark.parametrize(
    ("text", "options", "part"),
    [
        ("a,b,a\n", {}, "names column 'a' twice"),
        (b"a,\xff\n1,2\n", {}, "the header is not UTF-8"),
        ('"a\n', {}, "the header can't be read"),
        ("", {"header": []}, "names no column"),
        ("", {"header": ["a", "a"]}, "names column 'a' twice"),
        ("", {"delimiter": "ab"}, "delimiter"),
        ("", {"delimiter": ""}, "delimiter"),
        ("", {"quotechar": "ab"}, "quotechar"),
    ],
)
def test_a_header_or_dialect_that_makes_no_sense_is_an_error(
    tmp_path: Path, text: str | bytes, options: dict[str, Any], part: str
) -> None:
    """Nothing can be read, so the source says why instead of failing each row."""
    with pytest.raises(SourceError, match=part):
        _read(tmp_path, text, **options)


def test_rows_before_the_end_of_a_truncated_file_are_items(tmp_path: Path) -> None:
    """Compressed data that ends too early is an error after its rows."""
    data = gzip.compress("".join(f"{k},{k * k}\n" for k in range(50_000)).encode())
    (tmp_path / "d.csv.gz").write_bytes(data[: len(data) // 2])
    batches = CsvSource(str(tmp_path / "d.csv.gz"), header=["a", "b"]).batches()
    seen: list[Batch] = []
    with pytest.raises(SourceError, match="ends too early"):
        seen.extend(batches)
    assert sum(len(batch.raws) for batch in seen) > 10_000
    assert not any(batch.faults for batch in seen)
