from __future__ import annotations

import contextlib
import csv
import glob
import io
import json
import os
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spoold.errors import SourceError
from spoold.sources.csv import CsvSource
from spoold.sources.fingerprint import BLOCK, Check, Digest
from spoold.sources.glob import GlobSource
from spoold.sources.names import sorted_names

FIELD = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.text('",\n\r a', max_size=6)
NAME = st.sampled_from(["a", "b", "ab", ".h", "d", "d.txt"])
PART = st.sampled_from(["**", "*", "a", "b*", "?", "[ad]*", ".*", "d"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(FIELD, FIELD), max_size=30))
def test_what_the_csv_module_writes_is_read_back(tmp_path: Path, rows: list[tuple[str, str]]) -> None:
    """Any text survives, on the line where its row begins."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerow(["a", "b"])
    begins: list[int] = []
    for row in rows:
        begins.append(text.getvalue().count("\n") + 1)
        writer.writerow(row)
    (tmp_path / "d.csv").write_text(text.getvalue(), newline="", encoding="utf-8")
    batches = list(CsvSource(str(tmp_path / "d.csv")).batches())
    assert [json.loads(raw) for batch in batches for raw in batch.raws] == [{"a": a, "b": b} for a, b in rows]
    assert [batch.line_of(i) for batch in batches for i in range(len(batch.raws))] == begins
    assert not any(batch.faults for batch in batches)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(NAME, min_size=1, max_size=4).map("/".join), max_size=10),
    st.lists(PART, min_size=1, max_size=4).map("/".join),
)
def test_a_glob_finds_the_files_that_pythons_glob_finds(files: list[str], pattern: str) -> None:
    """Without links the two agree, and each path comes once."""
    with tempfile.TemporaryDirectory() as root:
        for file in files:
            path = Path(root, file)
            with contextlib.suppress(IsADirectoryError, FileExistsError, NotADirectoryError):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
        found = glob.glob(pattern, root_dir=root, recursive=True)
        expected = {path for path in found if os.path.isfile(os.path.join(root, path))}
        try:
            paths = [json.loads(raw)["path"] for batch in GlobSource(pattern, root).batches() for raw in batch.raws]
        except SourceError:
            paths = []  # the directory it begins with is not there
        assert len(paths) == len(set(paths))
        assert set(paths) == expected


@given(
    st.lists(st.binary(min_size=1, max_size=6).map(lambda b: b.replace(b"/", b"-").replace(b"\0", b"-"))),
    st.integers(1, 5),
)
def test_names_are_sorted_whatever_the_run(names: list[bytes], run: int) -> None:
    """Spilling to disk changes nothing in the order."""
    assert list(sorted_names(names, run=run)) == sorted(names)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 50_000), min_size=1, max_size=8), st.integers(0, 3 * BLOCK), st.integers(0, 4 * BLOCK))
def test_a_digest_does_not_depend_on_batches(sizes: list[int], length: int, changed: int) -> None:
    """Records are met again in any batches; a change is seen in its block, and only within the recorded prefix."""
    records = [b"%d" % k for k in range(length)]
    digest = Digest()
    marks = digest.feed(records)
    last = digest.mark()
    blocks = {mark.block: (mark.items, mark.digest) for mark in [*marks, *([last] if last else [])]}
    records += [b"more"] * (4 * BLOCK - length)
    for change in (False, True):
        if change:
            records[changed : changed + 1] = [b"other"]
        check = Check(blocks)
        at = 0
        while at < len(records):
            size = sizes[at % len(sizes)]
            check.feed(records[at : at + size])
            at += size
        assert check.unchanged is not (change and changed < length)
        assert check.changed == (changed // BLOCK if change and changed < length else None)
