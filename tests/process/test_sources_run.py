"""Each kind of source from its file to the results."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import zstandard
from tests.daemon import HANDLERS, Daemon


def results(serving: Daemon, name: str, **source: Any) -> list[tuple[str, Any]]:
    """Run `echo` over a source; (id, result) of each item."""
    serving.finish(name, handler="basic:echo", source=source)
    return [(row["id"], row["result"]) for row in serving.results(name)]


def test_jsonl(serving: Daemon) -> None:
    """Each line of a jsonl file is an item, blank lines are none, and a last line without newline counts."""
    path = serving.write("a.jsonl", '{"id": "x", "v": 1}\n\n  {"id": 2}\r\n{"id": "z"}')
    assert results(serving, "jsonl", type="jsonl", path=path) == [
        ("x", {"id": "x", "v": 1}),
        ("2", {"id": 2}),
        ("z", {"id": "z"}),
    ]


def test_jsonl_gz(serving: Daemon) -> None:
    """A gzipped file is read as its content."""
    path = serving.write("a.jsonl.gz", gzip.compress(b'{"id": 1}\n{"id": 2}\n'))
    assert results(serving, "gz", type="jsonl", path=path) == [("1", {"id": 1}), ("2", {"id": 2})]


def test_jsonl_zst(serving: Daemon) -> None:
    """A zstd file is read as its content."""
    path = serving.write("a.jsonl.zst", zstandard.compress(b'{"id": 1}\n{"id": 2}\n'))
    assert results(serving, "zst", type="jsonl", path=path) == [("1", {"id": 1}), ("2", {"id": 2})]


def test_csv(serving: Daemon) -> None:
    """Each row of a csv file is an item with a text per column."""
    path = serving.write("a.csv", 'id;text\n1;"a;\nb"\n2;c\n')
    assert results(serving, "csv", type="csv", path=path, delimiter=";") == [
        ("1", {"id": "1", "text": "a;\nb"}),
        ("2", {"id": "2", "text": "c"}),
    ]


def test_lines(serving: Daemon) -> None:
    """Each line of a text file is an item whose id is the line."""
    path = serving.write("a.txt", "one\ntwo\n")
    assert results(serving, "lines", type="lines", path=path) == [("one", {"line": "one"}), ("two", {"line": "two"})]


def test_items(serving: Daemon) -> None:
    """Inline scalars are wrapped and are their own ids; objects have theirs in a field."""
    assert results(serving, "scalars", type="items", items=["a", 5]) == [("a", {"value": "a"}), ("5", {"value": 5})]
    assert results(serving, "objects", type="items", items=[{"id": "o"}]) == [("o", {"id": "o"})]


def test_range(serving: Daemon) -> None:
    """Numbers run from start to stop, step by step, and are their own ids."""
    assert results(serving, "range", type="range", start=10, stop=4, step=-3) == [("10", {"n": 10}), ("7", {"n": 7})]


def test_glob(serving: Daemon, tmp_path: Path) -> None:
    """Files that match are items; a relative pattern is looked up in `cwd` and gives relative paths."""
    (tmp_path / "sub").mkdir()
    for name in ("b.txt", "a.txt", "sub/c.txt", "no.md"):
        (tmp_path / name).touch()
    source = {"type": "glob", "pattern": "**/*.txt"}
    serving.finish("glob", handler="basic:echo", cwd=str(tmp_path), pythonpath=[str(HANDLERS)], source=source)
    assert sorted(row["id"] for row in serving.results("glob")) == ["a.txt", "b.txt", "sub/c.txt"]


def test_a_path_relative_to_cwd(serving: Daemon, tmp_path: Path) -> None:
    """A relative path of a source is looked up in the job's working folder."""
    (tmp_path / "rel.txt").write_text("x\n")
    serving.finish("relative", handler="builtins:repr", cwd=str(tmp_path), source={"type": "lines", "path": "rel.txt"})
    assert [row["id"] for row in serving.results("relative")] == ["x"]


def test_an_id_field(serving: Daemon) -> None:
    """`id` names the field that identifies an item."""
    path = serving.write("key.jsonl", '{"key": "k1"}\n{"key": "k2"}\n')
    serving.finish("key", handler="basic:echo", id="key", source={"type": "jsonl", "path": path})
    assert [row["id"] for row in serving.results("key")] == ["k1", "k2"]


