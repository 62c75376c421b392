"""The command that measures: that it runs, not what it finds."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.benchmarks import goals
from tests.benchmarks.row import Row
from tests.benchmarks.scale import QUICK
from tests.benchmarks.stage import Stage


def test_figures_are_printed_and_written(tmp_path: Path) -> None:
    """The same items run here and in a pool; rows are printed, and written as tables in markdown."""
    written, imap = tmp_path / "figures.md", "Pool.imap_unordered(chunksize=100)"
    options = ["--only", "throughput", "--peers", imap, "--quick", "--items", "1000", "--folder", str(tmp_path)]
    command = [sys.executable, goals.__file__, *options, "--markdown", str(written)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert f"… against {imap}" in done.stdout
    tables = written.read_text()
    assert tables.startswith("| runs items | items/s |")
    assert "\n| spoold | " in tables
    assert f"\n| … against {imap} | ≥ 1.00 x | " in tables


def test_a_part_that_crashes_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its row tells the error."""

    def measure(_stage: Stage) -> Iterator[Row]:
        raise RuntimeError("there is\nno bell")

    monkeypatch.setitem(goals.PARTS, "idle", measure)
    row = Row("idle", "RuntimeError: there is", crashed=True)
    assert list(goals.measured(Stage(tmp_path, QUICK), "idle")) == [row]
    assert "crashed" in row.cells()
