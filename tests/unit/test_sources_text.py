from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from spoold.errors import SourceError
from spoold.sources.base import FAULT_BYTES, MAX_BYTES, Batch, Fault
from spoold.sources.identify import identifier
from spoold.sources.jsonl import JsonlSource
from spoold.sources.lines import LinesSource

if TYPE_CHECKING:
    from pathlib import Path


def _jsonl(tmp_path: Path, data: bytes, **options: int) -> list[Batch]:
    (tmp_path / "d").write_bytes(data)
    return list(JsonlSource(str(tmp_path / "d"), **options).batches())


def test_blank_lines_are_no_records_but_count_as_lines(tmp_path: Path) -> None:
    """Positions are dense, line numbers are the file's."""
    (batch,) = _jsonl(tmp_path, b'\n{"id":1}\r\n \t\r\n  {"id":2}  \n\n{"id":3}\n')
    assert batch.raws == [b'{"id":1}', b'{"id":2}', b'{"id":3}']
    assert [batch.line_of(i) for i in range(3)] == [2, 4, 6]


def test_a_last_line_without_newline_counts(tmp_path: Path) -> None:
    """With and without a newline at the end the records are the same."""
    for data in (b"1\n2", b"1\n2\n"):
        batches = _jsonl(tmp_path, data)
        assert [(batch.line_of(i), raw) for batch in batches for i, raw in enumerate(batch.raws)] == [
            (1, b"1"),
            (2, b"2"),
        ]


@pytest.mark.parametrize("data", [b"", b"\n", b" \r\n\n\t", b"\xef\xbb\xbf"])
def test_a_file_of_blanks_has_no_records(tmp_path: Path, data: bytes) -> None:
    """Nothing but blank lines gives no batch."""
    assert _jsonl(tmp_path, data) == []


def test_a_line_over_the_limit_is_a_fault_of_its_own(tmp_path: Path) -> None:
    """It is read over, whether it spans many blocks or none, and its neighbours are whole."""
    for length in (200, 2_000_000):
        batches = _jsonl(tmp_path, b"1\n" + b"x" * length + b'\n"' + b"y" * 98 + b'"\n2', max_record=100)
        raws = [raw for batch in batches for raw in batch.raws]
        faults = [batch.faults[i] for batch in batches for i in batch.faults]
        assert raws == [b"1", b"x" * min(length, FAULT_BYTES), b'"' + b"y" * 98 + b'"', b"2"]
        assert faults == [f"the record is {length} bytes long, over the limit of 100"]
        assert [batch.place(i) for batch in batches for i in batch.faults] == ["line:2"]


def test_a_record_larger_than_a_batch_is_alone_in_one(tmp_path: Path) -> None:
    """Large records do not make large batches of their neighbours."""
    big = b'"' + b"x" * MAX_BYTES + b'"'
    batches = _jsonl(tmp_path, b"\n".join([b"1", b"2", big, big, b"3", b"4", b""]))
    assert [len(batch.raws) for batch in batches] == [2, 1, 1, 2]
    assert [batch.line for batch in batches] == [1, 3, 4, 5]


def test_a_path_is_relative_to_cwd(tmp_path: Path) -> None:
    """A relative path is looked up there, an absolute one is itself."""
    assert JsonlSource.from_options({"path": "a/b"}, "/cwd").describe() == "jsonl /cwd/a/b"
    assert JsonlSource.from_options({"path": "/a/b"}, "/cwd").describe() == "jsonl /a/b"


@pytest.mark.parametrize("options", [{}, {"path": 1}, {"path": "x", "pth": "y"}])
def test_wrong_options_are_refused_by_name(options: dict[str, object]) -> None:
    """A missing, mistyped or unknown option is an error that lists the known ones."""
    with pytest.raises(SourceError, match=r"source jsonl: .*; its options are path"):
        JsonlSource.from_options(options, "/")


def test_lines_are_text_to_the_last_blank(tmp_path: Path) -> None:
    """Only the line end is dropped; blank lines are records; quotes and controls are escaped."""
    (tmp_path / "d").write_bytes('  a "b"\t\r\n\n\u2028é\x01\r\r\n'.encode())
    source = LinesSource(str(tmp_path / "d"))
    (batch,) = source.batches()
    assert [json.loads(raw)["line"] for raw in batch.raws] == ['  a "b"\t', "", "\u2028é\x01\r"]
    ids = identifier(None, source).identify(batch)
    assert [type(id_) for id_ in ids] == [str, Fault, str]
    assert "the id is empty" in ids[1].reason  # type: ignore[union-attr]


def test_a_line_that_is_not_utf8_is_a_fault_shown_escaped(tmp_path: Path) -> None:
    """The damaged bytes can be seen, and the lines around it are items."""
    (tmp_path / "d").write_bytes(b"a\n\xffb\nc\n")
    (batch,) = LinesSource(str(tmp_path / "d")).batches()
    assert batch.faults == {1: "not UTF-8"}
    assert [json.loads(raw) for raw in batch.raws] == [{"line": "a"}, "\\xffb", {"line": "c"}]
