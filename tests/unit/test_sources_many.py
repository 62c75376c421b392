from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from spoold.errors import SourceError
from spoold.registry import make_source
from spoold.sources.files import _RECENT_NS
from spoold.sources.identify import identifier

if TYPE_CHECKING:
    from pathlib import Path

    from spoold.sources.base import Source


def source(folder: Path, path: str, kind: str = "jsonl") -> Source:
    """What a manifest with this path names."""
    return make_source({"type": kind, "path": path}, str(folder))


def ids(one: Source, start: int = 0) -> list[Any]:
    """The field `id` of all records."""
    return [json.loads(raw)["id"] for batch in one.batches(start) for raw in batch.raws]


def write(folder: Path, files: dict[str, list[Any]]) -> None:
    """Files of items with these ids."""
    for name, values in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("".join(json.dumps({"id": value}) + "\n" for value in values))


def test_files_follow_each_other_in_order(tmp_path: Path) -> None:
    """Positions go on over files, empty ones and folders; other files are left out."""
    write(tmp_path, {"b.jsonl": [3], "a.jsonl": [1, 2], "c/d.jsonl": [4, 5], "bb.jsonl": [], "x.json": [9]})
    one = source(tmp_path, "**/*.jsonl")
    assert ids(one) == [1, 2, 3, 4, 5]
    assert [ids(one, start) for start in (1, 2, 3, 5)] == [[2, 3, 4, 5], [3, 4, 5], [4, 5], []]
    assert [(batch.n, batch.name) for batch in one.batches()] == [(0, "a.jsonl"), (2, "b.jsonl"), (3, "c/d.jsonl")]
    assert one.describe() == f"jsonl {tmp_path}/**/*.jsonl"


def test_the_place_of_a_malformed_record_names_its_file(tmp_path: Path) -> None:
    """Two files may have one on the same line."""
    write(tmp_path, {"a.jsonl": [1], "b.jsonl": [2]})
    for name in ("a.jsonl", "b.jsonl"):
        with (tmp_path / name).open("a") as file:
            file.write("{\n")
    one = source(tmp_path, "*.jsonl")
    give = identifier(None, one)
    bad = [batch.place(i) for batch in one.batches() for i, k in enumerate(give.identify(batch)) if type(k) is not str]
    assert bad == ["a.jsonl:2", "b.jsonl:2"]


def test_a_file_with_such_a_name_is_that_file(tmp_path: Path) -> None:
    """Only where nothing lies at the path it is a pattern."""
    write(tmp_path, {"[ab].jsonl": [0], "a.jsonl": [1], "b.jsonl": [2]})
    assert ids(source(tmp_path, "[ab].jsonl")) == [0]
    (tmp_path / "[ab].jsonl").unlink()
    assert ids(source(tmp_path, "[ab].jsonl")) == [1, 2]


def test_each_csv_file_has_its_own_header(tmp_path: Path) -> None:
    """Columns may stand in another order."""
    (tmp_path / "a.csv").write_text("id,x\n1,2\n")
    (tmp_path / "b.csv").write_text("x,id\n3,4\n")
    assert ids(source(tmp_path, "?.csv", "csv")) == ["1", "4"]


def test_no_match_is_an_error(tmp_path: Path) -> None:
    """As a missing file is, when it is looked at and when it is read."""
    one = source(tmp_path, "*.jsonl")
    with pytest.raises(SourceError, match=r"no file matches \*\.jsonl; mend the path or `cwd`"):
        one.stat()
    with pytest.raises(SourceError, match="no file matches"):
        next(one.batches())


def test_what_can_not_be_read_is_named_after_what_can(tmp_path: Path) -> None:
    """A file that breaks off ends the source with its own name."""
    write(tmp_path, {"a.jsonl": [1]})
    (tmp_path / "b.jsonl").write_bytes(b"\x1f\x8b\x08")
    found = source(tmp_path, "*.jsonl").batches()
    assert len(next(found).raws) == 1
    with pytest.raises(SourceError, match=r"b\.jsonl: is gzip data"):
        next(found)


def test_the_stat_tells_of_every_file(tmp_path: Path) -> None:
    """Another file, another content, another name are another stat; a file too young to tell makes it None."""
    write(tmp_path, {"a.jsonl": [1], "b.jsonl": [2]})
    one = source(tmp_path, "*.jsonl")
    time.sleep(2 * _RECENT_NS / 1e9)
    stats = [one.stat()]
    for change in ("c.jsonl", "a.jsonl", "b.jsonl"):
        if change == "b.jsonl":
            os.rename(tmp_path / change, tmp_path / "d.jsonl")
        else:
            write(tmp_path, {change: [3]})
        assert one.stat() is None
        time.sleep(2 * _RECENT_NS / 1e9)
        stats.append(one.stat())
        assert one.stat() == stats[-1]
    assert None not in stats
    assert len({json.dumps(stat) for stat in stats}) == 4


def test_a_pattern_that_makes_no_sense_is_refused(tmp_path: Path) -> None:
    """When the source is made."""
    with pytest.raises(SourceError, match="names no files"):
        source(tmp_path, "*/")