def test_id_content(serving: Daemon) -> None:
    """`id: content` is the digest of the item, whatever the order of its keys."""
    path = serving.write("content.jsonl", '{"b": 1, "a": 2}\n{"a": 2, "b": 1}\n')
    serving.finish("content", handler="basic:echo", id="content", source={"type": "jsonl", "path": path})
    digest = hashlib.sha256(json.dumps({"a": 2, "b": 1}, sort_keys=True).encode()).hexdigest()
    assert [row["id"] for row in serving.results("content")] == [digest]
    assert serving.report("content")["duplicates"] == 1


def test_id_position(serving: Daemon) -> None:
    """`id: position` numbers the records, so that equal ones are different items."""
    path = serving.write("position.jsonl", '{"v": 1}\n{"v": 1}\n')
    serving.finish("position", handler="basic:echo", id="position", source={"type": "jsonl", "path": path})
    assert [row["id"] for row in serving.results("position")] == ["0", "1"]


def test_long_ids_become_digests(serving: Daemon) -> None:
    """An id over 512 bytes is replaced by its digest."""
    serving.finish("long", handler="basic:noop", source={"type": "items", "items": ["x" * 600]})
    assert [record["id"] for record in serving.records("long")] == ["sha256:" + hashlib.sha256(b"x" * 600).hexdigest()]


def test_duplicates_run_once(serving: Daemon) -> None:
    """Of items with one id the first runs; the others are counted; numbers and text are the same id."""
    path = serving.write("double.jsonl", '{"id": 5, "v": 1}\n{"id": "5", "v": 2}\n{"id": 6}\n{"id": 5}\n')
    ended = serving.finish("double", handler="basic:echo", source={"type": "jsonl", "path": path})
    assert [row["result"] for row in serving.results("double")] == [{"id": 5, "v": 1}, {"id": 6}]
    assert (ended["counts"]["duplicates"], ended["counts"]["ok"], ended["counts"]["total"]) == (2, 2, 4)
    assert ended["state"] == "succeeded"


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_malformed_lines_fail_alone(serving: Daemon, suffix: str) -> None:
    """A bad record is a failed item with its line number; the others run."""
    text = b'{"id": 1}\n\n{"id": \n{"no": "id"}\n{"id": "\xff"}\n{"id": true}\n{"id": 2}\n'
    path = serving.write(f"bad.jsonl{suffix}", gzip.compress(text) if suffix else text)
    name = f"bad{suffix or '.plain'}"
    ended = serving.finish(name, handler="basic:echo", source={"type": "jsonl", "path": path})
    assert ended["state"] == "partial"
    assert [row["id"] for row in serving.results(name)] == ["1", "2"]
    found = serving.failures(name)
    assert [(row["id"], row["line"], row["error"]["type"]) for row in found] == [
        (f"line:{n}", n, "malformed") for n in (3, 4, 5, 6)
    ]
    assert found[1]["item"] == {"no": "id"}


def test_a_csv_row_with_too_few_columns_fails_alone(serving: Daemon) -> None:
    """A short csv row is a failed item with its line; the next row runs."""
    path = serving.write("short.csv", "id,v\n1,a\n2\n3,c\n")
    serving.finish("short", handler="basic:echo", source={"type": "csv", "path": path})
    assert [row["id"] for row in serving.results("short")] == ["1", "3"]
    assert [row["line"] for row in serving.failures("short")] == [3]


def test_a_missing_source_fails_the_job(serving: Daemon) -> None:
    """A source that can't be opened fails the job with its path."""
    ended = serving.finish("nowhere", handler="basic:echo", source={"type": "jsonl", "path": "/nowhere/at/all.jsonl"})
    assert ended["state"] == "failed"
    assert "/nowhere/at/all.jsonl" in ended["error"]


def test_a_truncated_gz_fails_the_job_after_what_is_there(serving: Daemon) -> None:
    """What comes before the damage of a compressed file runs; then the job fails and names the file."""
    whole = gzip.compress(b"".join(b'{"id": %d}\n' % n for n in range(2000)))
    path = serving.write("torn.jsonl.gz", whole[: len(whole) // 2])
    ended = serving.finish("torn", handler="basic:noop", source={"type": "jsonl", "path": path})
    assert ended["state"] == "failed"
    assert "torn.jsonl.gz" in ended["error"]
    assert ended["counts"]["ok"] > 0


def test_an_empty_source_succeeds(serving: Daemon) -> None:
    """A source without items is a job that succeeded with nothing."""
    ended = serving.finish(
        "empty", handler="basic:echo", source={"type": "jsonl", "path": serving.write("empty.jsonl", "")}
    )
    assert (ended["state"], ended["counts"]["total"]) == ("succeeded", 0)
    assert serving.results("empty") == []
